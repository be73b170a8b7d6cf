"""Splits in time that let no label of the training part reach into the test part: purged walk-forward."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nightdesk.errors import BadDate, BadInput
from nightdesk.scoring.checks import check_horizon

Days = tuple[dt.date, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a walk-forward: train on decisions of `train_days`, then score those of `test_days`."""

    number: int
    train_days: Days
    test_days: Days


def purged_walk_forward(days: Sequence[dt.date], horizon: int, folds: int, first_train: int) -> list[Fold]:
    """Cut trading days into test blocks that follow each other, each with all the training days it may know.

    A decision on the close of position t has its exit price at the open of position t+1+h. It trains a fold
    only if t+1+h is not after the first test day, on whose close the first test decision is made; so the last
    `horizon` days before each test block are purged (Lopez de Prado 2018, ch. 7). No embargo: training never
    follows a test.

    The label of a delisting may become known up to 9 days after its exit day: keep training rows whose
    `known_date` is not after the first test day, too.

    Parameters
    ----------
    days
        The exchange's trading days in order, up to the as-of day.
    horizon
        Trading days held, 1 to 60.
    folds
        Number of test blocks, at least 1; the earlier ones are a day longer where the days do not divide.
    first_train
        Trading days before the first test day, purged ones included; above `horizon`.

    Returns
    -------
    list[Fold]
        Numbered from 1. The test blocks together are every day from position `first_train` whose label has
        matured by the last of `days`; the training days grow from fold to fold.

    Raises
    ------
    BadInput
        The horizon, `folds` or `first_train` breaks its rule, or too few days are left to test on.
    BadDate
        The days are not in strict order.
    """
    check_horizon(horizon)
    check_order(days)
    if folds < 1:
        raise BadInput(f"folds must be 1 or more, got {folds}: choose for example 5")
    if first_train <= horizon:
        raise BadInput(
            f"first_train must be above the horizon of {horizon} days, got {first_train}: start testing later"
        )
    matured = len(days) - 1 - horizon
    if matured - first_train < folds:
        raise BadInput(
            f"each fold must have a matured day to test on after the first {first_train} days, got "
            f"{max(0, matured - first_train)} for {folds} folds: give more days, or lower either"
        )
    edges = even_edges(first_train, matured, folds)
    return [
        Fold(number, tuple(days[: first - horizon]), tuple(days[first:after]))
        for number, (first, after) in enumerate(pairwise(edges), start=1)
    ]


def validation_tail(train_days: Sequence[dt.date], horizon: int, fraction: float) -> tuple[Days, Days]:
    """Split training days into days to fit on and, purged from them, the last `fraction` to validate on.

    Parameters
    ----------
    train_days
        Consecutive trading days in order.
    horizon
        Trading days held, 1 to 60.
    fraction
        Share of the days that validate, above 0 and below 1; rounded up to whole days.

    Returns
    -------
    tuple[Days, Days]
        Days to fit on and days to validate on; the `horizon` days between them are in neither.

    Raises
    ------
    BadInput
        The horizon or the fraction breaks its rule, or no day is left to fit on.
    BadDate
        The days are not in strict order.
    """
    check_horizon(horizon)
    check_order(train_days)
    if not 0.0 < fraction < 1.0:
        raise BadInput(f"fraction must lie between 0 and 1, got {fraction}: choose for example 0.2")
    first = len(train_days) - math.ceil(fraction * len(train_days))
    if first <= horizon:
        raise BadInput(
            f"a day to fit on must be left after purging {horizon} days, got {len(train_days)} in all: "
            "give more, or lower the fraction"
        )
    return tuple(train_days[: first - horizon]), tuple(train_days[first:])


@dataclass(frozen=True, slots=True)
class PurgedWalkForward:
    """`purged_walk_forward` as a scikit-learn splitter: pass the date of each row as `groups`.

    Attributes
    ----------
    horizon, folds, first_train
        As in `purged_walk_forward`.
    days
        The exchange's trading days up to the as-of day. By default the dates among the groups: where rows lie
        on some trading days only (every fifth, say), that purges too much, never too little.
    """

    horizon: int
    folds: int
    first_train: int
    days: Days | None = None

    def split(
        self,
        X: object,  # noqa: N803  scikit-learn's name
        y: object = None,
        groups: Iterable[Any] | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Yield the row numbers to train and to test on, fold by fold; rows may come in any order.

        Raises
        ------
        BadInput
            `groups` is missing, or as `purged_walk_forward`.
        BadDate
            As `purged_walk_forward`.
        """
        dates, days = dates_of_rows(groups, self.days)
        for fold in purged_walk_forward(days, self.horizon, self.folds, self.first_train):
            yield rows_on(dates, fold.train_days), rows_on(dates, fold.test_days)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of folds."""
        return self.folds


def dates_of_rows(groups: Iterable[Any] | None, days: Days | None) -> tuple[npt.NDArray[np.datetime64], Days]:
    """The date of each row, and the trading days: those given, or the rows' own; BadInput without `groups`."""
    if groups is None:
        raise BadInput("groups must hold the date of each row, got None: pass groups=dates")
    dates = np.asarray(groups if isinstance(groups, np.ndarray) else list(groups), dtype="datetime64[D]")
    return dates, days if days is not None else tuple(np.unique(dates).tolist())


def rows_on(dates: npt.NDArray[np.datetime64], among: Days) -> npt.NDArray[np.intp]:
    """Numbers of the rows whose date is one of `among`."""
    return np.flatnonzero(np.isin(dates, np.asarray(among, dtype="datetime64[D]")))


def even_edges(first: int, after: int, blocks: int) -> list[int]:
    """Where blocks of positions `first` to `after` (not included) begin and end, the earlier ones longer by one."""
    size, longer = divmod(after - first, blocks)
    return [first + block * size + min(block, longer) for block in range(blocks + 1)]


def check_order(days: Sequence[dt.date]) -> None:
    """Raise BadDate unless `days` are in strict order."""
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise BadDate("trading days must be given in strict order: sort and de-duplicate them")
