"""Shape of a single bar: its opening gap, and where in its range it closed."""

from __future__ import annotations

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged, ratio
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN


def opening_gap(runs: Runs, open_: Values, close: Values) -> Values:
    """Open over the previous bar's close, minus 1, a fraction."""
    return open_ / lagged(runs, close, 1) - 1.0


def position_in_range(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    """Where the close lies in its bar: 0 at the low, 1 at the high, 0.5 in a bar without range."""
    return ratio(close - low, high - low, 0.5)


GAP_OPEN = Indicator(
    name="gap_open",
    group="bars",
    inputs=(OPEN, CLOSE),
    parameters={},
    warm_up=1,
    look_back=2,
    tolerance=0.0,
    unit="fraction",
    meaning="open over the previous bar's close, minus 1",
    source="overnight return; Lou, Polk & Skouras 2019, Journal of Financial Economics 134(1)",
    compute=opening_gap,
)
RANGE_POSITION = Indicator(
    name="range_position",
    group="bars",
    inputs=(HIGH, LOW, CLOSE),
    parameters={},
    warm_up=0,
    look_back=1,
    tolerance=0.0,
    unit="fraction of the bar's range",
    meaning="close above the low, over high minus low; 0.5 where they are equal; outside 0 to 1 only in a"
    " bar that breaks the order of its prices",
    source="the raw stochastic of one bar; Lane 1984, Technical Analysis of Stocks & Commodities 2(3)",
    compute=position_in_range,
)
