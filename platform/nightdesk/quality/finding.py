"""What a check has to say: one finding, with its reason code, its place and its meaning in words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Severity = Literal["row", "batch", "note"]
"""`row`: it goes to quarantine; `batch`: the whole batch is refused; `note`: nothing is held back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a batch.

    Attributes
    ----------
    rule
        Reason code of the rule (`ohlc_order`, `missing_day`).
    severity
        What follows from it.
    symbol, date
        Where it was found, or where it begins; None for what has no such place.
    value
        What was found there, as text.
    meaning
        The rule, in words.
    count
        How many it stands for: rows, days, symbols or columns, as `value` says.
    confidence
        How sure a suspicion is, from 0 to 1, by the weights of its evidence; None for what is plain to see.
    """

    rule: str
    severity: Severity
    symbol: str | None
    date: dt.date | None
    value: str
    meaning: str
    count: int = 1
    confidence: float | None = None

    def __str__(self) -> str:
        """One line: rule, place, value, meaning."""
        place = " ".join(str(part) for part in (self.symbol, self.date) if part is not None)
        return f"{self.rule}{' ' if place else ''}{place}: {self.value} ({self.meaning})"
