"""Who is served, what is forecast, what came of earlier forecasts, and what is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from nightdesk.errors import NothingServed
from nightdesk.faults import reach
from nightdesk.monitoring.matured import score
from nightdesk.operations import evidence, serving
from nightdesk.operations.calibrating import spoken
from nightdesk.operations.evidence import Weighed
from nightdesk.operations.monitoring import slices_met
from nightdesk.operations.night import Night
from nightdesk.operations.panel import closes_of, met_tonight
from nightdesk.operations.paper_book import expect, keep_book
from nightdesk.operations.proposal import served_by
from nightdesk.operations.recommending import recommend
from nightdesk.operations.serving import Proposed, Served
from nightdesk.operations.training import Tested
from nightdesk.promotion.approval import told
from nightdesk.publish.publication import Publication
from nightdesk.publish.publication import publish as write_publication
from nightdesk.publish.ranking import ranking
from nightdesk.store.approvals import Answer
from nightdesk.store.features import FeatureTable
from nightdesk.store.files import content_of, frame_content
from nightdesk.store.forecasts import awaiting, forecasts_of, log_forecasts, log_scores, scores
from nightdesk.store.monitoring import log_slices
from nightdesk.store.refs import FrameRef
from tasks.stage import stage


@dataclass(frozen=True, slots=True)
class Logged:
    """A ref to tonight's rows in a log: their content and number."""

    content: str
    rows: int


@stage("mature")
def mature(night: Night, bars: FrameRef) -> Logged:
    """Score the forecasts whose exit price is known tonight, and their slices."""
    waiting = awaiting(night.engine, night.realm, night.as_of)
    met = met_tonight(night, waiting, known := bars.read())
    if met.height:
        # Before the scores: what has one waits no more, and would never be sliced after a kill in between.
        log_slices(night.engine, night.realm, slices_met(night, met, known))
        reach("mature:sliced")
        log_scores(night.engine, score(met, night.as_of, night.realm))
    # Read back: killed after the log was written, a second start finds nothing left to score, and says the same.
    scored = scores(night.engine, night.realm, night.as_of).filter(pl.col("scored_on") == night.as_of)
    return Logged(frame_content(scored), scored.height)


@stage("weigh")
def weigh(night: Night, matured: Logged) -> Weighed:
    """Weigh what has matured by tonight: who may replace, whose skill is proven, who must go back."""
    del matured  # its content is part of this stage's key
    return evidence.weigh(night)


@stage("propose")
def propose(night: Night, table: FeatureTable, tested: tuple[Tested, ...], weighed: Weighed) -> Proposed:
    """Decide who should be served from tonight on; nothing is carried out before `promote`."""
    return serving.propose(night, table, tested, weighed)


@stage("promote")
def promote(night: Night, proposed: Proposed, answers: tuple[Answer, ...]) -> Served:
    """Carry out who is served, as proposed and, where a person was asked, as answered; without fits, whoever was.

    Raises NothingServed where a horizon has nobody: before anything is forecast, so that the night can be run again.
    """
    serving.settle(night, proposed, answers)
    models = tuple(one for one in served_by(night) if one.horizon in night.settings.horizons)
    lacking = sorted(set(night.settings.horizons) - {one.horizon for one in models})
    if lacking:
        raise NothingServed(
            f"a night needs a model at each of its horizons, got none at {', '.join(map(str, lacking))} days: "
            + _cure(night, proposed, answers, lacking)
        )
    said = told(proposed.decisions, answers)
    return Served(content_of([(one.horizon, one.content) for one in models], said), models, said)


def _cure(night: Night, proposed: Proposed, answers: tuple[Answer, ...], lacking: list[int]) -> str:
    """How to come to a model: let it train, or, where one was fitted and nobody approved it, approve it."""
    asked = tuple(one for one in answers if one.horizon in lacking)
    if not asked:
        return "let it train (--train auto), and see why fits failed in the Prefect run"
    return (
        f"an approval is wanted ({'; '.join(told(proposed.decisions, asked))}): run nightdesk approve "
        f"--as-of {night.as_of} --by NAME, then start the night again"
    )


@stage("forecast")
def forecast(night: Night, table: FeatureTable, served: Served) -> Logged:
    """Log what every model says tonight, before anybody can know what comes of it."""
    said = serving.forecast(night, table, served)
    reach("forecast:said")
    log_forecasts(night.engine, night.realm, night.as_of, said)
    return Logged(frame_content(said), said.height)


@stage("publish")
def publish(night: Night, table: FeatureTable, bars: FrameRef, logged: Logged, served: Served) -> Publication:
    """Publish the ranking and what is recommended on it, or refuse with the reasons."""
    del logged  # its content is part of this stage's key
    known = bars.read()
    said = forecasts_of(night.engine, night.realm, night.as_of)
    ranked = ranking(said, closes_of(night, known))
    recommended = recommend(night, table, known, ranked, served, spoken(night, said, known))
    models = [{key: value for key, value in asdict(one).items() if key != "version"} for one in served.models]
    return write_publication(night.home.published, night.realm, night.as_of, ranked, models, (), recommended)


@stage("book")
def book(night: Night, bars: FrameRef, publication: Publication, served: Served) -> Logged:
    """Carry the paper book on to tonight: what earlier nights published, filled and marked by tonight's bars."""
    del publication  # its content is part of this stage's key
    known = bars.read()
    expect(night, known, served.models)
    rows = keep_book(night, known)
    return Logged(frame_content(rows), rows.height)
