"""Candlestick patterns of one bar, some beside the bar before."""

from __future__ import annotations

from typing import Final

from nightdesk.features.candles import Candle, candlestick, given, pattern
from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Values


@pattern(1, 10)
def belt_hold(now: Candle) -> Values:
    """Long body that opens at its extreme: 1 white, -1 black."""
    return given(now.colour, now.long & ((now.white & now.no_lower) | (now.black & now.no_upper)))


@pattern(1, 10)
def closing_marubozu(now: Candle) -> Values:
    """Long body that closes at its extreme: 1 white, -1 black."""
    return given(now.colour, now.long & ((now.white & now.no_upper) | (now.black & now.no_lower)))


@pattern(1, 10)
def marubozu(now: Candle) -> Values:
    """Long body without shadows: 1 white, -1 black."""
    return given(now.colour, now.long & now.no_upper & now.no_lower)


@pattern(1, 10)
def doji(now: Candle) -> Values:
    """Hardly any body: 1."""
    return given(1.0, now.doji)


@pattern(1, 10)
def dragonfly_doji(now: Candle) -> Values:
    """Hardly any body, a lower shadow alone: 1."""
    return given(1.0, now.doji & now.no_upper & now.some_lower)


@pattern(1, 10)
def gravestone_doji(now: Candle) -> Values:
    """Hardly any body, an upper shadow alone: 1."""
    return given(1.0, now.doji & now.no_lower & now.some_upper)


@pattern(1, 10)
def long_legged_doji(now: Candle) -> Values:
    """Hardly any body, and a shadow longer than it: 1."""
    return given(1.0, now.doji & (now.long_lower() | now.long_upper()))


@pattern(1, 10)
def rickshaw_man(now: Candle) -> Values:
    """Hardly any body, in the middle of two longer shadows: 1."""
    middle = now.low + (now.high - now.low) / 2.0
    centred = ~now.above(now.bottom, middle + now.near) & ~now.below(now.top, middle - now.near)
    return given(1.0, now.doji & now.long_lower() & now.long_upper() & centred)


@pattern(1, 10)
def takuri(now: Candle) -> Values:
    """Hardly any body, no upper shadow, a lower one longer than two bodies: 1."""
    return given(1.0, now.doji & now.no_upper & now.long_lower(2.0))


@pattern(1, 10)
def high_wave(now: Candle) -> Values:
    """Short body between shadows longer than two bodies: 1 white, -1 black."""
    return given(now.colour, now.short & now.long_upper(2.0) & now.long_lower(2.0))


@pattern(1, 10)
def spinning_top(now: Candle) -> Values:
    """Short body between shadows longer than it: 1 white, -1 black."""
    return given(now.colour, now.short & now.long_upper() & now.long_lower())


@pattern(1, 10)
def long_line(now: Candle) -> Values:
    """Long body between shorter shadows than usual: 1 white, -1 black."""
    return given(now.colour, now.long & now.short_upper & now.short_lower)


@pattern(1, 10)
def short_line(now: Candle) -> Values:
    """Short body between shorter shadows than usual: 1 white, -1 black."""
    return given(now.colour, now.short & now.short_upper & now.short_lower)


@pattern(2, 11)
def hammer(before: Candle, now: Candle) -> Values:
    """Short body over a long lower shadow, at or below the low before: 1."""
    low = ~before.above(now.bottom, before.low + before.near)
    return given(1.0, now.short & now.long_lower() & now.no_upper & low)


@pattern(2, 11)
def hanging_man(before: Candle, now: Candle) -> Values:
    """Short body over a long lower shadow, at or above the high before: -1."""
    high = ~before.below(now.bottom, before.high - before.near)
    return given(-1.0, now.short & now.long_lower() & now.no_upper & high)


@pattern(2, 11)
def inverted_hammer(before: Candle, now: Candle) -> Values:
    """Short body under a long upper shadow, wholly below the body before: 1."""
    return given(1.0, now.short & now.long_upper() & now.no_lower & now.body_below(before))


@pattern(2, 11)
def shooting_star(before: Candle, now: Candle) -> Values:
    """Short body under a long upper shadow, wholly above the body before: -1."""
    return given(-1.0, now.short & now.long_upper() & now.no_lower & now.body_above(before))


_MORRIS = "Morris 2006, Candlestick Charting Explained"

INDICATORS: Final[tuple[Indicator, ...]] = (
    candlestick(belt_hold, "CDLBELTHOLD", "belt hold: a long body that opens at its low (1) or its high (-1)"),
    candlestick(
        closing_marubozu, "CDLCLOSINGMARUBOZU", "closing marubozu: a long body that closes at its high (1) or low (-1)"
    ),
    candlestick(marubozu, "CDLMARUBOZU", "marubozu: a long body without shadows, white 1, black -1"),
    candlestick(doji, "CDLDOJI", "doji: a body of at most a tenth of the usual range; always 1"),
    candlestick(dragonfly_doji, "CDLDRAGONFLYDOJI", "dragonfly doji: a doji with a lower shadow alone; always 1"),
    candlestick(gravestone_doji, "CDLGRAVESTONEDOJI", "gravestone doji: a doji with an upper shadow alone; always 1"),
    candlestick(
        long_legged_doji, "CDLLONGLEGGEDDOJI", "long-legged doji: a doji with a shadow longer than its body; always 1"
    ),
    candlestick(
        rickshaw_man, "CDLRICKSHAWMAN", "rickshaw man: a long-legged doji in the middle of its range; always 1"
    ),
    candlestick(
        takuri, "CDLTAKURI", "takuri: a dragonfly doji whose shadow is longer than two bodies; always 1", _MORRIS
    ),
    candlestick(
        high_wave, "CDLHIGHWAVE", "high wave: a short body between shadows of more than two bodies, white 1, black -1"
    ),
    candlestick(spinning_top, "CDLSPINNINGTOP", "spinning top: a short body between longer shadows, white 1, black -1"),
    candlestick(
        long_line,
        "CDLLONGLINE",
        "long line: a long body between shorter shadows than usual, white 1, black -1",
        _MORRIS,
    ),
    candlestick(
        short_line, "CDLSHORTLINE", "short line: a short body between short shadows, white 1, black -1", _MORRIS
    ),
    candlestick(
        hammer, "CDLHAMMER", "hammer: a short body over a long lower shadow, at or below the low before; always 1"
    ),
    candlestick(
        hanging_man,
        "CDLHANGINGMAN",
        "hanging man: a short body over a long lower shadow, at or above the high before; always -1",
    ),
    candlestick(
        inverted_hammer,
        "CDLINVERTEDHAMMER",
        "inverted hammer: a short body under a long upper shadow, wholly below the body before; always 1",
    ),
    candlestick(
        shooting_star,
        "CDLSHOOTINGSTAR",
        "shooting star: a short body under a long upper shadow, wholly above the body before; always -1",
    ),
)
"""All patterns of one bar."""
