"""The searches of a night or retrain, before it fits: which recipes are tuned, and what is told of each."""

from __future__ import annotations

from typing import Literal

from prefect.client.schemas.objects import State

from nightdesk.errors import TransientError
from nightdesk.operations.night import Night
from nightdesk.operations.searches import Found, recipes_to_search, said
from nightdesk.store.features import FeatureTable
from nightdesk.store.refs import FrameRef
from tasks.training import tune


def searches(
    night: Night,
    table: FeatureTable,
    bars: FrameRef,
    horizons: tuple[int, ...],
    profile: Literal["quick", "full", "none"],
) -> tuple[str, ...]:
    """Tune every recipe that can be at these horizons; what came of it, a sentence for each recipe and horizon.

    A search that fails fails alone, and the night goes on with the recipe as it is. Not so where a registry, store or
    disk failed it.
    """
    if profile == "none" or not horizons:
        return ()
    told: list[str] = []
    for name in recipes_to_search(night):
        state: State[tuple[Found, ...]] = tune(night, table, bars, name, horizons, profile, return_state=True)
        error = state.result(raise_on_failure=False)
        if isinstance(error, TransientError):
            raise error
        if state.is_completed():
            told += [said(one) for one in state.result()]
        else:
            why = str(error).splitlines()[0] if isinstance(error, BaseException) and str(error) else state.message
            told.append(f"{name} could not be tuned, and is fitted as it is: {why}")
    return tuple(told)
