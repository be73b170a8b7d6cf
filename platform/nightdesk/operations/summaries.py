"""What nights and retrains leave behind them: small enough that a command reads it without what a night imports."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from nightdesk.store.decisions import Serving


@dataclass(frozen=True, slots=True)
class Score:
    """A model's or baseline's walk-forward rank IC with its 95 % interval; None where undefined."""

    horizon: int
    model: str
    kind: str
    mean: float | None
    lower: float | None
    upper: float | None
    days: int
    edge_lower: float | None


@dataclass(frozen=True, slots=True)
class NightSummary:
    """How a night ended: what came in, whether it trained, who is served, the top of the ranking, where to look."""

    realm: str
    as_of: dt.date
    status: str
    reasons: tuple[str, ...]
    rows_in: int
    rows_new: int
    quarantined: tuple[tuple[str, int], ...]
    trained: bool
    training_reason: str
    failed_fits: tuple[str, ...]
    walk_forward_as_of: dt.date | None
    scores: tuple[Score, ...]
    serving: tuple[Serving, ...]
    top: tuple[tuple[int, tuple[str, ...]], ...]
    matured: int
    forecasts: int
    report: str
    store: str
    tracking: str
    approvals: tuple[str, ...] = ()
    tops: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    """Of several markets: market, horizon and the top of its own ranking; `top` is then the lead's."""
    evidence: tuple[str, ...] = ()
    """Where each question of evidence stands, a line each."""
    inputs: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    """What was found of drift and of matured forecasts, a line a horizon; empty where nobody was served before."""
    searches: tuple[str, ...] = ()
    """What the searches before the fits came to, a sentence each; empty where nothing was tuned."""


@dataclass(frozen=True, slots=True)
class RetrainSummary:
    """What a retrain left: on whose data, why, every model's walk-forward, fits that failed, and who serves now.

    `searches` says what its searches came to, a sentence each.
    """

    realm: str
    as_of: dt.date
    reason: str
    failed_fits: tuple[str, ...]
    scores: tuple[Score, ...]
    serving: tuple[Serving, ...]
    tracking: str
    searches: tuple[str, ...] = ()
