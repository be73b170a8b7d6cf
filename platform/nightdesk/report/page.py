"""Renders a night as one self-contained HTML page: no script, nothing from outside, always the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.promotion.verdicts import question, shown
from nightdesk.report import wording
from nightdesk.report.against_baselines import against_part
from nightdesk.report.contents import Course, Meaning, NightReport
from nightdesk.report.paper_book import book_parts
from nightdesk.report.pictures import course_pictures, matured_pictures, rank_ic_pictures
from nightdesk.report.recommended import recommended_parts
from nightdesk.report.reliability_picture import reliability_picture
from nightdesk.report.template import template
from nightdesk.scoring.intervals import MeanInterval, mean_interval

TEMPLATE: Final = "night.html.jinja"
TOP: Final = 10
BOTTOM: Final = 5
COLLAPSE_ABOVE: Final = 15
LISTED: Final = 500
"""Rows of the quarantine on the page; a flood of them is cut, and the page says so."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RankingPart:
    """Both ends of one horizon's ranking, how many lie between, and how many symbols have no rank.

    `market` is empty for a desk of one market.
    """

    horizon: int
    market: str
    currency: str
    top: list[Row]
    bottom: list[Row]
    between: int
    unranked: int


@dataclass(frozen=True, slots=True)
class TrustPart:
    """One horizon's walk-forward results, and the picture of them."""

    horizon: int
    served: str | None
    rows: list[Row]
    picture: str


@dataclass(frozen=True, slots=True)
class PastPart:
    """What came of the nights served at one horizon; `picture` is None where no rank IC is defined."""

    horizon: int
    models: str
    nights: int
    undefined: int
    above: int
    interval: MeanInterval
    mean: float | None
    picture: str | None


@dataclass(frozen=True, slots=True)
class CoursePart:
    """How one served model's forecasts did: its slices; `picture` is None where no interval is defined yet."""

    horizon: int
    model: str
    nights: int
    slices: list[Row]
    picture: str | None


@dataclass(frozen=True, slots=True)
class MeaningPart:
    """What one served model's scores mean: how its calibration did; `picture` is None where there is none."""

    horizon: int
    model: str
    reason: str
    promised: float | None
    brier: float | None
    error: float | None
    days: str
    picture: str | None
    coverage: list[Row]


@dataclass(frozen=True, slots=True)
class QuarantinePart:
    """Rows by reason (a row with two reasons counts under both), and the rows, as far as listed."""

    rows: int
    reasons: list[tuple[str, int]]
    listed: list[Row]
    collapsed: bool


def render(report: NightReport) -> str:
    """Render the page.

    Parameters
    ----------
    report
        One night. Null, NaN and infinity are missing: shown as `undefined` or a dash, never as 0. On a
        refused night the ranking is withheld, even where the record holds one.

    Returns
    -------
    str
        HTML, byte for byte the same for an equal report; text is escaped wherever it comes from.

    Raises
    ------
    UnknownName
        A status or price basis that the page has no words for.
    """
    wording.check_status(report.status)
    return template(TEMPLATE).render(
        report=report,
        published=report.status != wording.REFUSED,
        ranking=list(_ranking(report)),
        recommended=recommended_parts(report.recommended),
        books=book_parts(report.books),
        trust=list(_trust(report)),
        in_markets=_in_markets(report),
        sight=[] if report.sight is None else report.sight.to_dicts(),
        against=against_part(report.compared),
        days=wording.span(report.walk_forward.drop_nulls("mean")["days"]),
        past=list(_past(report.matured)),
        evidence=[(one, question(one), *shown(one)) for one in report.evidence],
        courses=list(_courses(report.courses)),
        meanings=list(_meanings(report.meanings)),
        matured=report.matured.height,
        quarantine=_quarantine(report.quarantined),
        notes=report.notes.to_dicts(),
        features=report.features.to_dicts(),
        gaps=report.features.filter(pl.col("missing").cast(pl.Float64) > 0).height,
        words=wording,
    )


def _ranking(report: NightReport) -> Iterator[RankingPart]:
    currencies = {market.name: market.currency for market in report.markets} or {"": report.currency}
    order = {name: number for number, name in enumerate(currencies)}
    # Nothing was ranked on a night that was refused: then there is no column of markets either.
    named = report.ranking if "market" in report.ranking.columns else report.ranking.with_columns(market=pl.lit(""))
    parts = named.partition_by("market", "horizon", as_dict=True, maintain_order=True)
    for (market, horizon), part in sorted(parts.items(), key=lambda one: (order[one[0][0]], one[0][1])):
        ranked = part.filter(pl.col("rank").is_not_null()).sort("rank", "symbol")
        rest = ranked.slice(TOP)
        yield RankingPart(
            horizon=horizon,
            market=market,
            currency=currencies[market],
            top=ranked.head(TOP).to_dicts(),
            bottom=rest.tail(BOTTOM).to_dicts(),
            between=max(0, rest.height - BOTTOM),
            unranked=part.height - ranked.height,
        )


def _trust(report: NightReport) -> Iterator[TrustPart]:
    served = {one.horizon: one.model for one in report.serving}
    pictures = rank_ic_pictures(report.walk_forward, served)
    parts = report.walk_forward.partition_by("horizon", as_dict=True, maintain_order=True)
    for (horizon,), part in parts.items():
        yield TrustPart(horizon, served.get(horizon), part.to_dicts(), pictures[horizon])


def _in_markets(report: NightReport) -> list[Row]:
    """What the walk-forward of each model found in each market, the lead first; empty for a desk of one."""
    found, order = report.walk_forward_markets, {market.name: n for n, market in enumerate(report.markets)}
    if found is None or not order:
        return []
    models = report.walk_forward.filter(pl.col("kind") == "model").select("horizon", "model")
    rows = found.join(models, on=["horizon", "model"], how="semi").to_dicts()
    return sorted(rows, key=lambda row: (row["horizon"], row["model"], order.get(row["market"], len(order))))


def _past(matured: pl.DataFrame) -> Iterator[PastPart]:
    # A column without one value comes without a type, and NaN compares as greater than every number.
    typed = matured.with_columns(pl.col("served").cast(pl.Boolean), pl.col("rank_ic").cast(pl.Float64))
    nights = typed.filter("served").sort("horizon", "as_of", "model")
    defined = nights.filter(pl.col("rank_ic").is_finite())
    pictures = matured_pictures(defined)
    for (horizon,), part in nights.partition_by("horizon", as_dict=True, maintain_order=True).items():
        values = defined.filter(pl.col("horizon") == horizon)["rank_ic"]
        yield PastPart(
            horizon=horizon,
            models=wording.listed(part["model"].unique(maintain_order=True)),
            nights=part.height,
            undefined=part.height - values.len(),
            above=int((values > 0).sum()),
            interval=mean_interval(values, horizon),
            mean=float(values.to_numpy().mean()) if values.len() else None,
            picture=pictures[horizon] if values.len() else None,
        )


def _courses(courses: Sequence[Course]) -> Iterator[CoursePart]:
    pictures = course_pictures({(one.horizon, one.model): one.rolling for one in courses})
    for one in courses:
        picture = pictures.get((one.horizon, one.model))
        yield CoursePart(one.horizon, one.model, one.nights, one.slices.to_dicts(), picture)


def _meanings(meanings: Sequence[Meaning]) -> Iterator[MeaningPart]:
    for one in meanings:
        found = one.found
        if found is None:
            yield MeaningPart(one.horizon, one.model, one.reason, None, None, None, "", None, [])
            continue
        yield MeaningPart(
            one.horizon,
            one.model,
            one.reason,
            found.calibration.intervals.conformal.coverage,
            found.brier,
            found.calibration_error,
            f"{found.first} to {found.last}",
            reliability_picture(found.reliability(), "up"),
            found.coverage().to_dicts(),
        )


def _quarantine(rows: pl.DataFrame) -> QuarantinePart:
    reasons = rows["reasons"]
    split = reasons if reasons.dtype == pl.List else reasons.cast(pl.String).str.split(",")
    codes = split.explode().drop_nulls().cast(pl.String).str.strip_chars()
    counts = codes.value_counts().sort("count", "reasons", descending=[True, False])
    shown = rows.head(LISTED).with_columns(split.head(LISTED).list.join(", ").alias("reasons"))
    return QuarantinePart(rows.height, list(counts.iter_rows()), shown.to_dicts(), rows.height > COLLAPSE_ABOVE)
