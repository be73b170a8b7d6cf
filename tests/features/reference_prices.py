"""Trend, momentum and oscillators again, as plain loops over one symbol's bars, from their published definitions.

Moves that decide a side are compared in decimals, exactly as prices are quoted.
"""

import math
from collections.abc import Sequence

from reference_alpha158 import At, deviation, mean, over
from slow_indicators import Bar, Column, ema, exact, rsi, stochastic, true_ranges, wilder


def at(column: Column) -> At:
    return lambda t: float(column[t] or 0.0)


def weighted(window: Sequence[float]) -> float:
    weights = range(1, len(window) + 1)
    return sum(w * v for w, v in zip(weights, window, strict=True)) / sum(weights)


def chained(values: Sequence[float], window: int, times: int) -> list[dict[int, float]]:
    """EMA, EMA of it, and so on, each begun at the mean of its first values."""
    chain, column, first = [], list(values), window - 1
    for _ in range(times):
        average = ema(column, window, first) if first < len(column) else {}
        chain.append(average)
        column = [average.get(t, 0.0) for t in range(len(column))]
        first += window - 1
    return chain


def last(values: Sequence[float], t: int, window: int) -> Sequence[float]:
    return values[t - window + 1 : t + 1]


def values(bars: Sequence[Bar]) -> dict[str, At]:
    return trend(bars) | followers(bars) | momentum(bars) | oscillators(bars) | bodies_and_reach(bars) | curves(bars)


def trend(bars: Sequence[Bar]) -> dict[str, At]:
    c = [bar.close for bar in bars]
    found: dict[str, At] = {}
    for n in (5, 10, 50, 100, 200):
        found[f"sma_gap_{n}"] = lambda t, n=n: c[t] / mean(last(c, t, n)) - 1
    for n in (10, 20):
        average = ema(c, n, n - 1)
        found[f"ema_gap_{n}"] = lambda t, average=average: c[t] / average[t] - 1
    for n in (10, 20, 50):
        found[f"wma_gap_{n}"] = lambda t, n=n: c[t] / weighted(last(c, t, n)) - 1

    def hull(t: int) -> float:
        raw = [2 * weighted(last(c, day, 10)) - weighted(last(c, day, 20)) for day in range(t - 3, t + 1)]
        return c[t] / weighted(raw) - 1

    one, two, three = chained(c, 20, 3)
    fast, slow = ema(c, 12, 25), ema(c, 26, 25)
    line = [0.0 if t < 25 else fast[t] - slow[t] for t in range(len(c))]
    signal, stop = ema(line, 9, 33), parabolic(bars)
    found |= {
        "hull_gap_20": hull,
        "dema_gap_20": lambda t: c[t] / (2 * one[t] - two[t]) - 1,
        "tema_gap_20": lambda t: c[t] / (3 * one[t] - 3 * two[t] + three[t]) - 1,
        "sma_ratio_10_50": lambda t: mean(last(c, t, 10)) / mean(last(c, t, 50)) - 1,
        "sma_ratio_50_200": lambda t: mean(last(c, t, 50)) / mean(last(c, t, 200)) - 1,
        "macd_line": lambda t: line[t] / c[t],
        "macd_signal": lambda t: signal[t] / c[t],
        "parabolic_gap": lambda t: 1 - stop[t] / c[t],
    }
    return found | directions(bars) | ichimoku(bars)


def followers(bars: Sequence[Bar]) -> dict[str, At]:
    c, ranges = [bar.close for bar in bars], true_ranges(bars)
    adaptive = {9: c[9]} if len(c) > 9 else {}
    for t in range(10, len(c)):
        path = sum(abs(c[day] - c[day - 1]) for day in range(t - 9, t + 1))
        efficient = min(over(abs(c[t] - c[t - 10]), path), 1.0)
        adaptive[t] = adaptive[t - 1] + (efficient * (2 / 3 - 2 / 31) + 2 / 31) ** 2 * (c[t] - adaptive[t - 1])
    average = wilder(ranges, 1, 10)
    line: dict[int, float] = {}
    rising, lower, upper = True, -math.inf, math.inf
    for t in range(10, len(c)):
        middle = (bars[t].high + bars[t].low) / 2
        beyond, near = c[t - 1] if t > 10 else c[t], 1e-9 * c[t]
        if middle - 3 * average[t] > lower or beyond < lower - near:
            lower = middle - 3 * average[t]
        if middle + 3 * average[t] < upper or beyond > upper + near:
            upper = middle + 3 * average[t]
        rising = c[t] >= lower - near if rising else c[t] > upper + near
        line[t] = lower if rising else upper
    return {
        "kama_gap_10": lambda t: c[t] / adaptive[t] - 1,
        "supertrend_gap_10_3": lambda t: 1 - line[t] / c[t],
    }


def curves(bars: Sequence[Bar]) -> dict[str, At]:
    c = [bar.close for bar in bars]
    average = ema(c, 13, 12)

    def returned(t: int, days: int) -> float:
        return c[t] / c[t - days] - 1

    def sure(t: int) -> float:
        parts = ((1, 10, 10), (2, 15, 10), (3, 20, 10), (4, 30, 15))
        return sum(w * mean([returned(day, days) for day in range(t - n + 1, t + 1)]) for w, days, n in parts)

    return {
        "bull_power_13": lambda t: (bars[t].high - average[t]) / c[t],
        "bear_power_13": lambda t: (bars[t].low - average[t]) / c[t],
        "know_sure_thing": sure,
        "coppock_14_11_10": lambda t: weighted([returned(d, 11) + returned(d, 14) for d in range(t - 9, t + 1)]),
        "detrended_20": lambda t: c[t - 11] / mean(last(c, t, 20)) - 1,
    }


def parabolic(bars: Sequence[Bar], step: float = 0.02, most: float = 0.2) -> dict[int, float]:
    """Wilder's stop and reverse; the first direction is that of the larger move on the second bar, up in a tie."""
    if len(bars) < 2:
        return {}
    up_move = exact(bars[1].high) - exact(bars[0].high)
    down_move = exact(bars[0].low) - exact(bars[1].low)
    rising = not (down_move > 0 and down_move > up_move)
    extreme = bars[1].high if rising else bars[1].low
    stop, speed = (bars[0].low if rising else bars[0].high), step
    stops: dict[int, float] = {}
    before = bars[1]
    for t in range(1, len(bars)):
        bar = bars[t]
        if (rising and bar.low <= stop) or (not rising and bar.high >= stop):
            rising = not rising
            stop = max(extreme, before.high, bar.high) if not rising else min(extreme, before.low, bar.low)
            stops[t] = stop
            speed, extreme = step, (bar.high if rising else bar.low)
            stop += speed * (extreme - stop)
            stop = min(stop, before.low, bar.low) if rising else max(stop, before.high, bar.high)
        else:
            stops[t] = stop
            beyond = bar.high if rising else bar.low
            if (rising and beyond > extreme) or (not rising and beyond < extreme):
                extreme, speed = beyond, min(speed + step, most)
            stop += speed * (extreme - stop)
            stop = min(stop, before.low, bar.low) if rising else max(stop, before.high, bar.high)
        before = bar
    return stops


def directions(bars: Sequence[Bar]) -> dict[str, At]:
    plus, minus = [0.0], [0.0]
    for t in range(1, len(bars)):
        up = exact(bars[t].high) - exact(bars[t - 1].high)
        down = exact(bars[t - 1].low) - exact(bars[t].low)
        plus.append(float(up) if up > down and up > 0 else 0.0)
        minus.append(float(down) if down > up and down > 0 else 0.0)
    ranges = true_ranges(bars)
    up_average, down_average, reach = wilder(plus, 1), wilder(minus, 1), wilder(ranges, 1)
    upward = [0.0] + [abs(bars[t].high - bars[t - 1].low) for t in range(1, len(bars))]
    downward = [0.0] + [abs(bars[t].low - bars[t - 1].high) for t in range(1, len(bars))]

    def vortex(moves: Sequence[float], t: int) -> float:
        path = sum(last(ranges, t, 14))
        return sum(last(moves, t, 14)) / path if path else 1.0

    return {
        "plus_di_14": lambda t: 100 * over(up_average[t], reach[t]),
        "minus_di_14": lambda t: 100 * over(down_average[t], reach[t]),
        "di_balance_14": lambda t: over(up_average[t] - down_average[t], up_average[t] + down_average[t]),
        "vortex_up_14": lambda t: vortex(upward, t),
        "vortex_down_14": lambda t: vortex(downward, t),
    }


def ichimoku(bars: Sequence[Bar]) -> dict[str, At]:
    def middle(t: int, n: int) -> float:
        window = bars[t - n + 1 : t + 1]
        return (max(bar.high for bar in window) + min(bar.low for bar in window)) / 2

    c = [bar.close for bar in bars]
    return {
        "tenkan_gap": lambda t: c[t] / middle(t, 9) - 1,
        "kijun_gap": lambda t: c[t] / middle(t, 26) - 1,
        "tenkan_kijun": lambda t: (middle(t, 9) - middle(t, 26)) / c[t],
        "senkou_a_gap": lambda t: c[t] / ((middle(t - 26, 9) + middle(t - 26, 26)) / 2) - 1,
        "senkou_b_gap": lambda t: c[t] / middle(t - 26, 52) - 1,
    }


def momentum(bars: Sequence[Bar]) -> dict[str, At]:
    c, o = [bar.close for bar in bars], [bar.open for bar in bars]
    days = range(1, len(c))
    r = [0.0] + [c[t] / c[t - 1] - 1 for t in days]
    moves = [0.0] + [c[t] - c[t - 1] for t in days]

    def path(t: int, n: int) -> float:
        return sum(abs(move) for move in last(moves, t, n))

    found: dict[str, At] = {}
    for n in (2, 3, 5, 10, 120, 252):
        found[f"return_{n}"] = lambda t, n=n: c[t] / c[t - n] - 1
    for n in (10, 20):
        found[f"efficiency_ratio_{n}"] = lambda t, n=n: over(abs(c[t] - c[t - n]), path(t, n))

    def williams(t: int) -> float:
        highest, lowest = max(bar.high for bar in bars[t - 13 : t + 1]), min(bar.low for bar in bars[t - 13 : t + 1])
        return -100 * (highest - c[t]) / (highest - lowest) if highest > lowest else -50.0

    def channel(t: int) -> float:
        typical = [(bar.high + bar.low + bar.close) / 3 for bar in bars[t - 19 : t + 1]]
        middle = mean(typical)
        return over(typical[-1] - middle, 0.015 * sum(abs(value - middle) for value in typical) / 20)

    def discreteness(t: int) -> float:
        window = last(moves, t, 252)
        falling, rising = sum(move < 0 for move in window) / 252, sum(move > 0 for move in window) / 252
        return ((c[t] > c[t - 252]) - (c[t] < c[t - 252])) * (falling - rising)

    return found | {
        "momentum_126_21": lambda t: c[t - 21] / c[t - 126] - 1,
        "momentum_252_126": lambda t: c[t - 126] / c[t - 252] - 1,
        "acceleration_20": lambda t: c[t] / c[t - 20] - c[t - 20] / c[t - 40],
        "high_gap_252": lambda t: c[t] / max(last(c, t, 252)) - 1,
        "low_gap_252": lambda t: c[t] / min(last(c, t, 252)) - 1,
        "williams_r_14": williams,
        "cci_20": channel,
        "information_discreteness_252": discreteness,
        "overnight_return_20": lambda t: sum(math.log(o[day] / c[day - 1]) for day in range(t - 19, t + 1)),
        "daytime_return_20": lambda t: sum(math.log(c[day] / o[day]) for day in range(t - 19, t + 1)),
        "best_return_20": lambda t: max(last(r, t, 20)),
        "worst_return_20": lambda t: min(last(r, t, 20)),
        "return_over_risk_60": lambda t: over(mean(last(r, t, 60)), deviation(last(r, t, 60))),
    }


def strength(bars: Sequence[Bar], n: int) -> At:
    moves = [0.0] + [bars[t].close - bars[t - 1].close for t in range(1, len(bars))]
    rise = wilder([max(move, 0.0) for move in moves], 1, n)
    fall = wilder([max(-move, 0.0) for move in moves], 1, n)
    return lambda t: 100 * rise[t] / (rise[t] + fall[t]) if rise[t] + fall[t] else 50.0


def oscillators(bars: Sequence[Bar]) -> dict[str, At]:
    c = [bar.close for bar in bars]
    ranges, fast_k, rsi_14 = true_ranges(bars), at(stochastic(bars)), at(rsi(bars))
    triple = chained(c, 15, 3)[2]
    moves = [0.0] + [c[t] - c[t - 1] for t in range(1, len(c))]
    middles = [(bar.high + bar.low) / 2 for bar in bars]
    pressure = [0.0] + [c[t] - min(bars[t].low, c[t - 1]) for t in range(1, len(c))]

    def percent_d(t: int) -> float:
        return (fast_k(t) + fast_k(t - 1) + fast_k(t - 2)) / 3

    def stochastic_rsi(t: int) -> float:
        window = [rsi_14(day) for day in range(t - 13, t + 1)]
        reach = max(window) - min(window)
        return (window[-1] - min(window)) / reach if reach >= 1e-6 else 0.5

    def bought(t: int, n: int) -> float:
        path = sum(last(ranges, t, n))
        return sum(last(pressure, t, n)) / path if path else 0.5

    def since(extremes: Sequence[float], extreme: float) -> int:
        return list(reversed(extremes)).index(extreme)

    def aroon_up(t: int) -> float:
        highs = [bar.high for bar in bars[t - 25 : t + 1]]
        return 100 * (25 - since(highs, max(highs))) / 25

    def aroon_down(t: int) -> float:
        lows = [bar.low for bar in bars[t - 25 : t + 1]]
        return 100 * (25 - since(lows, min(lows))) / 25

    def smoothed(column: Sequence[float]) -> dict[int, float]:
        slow = ema(column, 25, 25)
        return ema([slow.get(t, 0.0) for t in range(len(column))], 13, 37)

    net, gross = smoothed(moves), smoothed([abs(move) for move in moves])
    return {
        "rsi_7": strength(bars, 7),
        "rsi_28": strength(bars, 28),
        "stochastic_d_14": percent_d,
        "stochastic_slow_d_14": lambda t: (percent_d(t) + percent_d(t - 1) + percent_d(t - 2)) / 3,
        "stochastic_rsi_14": stochastic_rsi,
        "ultimate_7_14_28": lambda t: 100 * (4 * bought(t, 7) + 2 * bought(t, 14) + bought(t, 28)) / 7,
        "trix_15": lambda t: triple[t] / triple[t - 1] - 1,
        "aroon_up_25": aroon_up,
        "aroon_down_25": aroon_down,
        "aroon_oscillator_25": lambda t: aroon_up(t) - aroon_down(t),
        "awesome_5_34": lambda t: (mean(last(middles, t, 5)) - mean(last(middles, t, 34))) / c[t],
        "true_strength_25_13": lambda t: 100 * over(net[t], gross[t]),
    }


def bodies_and_reach(bars: Sequence[Bar]) -> dict[str, At]:
    c, ranges = [bar.close for bar in bars], true_ranges(bars)
    moves = [0.0] + [c[t] - c[t - 1] for t in range(1, len(c))]
    bodies = [bar.close - bar.open for bar in bars]
    powers = [over(bar.close - bar.open, bar.high - bar.low) for bar in bars]

    def chop(t: int) -> float:
        window = bars[t - 13 : t + 1]
        reach = max(bar.high for bar in window) - min(bar.low for bar in window)
        return 100 * math.log10(sum(last(ranges, t, 14)) / reach) / math.log10(14) if reach else 100.0

    def horizontal(t: int) -> float:
        return over(max(last(c, t, 28)) - min(last(c, t, 28)), sum(abs(move) for move in last(moves, t, 28)))

    def intraday(t: int) -> float:
        window = last(bodies, t, 14)
        total = sum(abs(body) for body in window)
        return 100 * sum(max(body, 0.0) for body in window) / total if total else 50.0

    return {
        "intraday_momentum_14": intraday,
        "vertical_horizontal_28": horizontal,
        "choppiness_14": chop,
        "balance_of_power_14": lambda t: mean(last(powers, t, 14)),
        "qstick_8": lambda t: mean(last(bodies, t, 8)) / c[t],
    }
