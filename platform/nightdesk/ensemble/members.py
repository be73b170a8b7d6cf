"""Who belongs to an ensemble, and what is said of one that is short of a member."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from nightdesk.errors import BadInput
from nightdesk.labels.columns import DAILY_VOLATILITY, DELISTED, DIRECTION, ENTRY_DATE, EXIT_DATE, KNOWN_DATE, SIGNAL
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL

RESERVED: Final = frozenset(
    {
        *(SYMBOL, DATE, MARKET, HORIZON, SCORE, FORWARD_RETURN, KNOWN_DATE, ENTRY_DATE, EXIT_DATE, DELISTED),
        *(DAILY_VOLATILITY, DIRECTION, SIGNAL),
    }
)
"""Names of columns that stand beside the members' own: no member may be called so."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An ensemble short of members: those configured and those missing, in the configured order."""

    wanted: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def reason(self) -> str:
        """What is said of it wherever it is shown."""
        return (
            f"an ensemble must hold all of its {len(self.wanted)} members, got none of {', '.join(self.missing)}: "
            "fit them, or take them out of the configuration"
        )


def check_members(names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple; BadInput unless there are two or more, each once, and none is RESERVED."""
    if len(names) < 2 or len(set(names)) != len(names):
        raise BadInput(
            f"an ensemble must have two or more members, each once, got {', '.join(names) or 'none'}: "
            "name for example ridge and lightgbm"
        )
    taken = sorted(RESERVED.intersection(names))
    if taken:
        raise BadInput(
            f"a member must not be named like a column of its table, got {', '.join(taken)}: rename the recipe"
        )
    return tuple(names)


def incomplete(wanted: Sequence[str], present: Collection[str]) -> Incomplete | None:
    """What is missing of `wanted` among those `present`; None where the ensemble is whole."""
    missing = tuple(name for name in wanted if name not in present)
    return Incomplete(tuple(wanted), missing) if missing else None


def promotion_fault(wanted: Sequence[str], present: Collection[str]) -> str | None:
    """Why this ensemble may not be promoted (`promotion.gate.Fit.fault`), or None where it is whole."""
    short = incomplete(wanted, present)
    return None if short is None else short.reason
