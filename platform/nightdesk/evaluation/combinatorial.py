"""Combinatorial purged cross-validation: every choice of test groups among blocks of time, purged on both sides."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, compress, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nightdesk.errors import BadInput
from nightdesk.evaluation.splits import Days, check_order, dates_of_rows, even_edges, rows_on
from nightdesk.scoring.checks import check_horizon


@dataclass(frozen=True, slots=True)
class Combination:
    """One split: the numbers (from 0) of its test groups, and the days on either side of it."""

    tested: tuple[int, ...]
    train_days: Days
    test_days: Days


def combinatorial_purged(
    days: Sequence[dt.date], horizon: int, groups: int, tested: int, embargo: int
) -> list[Combination]:
    """Cut trading days into `groups` blocks and test on every choice of `tested` of them (Lopez de Prado 2018, ch. 12).

    A decision on the close of day t has its exit price at the open of t+1+h. A day trains only if no test label spans
    what its own label spans: it lies more than `horizon` days before the first day of each test block, or more than
    `horizon + embargo` days after its last. The embargo stands only where training follows a test: there, what was
    learned may carry the test's own days by way of features that look back.

    Parameters
    ----------
    days
        The exchange's trading days in order, up to the as-of day.
    horizon
        Trading days held, 1 to 60.
    groups
        Number of blocks, at least 2; the earlier ones are a day longer where the days do not divide.
    tested
        Blocks tested at a time, at least 1 and fewer than `groups`.
    embargo
        More trading days left out after each test block, at least 0.

    Returns
    -------
    list[Combination]
        All choose(groups, tested) of them, in the order of itertools.combinations. The last `horizon + 1` days, whose
        labels have not matured, are in no block.

    Raises
    ------
    BadInput
        A number breaks its rule, too few days are left, or a choice leaves no day to train on.
    BadDate
        The days are not in strict order.
    """
    check_horizon(horizon)
    check_order(days)
    _check_counts(groups, tested, embargo)
    matured = max(0, len(days) - 1 - horizon)
    if matured < groups:
        raise BadInput(f"each group must have a matured day, got {matured} for {groups} groups: give more days")
    blocks = list(pairwise(even_edges(0, matured, groups)))
    return [
        _combination(days[:matured], blocks, chosen, horizon, embargo) for chosen in combinations(range(groups), tested)
    ]


def backtest_paths(groups: int, tested: int) -> npt.NDArray[np.intp]:
    """Which split forecasts which group on which path: shape (paths, groups), numbers of splits from 0.

    Every group is tested in choose(groups - 1, tested - 1) splits; that many whole histories can be put together,
    each group of each path from another split.
    """
    _check_counts(groups, tested, 0)
    chosen = list(combinations(range(groups), tested))
    by_group = [[number for number, split in enumerate(chosen) if group in split] for group in range(groups)]
    return np.array(by_group, dtype=np.intp).T


@dataclass(frozen=True, slots=True)
class CombinatorialPurged:
    """`combinatorial_purged` as a scikit-learn splitter: pass the date of each row as `groups`.

    Attributes
    ----------
    horizon, blocks, tested, embargo
        As in `combinatorial_purged`; `blocks` are its groups.
    days
        The exchange's trading days up to the as-of day. By default the dates among the rows: where rows lie on some
        trading days only, that purges too much, never too little.
    """

    horizon: int
    blocks: int
    tested: int
    embargo: int = 0
    days: Days | None = None

    def split(
        self,
        X: object,  # noqa: N803  scikit-learn's name
        y: object = None,
        groups: Iterable[Any] | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Yield the row numbers to train and to test on, split by split; rows may come in any order.

        Raises
        ------
        BadInput
            `groups` is missing, or as `combinatorial_purged`.
        BadDate
            As `combinatorial_purged`.
        """
        dates, days = dates_of_rows(groups, self.days)
        for one in combinatorial_purged(days, self.horizon, self.blocks, self.tested, self.embargo):
            yield rows_on(dates, one.train_days), rows_on(dates, one.test_days)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of splits."""
        return math.comb(self.blocks, self.tested)


def _combination(
    days: Sequence[dt.date], blocks: Sequence[tuple[int, int]], chosen: tuple[int, ...], horizon: int, embargo: int
) -> Combination:
    trains, tests = np.ones(len(days), dtype=np.bool_), np.zeros(len(days), dtype=np.bool_)
    for first, after in (blocks[number] for number in chosen):
        tests[first:after] = True
        trains[max(0, first - horizon) : after + horizon + embargo] = False
    if not trains.any():
        raise BadInput(
            f"a day to train on must be left beside test groups {chosen}, got none after purging {horizon} days and an "
            f"embargo of {embargo}: give more days, or lower a number"
        )
    return Combination(chosen, _chosen(days, trains), _chosen(days, tests))


def _chosen(days: Sequence[dt.date], kept: npt.NDArray[np.bool_]) -> Days:
    return tuple(compress(days, kept.tolist()))


def _check_counts(groups: int, tested: int, embargo: int) -> None:
    if not 1 <= tested < groups:
        raise BadInput(f"tested groups must be 1 or more and fewer than all, got {tested} of {groups}: choose 2 of 6")
    if embargo < 0:
        raise BadInput(f"embargo must be 0 trading days or more, got {embargo}: choose for example 5")
