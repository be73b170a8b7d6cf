"""Watches what a night's served models are given and what came of them; what is found is entered and told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from nightdesk.alerts.door import tell
from nightdesk.evaluation.slices import volatility_regimes
from nightdesk.monitoring.causes import LOOK_BACK, Causes, causes_of
from nightdesk.monitoring.drift import (
    PATIENCE,
    WINDOW,
    DriftReference,
    DriftVerdict,
    judge_drift,
    night_counts,
    stays_gross,
)
from nightdesk.monitoring.findings import (
    BROKEN,
    CLEAN,
    DEGRADED,
    DRIFTING,
    GROSS,
    HELD,
    UNJUDGED,
    FlaggedFeature,
    InputDrift,
    Outcome,
    Watched,
)
from nightdesk.monitoring.performance import judge_performance, slice_scores
from nightdesk.monitoring.reference import from_frame
from nightdesk.monitoring.relation import ALARMS_A_YEAR, judge_relation, with_promises
from nightdesk.operations.night import LIVE, Night
from nightdesk.operations.panel import bars_of, first_day
from nightdesk.operations.proposal import served_by
from nightdesk.operations.universe import members_of_evenings
from nightdesk.sessions import trading_days_before
from nightdesk.store import incidents
from nightdesk.store.decisions import Serving
from nightdesk.store.features import FeatureTable, definitions_of, needs_of, read_features
from nightdesk.store.files import content_of
from nightdesk.store.forecasts import scores
from nightdesk.store.incidents import Incident
from nightdesk.store.monitoring import outcomes_of, promises, reference_of, write_drift, write_outcomes
from nightdesk.tables import DATE, HORIZON

DIGITS = 6
"""Decimals of what is entered: sums in another order must not make another record."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was judged by one reference: its verdict, the drifted features (furthest beyond first), and their causes."""

    reference: DriftReference
    verdict: DriftVerdict
    drifted: pl.DataFrame
    causes: Causes | None
    gross: bool


def watch(night: Night, table: FeatureTable) -> Watched:
    """Judge inputs and outcomes of who was served up to tonight, enter what was found, and tell of what is wrong."""
    served = [one for one in served_by(night) if one.horizon in night.settings.horizons]
    inputs = tuple(_inputs(night, table, served))
    outcomes = tuple(_outcomes(night, served))
    rows = [asdict(one) for one in outcomes]
    write_drift(night.engine, night.realm, night.as_of, [_entered(one) for one in inputs])
    write_outcomes(night.engine, night.realm, night.as_of, rows)
    if night.realm == LIVE:  # a replay is about days long past: nobody is woken for those
        _tell(night, inputs, outcomes)
    content = content_of(json.dumps([[asdict(one) for one in inputs], rows], default=str))
    return Watched(content, inputs, outcomes)


def slices_met(night: Night, met: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Score what has matured (`panel.met_tonight`) by the market's regime and by the sectors known then."""
    own = bars_of(night.source, bars)
    nights = own.filter(pl.col(DATE).is_in(met[DATE].unique().implode()))
    regimes = volatility_regimes(own, night.days(first_day(night, bars)))
    return slice_scores(met, regimes, None if nights.is_empty() else members_of_evenings(night, nights))


def matured_with_promises(night: Night) -> pl.DataFrame:
    """Served forecasts that had matured by tonight beside what had been promised: `relation.with_promises`."""
    served = scores(night.engine, night.realm, night.as_of).filter("served")
    return with_promises(served, promises(night.engine, night.realm, night.as_of))


def _inputs(night: Night, table: FeatureTable, served: Sequence[Serving]) -> Iterator[InputDrift]:
    judged: dict[str, Judged] = {}
    for one in served:
        kept = reference_of(night.features, one.content)
        if kept is None:
            yield _unjudged(one, "the model has no reference: it needs 504 clean nights after the features' warm-up")
        elif needs_of(night.features, one.content) != _held(night, table, one.content):
            yield _unjudged(one, "features are defined otherwise since the model was fitted")
        else:
            name, frame = kept
            if name not in judged:
                judged[name] = _judged(night, table, from_frame(frame))
            yield _found(one, judged[name])


def _held(night: Night, table: FeatureTable, model: str) -> dict[str, str | None]:
    held = definitions_of(night.features, table.version)
    return {name: held.get(name) for name in needs_of(night.features, model) or {}}


def _judged(night: Night, table: FeatureTable, reference: DriftReference) -> Judged:
    calendar, names = night.source.facts.calendar, list(reference.features)
    recent = [*trading_days_before(calendar, night.as_of, WINDOW + PATIENCE - 2), night.as_of]
    counts = night_counts(read_features(table, recent), names, reference.edges)
    verdict = judge_drift(reference, counts)
    limits = dict(zip(names, reference.shape_limit.clip(1e-6).tolist(), strict=True))
    # By how far each index is beyond what it reaches by itself: that tells best which feature was broken first.
    beyond = pl.col("psi") / pl.col("feature").replace_strict(limits, return_dtype=pl.Float64)
    drifted = verdict.features.filter("drifted").sort(beyond, "feature", descending=[True, False])
    if drifted.is_empty():
        return Judged(reference, verdict, drifted, None, gross=False)
    longer = [*trading_days_before(calendar, night.as_of, LOOK_BACK - 1), night.as_of]
    causes = causes_of(read_features(table, longer), drifted["feature"].to_list(), reference)
    return Judged(reference, verdict, drifted, causes, verdict.gross and stays_gross(reference, counts))


def _found(one: Serving, judged: Judged) -> InputDrift:
    causes, (reason,) = judged.causes, judged.verdict.reasons
    onsets = {} if causes is None else dict(causes.onsets)
    flagged = tuple(
        FlaggedFeature(
            row["feature"], onsets[row["feature"]], *(round(row[n], DIGITS) for n in ("psi", "lean", "nulls"))
        )
        for row in judged.drifted.iter_rows(named=True)
    )
    return InputDrift(
        one.horizon,
        one.model,
        one.content,
        GROSS if judged.gross else DRIFTING if flagged else CLEAN,
        len(judged.reference.features),
        round(judged.verdict.share, DIGITS),
        None if causes is None else causes.since,
        flagged,
        () if causes is None else causes.symbols,
        reason if causes is None else f"{reason}, since {causes.since}",
    )


def _unjudged(one: Serving, reason: str) -> InputDrift:
    return InputDrift(one.horizon, one.model, one.content, UNJUDGED, 0, None, None, (), (), reason)


def _entered(one: InputDrift) -> dict[str, object]:
    row = asdict(one)
    return {**row, **{name: json.dumps(row[name], default=str) for name in ("flagged", "symbols")}}


def _outcomes(night: Night, served: Sequence[Serving]) -> Iterator[Outcome]:
    matured = matured_with_promises(night)
    if matured.is_empty() and not served:
        return
    rate = ALARMS_A_YEAR / len(night.settings.horizons)
    for horizon in night.settings.horizons:
        nights = matured.filter(pl.col(HORIZON) == horizon)
        begun = _begun_anew(night, horizon)
        yield _outcome(horizon, nights.filter(pl.col("as_of") >= begun) if begun else nights, rate)


def _begun_anew(night: Night, horizon: int) -> dt.date | None:
    """The newest night that trained because of, or amid, an alarm: what was forecast before is no word on its model."""
    before = night.as_of - dt.timedelta(days=1)
    told = outcomes_of(night.engine, night.realm, dt.date.min, before)
    alarmed = told.filter(pl.col(HORIZON) == horizon, pl.col("verdict").is_in([BROKEN, DEGRADED]))["as_of"]
    trained = promises(night.engine, night.realm, before).filter(pl.col(HORIZON) == horizon)["as_of"]
    return alarmed.filter(alarmed.is_in(trained.implode())).max()  # type: ignore[return-value]


def _outcome(horizon: int, nights: pl.DataFrame, rate: float) -> Outcome:
    relation, band = judge_relation(nights, rate), judge_performance(nights, horizon)
    days = f"{horizon} day{'' if horizon == 1 else 's'}"
    if relation.evidence is None or relation.threshold is None:
        verdict, reason = UNJUDGED, f"no served forecast at {days} has matured beside a promise yet"
    elif relation.broken:
        verdict = BROKEN
        reason = (
            f"at {days} scores no longer say what they did, since about {relation.since}: evidence "
            f"{relation.evidence:.1f}, an alarm at {relation.threshold:.1f}"
        )
    elif band.degraded:
        verdict = DEGRADED
        reason = (
            f"at {days} the mean rank IC of {band.nights} matured nights is {band.mean:+.3f} ({band.lower:+.3f} to "
            f"{band.upper:+.3f}), where {band.promised:+.3f} was promised"
        )
    else:
        verdict = HELD
        reason = (
            f"at {days} {relation.nights} matured nights keep to what was promised: evidence {relation.evidence:.1f}, "
            f"an alarm at {relation.threshold:.1f}"
        )
    model = nights["model"].last() if nights.height else ""
    return Outcome(
        horizon=horizon,
        model=str(model),
        verdict=verdict,
        nights=relation.nights,
        promised=_rounded(relation.promised),
        evidence=_rounded(relation.evidence),
        threshold=_rounded(relation.threshold),
        since=relation.since if verdict == BROKEN else None,
        mean=_rounded(band.mean),
        lower=_rounded(band.lower),
        upper=_rounded(band.upper),
        reason=reason,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _tell(night: Night, inputs: Sequence[InputDrift], outcomes: Sequence[Outcome]) -> None:
    """Tell of what is wrong, once while it lasts; close what is over."""
    link = night.home.report(night.realm, night.as_of).as_uri()
    wanted = dict(_incidents(inputs, outcomes, night.realm, link))
    keys = [f"drifting/{night.realm}/inputs"]
    keys += [f"{kind}/{night.realm}/{one.horizon}" for one in outcomes for kind in ("drifting", "degraded")]
    for incident in wanted.values():
        tell(night.engine, incident, night.started)
    incidents.close(night.engine, night.started, *(key for key in keys if key not in wanted))


def _incidents(
    inputs: Sequence[InputDrift], outcomes: Sequence[Outcome], realm: str, link: str
) -> Iterator[tuple[str, Incident]]:
    gross = [one for one in inputs if one.verdict == GROSS]
    if gross:
        (first, *_) = gross
        most = ", ".join(f"{symbol} {share:.0%}" for symbol, share in first.symbols)
        yield _incident(
            "drifting",
            f"{realm}/inputs",
            f"The inputs of the models drifted ({realm})",
            f"{first.reason}; of all symbols' change: {most}",
            "compare the source's newest bars with another's; the report names each feature, its night and the symbols",
            link,
        )
    titles = {BROKEN: ("drifting", "Scores no longer say what they did"), DEGRADED: ("degraded", "Forecasts got worse")}
    for one in outcomes:
        if one.verdict in titles:
            kind, title = titles[one.verdict]
            yield _incident(
                kind,
                f"{realm}/{one.horizon}",
                f"{title} at {one.horizon} days ({realm})",
                one.reason,
                "a training is asked for by itself; look at the report for the years, regimes and sectors concerned",
                link,
            )


def _incident(kind: str, about: str, title: str, reason: str, cure: str, link: str) -> tuple[str, Incident]:
    key = f"{kind}/{about}"
    return key, Incident(key, kind, title, reason, cure, link)
