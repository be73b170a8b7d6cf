"""The doctor: can this machine run a night? Each check says what it found, and the cure where it is not sound."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import sqlalchemy as sa
from mlflow.exceptions import MlflowException
from packaging.specifiers import SpecifierSet

from nightdesk.alerts import channels_of
from nightdesk.concealment import concealed, without_password
from nightdesk.disk import check_writable
from nightdesk.errors import NightdeskError
from nightdesk.features import registered
from nightdesk.home import Home
from nightdesk.models import family
from nightdesk.models.artifacts import registered_models
from nightdesk.models.reaching import ask_server
from nightdesk.operations.environment import QUIET
from nightdesk.operations.markets import open_markets
from nightdesk.operations.night import LIVE, tracking_of
from nightdesk.operations.recipes import known_recipe
from nightdesk.promotion.champion import alias_version
from nightdesk.settings import Settings
from nightdesk.store.approvals import waiting
from nightdesk.store.database import connect, schema_version
from nightdesk.store.decisions import serving_on, unconfirmed
from nightdesk.store.incidents import waiting as unsent
from nightdesk.store.objects import check_bucket

ENOUGH_DISK = 2 * 1024**3

# Each of these, one release on, breaks Prefect, pandas' readers or the schedule without a word at import.
PINNED = {"fastapi": "<0.151", "SQLAlchemy": "<2.1", "pandas": "<3.1"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is sound, and what was found."""

    name: str
    sound: bool
    finding: str


def examine(settings: Settings, now: dt.datetime) -> list[Check]:
    """Run every check; one that fails never keeps the others from running."""
    looks: dict[str, Callable[[], str]] = {
        "Python": _python,
        "library versions": _libraries,
        "home folder": lambda: _home(settings),
        "telemetry": _telemetry,
        "source": lambda: _source(settings, now),
        "recipes": lambda: _recipes(settings),
        "features": lambda: _features(settings),
        "store": lambda: _store(settings),
        "registry": lambda: _registry(settings),
        "served models": lambda: _served(settings),
        "alerts": lambda: _alerts(settings),
    }
    return [_look(name, look) for name, look in looks.items()]


def _look(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (NightdeskError, OSError, _Unsound) as error:
        return Check(name, False, concealed(str(error)))
    except (sa.exc.SQLAlchemyError, MlflowException) as error:
        said = concealed(str(error)).splitlines()[0]
        return Check(name, False, f"{name} must answer, got {said}: start it, or correct its URL")


class _Unsound(Exception):
    """What a check found wrong, with its cure."""


def _python() -> str:
    found = sys.version.split()[0]
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        raise _Unsound(f"Python must be 3.11 or 3.12, got {found}: make a virtual environment with one of these")
    return found


def _libraries() -> str:
    for name, allowed in PINNED.items():
        if not SpecifierSet(allowed).contains(version(name)):
            raise _Unsound(f"{name} must be {allowed}, got {version(name)}: pip install -c infra/constraints.txt -e .")
    return ", ".join(f"{name} {version(name)}" for name in ("prefect", "mlflow", *PINNED))


def _home(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True)
    if not os.access(settings.home, os.W_OK):
        raise _Unsound(f"the home folder must be writable, got {settings.home}: set NIGHTDESK_HOME")
    free = shutil.disk_usage(settings.home).free
    if free < ENOUGH_DISK:
        raise _Unsound(f"a night needs {ENOUGH_DISK / 1e9:.0f} GB free, got {free / 1e9:.1f} GB at {settings.home}")
    check_writable(settings.home)
    return f"{settings.home}, {free / 1e9:.0f} GB free"


def _telemetry() -> str:
    loud = [name for name, value in QUIET.items() if os.environ.get(name) != value]
    if loud:
        raise _Unsound(f"telemetry must be off, got {', '.join(loud)} set otherwise: unset or set as documented")
    return "off"


def _source(settings: Settings, now: dt.datetime) -> str:
    found = [f"{one.facts.name}, bars from {one.first_day()} to {one.last_day()}" for one in open_markets(settings)]
    return f"{'; '.join(found)}, asked at {now:%Y-%m-%d %H:%M} UTC"


def _recipes(settings: Settings) -> str:
    known = [known_recipe(Home(settings.home), name) for name in settings.training.recipes]
    return ", ".join(f"{one.name} ({one.family})" for one in known if family(one.family))


def _features(settings: Settings) -> str:
    kept = settings.store.features
    if kept is not None:
        check_bucket(kept)
    return f"{len(registered())} registered, kept in {kept or Home(settings.home).features}"


def _store(settings: Settings) -> str:
    """Look without migrating: a night does that, and a doctor changes nothing."""
    engine = connect(settings.store.url or Home(settings.home).store_url)
    shown = without_password(engine.url.render_as_string(hide_password=True))
    current, newest = schema_version(engine)
    if current is None:
        return f"{shown}, empty: the first night makes schema {newest}"
    if current != newest:
        raise _Unsound(f"the store's schema must be {newest}, got {current}: start a night, which migrates it")
    return f"{shown}, schema {current}"


def _current_store(settings: Settings) -> sa.Engine | None:
    """The store at the schema of this code; None where it is empty. Looked at, never migrated."""
    engine = connect(settings.store.url or Home(settings.home).store_url)
    current, newest = schema_version(engine)
    if current is None:
        return None
    if current != newest:
        raise _Unsound(f"this is read from a store of schema {newest}, got {current}: start a night first")
    return engine


def _registry(settings: Settings) -> str:
    tracking = tracking_of(settings, LIVE)
    ask_server(tracking)
    models = registered_models(tracking)
    return f"{without_password(tracking.uri)}, {len(models)} model(s) registered"


def _served(settings: Settings) -> str:
    """Compare what the store says is served with what the registry's alias names."""
    engine = _current_store(settings)
    if engine is None:
        return "none yet"
    left = unconfirmed(engine, LIVE)
    if left:
        raise _Unsound(f"{len(left)} decision(s) wait for confirmation: start the night of {left[0].as_of} again")
    serving = serving_on(engine, LIVE, dt.date.max)
    tracking = tracking_of(settings, LIVE)
    ask_server(tracking)
    for one in serving:
        named = alias_version(tracking, one.horizon)
        if named != one.version:
            raise _Unsound(
                f"the alias champion at horizon {one.horizon} must name version {one.version}, as was decided, "
                f"got {named}: the registry was changed by hand; set the alias back"
            )
    who = ", ".join(f"{one.model} v{one.version} at {one.horizon} ({one.skill})" for one in serving) or "none yet"
    asked = [
        f"; {one.model} v{one.version} at {one.horizon} waits for approval (nightdesk approve --as-of {one.as_of})"
        for one in waiting(engine, LIVE)
    ]
    return who + "".join(asked)


def _alerts(settings: Settings) -> str:
    """Which channels there are, and whether they have taken everything; what waits was sent again just before."""
    channels = channels_of(settings.alerts.urls)
    if not channels:
        return "no channel is set, so nobody is told (alerts.urls)"
    engine = _current_store(settings)
    left = [] if engine is None else unsent(engine)
    if left:
        raise _Unsound(
            f"every channel must take its messages, got {len(left)} that wait, first {left[0].incident.key}: "
            "see with nightdesk alerts --test which channel answers"
        )
    return f"{', '.join(one.mark for one in channels)}; nothing waits"
