"""Gathers what the morning report and the night's summary tell, from the store as it stands tonight."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from nightdesk.features.stages import every_feature
from nightdesk.monitoring.findings import Watched
from nightdesk.monitoring.performance import rolling_band, sliced
from nightdesk.monitoring.retraining import TrainingDecision
from nightdesk.operations.against_baselines import newest_comparison
from nightdesk.operations.code import code_version
from nightdesk.operations.intake import MarketIntake, held_of
from nightdesk.operations.meanings import ensembles_of, meanings_of
from nightdesk.operations.monitoring import matured_with_promises
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, closes_of, decided_by, first_day
from nightdesk.operations.paper_book import books
from nightdesk.operations.serving import Served
from nightdesk.operations.sight import sight
from nightdesk.publish.publication import PUBLISHED, Latest, Publication, Recommended
from nightdesk.quality.coverage import audit_survivorship
from nightdesk.report.contents import CLOSED, LATE, NEW, Course, MarketReport, NightReport, ServedModel, Survivorship
from nightdesk.sources import Source
from nightdesk.sources.aliases import bundled_aliases
from nightdesk.store.decisions import Serving, newest_walk_forward, walk_forward_in_markets
from nightdesk.store.evidence import verdicts_of
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.forecasts import scores
from nightdesk.store.inputs import members_as_known
from nightdesk.store.monitoring import slices_of
from nightdesk.store.trials import Opening, openings_by
from nightdesk.tables import BAR_DATE, DATE, HORIZON, MARKET, MODEL, SYMBOL


@dataclass(frozen=True, slots=True)
class Intake:
    """What the night took in: rows offered and new, and notes as (rule, count, meaning)."""

    rows_in: int
    rows_new: int
    notes: tuple[tuple[str, int, str], ...]
    markets: tuple[MarketIntake, ...] = ()


def gather(
    night: Night,
    intake: Intake,
    bars: pl.DataFrame,
    table: FeatureTable,
    training: TrainingDecision,
    served: Served,
    publication: Publication,
    ranking: pl.DataFrame,
    watched: Watched,
    drift_page: str,
) -> NightReport:
    """Gather the report of `night`; `bars` are all bars known tonight, `ranking` what was published (may be empty).

    `drift_page` is a link to Evidently's page, empty without one.
    """
    facts, engine = night.source.facts, night.engine
    walked = newest_walk_forward(engine, night.realm, night.as_of)
    first = first_day(night, bars)
    tested_on: dt.date = walked["as_of"].max() or night.as_of  # type: ignore[assignment]
    return NightReport(
        as_of=night.as_of,
        realm=night.realm,
        source=facts.name,
        currency=facts.currency,
        price_basis=facts.price_basis,
        status=publication.status,
        status_reasons=publication.reasons,
        first_day=first,
        trading_days=len(night.days(first)),
        symbols=closes_of(night, bars).height,
        rows_in=intake.rows_in,
        rows_new=intake.rows_new,
        trained=training.train,
        training_reason=training.reason,
        walk_forward_as_of=walked["as_of"].max(),  # type: ignore[arg-type]
        walk_forward=walked.drop("as_of", "recipe", "version", "model_content"),
        serving=tuple(_served(night, one) for one in served.models),
        ranking=ranking,
        matured=scores(engine, night.realm, night.as_of),
        quarantined=pl.concat([held_of(night, market) for market in night.markets]),
        notes=pl.DataFrame(
            intake.notes, schema={"rule": pl.String, "count": pl.Int64, "meaning": pl.String}, orient="row"
        ),
        features=_features(table, night.as_of),
        survivorship=survivorship_of(night, bars),
        code=code_version(),
        approvals=served.approvals,
        corrected=night.corrected,
        markets=markets_of(night, bars, intake.markets),
        walk_forward_markets=walk_forward_in_markets(engine, night.realm, tested_on),
        sight=sight(night, walked),
        openings=tuple(told(one) for one in openings_by(engine, night.started)),
        evidence=tuple(verdicts_of(engine, night.realm, night.as_of)),
        watched=watched,
        courses=tuple(_courses(night)),
        drift_page=drift_page,
        recommended=_recommended(night, publication),
        books=books(night, {one.horizon: one.model for one in served.models}),
        ensembles=tuple(ensembles_of(night, walked)),
        meanings=tuple(meanings_of(night, served.models)),
        compared=newest_comparison(night, walked),
    )


def _recommended(night: Night, publication: Publication) -> Recommended | None:
    """What the night published beside its ranking; None where it published nothing."""
    if publication.status != PUBLISHED:
        return None
    own = Latest(night.as_of, publication.status, "", night.home.published / publication.folder)
    return Recommended(own.recommendations(), own.notes()) if own.recommends else None


def told(opening: Opening) -> str:
    """An opening of the sealed stretch in a sentence."""
    return (
        f"{opening.opened_at:%Y-%m-%d %H:%M} UTC: {opening.by} scored {opening.name} at {opening.horizon} days on days "
        f"sealed from {opening.sealed_from} on, up to {opening.as_of}. Reason given: {opening.reason}"
    )


def _courses(night: Night) -> Iterator[Course]:
    """How each served model's matured forecasts did, by horizon; models that were served longer ago stand first."""
    matured = matured_with_promises(night)
    slices = slices_of(night.engine, night.realm, night.as_of)
    for (horizon, model), nights in matured.partition_by(HORIZON, MODEL, as_dict=True, maintain_order=True).items():
        own = slices.filter(pl.col(HORIZON) == horizon, pl.col(MODEL) == model)
        yield Course(horizon, model, nights.height, rolling_band(nights, horizon), sliced(nights, own, horizon))


def markets_of(night: Night, bars: pl.DataFrame, intakes: Sequence[MarketIntake]) -> tuple[MarketReport, ...]:
    """How each of several markets stands tonight, the lead first; empty for a desk of one."""
    decided, closes = decided_by(night, bars), closes_of(night, bars)
    if decided is None:
        return ()
    return tuple(
        _market(night, market, bars_of(market, bars), decided.filter(pl.col(MARKET) == market.facts.name), closes, one)
        for market, one in zip(night.markets, intakes, strict=True)
    )


def _market(
    night: Night, market: Source, bars: pl.DataFrame, decided: pl.DataFrame, closes: pl.DataFrame, intake: MarketIntake
) -> MarketReport:
    facts, (eve, tonight) = market.facts, decided[-2:].rows(named=True)
    newest: dt.date | None = bars[DATE].max()  # type: ignore[assignment]
    expected = tonight[BAR_DATE]
    state = NEW if newest == expected else LATE
    if expected == eve[BAR_DATE] and state == NEW:
        state = CLOSED
    return MarketReport(
        facts.name,
        facts.calendar,
        facts.currency,
        facts.price_basis,
        state,
        expected,
        newest,
        tonight["entry_date"],
        closes.filter(pl.col(MARKET) == facts.name).height,
        intake.rows_in,
        intake.rows_new,
        intake.quarantined,
    )


def _served(night: Night, one: Serving) -> ServedModel:
    return ServedModel(one.horizon, one.model, one.version, one.since, one.since, one.skill)


def _features(table: FeatureTable, as_of: dt.date) -> pl.DataFrame:
    tonight, known = read_features(table, [as_of]), every_feature()
    rows = [
        (name, known[name].unit, known[name].meaning, tonight[name].null_count() / max(tonight.height, 1))
        for name in tonight.columns
        if name in known
    ]
    schema = {"feature": pl.String, "unit": pl.String, "meaning": pl.String, "missing": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def survivorship_of(night: Night, bars: pl.DataFrame) -> Survivorship | None:
    """Count members known tonight and those without a bar, under any of their names; None where there are no lists."""
    facts = night.source.facts
    members = members_as_known(night.engine, facts.name, night.cutoff, night.as_of)
    if facts.index_name is None or members.is_empty():
        return None
    audit = audit_survivorship(members, bars_of(night.source, bars)[SYMBOL], bundled_aliases())
    return Survivorship(facts.index_name, audit.members, audit.without.height)
