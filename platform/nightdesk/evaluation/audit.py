"""The look-ahead audit of a pipeline: take away or change what became known later, and see which step notices.

Four trials. *Truncation*: what became known after a day is taken away. *Perturbation*: it is replaced by another
course of the market. In both, nothing may change that was decided by that day, and what one step is found to do is
undone before the next one runs: each is judged by itself. *Shift*: on a market that foretells nothing, no column may
move with a return that is still to come. *Fill*: prices up to a day are told in another unit; a label of that day which
changes begins at one of them.
"""

from __future__ import annotations

import copy
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from nightdesk.evaluation.audit_market import NEXT_RETURN, Market, in_other_units, market, spliced
from nightdesk.evaluation.pipeline import KEY, LABEL_EXIT, Inputs, Step, check_steps, checked, is_label, keys_of
from nightdesk.tables import DATE

TABLES: Final = ("bars", "restated", "facts", "members")
_IN_WORDS: Final = {
    "bars": "bars of later days",
    "restated": "restatements of a bar that came later",
    "facts": "figures that were not yet published",
    "members": "lists of members that were not yet known",
}
_SPLITS: Final = (0.35, 0.6)  # shares of the days before a split
_REACH: Final = (1, 2, 4, 9, 29, 59)  # calendar days that are left as they were behind a cut
_EQUAL: Final = 1e-7  # of a column's spread: rounding, not knowledge
_SURE: Final = 6.5  # standard errors of a correlation
_FEWEST: Final = 100  # rows for one
_FACTOR: Final = 1.125  # of prices in another unit
_REFITS: Final = 4  # cuts nearest to a split at which steps learn again: what a fit sees too much lies there
_MATTERS: Final = 0.1  # least correlation that is told


@dataclass(frozen=True)
class Leak:
    """One way in which one step knows too much.

    Attributes
    ----------
    step : its name.
    part : `apply`, `fit`, `rows` (which rows there are) or `label`.
    columns : what differs, sorted; empty for rows.
    through : names of TABLES whose later rows it used; empty where only a correlation shows it.
    ahead : it used something that became known at least so many calendar days later.
    behind : calendar days from the farthest row that differs to the day after which the future was changed.
    share : of the values (rows, for rows) dated up to the cut that differ, the largest at any cut.
    size : the largest difference, in standard deviations of its column; None where it has none.
    correlation : of the column with a return that nobody could know; None where not found that way.
    words : all this in a sentence.
    """

    step: str
    part: str
    columns: tuple[str, ...]
    through: tuple[str, ...]
    ahead: int
    behind: int
    share: float
    size: float | None
    correlation: float | None
    words: str


@dataclass(frozen=True)
class _Difference:
    """What differs after one step at one cut, in rows that were decided by then."""

    cut: dt.date
    at: dt.date
    columns: frozenset[str]
    rows: bool
    labels: bool
    in_fit: bool
    behind: int
    share: float
    size: float | None


@dataclass(frozen=True)
class _Run:
    """A run of the pipeline on the market as it is: each step before and after its fit, and the frame it made."""

    at: dt.date
    keys: pl.DataFrame
    blank: list[Step]
    fitted: list[Step]
    made: list[pl.DataFrame]


def audit(steps: Sequence[Step], cuts: int = 24, seed: int = 7) -> list[Leak]:
    """Audit a pipeline on a market made for it; each leak by step, in the order of the steps, none where it is clean.

    Parameters
    ----------
    steps : see pipeline.Step, whose rules they are held to; they are copied, and never changed.
    cuts : days at which the future is taken away and changed, for each of two splits; more find what is rarer.
    seed : of the market.

    Raises BadInput where a step is none, or does not return one row a symbol and date.
    """
    check_steps(steps)
    here, other = market(seed), market(seed + 1)
    runs = {at: _run(steps, here.inputs, at) for at in _split_days(here)}
    found: dict[int, list[_Difference]] = {}
    for run in runs.values():
        for number, cut in enumerate(_cuts(here, run.at, cuts)):
            for future in (here.inputs.known_by(cut), spliced(here.inputs, other.inputs, cut, TABLES)):
                for place, difference in _differences(run, future, cut, refit=number < _REFITS):
                    found.setdefault(place, []).append(difference)
    told = [leak for place in sorted(found) for leak in _told(steps[place], place, found[place], runs, here, other)]
    first = runs[min(runs)]
    # Of columns that stand on what a told step made, a correlation would say nothing new.
    leaks = told + _shifted(steps, first, here, min(found, default=len(steps))) + _fills(steps, first, here)
    order = [step.name for step in steps]
    return sorted(leaks, key=lambda leak: order.index(leak.step))


def _split_days(here: Market) -> list[dt.date]:
    days = here.secret[DATE].unique().sort()
    return [days[int(share * len(days))] for share in _SPLITS]


def _cuts(here: Market, at: dt.date, count: int) -> list[dt.date]:
    """The split itself, the trading days of a week after it, and others as far apart as need be, on any weekday."""
    days = here.secret.filter(pl.col(DATE) >= at)[DATE].unique().sort().to_list()
    near = days[: min(7, count)]
    apart = days[len(near) : -2]
    rest = max(0, count - len(near))
    return near + [apart[number * len(apart) // rest] for number in range(rest) if apart]


def _run(steps: Sequence[Step], inputs: Inputs, at: dt.date) -> _Run:
    frame = keys_of(inputs)
    run = _Run(at, frame, copy.deepcopy(list(steps)), [], [])
    for blank in run.blank:
        step = copy.deepcopy(blank)
        step.fit(frame.filter(pl.col(DATE) <= at), inputs, at)
        run.fitted.append(copy.deepcopy(step))
        frame = checked(step, step.apply(frame, inputs))
        run.made.append(frame)
    return run


def _differences(run: _Run, future: Inputs, cut: dt.date, *, refit: bool = True) -> Iterator[tuple[int, _Difference]]:
    """Run each step on another future behind `cut`, its past put right, and tell where that past changed."""
    frame = _put_right(keys_of(future), run.keys, cut)
    for place, fitted in enumerate(run.fitted):
        made = (
            _again(run, place, frame, future) if refit else checked(fitted, copy.deepcopy(fitted).apply(frame, future))
        )
        difference = _compare(run.made[place], made, cut, run.at)
        if difference is not None:
            with_right_fit = checked(fitted, copy.deepcopy(fitted).apply(frame, future))
            in_fit = _compare(run.made[place], with_right_fit, cut, run.at) is None
            yield place, replace(difference, in_fit=in_fit)
        frame = _put_right(made, run.made[place], cut)


def _again(run: _Run, place: int, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """What a step makes of `frame` when it learns again."""
    step = copy.deepcopy(run.blank[place])
    step.fit(frame.filter(pl.col(DATE) <= run.at), inputs, run.at)
    return checked(step, step.apply(frame, inputs))


def _put_right(made: pl.DataFrame, right: pl.DataFrame, cut: dt.date) -> pl.DataFrame:
    """`made`, but up to the cut as it is `right`; labels that reach beyond the cut stay as made."""
    past = right.filter(pl.col(DATE) <= cut)
    labels = [name for name in past.columns if is_label(name)]
    if labels:
        mine = made.select([*KEY, *(name for name in labels if name in made.columns)])
        met = past.join(mine, on=KEY, how="left", suffix="_made", maintain_order="left")
        exit_, exit_made = (
            pl.col(LABEL_EXIT),
            pl.col(f"{LABEL_EXIT}_made" if LABEL_EXIT in mine.columns else LABEL_EXIT),
        )
        open_ = exit_.is_null() | (exit_ > cut)
        # Where the data ends a symbol may look delisted, and its label settled: it is not.
        still = pl.when(exit_made.is_null() | (exit_made > cut))
        past = met.select(
            pl.when(open_).then(still.then(pl.col(f"{name}_made"))).otherwise(pl.col(name)).alias(name)
            if name in labels and name in made.columns
            else pl.col(name)
            for name in past.columns
        )
    later = made.filter(pl.col(DATE) > cut)
    return pl.concat([past, later], how="diagonal_relaxed").sort(KEY)


def _compare(right: pl.DataFrame, made: pl.DataFrame, cut: dt.date, at: dt.date) -> _Difference | None:
    """Where rows up to the cut differ; None where they are the same but for rounding."""
    before, after = (frame.filter(pl.col(DATE) <= cut) for frame in (right, made))
    gone = before.join(after, on=KEY, how="anti")
    new = after.join(before, on=KEY, how="anti")
    odd = pl.concat([gone.select(KEY), new.select(KEY)])
    both = before.join(after, on=KEY, how="inner", suffix="_made")
    columns, sizes, changed = set(right.columns) ^ set(made.columns), [], pl.lit(False)
    for name in right.columns:
        if name in KEY or name not in made.columns:
            continue
        differs, size = _differs(right, both, name, cut)
        if both.select(differs.any()).item():
            columns.add(name)
            sizes.append(both.filter(differs).select(size).max().item() if size is not None else None)
            changed = changed | differs
    if odd.is_empty() and not columns:
        return None
    dates = pl.concat([odd[DATE], both.filter(changed)[DATE]])
    first: dt.date = dates.min() if len(dates) else cut  # type: ignore[assignment]
    known = [size for size in sizes if size is not None and math.isfinite(size)]
    return _Difference(
        cut,
        at,
        frozenset(columns),
        not odd.is_empty(),
        bool(columns) and all(map(is_label, columns)),
        False,
        (cut - first).days,
        len(dates) / max(1, before.height),
        max(known, default=None),
    )


def _differs(right: pl.DataFrame, both: pl.DataFrame, name: str, cut: dt.date) -> tuple[pl.Expr, pl.Expr | None]:
    """Which rows of `both` differ in one column, and by how many standard deviations, where it holds numbers."""
    mine, theirs = pl.col(name), pl.col(f"{name}_made")
    if both.schema[name].is_numeric() and both.schema[f"{name}_made"].is_numeric():
        spread = right[name].cast(pl.Float64).fill_nan(None).std()
        scale = spread if isinstance(spread, float) and spread > 0 else 1.0
        mine, theirs = (one.cast(pl.Float64).fill_nan(None) for one in (mine, theirs))
        size = (mine - theirs).abs() / scale
        level = (mine.abs() + theirs.abs()) * 1e-12 / scale
        differs = (mine.is_null() != theirs.is_null()) | (size > _EQUAL + level).fill_null(False)
        # Not a number where one is infinite: then they differ unless both are the same infinity.
        differs = (differs | (size.is_nan().fill_null(False) & (mine != theirs))) & ~mine.eq_missing(theirs)
    else:
        size, differs = None, mine.cast(pl.String).ne_missing(theirs.cast(pl.String))
    if is_label(name) and LABEL_EXIT in both.columns:
        settled = pl.col(LABEL_EXIT).is_not_null() & (pl.col(LABEL_EXIT) <= cut)
        differs = differs & settled
    return differs, size


def _told(
    step: Step, place: int, found: list[_Difference], runs: dict[dt.date, _Run], here: Market, other: Market
) -> list[Leak]:
    """One leak for each part of a step that noticed the future, told by its clearest cut."""
    leaks = []
    for part in ("rows", "label", "fit", "apply"):
        own = [one for one in found if _part(one) == part]
        if own:
            clearest = max(own, key=lambda one: (one.share, one.behind))
            through = _through(runs[clearest.at], place, own, here, other)
            ahead = _ahead(runs[clearest.at], place, own, here, other, through or TABLES)
            leaks.append(_leak(step, part, own, through, ahead))
    return leaks


def _part(one: _Difference) -> str:
    if one.in_fit:
        return "fit"
    if one.rows:
        return "rows"
    return "label" if one.labels else "apply"


def _places(
    run: _Run, place: int, own: list[_Difference], here: Market, other: Market, tables: tuple[str, ...], gap: int
) -> bool:
    """Whether the step notices, at one of its cuts, that only `tables` and only after `gap` days went another way."""
    mine = sorted((one for one in own if one.at == run.at), key=lambda one: (-one.share, one.cut))
    for cut in list(dict.fromkeys(one.cut for one in mine))[:4]:
        future = spliced(here.inputs, other.inputs, cut, tables, gap)
        if any(found == place for found, _ in _differences(run, future, cut)):
            return True
    return False


def _through(run: _Run, place: int, own: list[_Difference], here: Market, other: Market) -> tuple[str, ...]:
    return tuple(name for name in TABLES if _places(run, place, own, here, other, (name,), 0))


def _ahead(run: _Run, place: int, own: list[_Difference], here: Market, other: Market, tables: tuple[str, ...]) -> int:
    reached = 1
    for gap in _REACH:
        if not _places(run, place, own, here, other, tables, gap):
            break
        reached = gap + 1
    return reached


def _leak(step: Step, part: str, own: list[_Difference], through: tuple[str, ...], ahead: int) -> Leak:
    columns = tuple(sorted(frozenset[str]().union(*(one.columns for one in own))))
    behind, share = max(one.behind for one in own), max(one.share for one in own)
    size = max((one.size for one in own if one.size is not None), default=None)
    what = {
        "rows": "which rows it keeps",
        "label": f"the labels {_listed(columns)}, which were settled by then,",
        "fit": f"what it learnt by the split, and so {_listed(columns)},",
        "apply": _listed(columns),
    }[part]
    used = " and ".join(_IN_WORDS[name] for name in through) or "what became known later"
    whole = "the whole past" if behind > 60 else f"rows up to {behind} days back"
    by = "" if size is None else f", by up to {size:.2g} standard deviations"
    cause = " (labels that had not matured at the split, or data after it)" if part == "fit" else ""
    words = (
        f"step {step.name!r} looks ahead: {what} changed with {used}{cause}, at least {ahead} "
        f"{'day' if ahead == 1 else 'days'} ahead; {whole} and {share:.0%} of what was decided by a cut differ{by}"
    )
    return Leak(step.name, part, columns, through, ahead, behind, share, size, None, words)


def _listed(columns: Sequence[str]) -> str:
    shown = list(columns[:4]) + ([f"{len(columns) - 4} more"] if len(columns) > 4 else [])
    return ", ".join(shown) or "its columns"


def _shifted(steps: Sequence[Step], run: _Run, here: Market, until: int) -> list[Leak]:
    """The columns of the first step, before place `until`, that move with a return to come on days of forecasts."""
    for place, step in enumerate(steps[:until]):
        frame = run.made[place].filter(pl.col(DATE) > run.at)
        leaks = []
        for name in _made_here(run, place):
            correlation = None if is_label(name) else _correlation(frame, name, here)
            if correlation is not None:
                words = (
                    f"step {step.name!r} looks ahead: {name} moves with the return from the next open to the one after "
                    f"(rank correlation {correlation:+.2f}), on a market where nothing known by then does"
                )
                leaks.append(Leak(step.name, "apply", (name,), (), 1, 0, 1.0, None, correlation, words))
        if leaks:
            return leaks
    return []


def _made_here(run: _Run, place: int) -> list[str]:
    """The columns that a step added or changed."""
    made, before = run.made[place], run.made[place - 1] if place else run.keys
    same = made.height == before.height
    return [
        name
        for name in made.columns
        if name not in KEY and not (same and name in before.columns and made[name].equals(before[name]))
    ]


def _correlation(frame: pl.DataFrame, name: str, here: Market) -> float | None:
    """Rank correlation of a column with the return to come; None where it is no number, or moves with nothing."""
    if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean):
        return None
    met = frame.select(*KEY, pl.col(name).cast(pl.Float64)).join(here.secret, on=KEY).drop_nulls()
    both = met.filter(pl.col(name).is_finite())
    if both.height < _FEWEST or both[name].n_unique() < 2:
        return None
    found: float = both.select(pl.corr(name, NEXT_RETURN, method="spearman")).item()
    return found if abs(found) > max(_MATTERS, _SURE / math.sqrt(both.height)) else None


def _fills(steps: Sequence[Step], run: _Run, here: Market) -> list[Leak]:
    """The labels of the first step that begin at a price of their own day, or of one before."""
    for place, step in enumerate(steps):
        labels = [name for name in _made_here(run, place) if is_label(name) and name != LABEL_EXIT]
        if not labels:
            continue
        columns, share = set(), 0.0
        for cut in _cuts(here, run.at, 8)[1:]:
            frame = keys_of(here.inputs)
            scaled = in_other_units(here.inputs, cut, _FACTOR)
            for fitted in run.fitted[: place + 1]:
                frame = checked(fitted, copy.deepcopy(fitted).apply(frame, scaled))
            on_day = [one.filter(pl.col(DATE) == cut).drop_nulls(LABEL_EXIT) for one in (run.made[place], frame)]
            both = on_day[0].join(on_day[1], on=KEY, suffix="_made")
            for name in labels:
                differs, _ = _differs(run.made[place], both.drop(LABEL_EXIT), name, cut)
                changed = both.filter(differs).height / max(1, both.height)
                if changed:
                    columns.add(name)
                    share = max(share, changed)
        if columns:
            names = tuple(sorted(columns))
            words = (
                f"step {step.name!r} fills too early: {_listed(names)} of {share:.0%} of the rows of a day begin at a "
                "price of that day or before, on which the decision was made; a decision fills at the next open at the "
                "earliest"
            )
            return [Leak(step.name, "label", names, ("bars",), 0, 0, share, None, None, words)]
    return []
