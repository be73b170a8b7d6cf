"""What a night finds of its models' inputs and outcomes: small records, which stages pass on and reports show."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

CLEAN, DRIFTING, GROSS, UNJUDGED = "clean", "drifting", "gross", "unjudged"
"""Verdicts on inputs: no feature drifted; some did; a tenth or more did; there was nothing to judge by."""
HELD, BROKEN, DEGRADED = "held", "broken", "degraded"
"""Verdicts on outcomes: as promised; the relation of scores and outcomes broke; the mean fell below the promise."""
ALARMING = (GROSS, BROKEN, DEGRADED)
"""Verdicts that people are told of, and that ask for a training."""


@dataclass(frozen=True, slots=True)
class FlaggedFeature:
    """A feature that drifted: since which night, its stability index, its lean (mean rank), and its share of nulls."""

    feature: str
    since: dt.date
    psi: float
    lean: float
    nulls: float


@dataclass(frozen=True, slots=True)
class InputDrift:
    """What a night found of the inputs of the model served at a horizon; `share` of its features that drifted."""

    horizon: int
    model: str
    model_content: str
    verdict: str
    features: int
    share: float | None
    since: dt.date | None
    flagged: tuple[FlaggedFeature, ...]
    symbols: tuple[tuple[str, float], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a night found of the matured forecasts at a horizon: whether scores still say what they did, and how well.

    `evidence` over `threshold` is a broken relation, since about `since`; mean, lower and upper are of the last nights,
    with their 99 % band; `promised` is what the models' walk-forward had found.
    """

    horizon: int
    model: str
    verdict: str
    nights: int
    promised: float | None
    evidence: float | None
    threshold: float | None
    since: dt.date | None
    mean: float | None
    lower: float | None
    upper: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What a night found of its models' inputs and outcomes, a record a horizon; empty where nobody was served yet."""

    content: str
    inputs: tuple[InputDrift, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """The reasons that ask for a training, each once."""
        found = [(one.verdict, one.reason) for one in self.inputs]
        found += [(one.verdict, one.reason) for one in self.outcomes]
        return tuple(dict.fromkeys(reason for verdict, reason in found if verdict in ALARMING))

    @property
    def flagged(self) -> tuple[InputDrift, ...]:
        """Inputs of which some feature drifted, those alike (of models fitted on the same data) once."""
        found = {one.flagged: one for one in reversed(self.inputs) if one.flagged}
        return tuple(reversed(found.values()))
