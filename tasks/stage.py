"""Makes a stage of a function: a Prefect task that the store's ledger lets a night skip once it is finished."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from pydantic import TypeAdapter

from nightdesk.concealment import concealing_errors
from nightdesk.disk import on_disk
from nightdesk.errors import is_transient
from nightdesk.faults import reach
from nightdesk.operations.night import Night
from nightdesk.store import ledger
from nightdesk.store.files import content_of
from nightdesk.store.objects import stands

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("nightdesk.night")


def retry_if_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Let Prefect retry only what a retry can help."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


def nightly_task(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a Prefect task that retries transient errors and keeps nothing in Prefect's own cache."""

    def decorate(body: Callable[P, R]) -> Task[P, R]:
        @functools.wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            # Prefect keeps the text of errors: another library's may hold a URL with its password.
            with concealing_errors():
                return body(*args, **kwargs)

        return task(
            name=name,
            retries=2,
            retry_delay_seconds=[1, 5],
            retry_condition_fn=retry_if_transient,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(run)

    return decorate


def stage(
    name: str,
) -> Callable[[Callable[Concatenate[Night, P], R]], Task[Concatenate[Night, P], R]]:
    """Make a stage called `name` of a function from a night, refs and plain values to a record.

    What it returns enters the ledger under the content of what it was given; started again with the same, the stage
    gives that back instead of running, as long as the files it speaks of are there.
    """

    def decorate(body: Callable[Concatenate[Night, P], R]) -> Task[Concatenate[Night, P], R]:
        @functools.wraps(body)
        def run(night: Night, *args: P.args, **kwargs: P.kwargs) -> R:
            returned: TypeAdapter[R] = TypeAdapter(get_type_hints(body)["return"])
            shown = "-".join([name, *(str(value) for value in args if isinstance(value, int | str))])
            content = content_of(night, *args, *kwargs.values())
            key = ledger.StageKey(night.realm, night.as_of, shown, content)
            known = ledger.finished(night.engine, key)
            if known is not None and _stands(record := returned.validate_json(known)):
                _log.info("%-24s done before", shown)
                return record
            reach(f"{shown}:begin")
            began = time.perf_counter()
            with on_disk(night.home.root):
                record = body(night, *args, **kwargs)
            seconds = time.perf_counter() - began
            reach(f"{shown}:written")
            ledger.record(night.engine, key, returned.dump_json(record).decode(), seconds, dt.datetime.now(dt.UTC))
            reach(f"{shown}:entered")
            _log.info("%-24s %6.1f s", shown, seconds)
            return record

        return nightly_task(name)(run)

    return decorate


def _stands(record: object) -> bool:
    """Whether the files that a record speaks of, in itself or in what it holds, are still there."""
    if isinstance(record, tuple | list):
        return all(_stands(one) for one in record)
    if not is_dataclass(record):
        return True
    held = {field.name: getattr(record, field.name) for field in fields(record)}
    path = held.pop("path", None)
    return (path is None or stands(path)) and all(_stands(one) for one in held.values())
