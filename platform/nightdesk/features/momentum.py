"""Momentum: what a symbol's close returned over the past days, and its short-term reversal."""

from __future__ import annotations

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged
from nightdesk.tables import CLOSE


def price_return(runs: Runs, close: Values, days: int) -> Values:
    """Return over the last `days` bars, a fraction."""
    return close / lagged(runs, close, days) - 1.0


def reversal(runs: Runs, close: Values, days: int) -> Values:
    """Minus the return over the last `days` bars, a fraction."""
    return -price_return(runs, close, days)


def skipping_momentum(runs: Runs, close: Values, far: int, near: int) -> Values:
    """Return from the close `far` bars ago to the close `near` bars ago, a fraction."""
    return lagged(runs, close, near) / lagged(runs, close, far) - 1.0


RETURN_1 = Indicator(
    name="return_1",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 1},
    warm_up=1,
    look_back=2,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close one bar ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
RETURN_20 = Indicator(
    name="return_20",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 20},
    warm_up=20,
    look_back=21,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close 20 bars ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
RETURN_60 = Indicator(
    name="return_60",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 60},
    warm_up=60,
    look_back=61,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close 60 bars ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
MOMENTUM_252_21 = Indicator(
    name="momentum_252_21",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"far": 252, "near": 21},
    warm_up=252,
    look_back=253,
    tolerance=0.0,
    unit="fraction",
    meaning="close 21 bars ago over the close 252 bars ago, minus 1: a year's return without its last month",
    source="Jegadeesh & Titman 1993, Journal of Finance 48(1); the skipped month as in Asness 1994",
    compute=skipping_momentum,
)
REVERSAL_5 = Indicator(
    name="reversal_5",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 5},
    warm_up=5,
    look_back=6,
    tolerance=0.0,
    unit="fraction",
    meaning="minus the return over the last 5 bars: high after a fall",
    source="Lehmann 1990, Quarterly Journal of Economics 105(1)",
    compute=reversal,
)
