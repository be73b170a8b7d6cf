"""Clean-up: old model versions go with their runs and files; what is served, named, best or still speaks stays.

Then what models said out of fold goes where none of its training stays, and the parts of the feature store that neither
settings choose nor any model that stays was fitted on.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from nightdesk.errors import NightLocked
from nightdesk.home import Home
from nightdesk.models.artifacts import (
    Fitted,
    Tracking,
    fitted_of,
    registered_models,
    remove_fit,
    remove_version,
)
from nightdesk.operations.features import chosen_features
from nightdesk.operations.night import tracking_of
from nightdesk.operations.training import said_name
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.decisions import best_version, newest_walk_forward, versions_named
from nightdesk.store.features import known_parts, needs_of, remove_parts
from nightdesk.store.nights import done_dates, held, no_night, realms
from nightdesk.tables import HORIZON

REMOVED, WOULD_GO, KEPT, LEFT = "removed", "would be removed", "kept", "left for later"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at: a model version or a folder, what became of it, and why."""

    what: str
    fate: str
    why: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Everything that a clean-up looked at."""

    items: tuple[Item, ...]

    def count(self, fate: str) -> int:
        """How many things met `fate`."""
        return sum(one.fate == fate for one in self.items)


def clean_up(settings: Settings, keep: int, *, dry_run: bool) -> Cleaned:
    """Remove old versions, beyond the newest `keep` of each model, what they said out of fold, parts of features that
    nobody needs any more, and scratch folders that no night uses.

    Never removed: a version that an alias or any decision names, the best by walk-forward, one that speaks in shadow,
    and anything of a night that runs or is not done. A version leaves the registry before its files go, so that nobody
    can be led to a model without files; killed in between, the next clean-up finds what is left.
    """
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    home = Home(settings.home)
    items: list[Item] = []
    staying: set[str] = set()
    for realm in realms(engine):
        tracking = tracking_of(settings, realm)
        for horizon in registered_models(tracking):
            cleaned = list(_clean_model(engine, home, tracking, horizon, keep, dry_run))
            going = {one.what for one in cleaned if one.fate == WOULD_GO}
            staying |= {fit.content for fit in fitted_of(tracking, horizon) if _fit_shown(fit) not in going}
            items += cleaned
            left = [fit for fit in fitted_of(tracking, horizon) if _fit_shown(fit) not in going]
            said = {(str(fit.as_of), fit.recipe) for fit in left}
            items += _clean_said(engine, home, realm, horizon, said, dry_run)
    items += _clean_features(engine, settings, home, staying, dry_run)
    return Cleaned((*items, *_clean_scratch(engine, home, dry_run)))


def _clean_model(
    engine: sa.Engine, home: Home, tracking: Tracking, horizon: int, keep: int, dry_run: bool
) -> Iterator[Item]:
    fits = fitted_of(tracking, horizon)
    reasons = _reasons_to_stay(engine, tracking.realm, horizon, fits, keep)
    done = done_dates(engine, tracking.realm)
    for fit in fits:
        what = _fit_shown(fit)
        if fit.version in reasons:
            yield Item(what, KEPT, reasons[fit.version])
        elif fit.as_of not in done:
            yield Item(what, LEFT, f"the night of {fit.as_of} is not done")
        elif dry_run:
            yield Item(what, WOULD_GO, f"older than the newest {keep}")
        else:
            yield _remove(engine, home, tracking, horizon, fit, what, keep)


def _reasons_to_stay(
    engine: sa.Engine, realm: str, horizon: int, fits: list[Fitted], keep: int
) -> dict[str | None, str]:
    """Versions that stay, each with its strongest reason."""
    registered = sorted((fit for fit in fits if fit.version), key=lambda fit: int(fit.version or 0), reverse=True)
    reasons: dict[str | None, str] = {fit.version: f"one of the newest {keep}" for fit in registered[:keep]}
    newest = newest_walk_forward(engine, realm, dt.date.max)
    speaking = newest.filter(newest[HORIZON] == horizon)["version"].drop_nulls().to_list() if newest.height else []
    reasons |= dict.fromkeys(speaking, "speaks in shadow")
    best = best_version(engine, realm, horizon, [fit.version for fit in registered if fit.version])
    if best is not None:
        reasons[best] = "the best by walk-forward"
    reasons |= dict.fromkeys(versions_named(engine, realm, horizon), "named by a decision")
    reasons |= {fit.version: f"alias {', '.join(fit.aliases)}" for fit in registered if fit.aliases}
    return reasons


def _remove(engine: sa.Engine, home: Home, tracking: Tracking, horizon: int, fit: Fitted, what: str, keep: int) -> Item:
    try:
        with held(engine, home.locks, tracking.realm, fit.as_of):
            # Asked again: a night that ended since may serve it, or name it.
            fits = fitted_of(tracking, horizon)
            reasons = _reasons_to_stay(engine, tracking.realm, horizon, fits, keep)
            if fit.version in reasons:
                return Item(what, KEPT, reasons[fit.version])
            remove_version(tracking, fit)
            remove_fit(tracking, fit)
    except NightLocked:
        return Item(what, LEFT, f"the night of {fit.as_of} runs just now")
    return Item(what, REMOVED, f"older than the newest {keep}" if fit.version else "left by a clean-up that was killed")


def _clean_said(
    engine: sa.Engine, home: Home, realm: str, horizon: int, staying: Collection[tuple[str, str]], dry_run: bool
) -> Iterator[Item]:
    """Remove what models said out of fold but for the fits that stay, by day and recipe; daily results are kept."""
    done = {str(day) for day in done_dates(engine, realm)}
    for file in sorted((home.root / "evaluations" / realm).glob(f"*/{said_name(horizon, '*')}-*.parquet")):
        day, recipe = file.parent.name, file.name.split("-", 1)[1].rsplit("-said-", 1)[0]
        if (day, recipe) in staying:
            continue
        if day not in done:
            yield Item(_shown(file, home), LEFT, f"the night of {day} is not done")
            continue
        if not dry_run:
            file.unlink()
        yield Item(_shown(file, home), WOULD_GO if dry_run else REMOVED, "its fit is not there any more")


def _fit_shown(fit: Fitted) -> str:
    return f"{fit.name} version {fit.version}" if fit.version else f"{fit.name} run {fit.run_id}, not registered"


def _clean_features(
    engine: sa.Engine, settings: Settings, home: Home, models: Collection[str], dry_run: bool
) -> Iterator[Item]:
    """Remove parts of features of which no definition is chosen, and none is what one of `models` was fitted on.

    No night may begin meanwhile: one with other settings might build upon a part that is about to go.
    """
    root = settings.store.features or home.features
    try:
        with no_night(engine, home.locks):
            needed = {(feature.name, feature.content) for feature in chosen_features(settings)}
            for model in models:
                needed |= set((needs_of(root, model) or {}).items())
            gone = {part: own for part, own in known_parts(root).items() if needed.isdisjoint(own.items())}
            if not dry_run:
                remove_parts(root, gone)
    except NightLocked as locked:
        yield Item("parts of the feature store", LEFT, str(locked))
        return
    for part, own in sorted(gone.items()):
        names = ", ".join(list(own)[:3]) + (f" and {len(own) - 3} more" if len(own) > 3 else "")
        yield Item(f"features {part}: {names}", WOULD_GO if dry_run else REMOVED, "not chosen, and no model needs it")


def _clean_scratch(engine: sa.Engine, home: Home, dry_run: bool) -> Iterator[Item]:
    """Scratch folders outlive their night only when it was killed; a start of that night makes them again."""
    for folder in sorted((home.root / "scratch").glob("*/*")):
        try:
            day = dt.date.fromisoformat(folder.name)
        except ValueError:
            yield Item(_shown(folder, home), LEFT, "it is no night's, and not ours to remove")
            continue
        try:
            with held(engine, home.locks, folder.parent.name, day):
                if not dry_run:
                    shutil.rmtree(folder)
        except NightLocked:
            yield Item(_shown(folder, home), LEFT, "its night runs just now")
        else:
            yield Item(_shown(folder, home), WOULD_GO if dry_run else REMOVED, "its night was killed and never ended")


def _shown(folder: Path, home: Home) -> str:
    return str(folder.relative_to(home.root))
