"""One row a horizon and symbol: rank, action, target, probabilities, risk and suggested size, from calibrated numbers.

The rule, and all of it. What a symbol's `edge` is: its expected return less the mean expected return of all that are
ranked with it, so what the model itself says; a market that rises for all is nobody's skill. `round_trip_cost` is what
buying and selling again would cost at the largest size that the limits allow.

buy
    Expected return and edge are both above the round trip's cost, and up is likelier than down.
sell
    The edge is below minus the round trip's cost, and down is likelier than up: leave it where it is held. Nothing is
    sold short.
hold
    All else: also everything where nothing is calibrated, and where calibration found no edge.

`trust` stands beside each action: whether the served model's skill is proven. The rule does not read it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from nightdesk.evaluation.backtest import Costs
from nightdesk.recommend.holdings import COST, SHARES
from nightdesk.recommend.risk import CVAR, DOLLAR_VOLUME, VALUE_AT_RISK, VOLATILITY, daily_returns, over_days
from nightdesk.recommend.sizing import (
    ACTION,
    BUY,
    EDGE,
    HELD,
    HOLD,
    LIMITS,
    SECTOR,
    SELL,
    TRADABLE,
    WEIGHT,
    Limits,
    sized,
)
from nightdesk.scoring.metrics import EQUITY_DAYS
from nightdesk.tables import CLOSE, DATE, HORIZON, MARKET, SYMBOL

TRUST, ROUND_TRIP = "trust", "round_trip_cost"
EXPECTED, LOWER, UPPER = "expected_return", "lower", "upper"
DOWN, FLAT, UP = "probability_down", "probability_flat", "probability_up"
CONFIDENCE, RISK_ADJUSTED = "confidence", "risk_adjusted_score"
TARGET, TARGET_LOW, TARGET_HIGH = "target", "target_low", "target_high"
HORIZON_VAR, HORIZON_CVAR = "value_at_risk_horizon", "cvar_horizon"
HELD_SHARES, TRADE, REASONS = "held_shares", "trade_shares", "reasons"

CALIBRATED: Final = {
    HORIZON: pl.Int64,
    SYMBOL: pl.String,
    **dict.fromkeys((EXPECTED, LOWER, UPPER, DOWN, FLAT, UP, CONFIDENCE), pl.Float64),
}
"""What a calibration says of tonight's served forecasts: returns are fractions over the horizon, null where none."""

NO_EDGE: Final = 1e-9
"""Expected returns that differ by less are one: the calibration found no slope."""

_WHOLE, _PARTS = 1.0, 1e-6


def judged(
    ranking: pl.DataFrame,
    calibrated: pl.DataFrame,
    risk: pl.DataFrame,
    skill: Mapping[int, str],
    costs: Costs,
    limits: Limits,
    annual_days: int = EQUITY_DAYS,
) -> pl.DataFrame:
    """Judge every ranked symbol by the rule of this module.

    Parameters
    ----------
    ranking
        As `publish.ranking.ranking` gives it.
    calibrated
        `CALIBRATED`; a symbol without a row has nulls.
    risk
        As `risk.risk_of` gives it, symbol by symbol.
    skill
        Horizon to the skill tag of who is served there.
    costs, limits
        What trading costs, and the sizes for which it is reckoned.

    Returns
    -------
    DataFrame
        The rows of `ranking` in their order, with action, trust, expected_return, edge, round_trip_cost (fractions),
        target, target_low, target_high (close times 1 + return), the three probabilities, confidence,
        risk_adjusted_score (expected return over volatility, both over the horizon), volatility and the other columns
        of risk, and both tail losses over the horizon. What cannot be said is null.
    """
    group = [HORIZON, *([MARKET] if MARKET in ranking.columns else [])]
    joined = ranking.join(calibrated.select(*CALIBRATED), on=[HORIZON, SYMBOL], how="left", maintain_order="left").join(
        risk, on=SYMBOL, how="left", maintain_order="left"
    )
    largest = (limits.max_weight * limits.capital / pl.col(DOLLAR_VOLUME)).clip(upper_bound=limits.max_participation)
    impact = costs.impact * pl.col(VOLATILITY) / math.sqrt(annual_days) * largest.sqrt()
    over_horizon = (pl.col(HORIZON) / annual_days).sqrt()
    edge = pl.col(EXPECTED) - pl.col(EXPECTED).mean().over(group)
    spread = (pl.col(EXPECTED).max() - pl.col(EXPECTED).min()).over(group)
    told = joined.with_columns(
        pl.when(spread > NO_EDGE).then(edge).otherwise(edge * 0.0).alias(EDGE),
        (2.0 * (costs.commission + costs.half_spread + impact)).alias(ROUND_TRIP),
        pl.lit(None, pl.String).alias(TRUST)
        if not skill
        else pl.col(HORIZON).replace_strict(dict(skill), default=None, return_dtype=pl.String).alias(TRUST),
        (pl.col(CLOSE) * (1.0 + pl.col(EXPECTED))).alias(TARGET),
        (pl.col(CLOSE) * (1.0 + pl.col(LOWER))).alias(TARGET_LOW),
        (pl.col(CLOSE) * (1.0 + pl.col(UPPER))).alias(TARGET_HIGH),
        (pl.col(EXPECTED) / (pl.col(VOLATILITY) * over_horizon)).alias(RISK_ADJUSTED),
        over_days(pl.col(VALUE_AT_RISK), pl.col(HORIZON)).alias(HORIZON_VAR),
        over_days(pl.col(CVAR), pl.col(HORIZON)).alias(HORIZON_CVAR),
    )
    return told.with_columns(_action().alias(ACTION))


def _action() -> pl.Expr:
    """The rule; a comparison with null is null, and so nothing but hold."""
    buy = (pl.min_horizontal(EXPECTED, EDGE) > pl.col(ROUND_TRIP)) & pl.col(EDGE).is_not_null()
    sell = pl.col(EDGE) < -pl.col(ROUND_TRIP)
    likelier_up, likelier_down = pl.col(UP) > pl.col(DOWN), pl.col(DOWN) > pl.col(UP)
    return (
        pl.when(buy & likelier_up)
        .then(pl.lit(BUY))
        .when(sell & likelier_down)
        .then(pl.lit(SELL))
        .otherwise(pl.lit(HOLD))
    )


def with_sizes(
    judged: pl.DataFrame,
    bars: pl.DataFrame,
    sectors: pl.DataFrame,
    holdings: pl.DataFrame | None,
    limits: Limits,
    *,
    lead: str = "",
    annual_days: int = EQUITY_DAYS,
    whole_shares: bool = True,
) -> pl.DataFrame:
    """Add suggested sizes to what was `judged`, each horizon a book of its own over the whole capital.

    Parameters
    ----------
    bars
        `tables.BARS` known tonight, of the lead market.
    sectors
        symbol, sector; a symbol without a row has none.
    holdings
        symbol, shares, cost (as `holdings.read_holdings`); None where nobody told what is held.
    lead
        Of several markets the one whose symbols are sized: no currency is converted.
    whole_shares
        False where a millionth of a share can be traded: crypto.

    Returns
    -------
    DataFrame
        The same rows with sector, held_shares, held_weight (fraction of the capital; null where holdings are not
        known), cost (paid for a share), weight, shares (rounded down, but for what is kept as it is), trade_shares
        (shares less held_shares; of all where none is known to be held), limits. Of a market beside the lead weight,
        shares, trade_shares and limits are null.
    """
    closes = bars.sort(DATE).group_by(SYMBOL, maintain_order=True).agg(pl.col(CLOSE).drop_nulls().last())
    held = _held(holdings, closes, limits)
    rows = judged.join(sectors.select(SYMBOL, SECTOR).unique(SYMBOL), on=SYMBOL, how="left", maintain_order="left")
    rows = rows.join(held.drop("last_close"), on=SYMBOL, how="left", maintain_order="left")
    if holdings is not None:
        rows = rows.with_columns(pl.col(HELD_SHARES, HELD).fill_null(0.0))
    parts = []
    for part in rows.partition_by(HORIZON, maintain_order=True):
        own = part if MARKET not in part.columns else part.filter(pl.col(MARKET) == lead)
        weights = _weights(
            own, _sectored(held, sectors), bars, limits, annual_days, holdings_known=holdings is not None
        )
        parts.append(part.join(weights, on=SYMBOL, how="left", maintain_order="left"))
    if not parts:
        return rows.with_columns(
            *(pl.lit(None, pl.Float64).alias(name) for name in (WEIGHT, SHARES, TRADE)),
            pl.lit(None, pl.List(pl.String)).alias(LIMITS),
        )
    unit = _WHOLE if whole_shares else _PARTS
    exact = pl.col(WEIGHT) * limits.capital / pl.col(CLOSE)
    kept = (pl.col(WEIGHT) - pl.col(HELD)).abs() <= NO_EDGE
    # Of a number that was a whole one before it was divided and multiplied again, none is lost.
    shares = pl.when(kept).then(pl.col(HELD_SHARES)).otherwise((exact / unit + NO_EDGE).floor() * unit)
    sized_rows = pl.concat(parts).with_columns(shares.alias(SHARES))
    return sized_rows.with_columns((pl.col(SHARES) - pl.col(HELD_SHARES).fill_null(0.0)).alias(TRADE))


def _held(holdings: pl.DataFrame | None, closes: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """What is held, at its last known close: symbol, held_shares, cost, last_close, held_weight."""
    schema = {SYMBOL: pl.String, HELD_SHARES: pl.Float64, COST: pl.Float64, "last_close": pl.Float64, HELD: pl.Float64}
    if holdings is None:
        return pl.DataFrame(schema=schema)
    priced = holdings.join(closes.select(pl.col(SYMBOL).cast(pl.String), CLOSE), on=SYMBOL, how="left")
    return priced.select(
        SYMBOL,
        pl.col(SHARES).alias(HELD_SHARES),
        COST,
        pl.col(CLOSE).alias("last_close"),
        (pl.col(SHARES) * pl.col(CLOSE) / limits.capital).fill_null(0.0).alias(HELD),
    ).cast(schema)  # type: ignore[arg-type]


def _sectored(held: pl.DataFrame, sectors: pl.DataFrame) -> pl.DataFrame:
    return held.join(sectors.select(SYMBOL, SECTOR).unique(SYMBOL), on=SYMBOL, how="left", maintain_order="left")


def _weights(
    rows: pl.DataFrame,
    held: pl.DataFrame,
    bars: pl.DataFrame,
    limits: Limits,
    annual_days: int,
    *,
    holdings_known: bool,
) -> pl.DataFrame:
    """Weights of one horizon's symbols; what is held without being ranked takes its room, and is not traded."""
    columns = (SYMBOL, ACTION, EDGE, VOLATILITY, DOLLAR_VOLUME, SECTOR, HELD)
    ranked = rows.select(*columns, pl.lit(True).alias(TRADABLE)).with_columns(pl.col(HELD).fill_null(0.0))
    known = set(ranked[SYMBOL].to_list())
    others = held.filter(~pl.col(SYMBOL).is_in(list(known))).select(
        SYMBOL,
        pl.lit(HOLD).alias(ACTION),
        *(pl.lit(None, pl.Float64).alias(name) for name in (EDGE, VOLATILITY, DOLLAR_VOLUME)),
        SECTOR,
        HELD,
        pl.lit(False).alias(TRADABLE),
    )
    candidates = pl.concat([ranked, others])
    asked = candidates.filter((pl.col(ACTION) == BUY) | (pl.col(HELD) > 0.0))
    if asked.is_empty():
        return ranked.select(SYMBOL, pl.lit(0.0).alias(WEIGHT), pl.lit([], pl.List(pl.String)).alias(LIMITS))
    returns = daily_returns(bars, asked[SYMBOL].to_list())
    weights = sized(asked, returns, limits, holdings_known=holdings_known, annual_days=annual_days)
    filled = ranked.select(SYMBOL).join(weights, on=SYMBOL, how="left", maintain_order="left")
    return filled.with_columns(pl.col(WEIGHT).fill_null(0.0), pl.col(LIMITS).fill_null(pl.lit([], pl.List(pl.String))))
