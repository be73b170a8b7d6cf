"""Every indicator again, as a plain loop over one symbol's bars, written from its published definition.

Moves that decide a side (ADX, MFI) are compared in decimals, exactly as prices are quoted.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from statistics import fmean, pstdev, stdev
from typing import NamedTuple


class Bar(NamedTuple):
    open: float
    high: float
    low: float
    close: float
    volume: float


Column = list[float | None]


def from_bar(bars: Sequence[Bar], first: int, value: Callable[[int], float]) -> Column:
    return [None if t < first else value(t) for t in range(len(bars))]


def exact(number: float) -> Decimal:
    return Decimal(repr(number))


def returned(bars: Sequence[Bar], far: int, near: int = 0) -> Column:
    return from_bar(bars, far, lambda t: bars[t - near].close / bars[t - far].close - 1)


def reversal(bars: Sequence[Bar]) -> Column:
    return from_bar(bars, 5, lambda t: -(bars[t].close / bars[t - 5].close - 1))


def sma_gap(bars: Sequence[Bar]) -> Column:
    return from_bar(bars, 19, lambda t: bars[t].close / fmean(bar.close for bar in bars[t - 19 : t + 1]) - 1)


def ema(values: Sequence[float], window: int, first: int) -> dict[int, float]:
    """Exponential average from bar `first` on, begun there at the mean of the last `window` values."""
    out: dict[int, float] = {}
    for t in range(first, len(values)):
        if t == first:
            out[t] = fmean(values[t - window + 1 : t + 1])
        else:
            out[t] = out[t - 1] + 2 / (window + 1) * (values[t] - out[t - 1])
    return out


def ema_gap(bars: Sequence[Bar]) -> Column:
    average = ema([bar.close for bar in bars], 50, 49)
    return from_bar(bars, 49, lambda t: bars[t].close / average[t] - 1)


def macd_histogram(bars: Sequence[Bar]) -> Column:
    closes = [bar.close for bar in bars]
    fast, slow = ema(closes, 12, 25), ema(closes, 26, 25)
    line = [0.0 if t < 25 else fast[t] - slow[t] for t in range(len(bars))]
    signal = ema(line, 9, 33)
    return from_bar(bars, 33, lambda t: (line[t] - signal[t]) / closes[t])


def wilder(values: Sequence[float], first: int, window: int = 14) -> dict[int, float]:
    """Wilder's average of values known from bar `first` on."""
    out: dict[int, float] = {}
    for t in range(first + window - 1, len(values)):
        if t == first + window - 1:
            out[t] = fmean(values[first : t + 1])
        else:
            out[t] = (out[t - 1] * (window - 1) + values[t]) / window
    return out


def true_ranges(bars: Sequence[Bar]) -> list[float]:
    return [
        0.0 if t == 0 else max(bars[t].high, bars[t - 1].close) - min(bars[t].low, bars[t - 1].close)
        for t in range(len(bars))
    ]


def adx(bars: Sequence[Bar]) -> Column:
    plus, minus = [0.0], [0.0]
    for t in range(1, len(bars)):
        up = exact(bars[t].high) - exact(bars[t - 1].high)
        down = exact(bars[t - 1].low) - exact(bars[t].low)
        plus.append(float(up) if up > down and up > 0 else 0.0)
        minus.append(float(down) if down > up and down > 0 else 0.0)
    plus_average, minus_average, ranges = wilder(plus, 1), wilder(minus, 1), wilder(true_ranges(bars), 1)
    index = [0.0] * len(bars)
    for t in range(14, len(bars)):
        if plus_average[t] + minus_average[t] > 0:
            plus_di, minus_di = 100 * plus_average[t] / ranges[t], 100 * minus_average[t] / ranges[t]
            index[t] = 100 * abs(plus_di - minus_di) / (plus_di + minus_di)
    average = wilder(index, 14)
    return from_bar(bars, 27, lambda t: average[t])


def rsi(bars: Sequence[Bar]) -> Column:
    moves = [0.0] + [bars[t].close - bars[t - 1].close for t in range(1, len(bars))]
    rise = wilder([max(move, 0.0) for move in moves], 1)
    fall = wilder([max(-move, 0.0) for move in moves], 1)
    return from_bar(bars, 14, lambda t: 100 * rise[t] / (rise[t] + fall[t]) if rise[t] + fall[t] else 50.0)


def stochastic(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        lowest = min(bar.low for bar in bars[t - 13 : t + 1])
        highest = max(bar.high for bar in bars[t - 13 : t + 1])
        return 100 * (bars[t].close - lowest) / (highest - lowest) if highest > lowest else 50.0

    return from_bar(bars, 13, value)


def bollinger(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        closes = [bar.close for bar in bars[t - 19 : t + 1]]
        deviation = pstdev(closes)
        lower = fmean(closes) - 2 * deviation
        return (closes[-1] - lower) / (4 * deviation) if deviation else 0.5

    return from_bar(bars, 19, value)


def log_move(bars: Sequence[Bar], t: int) -> float:
    return math.log(bars[t].close / bars[t - 1].close)


def volatility(bars: Sequence[Bar]) -> Column:
    return from_bar(bars, 60, lambda t: math.sqrt(252) * stdev(log_move(bars, day) for day in range(t - 59, t + 1)))


def natr(bars: Sequence[Bar]) -> Column:
    average = wilder(true_ranges(bars), 1)
    return from_bar(bars, 14, lambda t: average[t] / bars[t].close)


def yang_zhang(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        days = range(t - 19, t + 1)
        overnight = stdev(math.log(bars[day].open / bars[day - 1].close) for day in days) ** 2
        by_day = stdev(math.log(bars[day].close / bars[day].open) for day in days) ** 2
        within = fmean(
            math.log(bars[day].high / bars[day].close) * math.log(bars[day].high / bars[day].open)
            + math.log(bars[day].low / bars[day].close) * math.log(bars[day].low / bars[day].open)
            for day in days
        )
        weight = 0.34 / (1.34 + 21 / 19)
        return math.sqrt(252 * max(overnight + weight * by_day + (1 - weight) * within, 0.0))

    return from_bar(bars, 20, value)


def volume_ratio(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        usual = fmean(bar.volume for bar in bars[t - 19 : t + 1])
        return bars[t].volume / usual if usual else 1.0

    return from_bar(bars, 19, value)


def money_flow(bars: Sequence[Bar]) -> Column:
    sums = [exact(bar.high) + exact(bar.low) + exact(bar.close) for bar in bars]

    def value(t: int) -> float:
        inflow = outflow = 0.0
        for day in range(t - 13, t + 1):
            flow = float(sums[day]) / 3 * bars[day].volume
            inflow += flow if sums[day] > sums[day - 1] else 0.0
            outflow += flow if sums[day] < sums[day - 1] else 0.0
        return 100 * inflow / (inflow + outflow) if inflow + outflow else 50.0

    return from_bar(bars, 14, value)


def chaikin(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        flow = traded = 0.0
        for bar in bars[t - 19 : t + 1]:
            spread = bar.high - bar.low
            flow += ((bar.close - bar.low) - (bar.high - bar.close)) / spread * bar.volume if spread else 0.0
            traded += bar.volume
        return flow / traded if traded else 0.0

    return from_bar(bars, 19, value)


def gap(bars: Sequence[Bar]) -> Column:
    return from_bar(bars, 1, lambda t: bars[t].open / bars[t - 1].close - 1)


def position(bars: Sequence[Bar]) -> Column:
    def value(t: int) -> float:
        bar = bars[t]
        return (bar.close - bar.low) / (bar.high - bar.low) if bar.high != bar.low else 0.5

    return from_bar(bars, 0, value)


SLOW: dict[str, Callable[[Sequence[Bar]], Column]] = {
    "return_1": lambda bars: returned(bars, 1),
    "return_20": lambda bars: returned(bars, 20),
    "return_60": lambda bars: returned(bars, 60),
    "momentum_252_21": lambda bars: returned(bars, 252, 21),
    "reversal_5": reversal,
    "sma_gap_20": sma_gap,
    "ema_gap_50": ema_gap,
    "macd_histogram": macd_histogram,
    "adx_14": adx,
    "rsi_14": rsi,
    "stochastic_k_14": stochastic,
    "bollinger_position_20": bollinger,
    "volatility_60": volatility,
    "natr_14": natr,
    "yang_zhang_20": yang_zhang,
    "volume_ratio_20": volume_ratio,
    "mfi_14": money_flow,
    "chaikin_money_flow_20": chaikin,
    "gap_open": gap,
    "range_position": position,
}
