"""The morning report, and the summary that a night leaves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

from nightdesk.concealment import without_password
from nightdesk.home import Home
from nightdesk.monitoring.findings import Watched
from nightdesk.monitoring.retraining import TrainingDecision
from nightdesk.operations.drift_page import draw_drift
from nightdesk.operations.evidence import Weighed
from nightdesk.operations.night import Night
from nightdesk.operations.quality_pages import qualities_of, write_quality_pages
from nightdesk.operations.reporting import Intake, gather
from nightdesk.operations.serving import Served
from nightdesk.operations.shown_pages import show_page
from nightdesk.operations.summaries import NightSummary, RetrainSummary, Score
from nightdesk.promotion.verdicts import question, shown, told
from nightdesk.publish.publication import PUBLISHED, Publication
from nightdesk.report.page import render
from nightdesk.report.wording import in_days
from nightdesk.report.write import write_page
from nightdesk.store.decisions import all_decisions, newest_walk_forward
from nightdesk.store.evidence import verdicts_of
from nightdesk.store.features import FeatureTable
from nightdesk.store.files import content_of
from nightdesk.store.refs import FrameRef
from nightdesk.tables import HORIZON, MARKET
from tasks.ingest import Ingested
from tasks.serving import Logged
from tasks.stage import nightly_task, stage

_log = logging.getLogger("nightdesk.night")


@dataclass(frozen=True, slots=True)
class Page:
    """A ref to a written page."""

    content: str
    path: str


@stage("report")
def report(
    night: Night,
    ingested: Ingested,
    bars: FrameRef,
    table: FeatureTable,
    training: TrainingDecision,
    served: Served,
    matured: Logged,
    weighed: Weighed,
    publication: Publication,
    booked: Logged,
    watched: Watched,
    drift_page: Page | None,
) -> Page:
    """Write the morning report, and the quality pages beside it."""
    del matured, weighed, booked  # their content is part of this stage's key
    intake = Intake(ingested.rows_in, ingested.rows_new, ingested.notes, ingested.markets)
    ranking = _ranking(night, publication)
    path = night.home.report(night.realm, night.as_of)
    link = "" if drift_page is None else Path(drift_page.path).relative_to(path.parent).as_posix()
    html = render(gather(night, intake, bars.read(), table, training, served, publication, ranking, watched, link))
    write_page(path, html)
    for found in qualities_of(night, bars.read()):
        write_quality_pages(night, found)
    return Page(content_of(html), str(path))


@stage("drift-page")
def picture_drift(night: Night, table: FeatureTable, watched: Watched) -> Page:
    """Let Evidently draw the features that drifted, on a sample."""
    html = draw_drift(night, table, watched)
    path = night.home.quality(night.realm, night.as_of) / "drift.html"
    write_page(path, html)
    return Page(content_of(html), str(path))


@nightly_task("summarise")
def summarise(
    night: Night,
    ingested: Ingested,
    watched: Watched,
    training: TrainingDecision,
    searches: tuple[str, ...],
    failed_fits: tuple[str, ...],
    served: Served,
    matured: Logged,
    forecasts: Logged,
    publication: Publication,
    page: Page,
) -> NightSummary:
    """Sum the night up; with a Prefect run around it, the summary is an artifact of that run too."""
    walked = newest_walk_forward(night.engine, night.realm, night.as_of)
    shown = walked.select(SCORE_COLUMNS)
    tops = _tops(_ranking(night, publication), night.settings.top)
    lead = night.source.facts.name
    summary = NightSummary(
        night.realm,
        night.as_of,
        publication.status,
        publication.reasons,
        ingested.rows_in,
        ingested.rows_new,
        ingested.quarantined,
        training.train,
        training.reason,
        failed_fits,
        walked["as_of"].max(),  # type: ignore[arg-type]
        tuple(Score(**row) for row in shown.iter_rows(named=True)),
        served.models,
        tuple((horizon, symbols) for market, horizon, symbols in tops if market in ("", lead)),
        matured.rows,
        forecasts.rows,
        page.path,
        without_password(night.engine.url.render_as_string(hide_password=True)),
        without_password(night.tracking.uri),
        served.approvals,
        tuple(one for one in tops if one[0]),
        tuple(told(one) for one in verdicts_of(night.engine, night.realm, night.as_of)),
        tuple(f"{one.verdict} at {in_days([one.horizon])}: {one.reason}" for one in watched.inputs),
        tuple(f"{one.verdict}: {one.reason}" for one in watched.outcomes),
        searches,
    )
    if FlowRunContext.get() is not None:
        try:
            _leave_artifacts(night, ingested, watched, summary)
        except httpx.HTTPError as error:  # what is only shown there must not fail a night that has published
            _log.warning("the run's page lacks its artifacts: the Prefect server gave %s", type(error).__name__)
    return summary


def _leave_artifacts(night: Night, ingested: Ingested, watched: Watched, summary: NightSummary) -> None:
    """What the page of tonight's run shows: the summary, the checks of its input, the decisions, and where to look."""
    realm, of = night.realm, f"of the night of {night.as_of}"
    create_markdown_artifact(_markdown(summary), key=f"night-{realm}", description=f"Night of {night.as_of}")
    checks: list[dict[str, Any]] = [
        {"check": f"held back: {rule}", "rows": count, "meaning": ""} for rule, count in summary.quarantined
    ]
    checks += [{"check": rule, "rows": count, "meaning": meaning} for rule, count, meaning in ingested.notes]
    create_table_artifact(
        [*checks, *_drift_rows(watched)], key=f"drift-{realm}", description=f"Checks of the input {of}"
    )
    made = all_decisions(night.engine, realm).filter(pl.col("as_of") == night.as_of).drop("as_of", "moves_alias")
    decided: list[dict[str, Any]] = made.to_dicts() or [
        {"action": "none", "reasons": f"nothing was fitted: {summary.training_reason}"}
    ]
    create_table_artifact(decided, key=f"decision-{realm}", description=f"Decisions {of}")
    asked = [
        dict(
            zip(("horizon", *EVIDENCE, "reasons"), (one.horizon, question(one), *shown(one), one.reasons), strict=True)
        )
        for one in verdicts_of(night.engine, realm, night.as_of)
    ]
    if asked:
        create_table_artifact(asked, key=f"evidence-{realm}", description=f"Evidence {of}")
    page = Path(summary.report)
    link = show_page(night.tracking, page, f"nightdesk-reports/{realm}")
    where = f"`{page}`" if link is None else f"[Fetch it]({link}), or open `{page}` on the desk's own machine."
    create_markdown_artifact(f"The morning report of {night.as_of}: {where}", key=f"report-{realm}", description=of)
    if summary.tracking.startswith("http"):
        create_link_artifact(f"{summary.tracking}/#/models", "Models in MLflow", key=f"models-{realm}", description=of)


def _drift_rows(watched: Watched) -> list[dict[str, Any]]:
    """What was found of inputs and outcomes, as rows beside the checks."""
    rows = [
        {"check": f"inputs at {in_days([one.horizon])}", "rows": one.verdict, "meaning": one.reason}
        for one in watched.inputs
    ]
    rows += [
        {"check": f"{one.feature} drifted", "rows": f"since {one.since}", "meaning": f"stability index {one.psi:.2f}"}
        for found in watched.flagged
        for one in found.flagged
    ]
    rows += [
        {"check": f"outcomes at {in_days([one.horizon])}", "rows": one.verdict, "meaning": one.reason}
        for one in watched.outcomes
    ]
    unjudged = {"check": "drift", "rows": "not judged", "meaning": "nobody was served before this night"}
    return rows or [unjudged]


@nightly_task("sum-retrain-up")
def sum_retrain_up(
    night: Night, reason: str, searches: tuple[str, ...], failed_fits: tuple[str, ...], served: Served
) -> RetrainSummary:
    """Sum a retrain up; with a Prefect run around it, the summary is an artifact of that run too."""
    shown = newest_walk_forward(night.engine, night.realm, night.as_of).select(SCORE_COLUMNS)
    scores = tuple(Score(**row) for row in shown.iter_rows(named=True))
    tracking = without_password(night.tracking.uri)
    summary = RetrainSummary(night.realm, night.as_of, reason, failed_fits, scores, served.models, tracking, searches)
    if FlowRunContext.get() is not None:
        rows = "\n".join(f"| {one.horizon} | {one.model} | {one.version} | {one.skill} |" for one in served.models)
        lost = f"\n\nCould not be fitted: {', '.join(failed_fits)}." if failed_fits else ""
        create_markdown_artifact(
            f"# Trained on the data of {night.as_of} ({night.realm})\n\nWhy: {reason}.{lost}\n\n{_tuned(searches)}"
            f"| horizon | served | version | skill |\n| --- | --- | --- | --- |\n{rows}\n",
            key=f"retrain-{night.realm}",
            description=f"Retrain of {night.as_of}",
        )
    return summary


def _tuned(searches: tuple[str, ...]) -> str:
    """What the searches came to, as Markdown."""
    return "".join(f"Tuned: {one}.\n\n" for one in searches)


def _ranking(night: Night, publication: Publication) -> pl.DataFrame:
    if publication.status != PUBLISHED:
        return pl.DataFrame(schema=RANKING)
    return pl.read_parquet(Home(night.settings.home).published / publication.folder / "ranking.parquet")


EVIDENCE = ("question", "answer", "evidence", "pairs", "smallest edge found")

SCORE_COLUMNS = (HORIZON, "model", "kind", "mean", "lower", "upper", "days", "edge_lower")

RANKING = {
    HORIZON: pl.Int64,
    "rank": pl.Int64,
    "symbol": pl.String,
    "score": pl.Float64,
    "percentile": pl.Float64,
    "close": pl.Float64,
    "model": pl.String,
}


def _tops(ranking: pl.DataFrame, count: int) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Market (none of a desk of one), horizon and the best symbols of each ranking."""
    named = ranking if MARKET in ranking.columns else ranking.with_columns(pl.lit("").alias(MARKET))
    head = named.filter(pl.col("rank") <= count).group_by(MARKET, HORIZON, maintain_order=True).agg("symbol")
    return tuple((market, horizon, tuple(symbols)) for market, horizon, symbols in head.iter_rows())


def _markdown(summary: NightSummary) -> str:
    served = "\n".join(f"| {one.horizon} | {one.model} | {one.version} | {one.skill} |" for one in summary.serving)
    asked = "".join(f"Approval at {one}.\n\n" for one in summary.approvals)
    evidence = "".join(f"Evidence at {one}.\n\n" for one in summary.evidence)
    tops = summary.tops or tuple(("", horizon, symbols) for horizon, symbols in summary.top)
    top = "\n".join(f"- {f'{market}, ' if market else ''}{days} days: {', '.join(best)}" for market, days, best in tops)
    return (
        f"# Night of {summary.as_of} ({summary.realm}): {summary.status}\n\n"
        f"{summary.rows_in:,} rows in, {summary.rows_new:,} new. "
        f"{'Trained' if summary.trained else 'Not trained'}: {summary.training_reason}.\n\n"
        f"{_tuned(summary.searches)}{asked}{evidence}"
        f"| horizon | served | version | skill |\n| --- | --- | --- | --- |\n{served}\n\n"
        f"## Top of the ranking\n\n{top}\n"
    )
