"""Candlestick patterns of three bars and more."""

from __future__ import annotations

from typing import Final

import numpy as np

from nightdesk.features.candles import Candle, candlestick, given, pattern
from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Flags, Values


def _opens_on(a: Candle, b: Candle) -> Flags:
    """Whether `b` opens above the open of the white `a`, at most near above its close."""
    return (b.open > a.open) & ~a.above(b.open, a.close + a.near)


def _climbs(a: Candle, b: Candle, c: Candle) -> Flags:
    """Three whites that close ever higher."""
    return a.white & b.white & c.white & (c.close > b.close) & (b.close > a.close)


@pattern(3, 12)
def two_crows(a: Candle, b: Candle, c: Candle) -> Values:
    """Long white, a black above it, then a black from within that into the first: -1."""
    falls = c.black & (c.open < b.open) & (c.open > b.close) & (c.close > a.open) & (c.close < a.close)
    return given(-1.0, a.white & a.long & b.black & b.body_above(a) & falls)


@pattern(4, 13)
def three_black_crows(before: Candle, a: Candle, b: Candle, c: Candle) -> Values:
    """White, then three blacks without lower shadows, each from within the last to a lower close: -1."""
    black = a.black & a.no_lower & b.black & b.no_lower & c.black & c.no_lower
    within = (b.open < a.open) & (b.open > a.close) & (c.open < b.open) & (c.open > b.close)
    falls = (before.high > a.close) & (a.close > b.close) & (b.close > c.close)
    return given(-1.0, before.white & black & within & falls)


@pattern(3, 12)
def three_inside(a: Candle, b: Candle, c: Candle) -> Values:
    """Long body that holds a short one, then a close beyond its open: against the first's colour."""
    inside = a.long & b.not_long & (b.top < a.top) & (b.bottom > a.bottom)
    beyond = (a.white & c.black & (c.close < a.open)) | (a.black & c.white & (c.close > a.open))
    return given(-a.colour, inside & beyond)


@pattern(4, 8)
def three_line_strike(a: Candle, b: Candle, c: Candle, d: Candle) -> Values:
    """Three of one colour that go on, then one against them past all: colour of the three."""
    same = (a.white == b.white) & (b.white == c.white) & (c.white != d.white)
    near = _opens_about(a, b) & _opens_about(b, c)
    up = c.white & (c.close > b.close) & (b.close > a.close) & (d.open > c.close) & (d.close < a.open)
    down = c.black & (c.close < b.close) & (b.close < a.close) & (d.open < c.close) & (d.close > a.open)
    return given(c.colour, same & near & (up | down))


def _opens_about(a: Candle, b: Candle) -> Flags:
    return ~a.below(b.open, a.bottom - a.near) & ~a.above(b.open, a.top + a.near)


@pattern(3, 3)
def three_outside(a: Candle, b: Candle, c: Candle) -> Values:
    """Body that engulfs the opposite one before, then a close further on: its colour."""
    up = b.white & a.black & (b.close > a.open) & (b.open < a.close) & (c.close > b.close)
    down = b.black & a.white & (b.open > a.close) & (b.close < a.open) & (c.close < b.close)
    return given(b.colour, up | down)


@pattern(3, 12)
def three_stars_in_the_south(a: Candle, b: Candle, c: Candle) -> Values:
    """Three blacks ever smaller: a long lower shadow, a smaller copy, a small marubozu within: 1."""
    black = a.black & b.black & c.black
    smaller = a.long & a.long_lower() & b.below(b.body, a.body)
    copy = (b.open > a.close) & (b.open <= a.high) & (b.low < a.close) & (b.low >= a.low) & b.some_lower
    last = c.short & c.no_lower & c.no_upper & (c.low > b.low) & (c.high < b.high)
    return given(1.0, black & smaller & copy & last)


@pattern(3, 12)
def three_white_soldiers(a: Candle, b: Candle, c: Candle) -> Values:
    """Three whites without upper shadows, each from within or near the last, none much shorter: 1."""
    bare = a.no_upper & b.no_upper & c.no_upper
    size = b.above(b.body, a.body - a.far) & c.above(c.body, b.body - b.far) & ~c.not_long
    return given(1.0, _climbs(a, b, c) & bare & _opens_on(a, b) & _opens_on(b, c) & size)


def _abandons(a: Candle, c: Candle) -> Flags:
    """Whether `c` closes against `a`, more than 0.3 into its body."""
    into: Values = np.where(a.white, a.close - c.close, c.close - a.close) - 0.3 * a.body
    return a.long & ~c.not_long & (a.white ^ c.white) & (into > c.tie)


@pattern(3, 12)
def abandoned_baby(a: Candle, b: Candle, c: Candle) -> Values:
    """Long body, a doji apart from both neighbours, then a long body back: its colour."""
    top = a.white & (b.low > a.high) & (c.high < b.low)
    bottom = a.black & (b.high < a.low) & (c.low > b.high)
    return given(c.colour, _abandons(a, c) & b.doji & (top | bottom))


@pattern(3, 12)
def evening_doji_star(a: Candle, b: Candle, c: Candle) -> Values:
    """Long white, a doji above, then a black back into it: -1."""
    return given(-1.0, a.white & _abandons(a, c) & b.doji & b.body_above(a))


@pattern(3, 12)
def evening_star(a: Candle, b: Candle, c: Candle) -> Values:
    """Long white, a short body above, then a black back into it: -1."""
    return given(-1.0, a.white & _abandons(a, c) & b.not_long & b.body_above(a))


@pattern(3, 12)
def morning_doji_star(a: Candle, b: Candle, c: Candle) -> Values:
    """Long black, a doji below, then a white back into it: 1."""
    return given(1.0, a.black & _abandons(a, c) & b.doji & b.body_below(a))


@pattern(3, 12)
def morning_star(a: Candle, b: Candle, c: Candle) -> Values:
    """Long black, a short body below, then a white back into it: 1."""
    return given(1.0, a.black & _abandons(a, c) & b.not_long & b.body_below(a))


@pattern(3, 12)
def advance_block(a: Candle, b: Candle, c: Candle) -> Values:
    """Three whites that climb ever more weakly: -1."""
    steady = _climbs(a, b, c) & _opens_on(a, b) & _opens_on(b, c) & a.long & a.short_upper
    weaker = b.below(b.body, a.body - a.far) & c.below(c.body, b.body + b.near)
    much_weaker = c.below(c.body, b.body - b.far)
    shadowed = c.below(c.body, b.body) & b.below(b.body, a.body) & (c.usual_upper_passed | b.usual_upper_passed)
    topped = c.below(c.body, b.body) & c.long_upper()
    return given(-1.0, steady & (weaker | much_weaker | shadowed | topped))


@pattern(3, 12)
def stalled_pattern(a: Candle, b: Candle, c: Candle) -> Values:
    """Two long whites, then a short one that rides on their shoulder: -1."""
    rides = b.no_upper & _opens_on(a, b) & c.short & ~b.below(c.open, b.close - c.body - b.near)
    return given(-1.0, _climbs(a, b, c) & a.long & b.long & rides)


@pattern(5, 14)
def breakaway(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle) -> Values:
    """Long body, a gap, two more steps, then one back into the gap: colour of the last."""
    same = (a.white == b.white) & (b.white == d.white) & (d.white != e.white)
    down = a.black & b.body_below(a) & (c.high < b.high) & (c.low < b.low) & (d.high < c.high) & (d.low < c.low)
    up = a.white & b.body_above(a) & (c.high > b.high) & (c.low > b.low) & (d.high > c.high) & (d.low > c.low)
    back = (down & (e.close > b.open) & (e.close < a.close)) | (up & (e.close < b.open) & (e.close > a.close))
    return given(e.colour, a.long & same & back)


@pattern(4, 13)
def concealing_baby_swallow(a: Candle, b: Candle, c: Candle, d: Candle) -> Values:
    """Two black marubozus, a black from below that reaches into them, and a black that engulfs it: 1."""
    black = a.black & b.black & c.black & d.black
    bare = a.no_lower & a.no_upper & b.no_lower & b.no_upper
    reaches = c.body_below(b) & c.some_upper & (c.high > b.close)
    return given(1.0, black & bare & reaches & (d.high > c.high) & (d.low < c.low))


@pattern(3, 7)
def gap_side_by_side_white(a: Candle, b: Candle, c: Candle) -> Values:
    """Two like whites beyond a gap: 1 above it, -1 below."""
    up, down = b.body_above(a) & c.body_above(a), b.body_below(a) & c.body_below(a)
    alike = b.white & c.white & b.within(c.body, b.body, b.near) & b.within(c.open, b.open, b.equal)
    return given(np.where(up, 1.0, -1.0), (up | down) & alike)


@pattern(3, 12)
def identical_three_crows(a: Candle, b: Candle, c: Candle) -> Values:
    """Three blacks without lower shadows, each from the last one's close: -1."""
    black = a.black & a.no_lower & b.black & b.no_lower & c.black & c.no_lower
    falls = (a.close > b.close) & (b.close > c.close)
    same = a.within(b.open, a.close, a.equal) & b.within(c.open, b.close, b.equal)
    return given(-1.0, black & falls & same)


@pattern(5, 14)
def ladder_bottom(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle) -> Values:
    """Three blacks down a ladder, a black with an upper shadow, then a white beyond it: 1."""
    black = a.black & b.black & c.black & d.black
    falls = (a.open > b.open) & (b.open > c.open) & (a.close > b.close) & (b.close > c.close)
    turns = d.some_upper & e.white & (e.open > d.open) & (e.close > d.high)
    return given(1.0, black & falls & turns)


@pattern(5, 14)
def mat_hold(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle) -> Values:
    """Long white, a gap up, three short bodies that fall into its upper half, then a white beyond: 1."""
    short = a.long & b.short & c.short & d.short
    colours = a.white & b.black & e.white
    holds = (c.bottom < a.close) & (d.bottom < a.close) & _upper_half(a, c) & _upper_half(a, d)
    falls = (c.top < b.open) & (d.top < c.top)
    beyond = (e.open > d.close) & (e.close > np.maximum(np.maximum(b.high, c.high), d.high))
    return given(1.0, short & colours & b.body_above(a) & holds & falls & beyond)


def _upper_half(a: Candle, other: Candle) -> Flags:
    return a.above(other.bottom, a.close - 0.5 * a.body)


@pattern(5, 14)
def rise_fall_three_methods(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle) -> Values:
    """Long body, three short ones against it within its range, then a long one further on: its colour."""
    short = a.long & b.short & c.short & d.short & e.long
    colours = (a.white != b.white) & (b.white == c.white) & (c.white == d.white) & (d.white != e.white)
    within = (b.bottom < a.high) & (b.top > a.low) & (c.bottom < a.high) & (c.top > a.low)
    within &= (d.bottom < a.high) & (d.top > a.low)
    steps = (c.close * a.colour < b.close * a.colour) & (d.close * a.colour < c.close * a.colour)
    further = (e.open * a.colour > d.close * a.colour) & (e.close * a.colour > a.close * a.colour)
    return given(a.colour, short & colours & within & steps & further)


@pattern(3, 7)
def stick_sandwich(a: Candle, b: Candle, c: Candle) -> Values:
    """Two blacks that close alike, a white above their close between: 1."""
    alike = a.within(c.close, a.close, a.equal)
    return given(1.0, a.black & b.white & c.black & (b.low > a.close) & alike)


@pattern(3, 7)
def tasuki_gap(a: Candle, b: Candle, c: Candle) -> Values:
    """Gap, then a like body from within the second back into the gap: colour of the second."""
    size = b.below(np.abs(b.body - c.body), b.near)
    up = b.body_above(a) & b.white & c.black & (c.open < b.close) & (c.open > b.open)
    up &= (c.close < b.open) & (c.close > a.top)
    down = b.body_below(a) & b.black & c.white & (c.open < b.open) & (c.open > b.close)
    down &= (c.close > b.open) & (c.close < a.bottom)
    return given(b.colour, size & (up | down))


@pattern(3, 12)
def tristar(a: Candle, b: Candle, c: Candle) -> Values:
    """Three dojis, the second apart from the first: -1 above it, 1 below."""
    dojis = a.doji & b.doji_for(a) & c.doji_for(a)
    above, below = b.body_above(a) & (c.top < b.top), b.body_below(a) & (c.bottom > b.bottom)
    return given(np.where(below, 1.0, -1.0), dojis & (above | below))


@pattern(3, 12)
def unique_three_river(a: Candle, b: Candle, c: Candle) -> Values:
    """Long black, a black hammer within it to a new low, then a short white below: 1."""
    inside = b.black & (b.close > a.close) & (b.open <= a.open) & (b.low < a.low)
    return given(1.0, a.long & a.black & inside & c.short & c.white & (c.open > b.low))


@pattern(3, 12)
def upside_gap_two_crows(a: Candle, b: Candle, c: Candle) -> Values:
    """Long white, a short black above a gap, then a black that engulfs it above the gap: -1."""
    engulfs = (c.open > b.open) & (c.close < b.close) & (c.close > a.close)
    return given(-1.0, a.white & a.long & b.black & b.not_long & b.body_above(a) & c.black & engulfs)


@pattern(3, 2)
def gap_three_methods(a: Candle, b: Candle, c: Candle) -> Values:
    """Two of one colour with a gap between, then one that closes it: their colour."""
    closes = (a.white == b.white) & (b.white != c.white) & b.within_body(c.open) & a.within_body(c.close)
    gap = (a.white & b.body_above(a)) | (a.black & b.body_below(a))
    return given(a.colour, closes & gap)


def _tricks(mother: Candle, inside: Candle, out: Candle) -> Values:
    """1 where a bar inside the one before is left downward, -1 upward, else 0."""
    held = (inside.high < mother.high) & (inside.low > mother.low)
    down, up = (out.high < inside.high) & (out.low < inside.low), (out.high > inside.high) & (out.low > inside.low)
    return given(1.0, held & down) - given(1.0, held & up)


def _modified(first: Candle, second: Candle, third: Candle, out: Candle) -> Values:
    """As `_tricks` with two inside bars in a row, the first of which closes near its low (1) or high (-1)."""
    held = (second.high < first.high) & (second.low > first.low)
    signal = _tricks(second, third, out) * held
    low = ~second.above(second.close, second.low + second.near)
    high = ~second.below(second.close, second.high - second.near)
    return np.where(signal > 0.0, signal * low, signal * high)


def _confirmed(signals: list[Values], insides: list[Candle], days: list[Candle]) -> Values:
    """Today's signal, or twice an earlier one whose inside bar is passed for the first time today.

    `signals` of today and of 1, 2, 3 days before, `insides` beside them; `days` from today back to 2 days before.
    """
    confirmed = np.zeros(signals[0].size)
    for back in (3, 2, 1):
        signal, inside = signals[back], insides[back]
        passes = [np.where(signal > 0.0, day.close > inside.high, day.close < inside.low) for day in days[:back]]
        once = passes[0] & ~np.logical_or.reduce([np.zeros(signal.size, dtype=np.bool_), *passes[1:]])
        confirmed = np.where(signal != 0.0, 2.0 * signal * once, confirmed)
    return np.where(signals[0] != 0.0, signals[0], confirmed)


@pattern(6, 5)
def hikkake(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle, f: Candle) -> Values:
    """Inside bar left in one direction: 1 downward, -1 upward; 2, -2 when it is passed the other way within 3 days."""
    signals = [_tricks(d, e, f), _tricks(c, d, e), _tricks(b, c, d), _tricks(a, b, c)]
    return _confirmed(signals, [e, d, c, b], [f, e, d])


@pattern(7, 10)
def modified_hikkake(a: Candle, b: Candle, c: Candle, d: Candle, e: Candle, f: Candle, g: Candle) -> Values:
    """Two inside bars in a row left in one direction: 1 downward, -1 upward; 2, -2 when passed within 3 days."""
    signals = [_modified(d, e, f, g), _modified(c, d, e, f), _modified(b, c, d, e), _modified(a, b, c, d)]
    return _confirmed(signals, [f, e, d, c], [g, f, e])


_NISON = "Nison 1991, Japanese Candlestick Charting Techniques"
_MORRIS = "Morris 2006, Candlestick Charting Explained"
_CHESLER = "Chesler 2003, Active Trader 4(4)"

INDICATORS: Final[tuple[Indicator, ...]] = tuple(
    candlestick(compute, peer, meaning, source)
    for compute, peer, source, meaning in (
        (two_crows, "CDL2CROWS", _MORRIS, "two crows: a long white, a black above it, a black back into it; always -1"),
        (
            three_black_crows,
            "CDL3BLACKCROWS",
            _MORRIS,
            "three black crows: after a white three blacks without lower shadows, each from within the last; always -1",
        ),
        (
            three_inside,
            "CDL3INSIDE",
            _MORRIS,
            "three inside: a long body that holds a short one, then a close beyond its open; 1 up, -1 down",
        ),
        (
            three_line_strike,
            "CDL3LINESTRIKE",
            _MORRIS,
            "three-line strike: three bodies on in one colour, then one against them past all; as the three",
        ),
        (
            three_outside,
            "CDL3OUTSIDE",
            _MORRIS,
            "three outside: a body that engulfs the opposite one before, then a close further on; as the second",
        ),
        (
            three_stars_in_the_south,
            "CDL3STARSINSOUTH",
            _MORRIS,
            "three stars in the south: three ever smaller blacks with ever higher lows; always 1",
        ),
        (
            three_white_soldiers,
            "CDL3WHITESOLDIERS",
            _MORRIS,
            "three advancing white soldiers: three whites without upper shadows, each from within the last; always 1",
        ),
        (
            abandoned_baby,
            "CDLABANDONEDBABY",
            _MORRIS,
            "abandoned baby: a doji apart from both neighbours, then a body back over 0.3 of the first; as the last",
        ),
        (
            advance_block,
            "CDLADVANCEBLOCK",
            _MORRIS,
            "advance block: three whites that climb ever more weakly; always -1",
        ),
        (
            breakaway,
            "CDLBREAKAWAY",
            _MORRIS,
            "breakaway: a long body, a gap, two steps on, then a body back into the gap; as the last",
        ),
        (
            concealing_baby_swallow,
            "CDLCONCEALBABYSWALL",
            _MORRIS,
            "concealing baby swallow: two black marubozus, a black with an upper shadow into them, engulfed by a black;"
            " always 1",
        ),
        (
            evening_doji_star,
            "CDLEVENINGDOJISTAR",
            _NISON,
            "evening doji star: a long white, a doji above, a black back over 0.3 of the first; always -1",
        ),
        (
            evening_star,
            "CDLEVENINGSTAR",
            _NISON,
            "evening star: a long white, a short body above, a black back over 0.3 of the first; always -1",
        ),
        (
            gap_side_by_side_white,
            "CDLGAPSIDESIDEWHITE",
            _NISON,
            "side-by-side white lines: two like whites beyond a gap; 1 above it, -1 below",
        ),
        (
            hikkake,
            "CDLHIKKAKE",
            _CHESLER,
            "hikkake: an inside bar left downward (1) or upward (-1); 2 or -2 on the bar that closes beyond it the"
            " other way within 3 bars",
        ),
        (
            modified_hikkake,
            "CDLHIKKAKEMOD",
            _CHESLER,
            "modified hikkake: two inside bars in a row, the first closing near its extreme, left downward (1) or"
            " upward (-1); 2 or -2 on the bar that closes beyond the other way within 3 bars",
        ),
        (
            identical_three_crows,
            "CDLIDENTICAL3CROWS",
            _MORRIS,
            "identical three crows: three blacks without lower shadows, each from the last one's close; always -1",
        ),
        (
            ladder_bottom,
            "CDLLADDERBOTTOM",
            _MORRIS,
            "ladder bottom: three blacks down, a black with an upper shadow, a white beyond it; always 1",
        ),
        (
            mat_hold,
            "CDLMATHOLD",
            _MORRIS,
            "mat hold: a long white, three short bodies that fall into its upper half, a white beyond; always 1",
        ),
        (
            morning_doji_star,
            "CDLMORNINGDOJISTAR",
            _NISON,
            "morning doji star: a long black, a doji below, a white back over 0.3 of the first; always 1",
        ),
        (
            morning_star,
            "CDLMORNINGSTAR",
            _NISON,
            "morning star: a long black, a short body below, a white back over 0.3 of the first; always 1",
        ),
        (
            rise_fall_three_methods,
            "CDLRISEFALL3METHODS",
            _NISON,
            "rising or falling three methods: a long body, three short ones against it, a long one on; as the first",
        ),
        (
            stalled_pattern,
            "CDLSTALLEDPATTERN",
            _MORRIS,
            "stalled pattern: two long whites, then a short one on their shoulder; always -1",
        ),
        (
            stick_sandwich,
            "CDLSTICKSANDWICH",
            _MORRIS,
            "stick sandwich: two blacks that close alike, a white above their close between; always 1",
        ),
        (
            tasuki_gap,
            "CDLTASUKIGAP",
            _NISON,
            "tasuki gap: a gap, then a like body from within the second back into the gap; as the second",
        ),
        (
            tristar,
            "CDLTRISTAR",
            _NISON,
            "tristar: three dojis, the second apart from the first; -1 above it, 1 below",
        ),
        (
            unique_three_river,
            "CDLUNIQUE3RIVER",
            _MORRIS,
            "unique three river: a long black, a black within it to a new low, a short white below; always 1",
        ),
        (
            upside_gap_two_crows,
            "CDLUPSIDEGAP2CROWS",
            _NISON,
            "upside gap two crows: a long white, a short black above a gap, a black that engulfs it; always -1",
        ),
        (
            gap_three_methods,
            "CDLXSIDEGAP3METHODS",
            _MORRIS,
            "gap three methods: two of one colour with a gap between, then one that closes it; as the two",
        ),
    )
)
"""All patterns of three bars and more."""
