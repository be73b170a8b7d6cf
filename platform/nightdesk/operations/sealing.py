"""The sealed stretch: who may score on its days, and the log of everybody who did."""

from __future__ import annotations

import datetime as dt

from nightdesk.errors import BadInput
from nightdesk.operations.night import Night
from nightdesk.store.trials import Opening, log_opening


def opened_from(seal: dt.date | None, last: dt.date, unseal: str | None) -> dt.date | None:
    """The first sealed day, where the reason `unseal` opens the stretch for data up to `last`; None without a reason.

    Raises BadInput where the reason says nothing, or opens nothing.
    """
    if unseal is None:
        return None
    if not unseal.strip():
        raise BadInput("a reason to unseal must say something, got none: write why, for whoever reads the log")
    if seal is None or last < seal:
        held = "nothing is sealed" if seal is None else f"what is sealed begins on {seal}, after {last}"
        raise BadInput(f"a reason to unseal opens a sealed stretch, got {unseal!r} where {held}: leave it out")
    return seal


def check_replay(seal: dt.date | None, last: dt.date, unseal: str | None) -> None:
    """Raise BadInput where a replay up to `last` would score sealed days without a reason, or as `opened_from`.

    A night of the live realm logs its forecasts before anybody can know what comes of them; one that is replayed is
    scored on days that whoever chose its recipe may have in view, unless these are sealed.
    """
    if opened_from(seal, last, unseal) is None and seal is not None and last >= seal:
        raise BadInput(
            f"a replay must end before the sealed stretch, which begins on {seal}, got one to {last}: choose an "
            "earlier end, or say why with --unseal REASON"
        )


def opened_by(realm: str) -> str:
    """The name under which a replay opens the seal for a realm."""
    return f"replay {realm}"


def log_replay(night: Night, unseal: str | None, by: str, now: dt.datetime) -> None:
    """Enter that a replay whose last night is `night` scores sealed days, at each of its horizons.

    Nothing is entered without a reason. Raises BadInput as `opened_from`.
    """
    seal = opened_from(night.settings.evaluation.sealed_from, night.as_of, unseal)
    if seal is None or unseal is None:
        return
    for horizon in night.settings.horizons:
        opening = Opening(opened_by(night.realm), horizon, night.as_of, seal, unseal.strip(), by, now)
        log_opening(night.engine, opening)
