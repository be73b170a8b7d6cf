"""Volatility, volume and statistics again, as plain loops over one symbol's bars, from their published definitions."""

import math
from collections import Counter
from collections.abc import Sequence

from reference_alpha158 import At, correlation, deviation, line, mean, over, quantile, rank
from reference_prices import last
from slow_indicators import Bar, ema, exact, true_ranges, wilder


def values(bars: Sequence[Bar]) -> dict[str, At]:
    return (
        volatility(bars) | ranges(bars) | volume(bars) | flows(bars) | statistics(bars) | liquidity(bars) | mass(bars)
    )


def growth(bars: Sequence[Bar]) -> list[float]:
    return [0.0] + [math.log(bars[t].close / bars[t - 1].close) for t in range(1, len(bars))]


def annual(variance: float) -> float:
    return math.sqrt(252 * max(variance, 0.0))


def volatility(bars: Sequence[Bar]) -> dict[str, At]:
    r = growth(bars)
    night = [0.0] + [math.log(bars[t].open / bars[t - 1].close) for t in range(1, len(bars))]
    day = [math.log(bar.close / bar.open) for bar in bars]
    reach = [math.log(bar.high / bar.low) for bar in bars]
    within = [
        math.log(bar.high / bar.close) * math.log(bar.high / bar.open)
        + math.log(bar.low / bar.close) * math.log(bar.low / bar.open)
        for bar in bars
    ]
    found: dict[str, At] = {}
    for n in (5, 10, 20, 120, 252):
        found[f"volatility_{n}"] = lambda t, n=n: annual(deviation(last(r, t, n)) ** 2)
    for n in (10, 20, 60):
        found[f"parkinson_{n}"] = lambda t, n=n: annual(
            mean([move * move for move in last(reach, t, n)]) / (4 * math.log(2))
        )
        found[f"garman_klass_{n}"] = lambda t, n=n: annual(
            mean([0.5 * move * move for move in last(reach, t, n)])
            - (2 * math.log(2) - 1) * mean([move * move for move in last(day, t, n)])
        )
        found[f"rogers_satchell_{n}"] = lambda t, n=n: annual(mean(last(within, t, n)))

    def yang_zhang(t: int, n: int) -> float:
        weight = 0.34 / (1.34 + (n + 1) / (n - 1))
        by_day = weight * deviation(last(day, t, n)) ** 2
        return annual(deviation(last(night, t, n)) ** 2 + by_day + (1 - weight) * mean(last(within, t, n)))

    for n in (10, 60):
        found[f"yang_zhang_{n}"] = lambda t, n=n: yang_zhang(t, n)

    def of_falls(t: int) -> float:
        return sum(min(move, 0.0) ** 2 for move in last(r, t, 60))

    def all_moves(t: int) -> float:
        return sum(move * move for move in last(r, t, 60))

    def ratio(t: int) -> float:
        whole = deviation(last(r, t, 60))
        return deviation(last(r, t, 5)) / whole if whole else 1.0

    def overnight(t: int) -> float:
        nights, days = (sum(move * move for move in last(moves, t, 20)) for moves in (night, day))
        return nights / (nights + days) if nights + days else 0.5

    def second_order(t: int) -> float:
        window = [deviation(last(r, day, 20)) for day in range(t - 59, t + 1)]
        return over(deviation(window), mean(window))

    return found | {
        "volatility_ratio_5_60": ratio,
        "downside_volatility_60": lambda t: annual(of_falls(t) / 60),
        "downside_share_60": lambda t: of_falls(t) / all_moves(t) if all_moves(t) else 0.5,
        "volatility_of_volatility_60": second_order,
        "overnight_share_20": overnight,
    }


def ranges(bars: Sequence[Bar]) -> dict[str, At]:
    c, reach = [bar.close for bar in bars], true_ranges(bars)
    ema_20, range_10 = ema(c, 20, 19), wilder(reach, 1, 10)
    quick, calm = wilder(reach, 1, 7), wilder(reach, 1, 28)
    spread = ema([bar.high - bar.low for bar in bars], 10, 9)

    def drawdown(t: int, n: int) -> float:
        window = last(c, t, n)
        return min(window[day] / max(window[: day + 1]) - 1 for day in range(n))

    def width(t: int) -> float:
        return 4 * deviation(last(c, t, 20), lost=0) / mean(last(c, t, 20))

    def position(t: int) -> float:
        return 0.5 + over(c[t] - ema_20[t], 4 * range_10[t])

    def ulcer(t: int) -> float:
        return math.sqrt(mean([(c[day] / max(last(c, day, 14)) - 1) ** 2 for day in range(t - 13, t + 1)]))

    def donchian(t: int) -> float:
        window = bars[t - 19 : t + 1]
        return (max(bar.high for bar in window) - min(bar.low for bar in window)) / c[t]

    return {
        "natr_7": lambda t: quick[t] / c[t],
        "natr_28": lambda t: calm[t] / c[t],
        "true_range": lambda t: reach[t] / c[t],
        "bollinger_width_20": width,
        "keltner_position_20": position,
        "keltner_width_20": lambda t: 4 * range_10[t] / ema_20[t],
        "max_drawdown_60": lambda t: drawdown(t, 60),
        "max_drawdown_252": lambda t: drawdown(t, 252),
        "ulcer_14": ulcer,
        "chaikin_volatility_10": lambda t: over(spread[t] - spread[t - 10], spread[t - 10]),
        "reach_20": donchian,
    }


def volume(bars: Sequence[Bar]) -> dict[str, At]:
    v, c = [bar.volume for bar in bars], [bar.close for bar in bars]
    fast, slow = ema(v, 12, 11), ema(v, 26, 25)
    turnover = [price * amount for price, amount in zip(c, v, strict=True)]

    def against(t: int, n: int) -> float:
        usual = mean(last(v, t, n))
        return v[t] / usual if usual else 1.0

    def turnover_ratio(t: int) -> float:
        usual = mean(last(turnover, t, 60))
        return mean(last(turnover, t, 5)) / usual if usual else 1.0

    return {
        "volume_ratio_5": lambda t: against(t, 5),
        "volume_ratio_60": lambda t: against(t, 60),
        "volume_score_20": lambda t: over(v[t] - mean(last(v, t, 20)), deviation(last(v, t, 20))),
        "volume_trend_20": lambda t: over(line(last(v, t, 20))[0], mean(last(v, t, 20))),
        "turnover_ratio_5_60": turnover_ratio,
        "volume_oscillator_12_26": lambda t: over(fast[t] - slow[t], slow[t]),
        "volume_deviation_20": lambda t: over(deviation(last(v, t, 20)), mean(last(v, t, 20))),
    }


def flows(bars: Sequence[Bar]) -> dict[str, At]:
    days = range(1, len(bars))
    v, c, r = [bar.volume for bar in bars], [bar.close for bar in bars], growth(bars)
    typical = [(bar.high + bar.low + bar.close) / 3 for bar in bars]
    sums = [exact(bar.high) + exact(bar.low) + exact(bar.close) for bar in bars]
    placed = [over(2 * bar.close - bar.high - bar.low, bar.high - bar.low) * bar.volume for bar in bars]
    signed = [0.0] + [((c[t] > c[t - 1]) - (c[t] < c[t - 1])) * v[t] for t in days]
    earned = [0.0] + [(c[t] / c[t - 1] - 1) * v[t] for t in days]
    push = [0.0] + [(c[t] - c[t - 1]) * v[t] for t in days]
    pushed = ema(push, 13, 13)
    swing = accumulation_swing(placed)

    def traded(t: int, n: int) -> float:
        return sum(last(v, t, n))

    def gap(t: int, n: int) -> float:
        amounts = last(v, t, n)
        priced = sum(price * amount for price, amount in zip(last(typical, t, n), amounts, strict=True))
        return c[t] / (priced / sum(amounts)) - 1 if sum(amounts) else 0.0

    def money(t: int) -> float:
        inflow = sum(typical[day] * v[day] for day in range(t - 27, t + 1) if sums[day] > sums[day - 1])
        outflow = sum(typical[day] * v[day] for day in range(t - 27, t + 1) if sums[day] < sums[day - 1])
        return 100 * inflow / (inflow + outflow) if inflow + outflow else 50.0

    return {
        "on_balance_20": lambda t: over(sum(last(signed, t, 20)), traded(t, 20)),
        "on_balance_60": lambda t: over(sum(last(signed, t, 60)), traded(t, 60)),
        "chaikin_money_flow_60": lambda t: over(sum(last(placed, t, 60)), traded(t, 60)),
        "price_volume_trend_20": lambda t: over(sum(last(earned, t, 20)), traded(t, 20)),
        "vwap_gap_5": lambda t: gap(t, 5),
        "vwap_gap_20": lambda t: gap(t, 20),
        "vwap_gap_60": lambda t: gap(t, 60),
        "mfi_28": money,
        "chaikin_oscillator_3_10": lambda t: over(swing[t], traded(t, 20) / 20),
        "force_13": lambda t: over(pushed[t], c[t] * traded(t, 20) / 20),
        "positive_volume_return_60": lambda t: sum(r[day] for day in range(t - 59, t + 1) if v[day] > v[day - 1]),
        "negative_volume_return_60": lambda t: sum(r[day] for day in range(t - 59, t + 1) if v[day] < v[day - 1]),
    }


def accumulation_swing(placed: Sequence[float]) -> list[float]:
    """EMA 3 minus EMA 10 of the summed column, both begun at its first value."""
    level = fast = slow = placed[0]
    swings = [0.0]
    for flow in placed[1:]:
        level += flow
        fast += 2 / 4 * (level - fast)
        slow += 2 / 11 * (level - slow)
        swings.append(fast - slow)
    return swings


def liquidity(bars: Sequence[Bar]) -> dict[str, At]:
    c, r = [bar.close for bar in bars], growth(bars)
    turnover = [bar.close * bar.volume / 1e6 for bar in bars]
    signed = [0.0] + [turnover[t] * ((c[t] > c[t - 1]) - (c[t] < c[t - 1])) for t in range(1, len(c))]
    ranges = [bar.high - bar.low for bar in bars]
    spreads = [0.0] + [pair_spread(bars[t - 1], bars[t]) for t in range(1, len(bars))]

    def amihud(t: int, n: int) -> float:
        days = [day for day in range(t - n + 1, t + 1) if bars[day].volume]
        return mean([abs(c[day] / c[day - 1] - 1) / turnover[day] for day in days]) if days else 0.0

    def roll(t: int) -> float:
        now, before = last(r, t, 60), last(r, t - 1, 60)
        a, b = mean(now), mean(before)
        covariance = sum((x - a) * (y - b) for x, y in zip(now, before, strict=True)) / 59
        return 2 * math.sqrt(max(-covariance, 0.0))

    def impact(t: int) -> float:
        moves, flow = last(r, t, 60), last(signed, t, 60)
        a, b = mean(moves), mean(flow)
        shared = sum((x - a) * (y - b) for x, y in zip(moves, flow, strict=True))
        return over(shared, sum((y - b) ** 2 for y in flow))

    def eased(t: int) -> float:
        now, before = (bars[day].high + bars[day].low for day in (t, t - 1))
        usual = mean([bar.volume for bar in bars[t - 19 : t + 1]])
        return over((now - before) / now * (2 * ranges[t] / now) * usual, bars[t].volume)

    return {
        "amihud_20": lambda t: amihud(t, 20),
        "amihud_60": lambda t: amihud(t, 60),
        "roll_spread_60": roll,
        "corwin_schultz_20": lambda t: mean(last(spreads, t, 20)),
        "kyle_lambda_60": impact,
        "ease_of_movement_14": lambda t: mean([eased(day) for day in range(t - 13, t + 1)]),
    }


def pair_spread(before: Bar, bar: Bar) -> float:
    """Corwin and Schultz's spread of two days, the second moved back to the close of the first; 0 if below 0."""
    shift = max(bar.low - before.close, 0.0) - max(before.close - bar.high, 0.0)
    high, low = bar.high - shift, bar.low - shift
    beta = math.log(high / low) ** 2 + math.log(before.high / before.low) ** 2
    gamma = math.log(max(high, before.high) / min(low, before.low)) ** 2
    root = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / root - math.sqrt(gamma / root)
    return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)


def mass(bars: Sequence[Bar]) -> dict[str, At]:
    once = ema([bar.high - bar.low for bar in bars], 9, 8)
    twice = ema([once.get(t, 0.0) for t in range(len(bars))], 9, 16)
    ratio = {t: once[t] / twice[t] if twice[t] else 1.0 for t in twice}
    return {"mass_index_25": lambda t: sum(ratio[day] for day in range(t - 24, t + 1))}


def statistics(bars: Sequence[Bar]) -> dict[str, At]:
    c, r = [bar.close for bar in bars], growth(bars)
    simple = [0.0] + [c[t] / c[t - 1] - 1 for t in range(1, len(c))]

    def moment(t: int, n: int, power: int) -> float:
        window = last(r, t, n)
        middle = mean(window)
        return over(sum((move - middle) ** power for move in window) / n, deviation(window, lost=0) ** power)

    def memory(t: int, lag: int) -> float:
        return correlation(last(r, t, 60), last(r, t - lag, 60))

    def variance(t: int) -> float:
        daily = deviation(last(r, t, 60)) ** 2
        far = [math.log(c[day] / c[day - 5]) for day in range(t - 59, t + 1)]
        return deviation(far) ** 2 / (5 * daily) if daily else 1.0

    def entropy(symbols: Sequence[object], kinds: int) -> float:
        counts = Counter(symbols).values()
        return -sum(count / len(symbols) * math.log(count / len(symbols)) for count in counts) / math.log(kinds)

    def order(t: int) -> tuple[int, ...]:
        window = c[t - 2 : t + 1]
        return tuple(sorted(range(3), key=lambda place: window[place]))

    found: dict[str, At] = {
        f"return_1_lag_{lag}": lambda t, lag=lag: c[t - lag] / c[t - lag - 1] - 1 for lag in range(1, 6)
    }
    for n in (20, 60):
        found[f"skewness_{n}"] = lambda t, n=n: moment(t, n, 3)
        found[f"kurtosis_{n}"] = lambda t, n=n: moment(t, n, 4)
    for name, share in (("05", 0.05), ("50", 0.5), ("95", 0.95)):
        found[f"return_quantile_{name}_60"] = lambda t, share=share: quantile(last(simple, t, 60), share)
    return found | {
        "autocorrelation_1_60": lambda t: memory(t, 1),
        "autocorrelation_5_60": lambda t: memory(t, 5),
        "return_rank_60": lambda t: rank(last(simple, t, 60)),
        "close_rank_252": lambda t: rank(last(c, t, 252)),
        "close_score_60": lambda t: over(c[t] - mean(last(c, t, 60)), deviation(last(c, t, 60))),
        "variance_ratio_5_60": variance,
        "hurst_120": lambda t: hurst(last(r, t, 120)),
        "permutation_entropy_60": lambda t: entropy([order(day) for day in range(t - 59, t + 1)], 6),
        "sign_entropy_60": lambda t: entropy(
            [(c[day] > c[day - 1]) - (c[day] < c[day - 1]) for day in range(t - 59, t + 1)], 3
        ),
    }


def hurst(window: Sequence[float]) -> float:
    points = []
    for size in (15, 30, 60, 120):
        ranges = []
        for start in range(0, 120, size):
            part = window[start : start + size]
            middle, level, levels = mean(part), 0.0, [0.0]
            for move in part:
                level += move - middle
                levels.append(level)
            if deviation(part, lost=0):
                ranges.append((max(levels) - min(levels)) / deviation(part, lost=0))
        if not ranges:
            return 0.5
        points.append((math.log(size), math.log(mean(ranges))))
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return sum((x - mean(xs)) * y for x, y in points) / sum((x - mean(xs)) ** 2 for x in xs) if ys else 0.5
