"""The registry of indicators: nightdesk's own, and those that entry points of `nightdesk.features` add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

from nightdesk.errors import BadInput, UnknownName
from nightdesk.features import bars, momentum, oscillators, trend, volatility, volume
from nightdesk.features.indicator import Indicator
from nightdesk.plugins import entry_points

ENTRY_POINTS: Final = "nightdesk.features"

INDICATORS: Final[dict[str, Indicator]] = {
    "return_1": momentum.RETURN_1,
    "return_20": momentum.RETURN_20,
    "return_60": momentum.RETURN_60,
    "momentum_252_21": momentum.MOMENTUM_252_21,
    "reversal_5": momentum.REVERSAL_5,
    "sma_gap_20": trend.SMA_GAP_20,
    "ema_gap_50": trend.EMA_GAP_50,
    "macd_histogram": trend.MACD_HISTOGRAM,
    "adx_14": trend.ADX_14,
    "rsi_14": oscillators.RSI_14,
    "stochastic_k_14": oscillators.STOCHASTIC_K_14,
    "bollinger_position_20": oscillators.BOLLINGER_POSITION_20,
    "volatility_60": volatility.VOLATILITY_60,
    "natr_14": volatility.NATR_14,
    "yang_zhang_20": volatility.YANG_ZHANG_20,
    "volume_ratio_20": volume.VOLUME_RATIO_20,
    "mfi_14": volume.MFI_14,
    "chaikin_money_flow_20": volume.CHAIKIN_MONEY_FLOW_20,
    "gap_open": bars.GAP_OPEN,
    "range_position": bars.RANGE_POSITION,
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
    """Return the indicators called `names` (all where None) in registry order, whatever the order of `names`.

    Raises UnknownName for a name that is not registered, BadInput where `names` is empty.
    """
    known = registered()
    if names is None:
        return list(known.values())
    if not names:
        raise BadInput("features must be at least one, got none: name some, or leave names out for all")
    for name in names:
        if name not in known:
            raise UnknownName.among("feature", name, known)
    wanted = frozenset(names)
    return [indicator for name, indicator in known.items() if name in wanted]
