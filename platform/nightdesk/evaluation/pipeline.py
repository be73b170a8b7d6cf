"""A pipeline as a list of steps, from what was known to forecasts: what the look-ahead audit takes apart."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import polars as pl

from nightdesk.errors import BadInput
from nightdesk.tables import DATE, SYMBOL

LABEL: Final = "label"
LABEL_EXIT: Final = "label_exit"
KNOWN_ON: Final = "known_on"
KEY: Final = [SYMBOL, DATE]


@dataclass(frozen=True)
class Inputs:
    """The tables that a pipeline is made from; every row says since when it was known.

    `known_on` is a date: the row could be used from the evening of that day on, after the close. A decision on the
    evening of day t may use every row with `known_on <= t`, and no other. Any number may be null.

    Attributes
    ----------
    bars : symbol (String), date (Date), open, high, low, close, volume (Float64), known_on (Date). The first version
        of a bar has `known_on == date`. A restated bar is a second row of the same symbol and date with a later
        `known_on`; the first row stays. Symbols are listed and delisted, so that not all have bars on all dates.
    facts : symbol, period_end (Date), value (Float64), known_on. Figures of a period, published some time after it.
    members : symbol, snapshot_date (Date), known_on. Lists of the members of an index.
    """

    bars: pl.DataFrame
    facts: pl.DataFrame
    members: pl.DataFrame

    def known_by(self, day: dt.date) -> Inputs:
        """All that was known on the evening of `day`."""
        return Inputs(*(table.filter(pl.col(KNOWN_ON) <= day) for table in (self.bars, self.facts, self.members)))

    def first_bars(self) -> pl.DataFrame:
        """Every bar as it was first known: symbol, date, open, high, low, close, volume; sorted by symbol and date."""
        first = self.bars.sort(*KEY, KNOWN_ON).unique(KEY, keep="first", maintain_order=True)
        return first.drop(KNOWN_ON)


@runtime_checkable
class Step(Protocol):
    """One step of a pipeline: a feature, a label, a scaling, a selection, a model, a calibration, a fill.

    A pipeline is a sequence of steps, run for one split date `at` as `frames_of` does it::

        frame = the keys: symbol and date of every bar that `inputs` hold, sorted by both, each once
        for step in steps:
            step.fit(frame.filter(pl.col("date") <= at), inputs, at)
            frame = step.apply(frame, inputs)

    The *frame* has one row a symbol and date: columns `symbol`, `date`, and what the steps so far have added. Rows
    dated up to `at` are the past from which `fit` learns; later rows are forecast with what was learnt.

    Rules, which the audit holds a step to:

    1. **apply.** What a row of date t holds follows from rows of `inputs` with `known_on <= t`, from rows of the frame
       dated t or before, and from what `fit` learnt: from nothing else. The same goes for whether the row is there: a
       step may drop rows and must decide that on what was known on t.
    2. **Labels** are the exception: columns whose name is `label` or begins with `label_` look forward on purpose
       (returns to come, fills, realised profit). A step that adds them adds `label_exit` (Date) too: the day on whose
       evening the last price that the row's labels use is known; both are null where the inputs end before it.
       The decision of day t fills at the open of the next bar at the earliest, so a label of t must not begin at a
       price of t, its close among them.
    3. **fit** learns from `train` and from rows of `inputs` with `known_on <= at`. `train` holds every row dated up to
       `at`, those too whose `label_exit` is after `at` or null: a step that learns from labels leaves these out.
    4. `inputs` is given whole, also what became known later: not to look is the step's duty.
    5. A step changes neither `train`, `frame` nor `inputs`; with equal arguments it does the same again, so whatever
       is random has a seed of its own; it keeps what it learnt in itself (the audit copies steps with
       `copy.deepcopy` before each run, so one that has been fitted must be copyable).

    A step that learns nothing has an empty `fit`. Columns may be numbers, booleans, text or dates, and null.

    Attributes
    ----------
    name : what the audit calls it; unique in its pipeline.
    """

    name: str

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Learn from rows dated up to `at`; keeps what was learnt, returns nothing."""

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        """Return `frame` with columns added or replaced, or rows dropped."""


def keys_of(inputs: Inputs) -> pl.DataFrame:
    """Symbol and date of every bar, sorted by both, each once: what the first step is given."""
    return inputs.bars.select(KEY).unique().sort(KEY)


def frames_of(steps: Sequence[Step], inputs: Inputs, at: dt.date) -> list[pl.DataFrame]:
    """Run copies of `steps` with the split at `at`; the frame after each step, sorted by symbol and date."""
    frame, frames = keys_of(inputs), []
    for step in copy.deepcopy(list(steps)):
        step.fit(frame.filter(pl.col(DATE) <= at), inputs, at)
        frame = checked(step, step.apply(frame, inputs))
        frames.append(frame)
    return frames


def check_steps(steps: Sequence[Step]) -> None:
    """Raise BadInput where `steps` are none, or one is no Step or shares its name with another."""
    names = [getattr(step, "name", None) for step in steps]
    for step, name in zip(steps, names, strict=True):
        if not isinstance(step, Step) or not isinstance(name, str):
            raise BadInput(f"a step must have a name, fit and apply, got {step!r}: see evaluation.pipeline.Step")
        if names.count(name) > 1:
            raise BadInput(f"the names of steps must be unique, got {name!r} twice: rename one")
    if not steps:
        raise BadInput("a pipeline must have at least one step, got none: list its steps")


def checked(step: Step, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame that `step` returned, sorted by its key; BadInput where it lacks the key or repeats it."""
    if not {*KEY} <= {*frame.columns} or frame.select(KEY).is_duplicated().any():
        raise BadInput(
            f"step {step.name!r} must return one row a symbol and date, got columns {', '.join(frame.columns)} and "
            f"{frame.height} rows: keep the key as it came"
        )
    if any(is_label(name) for name in frame.columns) and LABEL_EXIT not in frame.columns:
        raise BadInput(f"step {step.name!r} must add {LABEL_EXIT} beside its labels, got none: say when each is known")
    return frame.sort(KEY)


def is_label(column: str) -> bool:
    """Whether a column may look forward."""
    return column == LABEL or column.startswith(f"{LABEL}_")
