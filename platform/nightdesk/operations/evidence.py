"""Weighs tonight's evidence: superiority tests, skill, and whether the former champion must come back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import polars as pl

from nightdesk.models.baselines import RANKINGS
from nightdesk.models.combination import SHORT
from nightdesk.operations.night import Night
from nightdesk.operations.standing import fits_beside, label, moves_at
from nightdesk.operations.unseen import unseen
from nightdesk.promotion.reign import Reign, reign_of
from nightdesk.promotion.standing import judge_rollback, judge_skill
from nightdesk.promotion.superiority import (
    PROVEN,
    ROLLBACK_ALPHA,
    Evidence,
    PairedTest,
    countable,
    judge_superiority,
    next_share,
)
from nightdesk.sessions import session_spans, trading_days_before
from nightdesk.store.approvals import refused_by_person
from nightdesk.store.decisions import REPLACE, ROLLBACK
from nightdesk.store.evidence import (
    MOOT,
    OPEN,
    REPLACEMENT,
    RETURN,
    SKILL,
    SuperiorityTest,
    Verdict,
    ended_at,
    evidence_scores,
    frozen_days,
    nights_waiting,
    superiority_tests_of,
    take_back_night,
    write_night,
)
from nightdesk.store.evidence import PROVEN as SKILL_PROVEN
from nightdesk.store.files import content_of
from nightdesk.store.nights import newest_begun
from nightdesk.tables import DATE, HORIZON, MODEL

SUPERIOR = "superior"


@dataclass(frozen=True, slots=True)
class Due:
    """What the evidence says must move at a horizon: `replace` by a recipe, or `rollback` to one, and why."""

    horizon: int
    action: str
    model: str
    recipe: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A ref to tonight's verdicts in the store, and what must move by them; nothing of it is carried out yet."""

    content: str
    verdicts: int
    due: tuple[Due, ...]

    def at(self, horizon: int) -> Due | None:
        """What must move at `horizon`: a way back before a replacement; None where nothing must."""
        own = [one for one in self.due if one.horizon == horizon]
        return min(own, key=lambda one: one.action != ROLLBACK, default=None)


NOTHING_WEIGHED = Weighed("", 0, ())
"""What a retrain goes by: it forecasts nothing, and moves nothing by evidence."""


def weigh(night: Night) -> Weighed:
    """Weigh what has matured by tonight, begin the test that is due, and enter every verdict.

    A night of the past weighs nothing: what it could move has been decided since.
    """
    newest = newest_begun(night.engine, night.realm)
    if newest is not None and newest > night.as_of:
        return NOTHING_WEIGHED
    take_back_night(night.engine, night.realm, night.as_of)
    tests: list[SuperiorityTest] = []
    verdicts: list[Verdict] = []
    due: list[Due] = []
    for horizon in night.settings.horizons:
        reign = reign_of(moves_at(night, horizon, own=False))
        if reign is None or reign.newest.recipe is None:
            continue
        one = _Horizon(night, horizon, reign)
        verdicts += [one.skill(), *one.way_back(due), *one.tests(tests, due)]
    write_night(night.engine, night.realm, night.as_of, tests, verdicts)
    content = content_of([asdict(one) for one in verdicts], [asdict(one) for one in due])
    return Weighed(content, len(verdicts), tuple(due))


class _Horizon:
    """The scores of one horizon by tonight, and the questions that are asked of them."""

    def __init__(self, night: Night, horizon: int, reign: Reign) -> None:
        self.night, self.horizon, self.reign = night, horizon, reign
        self.champion: str = reign.newest.recipe or ""
        self.name = reign.newest.serving.model
        self.scored = evidence_scores(night.engine, night.realm, horizon, night.as_of)
        self.frozen = frozen_days(night.engine)
        # Whatever was said longer ago has its score: a symbol's label is waited for a few days beyond its exit.
        recent = trading_days_before(night.source.facts.calendar, night.as_of, 2 * horizon + 20)
        self.waiting = nights_waiting(night.engine, night.realm, horizon, recent[0], night.as_of)

    def skill(self) -> Verdict:
        """Whether the champion's recipe beats every ranking baseline on the nights since its first in the log."""
        own = self.scores_of(self.champion)
        since: dt.date = own[DATE].min() if own.height else self.night.as_of  # type: ignore[assignment]
        counted, left_out = self.counted(since, [self.champion])
        rivals = {name: self.scored.filter(pl.col(MODEL) == name, pl.col("recipe").is_null()) for name in RANKINGS}
        found = judge_skill(own, {name: one for name, one in rivals.items() if one.height}, counted, self.horizon)
        hardest = min(found.highest, key=lambda name: (found.highest[name], name), default=None)
        reasons = found.reasons if counted else ("skill is unproven: none of its nights counts yet",)
        return Verdict(
            self.horizon,
            SKILL,
            since,
            self.champion,
            self.name,
            hardest,
            SKILL_PROVEN if found.proven else OPEN,
            None,
            None if hardest is None else found.highest[hardest],
            PROVEN,
            len(counted),
            None,
            None,
            "; ".join((*reasons, *left_out)),
        )

    def way_back(self, due: list[Due]) -> Iterable[Verdict]:
        """Whether the former champion, kept in shadow, beats the one that replaced it."""
        former = self.reign.former
        if not self.reign.watched or former is None or former.recipe is None:
            return
        since = self.reign.began.first
        counted, left_out = self.counted(since, [former.recipe, self.champion])
        name = self.called(former.serving.model, former.recipe)
        own, other = self.scores_of(former.recipe), self.scores_of(self.champion)
        found = judge_rollback(own, other, counted, since, (name, self.name), self.horizon)
        if found.evidence is None:
            return
        if found.roll_back:
            due.append(Due(self.horizon, ROLLBACK, former.serving.model, former.recipe, found.reasons))
        test = SuperiorityTest(
            self.horizon, since, former.recipe, self.champion, name, self.name, ROLLBACK_ALPHA, found.evidence.outcome
        )
        yield _verdict(RETURN, test, found.evidence, left_out)

    def tests(self, changed: list[SuperiorityTest], due: list[Due]) -> Iterable[Verdict]:
        """Where each superiority test stands that is open, or has crossed and is not carried out yet; and a new one."""
        known = superiority_tests_of(self.night.engine, self.night.realm, self.horizon, self.night.as_of)
        for test in known:
            if test.champion != self.champion:
                if test.outcome == OPEN:
                    changed.append(replace(test, outcome=MOOT, ended=self.night.as_of))
                    yield _moot(test, self.name)
            elif test.outcome == OPEN or self.waits(test):
                yield self.judged(test, changed, due)
        begun = self.begin(known)
        if begun is not None:
            changed.append(begun)
            yield self.judged(begun, [], [])

    def waits(self, test: SuperiorityTest) -> bool:
        """Whether a test has crossed and its replacement was not carried out: the reign it crossed in still stands.

        One that was carried out and taken back since is over, whoever took it back.
        """
        return test.outcome == SUPERIOR and test.ended is not None and self.reign.began.first <= test.ended

    def judged(self, test: SuperiorityTest, changed: list[SuperiorityTest], due: list[Due]) -> Verdict:
        """Judge one test: `changed` where it ends tonight, `due` where it has crossed, unless a person refused that."""
        night, names = self.night, (test.challenger_model, test.champion_model)
        counted, left_out = self.counted(test.started, [test.challenger, test.champion])
        own, other = self.scores_of(test.challenger), self.scores_of(test.champion)
        found = judge_superiority(PairedTest(*names, self.horizon, test.started, test.alpha), own, other, counted)
        ended = test.ended or (None if found.outcome == OPEN else night.as_of)
        if (found.outcome, ended) != (test.outcome, test.ended):
            changed.append(replace(test, outcome=found.outcome, ended=ended))
        if found.outcome == SUPERIOR and not refused_by_person(
            night.engine, night.realm, self.horizon, REPLACE, ended or night.as_of
        ):
            due.append(Due(self.horizon, REPLACE, names[0].partition("~")[0], test.challenger, found.reasons))
        return _verdict(REPLACEMENT, replace(test, outcome=found.outcome), found, left_out)

    def begin(self, known: Sequence[SuperiorityTest]) -> SuperiorityTest | None:
        """The test that begins tonight: one in a calendar quarter, of the challenger whose last one is longest ago.

        A challenger is a recipe with a registered fit beside the champion, without an open test against it; the former
        champion is none while its way back is watched, and an ensemble short of a member, which never serves, is none.
        """
        night = self.night
        if any(_quarter(one.started) == _quarter(night.as_of) for one in known):
            return None
        share = next_share([one.started for one in known], night.as_of, len(night.settings.horizons))
        tested = {one.challenger: one.started for one in known}
        taken = {one.challenger for one in known if one.outcome == OPEN and one.champion == self.champion}
        if self.reign.watched and self.reign.former is not None:
            taken.add(self.reign.former.recipe or "")
        fits = fits_beside(night, own=False).filter(pl.col(HORIZON) == self.horizon).drop_nulls("recipe")
        beside = [
            (tested.get(recipe, dt.date.min), model, recipe)
            for model, recipe in fits.select(MODEL, "recipe").iter_rows()
            if recipe != self.champion and recipe not in taken and model != SHORT
        ]
        if share is None or not beside:
            return None
        _, model, recipe = min(beside)
        name = self.called(model, recipe)
        return SuperiorityTest(self.horizon, night.as_of, recipe, self.champion, name, self.name, share)

    def called(self, model: str, recipe: str) -> str:
        """A rival's name, told apart from the champion's."""
        return label(model, recipe) if model == self.name else model

    def scores_of(self, recipe: str) -> pl.DataFrame:
        """Date and rank IC of a recipe's scored nights."""
        return self.scored.filter(pl.col("recipe") == recipe)

    def counted(self, since: dt.date, recipes: Collection[str]) -> tuple[tuple[dt.date, ...], tuple[str, ...]]:
        """The nights from `since` to the last that is settled which may count for all of `recipes`, and who may not."""
        night, waiting = self.night, self.waiting
        days = [day for day in night.days(since) if day < night.as_of] if since < night.as_of else []
        if not days:
            return (), ()
        done = ended_at(night.engine, night.realm, days[0])
        late = set(days) - _in_time(night, days, done)
        frozen = max(self.frozen.get(one, dt.date.max) for one in recipes)
        settled = countable(days, (), waiting, frozen)
        counted = countable(days, late, waiting, frozen, unseen(night, done))
        lost = len(settled) - len(counted)
        said = f"{lost} of {len(settled)} nights do not count: they were done after the next session had closed"
        if night.settings.evaluation.sealed_from is not None:
            said += ", and were not sealed from every fit, trial and look"
        return counted, (said,) if lost else ()


def _in_time(night: Night, days: Sequence[dt.date], done: Mapping[dt.date, dt.datetime]) -> set[dt.date]:
    """Those of `days` whose night was done before the next session closed: no bar of it was known to anybody."""
    closes = [(day, closed) for day, _, closed in session_spans(night.source.facts.calendar, days[0], night.as_of)]
    after = {day: closed for (day, _), (_, closed) in pairwise(closes)}
    return {day for day in days if day in done and day in after and done[day] <= after[day]}


def _quarter(day: dt.date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def _verdict(kind: str, test: SuperiorityTest, found: Evidence, left_out: tuple[str, ...]) -> Verdict:
    return Verdict(
        test.horizon,
        kind,
        test.started,
        test.challenger,
        test.challenger_model,
        test.champion_model,
        found.outcome,
        found.e_value,
        found.highest,
        found.needed,
        found.nights,
        found.pairs,
        found.detectable,
        "; ".join((*found.reasons, *left_out)),
    )


def _moot(test: SuperiorityTest, served: str) -> Verdict:
    return Verdict(
        test.horizon,
        REPLACEMENT,
        test.started,
        test.challenger,
        test.challenger_model,
        test.champion_model,
        MOOT,
        None,
        None,
        1.0 / test.alpha,
        0,
        None,
        None,
        f"{test.champion_model} is served no more ({served} is): its test against {test.challenger_model} is over",
    )
