"""Early stopping: the newest training days say how many rounds to keep, and no label fitted on reaches into them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.models.recipe import Training

Parameters = Mapping[str, float | int | str]

_SHARE: Final = 0.2
_OWN: Final = ("early_stopping", "validation", "least_rounds", "refit")


@dataclass(frozen=True, slots=True)
class Stopping:
    """How long a loss that no longer falls is waited for, on which share of the days, and what is kept then."""

    patience: int
    share: float
    least: int
    refit: bool

    def kept(self, best: int, grown: int) -> int:
        """How many rounds are kept where the loss was lowest after `best` of `grown`."""
        return min(max(best, self.least), grown)


def stopping_of(parameters: Parameters) -> Stopping | None:
    """What a recipe's parameters say of early stopping; None where they ask for none.

    Parameters
    ----------
    parameters
        `early_stopping`: rounds without a lower loss after which growing stops (0 or absent: never).
        `validation`: share of the newest training dates that the loss is measured on (0.2).
        `least_rounds`: rounds that are kept at least (1): a few trees would give many symbols the same score.
        `refit`: 1 to fit all rows again with the rounds that were kept (0).

    Raises
    ------
    BadInput
        A value breaks its rule.
    """
    patience = int(parameters.get("early_stopping", 0))
    share, least = float(parameters.get("validation", _SHARE)), int(parameters.get("least_rounds", 1))
    if patience < 0:
        raise BadInput(f"early_stopping must be 0 (never) or more rounds, got {patience}: choose for example 30")
    if not 0.0 < share < 1.0:
        raise BadInput(f"validation must lie between 0 and 1, got {share}: choose for example {_SHARE}")
    if least < 1:
        raise BadInput(f"least_rounds must be 1 or more, got {least}: choose for example 30")
    return Stopping(patience, share, least, bool(int(parameters.get("refit", 0)))) if patience else None


def without_stopping(parameters: Parameters) -> dict[str, float | int | str]:
    """The parameters that are a library's own: those of `stopping_of` taken out."""
    return {name: value for name, value in parameters.items() if name not in _OWN}


def held_out(training: Training, share: float) -> tuple[Training, Training]:
    """Split training rows into rows to fit on and rows of the newest dates to validate on.

    A row is fitted on only if its label was known before the first date that validates; rows between, whose labels
    reach into that part, are in neither. Purging by what was known, not by the horizon, also leaves out the label of a
    delisting that was settled late.

    Parameters
    ----------
    training
        With `decided` and `known`.
    share
        Share of the dates that validate, above 0 and below 1; rounded up to whole dates.

    Returns
    -------
    tuple[Training, Training]
        Rows to fit on, and rows to validate on; each with weights of 1 in mean.

    Raises
    ------
    BadInput
        The rows do not tell their dates, or no row is left to fit on.
    """
    if training.decided is None or training.known is None:
        raise BadInput(
            "early stopping needs rows with the dates of decision and of known labels, got rows without: give labels "
            "with known_date to training_set, or set early_stopping to 0"
        )
    dates = np.unique(training.decided)
    validating = dates[len(dates) - math.ceil(share * len(dates)) :]
    fitted = np.flatnonzero(training.known < validating[0]) if len(validating) else np.empty(0, dtype=np.intp)
    if not len(fitted):
        raise BadInput(
            f"early stopping needs rows whose labels were known before the days that validate, got none of {len(dates)}"
            f" dates with a share of {share}: give more days, or lower the share"
        )
    return training.at(fitted), training.at(np.flatnonzero(training.decided >= validating[0]))
