"""Alpha158 again, as plain loops over one symbol's bars, written from qlib's expressions.

`values(bars)` gives, for each name, a function of the bar's number; it may be asked from the warm-up on only.
"""

import math
from collections.abc import Callable, Sequence

from slow_indicators import Bar

WINDOWS = (5, 10, 20, 30, 60)
At = Callable[[int], float]


def mean(window: Sequence[float]) -> float:
    return window[0] + sum(value - window[0] for value in window) / len(window)


def deviation(window: Sequence[float], lost: int = 1) -> float:
    middle = mean(window)
    return math.sqrt(sum((value - middle) ** 2 for value in window) / (len(window) - lost))


def over(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def line(window: Sequence[float]) -> tuple[float, float, float]:
    """Slope, value at the newest bar, and R2 of the least-squares line; x runs from 1."""
    count, middle = len(window), mean(window)
    places = range(1, count + 1)
    centre = (count + 1) / 2
    slope = sum((x - centre) * (y - window[0]) for x, y in zip(places, window, strict=True)) / sum(
        (x - centre) ** 2 for x in places
    )
    total = sum((y - middle) ** 2 for y in window)
    explained = sum((slope * (x - centre)) ** 2 for x in places)
    return slope, middle + slope * (count - centre), over(explained, total)


def correlation(left: Sequence[float], right: Sequence[float]) -> float:
    a, b = mean(left), mean(right)
    shared = sum((x - a) * (y - b) for x, y in zip(left, right, strict=True))
    return over(shared, math.sqrt(sum((x - a) ** 2 for x in left)) * math.sqrt(sum((y - b) ** 2 for y in right)))


def quantile(window: Sequence[float], share: float) -> float:
    ordered = sorted(window)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def rank(window: Sequence[float]) -> float:
    below, same = sum(v < window[-1] for v in window), sum(v == window[-1] for v in window)
    return (below + (same + 1) / 2) / len(window)


def shares(changes: Sequence[float]) -> tuple[float, float, float]:
    up, down = sum(max(change, 0.0) for change in changes), sum(max(-change, 0.0) for change in changes)
    total = sum(abs(change) for change in changes)
    return over(up, total), over(down, total), over(up - down, total)


def values(bars: Sequence[Bar]) -> dict[str, At]:
    """Every feature of the set."""
    known: dict[str, At] = dict(of_one_bar(bars))
    for window in WINDOWS:
        known |= of_prices(bars, window) | of_changes(bars, window) | of_volumes(bars, window)
    return known


def of_one_bar(bars: Sequence[Bar]) -> dict[str, At]:
    def spread(t: int) -> float:
        return bars[t].high - bars[t].low

    def top(t: int) -> float:
        return bars[t].high - max(bars[t].open, bars[t].close)

    def bottom(t: int) -> float:
        return min(bars[t].open, bars[t].close) - bars[t].low

    def body(t: int) -> float:
        return bars[t].close - bars[t].open

    def shift(t: int) -> float:
        return 2 * bars[t].close - bars[t].high - bars[t].low

    return {
        "KMID": lambda t: body(t) / bars[t].open,
        "KLEN": lambda t: spread(t) / bars[t].open,
        "KMID2": lambda t: over(body(t), spread(t)),
        "KUP": lambda t: top(t) / bars[t].open,
        "KUP2": lambda t: over(top(t), spread(t)),
        "KLOW": lambda t: bottom(t) / bars[t].open,
        "KLOW2": lambda t: over(bottom(t), spread(t)),
        "KSFT": lambda t: shift(t) / bars[t].open,
        "KSFT2": lambda t: over(shift(t), spread(t)),
        "OPEN0": lambda t: bars[t].open / bars[t].close,
        "HIGH0": lambda t: bars[t].high / bars[t].close,
        "LOW0": lambda t: bars[t].low / bars[t].close,
        "VWAP0": lambda t: (bars[t].high + bars[t].low + bars[t].close) / 3 / bars[t].close,
    }


def of_prices(bars: Sequence[Bar], d: int) -> dict[str, At]:
    closes, highs, lows = [bar.close for bar in bars], [bar.high for bar in bars], [bar.low for bar in bars]

    def close(t: int) -> list[float]:
        return closes[t - d + 1 : t + 1]

    def high(t: int) -> list[float]:
        return highs[t - d + 1 : t + 1]

    def low(t: int) -> list[float]:
        return lows[t - d + 1 : t + 1]

    def place(window: list[float], extreme: float) -> int:
        return window.index(extreme) + 1

    return {
        f"ROC{d}": lambda t: closes[t - d] / closes[t],
        f"MA{d}": lambda t: mean(close(t)) / closes[t],
        f"STD{d}": lambda t: deviation(close(t)) / closes[t],
        f"BETA{d}": lambda t: line(close(t))[0] / closes[t],
        f"RSQR{d}": lambda t: line(close(t))[2],
        f"RESI{d}": lambda t: (closes[t] - line(close(t))[1]) / closes[t],
        f"MAX{d}": lambda t: max(high(t)) / closes[t],
        f"MIN{d}": lambda t: min(low(t)) / closes[t],
        f"QTLU{d}": lambda t: quantile(close(t), 0.8) / closes[t],
        f"QTLD{d}": lambda t: quantile(close(t), 0.2) / closes[t],
        f"RANK{d}": lambda t: rank(close(t)),
        f"RSV{d}": lambda t: over(closes[t] - min(low(t)), max(high(t)) - min(low(t))),
        f"IMAX{d}": lambda t: place(high(t), max(high(t))) / d,
        f"IMIN{d}": lambda t: place(low(t), min(low(t))) / d,
        f"IMXD{d}": lambda t: (place(high(t), max(high(t))) - place(low(t), min(low(t)))) / d,
    }


def of_changes(bars: Sequence[Bar], d: int) -> dict[str, At]:
    changes = [0.0] + [bars[t].close - bars[t - 1].close for t in range(1, len(bars))]

    def window(t: int) -> list[float]:
        return changes[t - d + 1 : t + 1]

    def rises(t: int) -> float:
        return sum(change > 0 for change in window(t)) / d

    def falls(t: int) -> float:
        return sum(change < 0 for change in window(t)) / d

    return {
        f"CNTP{d}": rises,
        f"CNTN{d}": falls,
        f"CNTD{d}": lambda t: rises(t) - falls(t),
        f"SUMP{d}": lambda t: shares(window(t))[0],
        f"SUMN{d}": lambda t: shares(window(t))[1],
        f"SUMD{d}": lambda t: shares(window(t))[2],
    }


def of_volumes(bars: Sequence[Bar], d: int) -> dict[str, At]:
    volumes, closes = [bar.volume for bar in bars], [bar.close for bar in bars]
    days = range(1, len(bars))
    changes = [0.0] + [volumes[t] - volumes[t - 1] for t in days]
    growth = [1.0] + [closes[t] / closes[t - 1] for t in days]
    traded = [1.0] + [volumes[t] / volumes[t - 1] if volumes[t - 1] else 1.0 for t in days]
    flow = [abs(grown - 1) * volume for grown, volume in zip(growth, volumes, strict=True)]

    def window(column: list[float], t: int) -> list[float]:
        return column[t - d + 1 : t + 1]

    def logs(column: list[float], t: int) -> list[float]:
        return [math.log(value + 1) for value in window(column, t)]

    return {
        f"CORR{d}": lambda t: correlation(window(closes, t), logs(volumes, t)),
        f"CORD{d}": lambda t: correlation(window(growth, t), logs(traded, t)),
        f"VMA{d}": lambda t: over(mean(window(volumes, t)), volumes[t]),
        f"VSTD{d}": lambda t: over(deviation(window(volumes, t)), volumes[t]),
        f"WVMA{d}": lambda t: over(deviation(window(flow, t)), mean(window(flow, t))),
        f"VSUMP{d}": lambda t: shares(window(changes, t))[0],
        f"VSUMN{d}": lambda t: shares(window(changes, t))[1],
        f"VSUMD{d}": lambda t: shares(window(changes, t))[2],
    }
