"""Whether a night trains, and why: a pure function, so that its answer can be tested and replayed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nightdesk.monitoring.drift import REST

TrainingMode = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class TrainingDecision:
    """Whether to train tonight, the reason in words, and the horizons at which nobody is served yet."""

    train: bool
    reason: str
    unserved: tuple[int, ...] = ()


def decide_training(
    mode: TrainingMode,
    trained: Mapping[int, dt.date | None],
    days: Sequence[dt.date],
    retrain_after: int,
    outdated: Sequence[str] = (),
    alarms: Sequence[str] = (),
) -> TrainingDecision:
    """Decide whether to train on the night of the last of `days`.

    `trained` maps each horizon to the as-of date of the last training (None: nobody is served there); `retrain_after`
    counts trading days; `outdated` are features of models in use that are defined otherwise since; `alarms` say what is
    wrong with inputs or outcomes. An alarm asks for a training where there was none in the 20 trading days before: so
    one fault asks once, and not every night.
    """
    unserved = tuple(horizon for horizon, last in trained.items() if last is None)
    if mode == "never":
        return TrainingDecision(False, "training was switched off for this night by hand")
    if mode == "always":
        return TrainingDecision(True, "training was asked for by hand", unserved)
    if unserved:
        return TrainingDecision(True, f"no model is served at {_horizons(unserved)}", unserved)
    if outdated:
        more = f" and {len(outdated) - 1} more" if len(outdated) > 1 else ""
        return TrainingDecision(True, f"models in use were fitted on {outdated[0]}{more} as defined before")
    oldest = min(last for last in trained.values() if last is not None)
    age = sum(day > oldest for day in days)
    old = f"{age} trading day{'' if age == 1 else 's'} old"
    told = "".join(f"{alarm}; " for alarm in alarms)
    if age >= retrain_after:
        return TrainingDecision(True, f"{told}the last training is {old} (schedule: {retrain_after})")
    newest = max(last for last in trained.values() if last is not None)
    rested = sum(day > newest for day in days) >= REST
    waits = f", and an alarm asks for none before it is {REST}" if alarms and not rested else ""
    reason = f"{told}the last training is {old}, the schedule is {retrain_after}{waits}"
    return TrainingDecision(bool(alarms) and rested, reason)


def _horizons(horizons: Sequence[int]) -> str:
    return "horizon " + ", ".join(map(str, horizons))
