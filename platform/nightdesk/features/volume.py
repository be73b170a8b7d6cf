"""Volume: how much is traded relative to usual, and on which side of the price."""

from __future__ import annotations

import numpy as np

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged, ratio, window_mean
from nightdesk.tables import CLOSE, HIGH, LOW, VOLUME

# Typical prices closer than this share are equal: thirds of sums of ticks differ by rounding that the price
# basis decides, and the whole day's flow would change sides with it.
_EQUAL_PRICES = 1e-12


def volume_ratio(runs: Runs, volume: Values, window: int) -> Values:
    """Volume over its mean of the last `window` bars; 1 where nothing was traded in the window."""
    return ratio(volume, window_mean(runs, volume, window), 1.0)


def money_flow(runs: Runs, high: Values, low: Values, close: Values, volume: Values, window: int) -> Values:
    """Money flow index, 0 to 100; 50 where no money flowed.

    Not TA-Lib's: its running sums keep a residue of flows long gone, and it takes any sum below 1 for none.
    """
    typical = (high + low + close) / 3.0
    change = typical / lagged(runs, typical, 1) - 1.0
    side = np.where(np.abs(change) < _EQUAL_PRICES, 0.0, np.sign(change))
    flow = typical * volume * np.abs(side)
    inflow = np.where(side < 0.0, 0.0, flow)
    return 100.0 * ratio(window_mean(runs, inflow, window), window_mean(runs, flow, window), 0.5)


def chaikin_money_flow(runs: Runs, high: Values, low: Values, close: Values, volume: Values, window: int) -> Values:
    """Chaikin's money flow, -1 to 1; 0 where nothing was traded."""
    side = ratio((close - low) - (high - close), high - low, 0.0)
    return ratio(window_mean(runs, side * volume, window), window_mean(runs, volume, window), 0.0)


VOLUME_RATIO_20 = Indicator(
    name="volume_ratio_20",
    group="volume",
    inputs=(VOLUME,),
    parameters={"window": 20},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="ratio",
    meaning="volume over the mean volume of the last 20 bars, this one included; 1 where nothing was traded in them",
    source="Gervais, Kaniel & Mingelgrin 2001, Journal of Finance 56(3)",
    compute=volume_ratio,
)
MFI_14 = Indicator(
    name="mfi_14",
    group="volume",
    inputs=(HIGH, LOW, CLOSE, VOLUME),
    parameters={"window": 14},
    warm_up=14,
    look_back=15,
    tolerance=0.0,
    unit="points, 0 to 100",
    meaning="money flow index: typical price times volume on days when the typical price rose, over the same"
    " on days when it rose or fell, times 100; typical prices within 1e-12 are equal; 50 where there was no"
    " flow",
    source="Quong & Soudack 1989, Technical Analysis of Stocks & Commodities 7(3)",
    compute=money_flow,
)
CHAIKIN_MONEY_FLOW_20 = Indicator(
    name="chaikin_money_flow_20",
    group="volume",
    inputs=(HIGH, LOW, CLOSE, VOLUME),
    parameters={"window": 20},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="fraction, -1 to 1",
    meaning="volume weighted by where the close lies in its bar (-1 at the low, 1 at the high, 0 in a bar"
    " without range), over all volume of 20 bars; 0 where nothing was traded",
    source="Chaikin's money flow; Murphy 1999, Technical Analysis of the Financial Markets, chapter 7",
    compute=chaikin_money_flow,
)
