"""Checks corporate actions: one that cannot be applied refuses the batch, for it would bend a share's whole history."""

from __future__ import annotations

from typing import Final

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.tables import CORPORATE_ACTIONS, DIVIDEND, EX_DATE, KIND, SPLIT, SYMBOL, VALUE

_KEY: Final = (SYMBOL, EX_DATE, KIND)
_NUMBER: Final = pl.col(VALUE).is_finite().fill_null(value=False)

_RULES: Final = (
    (
        "action_key",
        "an action must have a symbol, an ex-date and a kind",
        pl.any_horizontal(pl.col(*_KEY).is_null()),
    ),
    (
        "action_kind",
        f"an action must be a {SPLIT} or a {DIVIDEND}",
        ~pl.col(KIND).is_in([SPLIT, DIVIDEND]).fill_null(value=True),
    ),
    (
        "action_value",
        "a split must be above 0 new shares for an old one, a dividend must not be below 0",
        ~_NUMBER
        | ((pl.col(KIND) == SPLIT) & (pl.col(VALUE) <= 0))
        | ((pl.col(KIND) == DIVIDEND) & (pl.col(VALUE) < 0)),
    ),
    (
        "action_twice",
        "a symbol must have one action of a kind on an ex-date",
        pl.struct(_KEY).is_duplicated(),
    ),
)


def action_findings(actions: pl.DataFrame) -> tuple[Finding, ...]:
    """What refuses a batch of corporate actions (`tables.CORPORATE_ACTIONS`): each rule that any of them breaks.

    A finding names the first action that breaks its rule, and counts them all.
    """
    if dict(actions.schema) != dict(CORPORATE_ACTIONS):
        got = ", ".join(f"{name} {kind}" for name, kind in actions.schema.items())
        meaning = "corporate actions must have the columns and types of their table, and no others"
        return (Finding("action_columns", "batch", None, None, got, meaning, actions.width),)
    found = []
    for code, meaning, breaks in _RULES:
        broken = actions.filter(breaks).sort(*_KEY)
        for symbol, day, kind, value in broken.head(1).iter_rows():
            shown = f"{kind} of {value}" + (f", and {broken.height - 1} more" if broken.height > 1 else "")
            found.append(Finding(code, "batch", symbol, day, shown, meaning, broken.height))
    return tuple(found)
