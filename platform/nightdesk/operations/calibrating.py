"""What the served models' scores of a night mean: returns, intervals, probabilities and a confidence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from nightdesk.ensemble.adaptive import walked
from nightdesk.ensemble.calibration import KeptCalibration
from nightdesk.ensemble.confidence import CONFIDENCE, violation
from nightdesk.ensemble.conformal import LOWER, UPPER
from nightdesk.ensemble.expected_return import EXPECTED_RETURN
from nightdesk.ensemble.kept import from_json
from nightdesk.ensemble.probabilities import PROBABILITIES
from nightdesk.labels.columns import KNOWN_DATE
from nightdesk.labels.exits import GONE_AFTER
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.bundle import Bundle
from nightdesk.operations.night import Night
from nightdesk.operations.panel import first_day, met_tonight, panel_of, volatility_of
from nightdesk.store.decisions import Serving, serving_on
from nightdesk.store.forecasts import said_by
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL

COLUMNS: Final = (EXPECTED_RETURN, LOWER, UPPER, *PROBABILITIES.values(), CONFIDENCE)
"""What is said of a symbol beside its score: fractions over the horizon, and chances."""

_SCHEMA: Final = {HORIZON: pl.Int64, SYMBOL: pl.String, **dict.fromkeys(COLUMNS, pl.Float64)}
_NOT_KEPT: Final = "the served model was fitted before calibrations were kept: the next training brings one"


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """What a served model's scores mean tonight: horizon, symbol and `COLUMNS`; and what is withheld, and why."""

    horizon: int
    rows: pl.DataFrame
    note: str


def calibrated(night: Night, forecasts: pl.DataFrame, bars: pl.DataFrame | None = None) -> pl.DataFrame:
    """Say what tonight's scores of the served models mean.

    A pure function of the store: the calibration lies in the served model's bundle, and its intervals and confidence go
    on from there by what that model itself has logged since, once the outcomes were known. So a replay says the same.

    Parameters
    ----------
    forecasts
        Tonight's, as `store.forecasts.forecasts_of` gives them: horizon, symbol, score, served, model_content are read.
    bars
        All bars known tonight, where they are at hand (`panel_of`).

    Returns
    -------
    DataFrame
        horizon, symbol, expected_return, lower, upper (fractions over the horizon, dividends left out),
        probability_down, probability_flat, probability_up, confidence (fractions), all Float64; by horizon and symbol.
        Null where nothing can be said: `calibration_notes` says why.

    Raises
    ------
    ModelBroken
        A served model is not what was registered, or what it keeps cannot be read.
    RegistryUnavailable
        The registry, or what keeps its files, does not answer.
    """
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *(one.rows for one in spoken(night, forecasts, bars))])


def calibration_notes(night: Night, forecasts: pl.DataFrame, bars: pl.DataFrame | None = None) -> pl.DataFrame:
    """Say what of `calibrated` is withheld, and why: horizon, text; no row of a horizon at which nothing is.

    Arguments and errors are those of `calibrated`.
    """
    notes = [(one.horizon, one.note) for one in spoken(night, forecasts, bars) if one.note]
    return pl.DataFrame(notes, schema={HORIZON: pl.Int64, "text": pl.String}, orient="row")


def spoken(night: Night, forecasts: pl.DataFrame, bars: pl.DataFrame | None = None) -> list[Spoken]:
    """What `calibrated` and `calibration_notes` say, by horizon; arguments and errors are theirs."""
    served = forecasts.filter("served").sort(HORIZON, SYMBOL)
    if served.is_empty():
        return []
    known = panel_of(night) if bars is None else bars
    volatility = volatility_of(night, known)
    serving = {one.horizon: one for one in serving_on(night.engine, night.realm, night.as_of)}
    parts = served.partition_by(HORIZON, as_dict=True, maintain_order=True)
    return [_spoken(night, rows, serving[horizon], known, volatility) for (horizon,), rows in parts.items()]


def calibration_of(night: Night, one: Serving) -> KeptCalibration:
    """The calibration in the bundle of a registered model, or why there is none.

    Raises ModelBroken where the model is not what was registered, RegistryUnavailable where it cannot be reached.
    """
    version = ModelVersion(model_name(night.realm, one.horizon), one.version, "", one.content)
    return kept_in(load_version(night.tracking, version))


def kept_in(bundle: Bundle) -> KeptCalibration:
    """The calibration that a bundle keeps, or why it keeps none; ModelBroken where it cannot be read."""
    if bundle.calibration is None:
        return KeptCalibration(None, _NOT_KEPT)
    return from_json(KeptCalibration, bundle.calibration)


def _spoken(night: Night, rows: pl.DataFrame, one: Serving, bars: pl.DataFrame, volatility: pl.DataFrame) -> Spoken:
    kept = calibration_of(night, one)
    if kept.found is None:
        silent = rows.select(HORIZON, SYMBOL, *(pl.lit(None, pl.Float64).alias(name) for name in COLUMNS))
        return Spoken(one.horizon, silent, kept.reason)
    calibration = kept.found.calibration
    before = said_by(night.engine, night.realm, one.horizon, one.content, night.as_of - dt.timedelta(days=1))
    came = _came(night, before, bars)
    broken = violation(came, one.horizon) if came.height else None
    if calibration.confidence is not None and broken is not None:
        said = f"{broken.reason} since it was fitted"
        calibration = replace(calibration, confidence=None, confidence_said=said)
    tonight = rows.select(pl.lit(night.as_of).alias(DATE), SYMBOL, SCORE)
    every = pl.concat([before.select(pl.col("as_of").alias(DATE), SYMBOL, SCORE), tonight])
    told, _ = walked(calibration.intervals, calibration.without_bounds(_beside(every, came, bars, volatility)))
    shown = told.filter(pl.col(DATE) == night.as_of).select(
        pl.lit(one.horizon, pl.Int64).alias(HORIZON), SYMBOL, *(pl.col(name).cast(pl.Float64) for name in COLUMNS)
    )
    return Spoken(one.horizon, shown.sort(SYMBOL), calibration.confidence_said)


def _came(night: Night, before: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """What came of earlier forecasts whose night is settled: as `met_tonight`, known_date that of the whole night."""
    met = met_tonight(night, before, bars)
    # Of a symbol that no label comes of any more, that is known once it has been gone for so long.
    days = night.days(first_day(night, bars))
    gone = pl.DataFrame(
        {"exit_date": days[:-GONE_AFTER], "settled": days[GONE_AFTER:]},
        schema={"exit_date": pl.Date, "settled": pl.Date},
    )
    known = pl.coalesce(KNOWN_DATE, "settled").max().over(DATE)
    return met.join(gone, on="exit_date", how="left", maintain_order="left").with_columns(known.alias(KNOWN_DATE))


def _beside(every: pl.DataFrame, came: pl.DataFrame, bars: pl.DataFrame, volatility: pl.DataFrame) -> pl.DataFrame:
    """Forecasts beside what came of them, null where that is not known, and the symbol's volatility of that evening."""
    keys = [DATE, SYMBOL]
    outcomes = came.select(*keys, FORWARD_RETURN)
    settled = came.group_by(DATE).agg(pl.col(KNOWN_DATE).max())
    rows = (
        every.join(outcomes, on=keys, how="left", maintain_order="left")
        .join(settled, on=DATE, how="left", maintain_order="left")
        .join(volatility, on=keys, how="left", maintain_order="left")
    )
    if MARKET not in bars.columns:
        return rows
    return rows.join(bars.select(SYMBOL, MARKET).unique(), on=SYMBOL, how="left", maintain_order="left")
