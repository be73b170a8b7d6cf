"""Reaching MLflow: a server, database or disk behind it that does not hold is an error of ours, in bounded time."""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import httpx
import sqlalchemy as sa

from nightdesk.disk import refused
from nightdesk.errors import NightdeskError, RegistryUnavailable, StoreBusy
from nightdesk.settings import without_password
from nightdesk.store.refusals import of_sqlite

PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
"""A request is tried for half a minute where the server is gone, for two where it hangs; MLflow's own: 4 and 20."""

HEALTH_SECONDS = 5.0
"""How long a server may take to say that it is there."""

_LATER = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}

P = ParamSpec("P")
R = TypeVar("R")


class Reached(Protocol):
    """What is reached: MLflow's tracking URI."""

    @property
    def uri(self) -> str:
        """The URI, which may hold a password."""


T = TypeVar("T", bound=Reached)


def be_patient() -> None:
    """Bound how long MLflow's client tries, unless the environment says otherwise."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def ask_server(tracking: Reached) -> None:
    """Ask a tracking server whether it is there; a database is not asked. Raises RegistryUnavailable where it is not.

    MLflow's own client would try for half a minute. Any answer is one: another service's server may know no /health.
    """
    if not tracking.uri.startswith("http"):
        return
    try:
        answer = httpx.get(f"{tracking.uri.rstrip('/')}/health", timeout=HEALTH_SECONDS)
    except httpx.HTTPError as error:
        raise unavailable(tracking, _reason(error)) from error
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise unavailable(tracking, f"status {answer.status_code}")


@contextmanager
def reaching(tracking: Reached) -> Iterator[None]:
    """Raise RegistryUnavailable or DiskTrouble in the place of what MLflow raises where these are at fault."""
    try:
        yield
    except _of_mlflow() as error:
        if (told := _told(tracking, error)) is None:
            raise
        raise told from error


def reaches(body: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """Make a function whose first argument is what it reaches do so under `reaching`."""

    @functools.wraps(body)
    def within(tracking: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with reaching(tracking):
            return body(tracking, *args, **kwargs)

    return within


def _of_mlflow() -> tuple[type[Exception], ...]:
    """What MLflow and what it calls may raise; asked for only after an error, when it has been imported."""
    from mlflow.exceptions import MlflowException

    return (MlflowException, OSError, sa.exc.SQLAlchemyError, *_of_object_stores())


def _of_object_stores() -> tuple[type[Exception], ...]:
    """Errors of S3's client, where artifacts lie there: without it nobody can have raised them."""
    found = (("botocore.exceptions", "BotoCoreError"), ("boto3.exceptions", "Boto3Error"))
    return tuple(getattr(sys.modules[module], name) for module, name in found if module in sys.modules)


def _told(tracking: Reached, error: Exception) -> NightdeskError | None:
    from requests import RequestException

    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            told = of_sqlite(cause, tracking.uri.removeprefix("sqlite:///"))
            return unavailable(tracking, str(cause)) if isinstance(told, StoreBusy) else told
        if isinstance(cause, RequestException | sa.exc.OperationalError):
            return None if _answered(cause) else unavailable(tracking, _reason(cause))
        if isinstance(cause, _of_object_stores()):
            return unavailable(tracking, _reason(cause))
        if isinstance(cause, OSError) and (full := refused(cause, "MLflow's artifacts")) is not None:
            return full
    return unavailable(tracking, _reason(error)) if getattr(error, "error_code", None) in _LATER else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, deepest first: the first cause says most."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    return reversed(chain)


def _answered(error: BaseException) -> bool:
    """Whether a server answered, and its answer was no: asking again would not help."""
    response = getattr(error, "response", None)
    return response is not None and 400 <= response.status_code < 500


def unavailable(tracking: Reached, reason: str) -> RegistryUnavailable:
    """The error that says that the registry, or what keeps its artifacts, did not answer, and gave `reason`."""
    return RegistryUnavailable(
        f"the registry must answer, got {reason!r} from {without_password(tracking.uri)}: "
        "start MLflow's server or what keeps its artifacts, or mend tracking.uri"
    )


def _reason(error: BaseException) -> str:
    """What the system said, where it said something; else the error's own first line."""
    said = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    timed_out = any(isinstance(cause, TimeoutError) for cause in _causes(error))
    own = (str(error).splitlines() or [type(error).__name__])[0]
    return said[0] if said else "no answer in time" if timed_out else own
