"""How a night starts and ends: alone on its date, what a killed one left mended, its end always entered."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from nightdesk.concealment import conceal_error, concealed
from nightdesk.disk import check_writable, on_disk
from nightdesk.errors import DataRefused, DiskTrouble, NightDone, NightLocked, NothingServed, StoreBusy
from nightdesk.models.artifacts import close_orphan_runs, night_tag
from nightdesk.operations.night import Night
from nightdesk.promotion.champion import reconcile
from nightdesk.publish.publication import mark_stale, publish
from nightdesk.store import nights
from nightdesk.store.decisions import trained_on

_log = logging.getLogger("nightdesk.night")

Clock = Callable[[], dt.datetime]

TRAINED_BY_NIGHT = "null"
"""The summary (JSON) of a retrain that the night of the same date made needless."""


@dataclass(slots=True)
class Started:
    """A night under way; `summary` (JSON) is what it leaves at its end, and stands there where it was done before."""

    orphans: list[str]
    summary: str | None = None


@contextmanager
def running(night: Night, run_id: str | None, clock: Clock) -> Iterator[Started]:
    """Hold the night's lock, mend what killed nights left, and enter how this one ends.

    `run_id` is the orchestrator's name for this run; `clock` gives UTC. What an earlier night published counts as stale
    from now on: its decisions have been filled, or should have been. Raises NightLocked where the date is running,
    NightDone where it is done and training was asked for, DiskTrouble before any work where the home cannot be written.
    """
    check_writable(night.home.root)
    with on_disk(night.home.root), nights.held(night.engine, night.home.locks, night.realm, night.as_of):
        engine = night.engine
        done = nights.done_summary(engine, night.realm, night.as_of)
        if done is not None:
            if night.mode == "always":
                raise NightDone(
                    f"a night trains before it forecasts, and that of {night.as_of} ({night.realm}) has forecast: "
                    "train on a later one, or replay this one in a realm of its own (nightdesk replay --realm NAME)"
                )
            yield Started([], done)
            return
        # First: whatever the start comes to, what was published before it has seen its day.
        mark_stale(night.home.published, night.realm, night.as_of, f"the night of {night.as_of} has begun")
        started, night_id = _begin(night, nights.NIGHT, run_id, clock)
        try:
            _mend_registry(night)
            yield started
        except NightLocked:
            # Another process took the lock that was lost: what is entered and published by now is that one's.
            raise
        except (Exception, KeyboardInterrupt) as error:
            conceal_error(error)
            reason = concealed(f"{type(error).__name__}: {error}")
            with _as_far_as_it_goes():
                _tell(night, error, reason.splitlines()[0])
            with _as_far_as_it_goes():
                nights.end(engine, night_id, nights.FAILED, clock(), reason)
            raise
        nights.end(engine, night_id, nights.DONE, clock(), summary=started.summary)
        shutil.rmtree(night.scratch, ignore_errors=True)


@contextmanager
def retraining(night: Night, run_id: str | None, clock: Clock) -> Iterator[Started]:
    """Hold the lock of the night on whose data models are fitted, mend what was killed, and enter how it ends.

    The summary stands there already where that data was trained on before, by its night or by a retrain: the same data,
    code and seeds would give the same models. What is published stays as it is. Raises NightLocked where the date runs.
    """
    check_writable(night.home.root)
    with on_disk(night.home.root), nights.held(night.engine, night.home.locks, night.realm, night.as_of):
        engine = night.engine
        done = nights.done_summary(engine, night.realm, night.as_of, nights.RETRAIN)
        if done is not None:
            yield Started([], done)
            return
        # Results of a retrain that was killed are there too: they say nothing of the night.
        untried = not nights.tried(engine, night.realm, night.as_of, nights.RETRAIN)
        if untried and nights.done_summary(engine, night.realm, night.as_of) is not None and _trained(night):
            yield Started([], TRAINED_BY_NIGHT)
            return
        started, night_id = _begin(night, nights.RETRAIN, run_id, clock)
        try:
            _mend_registry(night)
            yield started
        except (Exception, KeyboardInterrupt) as error:
            conceal_error(error)
            with _as_far_as_it_goes():
                nights.end(engine, night_id, nights.FAILED, clock(), concealed(f"{type(error).__name__}: {error}"))
            raise
        nights.end(engine, night_id, nights.DONE, clock(), summary=started.summary)
        shutil.rmtree(night.scratch, ignore_errors=True)


def _begin(night: Night, kind: str, run_id: str | None, clock: Clock) -> tuple[Started, str]:
    """Mend what killed starts of this date left in the store, then enter this one as running."""
    orphans = nights.close_orphans(night.engine, night.realm, night.as_of, clock())
    if orphans:
        _log.warning("closed %d killed start(s) of this night", len(orphans))
    return Started(orphans), nights.begin(night.engine, night.key, run_id, clock(), kind)


def _mend_registry(night: Night) -> None:
    """Mend what killed nights left in the registry: after this one was entered, so that it fails where none answers."""
    close_orphan_runs(night.tracking, night_tag(night.realm, night.as_of))
    for decision in reconcile(night.engine, night.tracking):
        _log.warning("carried out the decision of %s for horizon %d", decision.as_of, decision.horizon)


@contextmanager
def _as_far_as_it_goes() -> Iterator[None]:
    """What made the night fail may keep its end from being written too: the next start mends that, and it is told."""
    try:
        yield
    except (DiskTrouble, StoreBusy, OSError) as error:
        _log.warning("the night's end could not be entered: %s", error)


def _trained(night: Night) -> bool:
    return set(night.settings.horizons) <= trained_on(night.engine, night.realm, night.as_of)


def _tell(night: Night, error: BaseException, reason: str) -> None:
    """Mark the last good forecasts as stale; a night that was refused says so itself."""
    if isinstance(error, DataRefused | NothingServed):
        reasons = tuple(concealed(str(error)).splitlines())
        publish(night.home.published, night.realm, night.as_of, pl.DataFrame(), [], reasons)
    else:
        mark_stale(night.home.published, night.realm, night.as_of, f"the night of {night.as_of} failed: {reason}")
