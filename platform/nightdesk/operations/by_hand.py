"""What a person decides about who is served: back to the former champion, that undone, or another recipe."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from nightdesk.errors import BadInput, ModelBroken, NothingThere, UnknownName
from nightdesk.home import Home
from nightdesk.operations.night import Night
from nightdesk.operations.proposal import Change, decided
from nightdesk.operations.standing import fit_of, fits_beside, moves_at, standing_fault
from nightdesk.promotion.champion import reconcile
from nightdesk.promotion.reign import moves_before, reign_of
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.decisions import REPLACE, ROLLBACK, UNDO, Decision, Move, Serving, decide_outside
from nightdesk.store.features import table_of
from nightdesk.store.ledger import newest_result
from nightdesk.store.nights import held, newest_begun
from nightdesk.tables import HORIZON, MODEL

LONGEST_NAME, LONGEST_REASON = 64, 500


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants: in which realm, at which horizon, who asks, and why."""

    realm: str
    horizon: int
    by: str
    reason: str


Wanted = Callable[[Night, Sequence[Move]], tuple[str, list[tuple[Serving, str | None]]]]
"""From the night and what has moved so far to an action, and the models to move to: the first sound one of them."""


def roll_back(settings: Settings, order: Order, at: dt.datetime) -> Decision:
    """Put the former champion back from the next night on: its recipe's newest fit, else the one that last served.

    Where the recipe never changed, its former fit. Raises as `replace_by_hand`.
    """
    return _carry_out(settings, order, at, _way_back)


def undo(settings: Settings, order: Order, at: dt.datetime) -> Decision:
    """Take the newest rollback back: whom it took away serves again from the next night on. Raises as `roll_back`."""
    return _carry_out(settings, order, at, _undone)


def replace_by_hand(settings: Settings, order: Order, model: str, at: dt.datetime) -> Decision:
    """Serve the newest fit of recipe `model` from the next night on, whatever the evidence says.

    Raises BadInput where a name or reason breaks its rule, or the model serves already; UnknownName for a recipe that
    was not fitted; NothingThere where nothing has run, is served, or was served before; ModelBroken where no model
    passes its smoke prediction; NightLocked while the newest night runs.
    """

    def wanted(night: Night, moves: Sequence[Move]) -> tuple[str, list[tuple[Serving, str | None]]]:
        fits = fits_beside(night).filter(pl.col(HORIZON) == order.horizon)
        if model not in fits[MODEL]:
            raise UnknownName.among(f"recipe fitted at {order.horizon} days", model, fits[MODEL].to_list())
        recipe = fits.filter(pl.col(MODEL) == model)["recipe"][0]
        fit = fit_of(fits, order.horizon, recipe)
        if fit is None or fit.content == moves[-1].serving.content:
            raise BadInput(
                f"a replacement must be another model than the served one, got {model} at {order.horizon} days, whose "
                "newest fit serves already: see nightdesk models"
            )
        return REPLACE, [(fit, recipe)]

    return _carry_out(settings, order, at, wanted)


def _way_back(night: Night, moves: Sequence[Move]) -> tuple[str, list[tuple[Serving, str | None]]]:
    reign, served = reign_of(moves), moves[-1].serving
    if ROLLBACK in (moves[-1].action, None if reign is None else reign.began.action):
        raise NothingThere(
            f"a rollback needs a champion that took a place, got {served.model} at {served.horizon} days, served "
            "since a rollback: take that back with --undo, or choose a model with nightdesk replace"
        )
    if reign is None or reign.former is None:
        return ROLLBACK, [(one.serving, one.recipe) for one in moves_before(moves)]
    former = reign.former
    newest = fit_of(fits_beside(night), served.horizon, former.recipe)
    back = [(former.serving, former.recipe)]
    return ROLLBACK, back if newest is None else [(newest, former.recipe), *back]


def _undone(night: Night, moves: Sequence[Move]) -> tuple[str, list[tuple[Serving, str | None]]]:
    del night
    if moves[-1].action != ROLLBACK or len(moves) == 1:
        raise NothingThere(
            f"--undo takes back a rollback, got {moves[-1].action} as the newest decision at "
            f"{moves[-1].serving.horizon} days: choose a model with nightdesk replace"
        )
    return UNDO, [(moves[-2].serving, moves[-2].recipe)]


def _carry_out(settings: Settings, order: Order, at: dt.datetime, wanted: Wanted) -> Decision:
    """Decide under the lock of the newest night, which has read who is served: the next one is the first it counts for.

    Stored as an intent first: killed in between, the next start ends it.
    """
    _check(settings, order)
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    begun = newest_begun(engine, order.realm)
    if begun is None:
        raise NothingThere(f"a person decides about a realm with nights, got none in {order.realm!r}: run one first")
    night = Night(settings, order.realm, begun, "never", at)
    with held(engine, night.home.locks, order.realm, begun):
        reconcile(engine, night.tracking)
        moves = moves_at(night, order.horizon, begun + dt.timedelta(days=1))
        if not moves:
            raise NothingThere(
                f"no model is served at {order.horizon} days in realm {order.realm!r}: run a night first"
            )
        action, models = wanted(night, moves)
        to, recipe = _sound(night, order.horizon, models)
        reasons = (f"{_DONE[action]} by {order.by.strip()}: {order.reason.strip()}",)
        decision = decide_outside(engine, decided(night, order.horizon, Change(action, to, recipe, reasons), begun), at)
        reconcile(engine, night.tracking)
    return decision


_DONE = {REPLACE: "replaced by hand", ROLLBACK: "rolled back", UNDO: "rollback undone"}


def _check(settings: Settings, order: Order) -> None:
    if order.horizon not in settings.horizons:
        known = ", ".join(map(str, settings.horizons))
        raise BadInput(f"--horizon must be one of the desk's, {known}, got {order.horizon}: choose one of them")
    for option, text, longest in (("--by", order.by, LONGEST_NAME), ("--reason", order.reason, LONGEST_REASON)):
        if not 0 < len(text.strip()) <= longest:
            raise BadInput(f"{option} must have 1 to {longest} characters, got {len(text.strip())}: say who, and why")


def _sound(night: Night, horizon: int, models: Sequence[tuple[Serving, str | None]]) -> tuple[Serving, str | None]:
    """The first model that passes a smoke prediction on the newest features, with its recipe."""
    found = newest_result(night.engine, night.realm, "features")
    if not models or found is None:
        raise NothingThere(f"a rollback needs a model that served before, got none at {horizon} days: see history")
    table = table_of(json.loads(found))
    there = Night(night.settings, night.realm, table.as_of, "never", night.started)
    faults = []
    for one, recipe in models:
        fault = standing_fault(there, table, one)
        if fault is None:
            return one, recipe
        faults.append(f"{one.model} version {one.version}: {fault}")
    raise ModelBroken(f"a model must pass its smoke prediction before it serves, got {'; '.join(faults)}")
