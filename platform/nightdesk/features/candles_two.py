"""Candlestick patterns of two bars."""

from __future__ import annotations

from typing import Final

import numpy as np

from nightdesk.features.candles import Candle, candlestick, given, pattern
from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Flags, Values


@pattern(2, 11)
def counterattack(before: Candle, now: Candle) -> Values:
    """Two long bodies of opposite colour that close alike: colour of the second."""
    alike = before.within(now.close, before.close, before.equal)
    return given(now.colour, (before.white != now.white) & before.long & now.long & alike)


@pattern(2, 11)
def dark_cloud_cover(before: Candle, now: Candle) -> Values:
    """Long white, then a black from above its high to below its middle: -1."""
    deep = now.below(now.close, before.close - 0.5 * before.body) & (now.close > before.open)
    return given(-1.0, before.white & before.long & now.black & (now.open > before.high) & deep)


@pattern(2, 11)
def doji_star(before: Candle, now: Candle) -> Values:
    """Long body, then a doji beyond it: -1 after a white, 1 after a black."""
    beyond = (before.white & now.body_above(before)) | (before.black & now.body_below(before))
    return given(-before.colour, before.long & now.doji & beyond)


@pattern(2, 2)
def engulfing(before: Candle, now: Candle) -> Values:
    """Body that holds the opposite one before: colour of the second, 0.8 of it where they share an end."""
    holds = (now.top >= before.top) & (now.bottom <= before.bottom) & (now.body > before.body)
    shared = (now.top == before.top) | (now.bottom == before.bottom)
    return given(now.colour * np.where(shared, 0.8, 1.0), (now.white != before.white) & holds)


def _inside(before: Candle, now: Candle) -> Values:
    strictly = (now.top < before.top) & (now.bottom > before.bottom)
    at_most = (now.top <= before.top) & (now.bottom >= before.bottom)
    return given(-before.colour * np.where(strictly, 1.0, 0.8), before.long & at_most)


@pattern(2, 11)
def harami(before: Candle, now: Candle) -> Values:
    """Long body that holds a short one after it: against the first's colour, 0.8 where they share an end."""
    return given(_inside(before, now), now.not_long)


@pattern(2, 11)
def harami_cross(before: Candle, now: Candle) -> Values:
    """Long body that holds a doji after it: against the first's colour, 0.8 where they share an end."""
    return given(_inside(before, now), now.doji)


@pattern(2, 11)
def homing_pigeon(before: Candle, now: Candle) -> Values:
    """Long black that holds a short black after it: 1."""
    inside = (now.open < before.open) & (now.close > before.close)
    return given(1.0, before.black & now.black & before.long & now.not_long & inside)


def _rises_from_below(before: Candle, now: Candle) -> Flags:
    """Long black, then a white that opens below its low."""
    return before.black & before.long & now.white & (now.open < before.low)


@pattern(2, 11)
def in_neck(before: Candle, now: Candle) -> Values:
    """Long black, then a white from below that closes at its close or slightly above: -1."""
    slightly = (now.close >= before.close) & ~before.above(now.close, before.close + before.equal)
    return given(-1.0, _rises_from_below(before, now) & slightly)


@pattern(2, 11)
def on_neck(before: Candle, now: Candle) -> Values:
    """Long black, then a white from below that closes at its low: -1."""
    return given(-1.0, _rises_from_below(before, now) & before.within(now.close, before.low, before.equal))


@pattern(2, 11)
def thrusting(before: Candle, now: Candle) -> Values:
    """Long black, then a white from below that closes in its body, at most at the middle: -1."""
    into = before.above(now.close, before.close + before.equal)
    return given(
        -1.0, _rises_from_below(before, now) & into & ~before.above(now.close, before.close + 0.5 * before.body)
    )


@pattern(2, 11)
def piercing(before: Candle, now: Candle) -> Values:
    """Long black, then a long white from below that closes in its body above the middle: 1."""
    into = (now.close < before.open) & before.above(now.close, before.close + 0.5 * before.body)
    return given(1.0, _rises_from_below(before, now) & now.long & into)


def _kicks(before: Candle, now: Candle) -> Flags:
    """Two opposite marubozus with a gap between their ranges, in the direction of the second."""
    bare: Flags = before.long & before.no_upper & before.no_lower & now.long & now.no_upper & now.no_lower
    gap = (before.black & (now.low > before.high)) | (before.white & (now.high < before.low))
    return (before.white ^ now.white) & bare & gap


@pattern(2, 11)
def kicking(before: Candle, now: Candle) -> Values:
    """Two opposite marubozus with a gap between: colour of the second."""
    return given(now.colour, _kicks(before, now))


@pattern(2, 11)
def kicking_by_length(before: Candle, now: Candle) -> Values:
    """Two opposite marubozus with a gap between: colour of the longer."""
    return given(np.where(now.above(now.body, before.body), now.colour, before.colour), _kicks(before, now))


@pattern(2, 6)
def matching_low(before: Candle, now: Candle) -> Values:
    """Two blacks that close alike: 1."""
    return given(1.0, before.black & now.black & before.within(now.close, before.close, before.equal))


@pattern(2, 11)
def separating_lines(before: Candle, now: Candle) -> Values:
    """Opposite colours that open alike, the second a long belt hold: its colour."""
    bare = now.long & ((now.white & now.no_lower) | (now.black & now.no_upper))
    return given(now.colour, (before.white != now.white) & before.within(now.open, before.open, before.equal) & bare)


_MORRIS = "Morris 2006, Candlestick Charting Explained"

INDICATORS: Final[tuple[Indicator, ...]] = (
    candlestick(
        counterattack, "CDLCOUNTERATTACK", "counterattack: two long opposite bodies that close alike; as the second"
    ),
    candlestick(
        dark_cloud_cover,
        "CDLDARKCLOUDCOVER",
        "dark cloud cover: a long white, then a black from above its high to below its middle; always -1",
    ),
    candlestick(
        doji_star, "CDLDOJISTAR", "doji star: a long body, then a doji beyond it; -1 after a white, 1 after a black"
    ),
    candlestick(
        engulfing, "CDLENGULFING", "engulfing: a body that holds the opposite one before; 0.8 where they share an end"
    ),
    candlestick(
        harami, "CDLHARAMI", "harami: a long body that holds a short one after it; 0.8 where they share an end"
    ),
    candlestick(
        harami_cross,
        "CDLHARAMICROSS",
        "harami cross: a long body that holds a doji after it; 0.8 where they share an end",
    ),
    candlestick(
        homing_pigeon, "CDLHOMINGPIGEON", "homing pigeon: a long black that holds a short black; always 1", _MORRIS
    ),
    candlestick(
        in_neck, "CDLINNECK", "in-neck: a long black, then a white from below up to its close; always -1", _MORRIS
    ),
    candlestick(
        on_neck, "CDLONNECK", "on-neck: a long black, then a white from below up to its low; always -1", _MORRIS
    ),
    candlestick(
        thrusting,
        "CDLTHRUSTING",
        "thrusting: a long black, then a white from below into its body, at most to the middle; always -1",
    ),
    candlestick(
        piercing, "CDLPIERCING", "piercing: a long black, then a long white from below to above its middle; always 1"
    ),
    candlestick(kicking, "CDLKICKING", "kicking: two opposite marubozus with a gap between; as the second", _MORRIS),
    candlestick(
        kicking_by_length,
        "CDLKICKINGBYLENGTH",
        "kicking by length: two opposite marubozus with a gap between; as the longer",
        "Bulkowski 2008, Encyclopedia of Candlestick Charts",
    ),
    candlestick(matching_low, "CDLMATCHINGLOW", "matching low: two blacks that close alike; always 1", _MORRIS),
    candlestick(
        separating_lines,
        "CDLSEPARATINGLINES",
        "separating lines: opposite colours that open alike, the second a long belt hold; as the second",
    ),
)
"""All patterns of two bars."""
