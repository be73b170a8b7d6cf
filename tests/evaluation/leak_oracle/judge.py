"""A plain check of the oracle itself, with no audit in it: all run, and each leak differs from its twin where it says.

How to use the lists::

    from leak_oracle.clean import PIPELINES
    from leak_oracle.leaks import LEAKS
    from leak_oracle.market import small_market, split_of

    inputs = small_market()
    at = split_of(inputs)
    for name, pipeline in PIPELINES.items():  # an audit must accuse no step of these
        pipeline()                            # the steps, made afresh
    for leak in LEAKS:                        # an audit should accuse `leak.step` and no other step
        leak.steps(), leak.kind, leak.why, leak.twin, leak.weak

Not every leak shows at every split or on every day: one that touches month ends needs a month end, one that learns
from labels which overlap the split may choose the same features as without them. `SPLITS` are shares of the sessions
at which each leak differs from its twin at least once. Tests below `tests/evaluation` import the package as
`leak_oracle`; `python -m leak_oracle.judge` from there prints the table of leaks and what is wrong with the oracle.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Final

import polars as pl
from polars.testing import assert_frame_equal

from nightdesk.evaluation.pipeline import Inputs, Step, check_steps, frames_of

from .clean import PIPELINES
from .leaks import KINDS, LEAKS, Leak
from .market import small_market, split_of

SPLITS: Final = (0.6, 0.45, 0.7, 0.8, 0.55)


def same(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    """Whether two frames hold the same, but for rounding."""
    try:
        assert_frame_equal(left, right, rel_tol=1e-9, abs_tol=1e-12)
    except AssertionError:
        return False
    return True


def first_difference(leak: Leak, inputs: Inputs, at: dt.date) -> str | None:
    """The first step after which the leak's frame differs from its twin's at the split `at`; None for no step."""
    steps = leak.steps()
    both = zip(steps, frames_of(steps, inputs, at), frames_of(PIPELINES[leak.twin](), inputs, at), strict=True)
    return next((step.name for step, wrong, right in both if not same(wrong, right)), None)


def lacking(steps: Sequence[Step], inputs: Inputs, at: dt.date) -> list[str]:
    """What is wrong with a pipeline's run: rows that it lost altogether, or another result the second time."""
    check_steps(steps)
    frames, again = frames_of(steps, inputs, at), frames_of(steps, inputs, at)
    found = [] if all(one.equals(two) for one, two in zip(frames, again, strict=True)) else ["differs when run again"]
    return found + (["holds no row"] if frames[-1].is_empty() else [])


def complaints_of_clean(inputs: Inputs, at: dt.date) -> list[str]:
    """All that is wrong with the honest pipelines as programs."""
    return [f"{name} {fault}" for name, pipeline in PIPELINES.items() for fault in lacking(pipeline(), inputs, at)]


def complaints_of_leaks(inputs: Inputs, splits: Sequence[dt.date]) -> list[str]:
    """All that is wrong with the leaks as programs, and as copies of their twins with one step changed."""
    found = [f"{name} is there twice" for name, count in Counter(leak.name for leak in LEAKS).items() if count > 1]
    for leak in LEAKS:
        found += [f"{leak.name} {fault}" for fault in lacking(leak.steps(), inputs, splits[0])]
        if leak.kind not in KINDS or not leak.why or [step.name for step in leak.steps()].count(leak.step) != 1:
            found.append(f"{leak.name} lacks its kind, its reason or its step")
        differing = next((step for at in splits if (step := first_difference(leak, inputs, at))), None)
        if differing != leak.step:
            found.append(f"{leak.name} differs from {leak.twin} first at {differing}, not at {leak.step}")
    return found


def main() -> None:
    """Print the table of leaks, the counts and the complaints."""
    inputs = small_market()
    splits = [split_of(inputs, share) for share in SPLITS]
    for leak in LEAKS:
        print(f"{leak.name:32} {leak.kind:22} {leak.step:16} {'weak' if leak.weak else '':5} {leak.twin}")
    print(f"{len(PIPELINES)} honest pipelines, {len(LEAKS)} leaks of {len({leak.kind for leak in LEAKS})} kinds")
    for complaint in complaints_of_clean(inputs, splits[0]) + complaints_of_leaks(inputs, splits):
        print(complaint)


if __name__ == "__main__":
    main()
