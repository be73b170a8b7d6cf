"""The registry of indicators: nightdesk's own, and those that entry points of `nightdesk.features` add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

from nightdesk.errors import BadInput, UnknownName
from nightdesk.features import (
    alpha158,
    bars,
    candles_more,
    candles_one,
    candles_two,
    dates,
    intraday,
    liquidity,
    momentum,
    oscillators,
    statistical,
    trend,
    volatility,
    volume,
)
from nightdesk.features.indicator import Indicator
from nightdesk.plugins import entry_points

ENTRY_POINTS: Final = "nightdesk.features"

FAMILIES: Final[tuple[tuple[Indicator, ...], ...]] = (
    trend.MORE,
    momentum.MORE,
    oscillators.MORE,
    volatility.MORE,
    volume.MORE,
    liquidity.INDICATORS,
    statistical.INDICATORS,
    dates.INDICATORS,
    candles_one.INDICATORS,
    candles_two.INDICATORS,
    candles_more.INDICATORS,
    alpha158.INDICATORS,
    intraday.INDICATORS,
)
"""What nightdesk has beside its default features, family by family."""

DEFAULT: Final[tuple[Indicator, ...]] = (
    momentum.RETURN_1,
    momentum.RETURN_20,
    momentum.RETURN_60,
    momentum.MOMENTUM_252_21,
    momentum.REVERSAL_5,
    trend.SMA_GAP_20,
    trend.EMA_GAP_50,
    trend.MACD_HISTOGRAM,
    trend.ADX_14,
    oscillators.RSI_14,
    oscillators.STOCHASTIC_K_14,
    oscillators.BOLLINGER_POSITION_20,
    volatility.VOLATILITY_60,
    volatility.NATR_14,
    volatility.YANG_ZHANG_20,
    volume.VOLUME_RATIO_20,
    volume.MFI_14,
    volume.CHAIKIN_MONEY_FLOW_20,
    bars.GAP_OPEN,
    bars.RANGE_POSITION,
)
"""What a night computes unless told otherwise, all of it scale-free; the first columns of any selection."""

INDICATORS: Final[dict[str, Indicator]] = {
    indicator.name: indicator for family in (DEFAULT, *FAMILIES) for indicator in family
}


@cache
def registered() -> Mapping[str, Indicator]:
    """Every indicator by name: nightdesk's own, then a user's from the entry points, sorted by name.

    Raises BadInput where an entry point holds no Indicator, or one whose name is not its own or already
    taken.
    """
    joined = dict(INDICATORS)
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        indicator = entry.load()
        if not isinstance(indicator, Indicator) or indicator.name != entry.name:
            raise BadInput(
                f"entry point {entry.name!r} of {ENTRY_POINTS} must be an Indicator of that name, got "
                f"{indicator!r}: correct {entry.value!r}"
            )
        if entry.name in joined:
            raise BadInput(f"feature names must be unique, got a second {entry.name!r} from {entry.value!r}: rename it")
        joined[entry.name] = indicator
    return MappingProxyType(joined)


def select(names: Sequence[str] | None = None) -> list[Indicator]:
    """Return the indicators called `names` in registry order, whatever the order of `names`.

    Without names: the default ones and all that a user's entry points add.

    Raises UnknownName for a name that is not registered, BadInput where `names` is empty.
    """
    known = registered()
    if names is None:
        others = {indicator.name for family in FAMILIES for indicator in family}
        return [indicator for name, indicator in known.items() if name not in others]
    if not names:
        raise BadInput("features must be at least one, got none: name some, or leave names out for the default ones")
    for name in names:
        if name not in known:
            raise UnknownName.among("feature", name, known)
    wanted = frozenset(names)
    return [indicator for name, indicator in known.items() if name in wanted]
