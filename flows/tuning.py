"""Tune a recipe from a notebook: the same search, counting and judging as `nightdesk tune`."""

from __future__ import annotations

import datetime as dt
from getpass import getuser

from flows.secret_blocks import read_settings
from nightdesk.operations.studies import Tuned
from nightdesk.operations.tuning import Profile, Wish
from nightdesk.operations.tuning import tune as search


def tune(
    recipe: str,
    horizon: int = 5,
    as_of: dt.date | None = None,
    profile: Profile | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    workers: int | None = None,
) -> Tuned:
    """Search better parameters for `recipe` with the settings of this desk; see infra/operations/tuning.md.

    Parameters
    ----------
    recipe
        Its name.
    horizon
        Trading days held, 1 to 60.
    as_of
        Trading day whose evening it is; None: the newest in the store.
    profile
        `quick` or `full`; None: as settings say, as for the others.
    trials
        Of the study in all, earlier starts included.
    seconds
        After which this start ends with what was done.
    workers
        Processes that make trials, with one thread each.

    Raises
    ------
    BadInput, BadDate, BadSetting, NothingThere, NightLocked, StoreBusy, RegistryUnavailable
        As `nightdesk.operations.tuning.tune`.
    """
    wish = Wish(recipe, horizon, getuser(), as_of, profile, trials, seconds, workers)
    return search(wish, read_settings(), dt.datetime.now(dt.UTC))
