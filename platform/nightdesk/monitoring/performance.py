"""How served models did: rolling mean rank IC with its band, by slice, and whether it fell below what was promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.evaluation.slices import REGIME, SECTOR, SLICE, by_slice, by_year
from nightdesk.monitoring.relation import PROMISED
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC, SYMBOLS, daily_rank_ic, rank_ic_within_markets
from nightdesk.tables import DATE, HORIZON, MODEL, SYMBOL

WINDOW: Final = 120
BAND_LEVEL: Final = 0.99
YEAR, SLICINGS = "year", (REGIME, SECTOR)
"""By what a performance is sliced: the year of the forecast, then what is entered with each matured night."""

ROLLING: Final = {
    "as_of": pl.Date,
    "mean": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    PROMISED: pl.Float64,
}
SLICED: Final = {
    "slicing": pl.String,
    SLICE: pl.String,
    "days": pl.Int64,
    "mean": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Band:
    """Mean rank IC of the last nights with its 99 % band, and the promise; None all where nights are too few."""

    nights: int
    mean: float | None
    lower: float | None
    upper: float | None
    promised: float | None

    @property
    def degraded(self) -> bool:
        """Whether the whole band lies below what was promised, and below half of it is the mean itself."""
        if self.upper is None or self.mean is None or self.promised is None or self.promised <= 0.0:
            return False
        return self.upper < self.promised and self.mean < self.promised / 2


def judge_performance(nights: pl.DataFrame, horizon: int) -> Band:
    """Hold the last 120 matured nights (more at long horizons: six spans) against their mean promise.

    `nights` are those of one horizon, as `relation.with_promises` gives them. Undefined on fewer nights than that.
    """
    window = window_of(horizon)
    known = nights.drop_nulls([RANK_IC, PROMISED]).tail(window)
    if known.height < window:
        return Band(known.height, None, None, None, None)
    found = mean_interval(known[RANK_IC], horizon, BAND_LEVEL)
    promised = known[PROMISED].to_numpy().mean()
    return Band(known.height, found.mean, found.lower, found.upper, float(promised))


def window_of(horizon: int) -> int:
    """Nights over which the mean is taken at `horizon`: 120, or six spans of overlapping labels."""
    return max(WINDOW, 6 * horizon)


def rolling_band(nights: pl.DataFrame, horizon: int, points: int = 60) -> pl.DataFrame:
    """The mean and its 95 % band over the last nights, as they stood on up to `points` nights spread over all.

    Returns as_of, mean, lower, upper, promised of those nights at which an interval was defined; the last night is
    among them.
    """
    known = nights.drop_nulls(RANK_IC).sort("as_of")
    rows = []
    step = max(1, known.height // points)
    for end in range(known.height, 0, -step):
        window = known.slice(max(0, end - window_of(horizon)), min(end, window_of(horizon)))
        found = mean_interval(window[RANK_IC], horizon)
        if found.defined:
            last = window.row(-1, named=True)
            rows.append((last["as_of"], found.mean, found.lower, found.upper, last[PROMISED]))
    return pl.DataFrame(rows[::-1], schema=ROLLING, orient="row")


def sliced(nights: pl.DataFrame, slices: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Mean rank IC with its 95 % interval by year, regime and sector.

    Parameters
    ----------
    nights
        as_of, rank_ic of the served forecasts of one horizon.
    slices
        as_of, slicing, slice, rank_ic of the same, as `slice_scores` made them.

    Returns
    -------
    DataFrame
        slicing, slice, days, mean, lower, upper (null: too few days); sorted.
    """
    parts = [by_year(nights.select(pl.col("as_of").alias(DATE), RANK_IC), horizon).with_columns(slicing=pl.lit(YEAR))]
    for slicing in SLICINGS:
        daily = slices.filter(slicing=slicing).select(pl.col("as_of").alias(DATE), SLICE, RANK_IC)
        parts.append(by_slice(daily, horizon).with_columns(slicing=pl.lit(slicing)))
    return pl.concat(parts).select(list(SLICED))


def slice_scores(met: pl.DataFrame, regimes: pl.DataFrame, sectors: pl.DataFrame | None) -> pl.DataFrame:
    """Score matured forecasts by the market's regime on their night, and within each sector.

    Parameters
    ----------
    met
        date, horizon, model, symbol, score, forward_return (and market) of forecasts that have matured.
    regimes
        date, regime (null: not known), as `evaluation.slices.volatility_regimes` gives them.
    sectors
        date, symbol, sector as known that night; None where no list of members is known.

    Returns
    -------
    DataFrame
        as_of, horizon, model, slicing, slice, rank_ic (null where undefined), symbols; sorted.
    """
    keys = (HORIZON, MODEL)
    whole = rank_ic_within_markets(met, by=keys).join(regimes.drop_nulls(REGIME).select(DATE, REGIME), on=DATE)
    parts = [whole.rename({REGIME: SLICE}).with_columns(slicing=pl.lit(REGIME))]
    if sectors is not None:
        placed = met.join(sectors.drop_nulls(SECTOR), on=[DATE, SYMBOL])
        parts.append(
            daily_rank_ic(placed, (*keys, SECTOR)).rename({SECTOR: SLICE}).with_columns(slicing=pl.lit(SECTOR))
        )
    columns = [pl.col(DATE).alias("as_of"), *keys, "slicing", SLICE, RANK_IC, pl.col(SYMBOLS).cast(pl.Int64)]
    return pl.concat([part.select(columns) for part in parts]).sort("as_of", *keys, "slicing", SLICE)
