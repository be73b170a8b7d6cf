"""Tonight's recommendations: gathered from the store, judged, sized and put into words; and read again later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from nightdesk.errors import NothingThere
from nightdesk.evaluation.backtest import Costs
from nightdesk.explain.contributions import Contributions, exact_contributions
from nightdesk.features.stages import every_feature
from nightdesk.home import Home
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.recipe import Vector
from nightdesk.models.training_set import to_matrix
from nightdesk.operations.calibrating import Spoken
from nightdesk.operations.held import held_by
from nightdesk.operations.night import LIVE, Night
from nightdesk.operations.panel import bars_of
from nightdesk.operations.reporting import survivorship_of
from nightdesk.operations.serving import Served
from nightdesk.operations.universe import members_of_evenings
from nightdesk.publish.publication import Latest, Recommended, latest, published_nights
from nightdesk.recommend.reasons import Driver, held_without, notes_of, reasons_of
from nightdesk.recommend.recommendations import CALIBRATED, HELD_SHARES, REASONS, judged, with_sizes
from nightdesk.recommend.risk import risk_of
from nightdesk.recommend.sizing import SECTOR, Limits
from nightdesk.report.wording import in_days, survivorship_sentence
from nightdesk.scoring.metrics import EQUITY_DAYS
from nightdesk.settings import Settings
from nightdesk.store.decisions import Serving
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.tables import DATE, HORIZON, SYMBOL

CRYPTO_DAYS = 365
ALWAYS_OPEN = "24/7"


def recommend(
    night: Night,
    table: FeatureTable,
    bars: pl.DataFrame,
    ranking: pl.DataFrame,
    served: Served,
    spoken: Sequence[Spoken],
) -> Recommended:
    """Recommend on tonight's `ranking` (`publish.ranking.ranking`), from what calibrations say of its scores.

    Nothing but tonight's knowledge is read, and the file of holdings that settings name, in the live realm alone:
    nobody knows what was held on the evenings of a replay.

    Raises BadSetting where that file is not there, BadInput or UnknownName where it breaks a rule.
    """
    settings, own = night.settings.recommend, bars_of(night.source, bars)
    facts = night.source.facts
    annual_days = CRYPTO_DAYS if facts.calendar == ALWAYS_OPEN else EQUITY_DAYS
    limits = Limits(**settings.model_dump(exclude={"holdings"}))
    symbols = frozenset(own[SYMBOL].unique().cast(pl.String))
    holdings = held_by(night.settings, symbols) if night.realm == LIVE else None
    sectors = _sectors(night, own)
    calibrated = pl.concat([pl.DataFrame(schema=CALIBRATED), *(one.rows for one in spoken)])
    skill = {one.horizon: one.skill for one in served.models}
    told = judged(
        ranking, calibrated, risk_of(bars, annual_days), skill, Costs(capital=limits.capital), limits, annual_days
    )
    rows = with_sizes(
        told,
        own,
        sectors,
        holdings,
        limits,
        lead=facts.name,
        annual_days=annual_days,
        whole_shares=facts.calendar != ALWAYS_OPEN,
    )
    reasons = _reasons(night, table, served, rows)
    general = notes_of(
        rows,
        held_without(holdings, rows),
        holdings_known=holdings is not None,
        sectors_known=sectors[SECTOR].drop_nulls().len() > 0,
    )
    withheld = (f"At {in_days([one.horizon])}: {one.note}" for one in spoken if one.note)
    survivors = survivorship_sentence(survivorship_of(night, bars))
    frame = rows.with_columns(pl.Series(REASONS, reasons, dtype=pl.List(pl.String)))
    return Recommended(frame, (*general, *withheld, survivors))


def recommended_on(settings: Settings, realm: str, date: dt.date | None) -> Latest:
    """What was published with recommendations: the newest, or that of the night of `date`.

    Raises NothingThere where there is none.
    """
    root = Home(settings.home).published
    if date is None:
        return latest(root, realm)
    found = published_nights(root, realm, date, date)
    if not found:
        raise NothingThere(
            f"--date must be a night that was published, got {date} in realm {realm!r}: see nightdesk history"
        )
    return found[0]


def _sectors(night: Night, bars: pl.DataFrame) -> pl.DataFrame:
    """The sector of each member of tonight: symbol, sector; no rows without lists."""
    members = members_of_evenings(night, bars.filter(pl.col(DATE) == night.as_of))
    if members is None:
        return pl.DataFrame(schema={SYMBOL: pl.String, SECTOR: pl.String})
    return members.select(pl.col(SYMBOL).cast(pl.String), pl.col(SECTOR).cast(pl.String))


def _reasons(night: Night, table: FeatureTable, served: Served, rows: pl.DataFrame) -> list[list[str]]:
    """The reasons of each row; what drives the score is told of the top of each horizon and of what is held."""
    held = pl.col(HELD_SHARES).fill_null(0.0) > 0.0
    asked = rows.with_columns(((pl.col("rank") <= night.settings.top) | held).alias("asked"))
    tonight = read_features(table, [night.as_of]).with_columns(pl.col(SYMBOL).cast(pl.String))
    drivers: dict[tuple[int, str], Sequence[Driver] | None] = {}
    untold: dict[int, str] = {}
    for one in served.models:
        own = asked.filter(pl.col(HORIZON) == one.horizon)
        wanted = own.filter("asked")[SYMBOL].to_list()
        found = _drivers(night, one, tonight, own, wanted) if wanted else {}
        if found is None:
            untold[one.horizon] = f"what drives its score is not told: {one.model} cannot say it exactly"
        drivers |= {(one.horizon, symbol): told for symbol, told in (found or {}).items()}
    return [
        reasons_of(row, drivers.get((row[HORIZON], row[SYMBOL])), untold.get(row[HORIZON], "") if row["asked"] else "")
        for row in asked.iter_rows(named=True)
    ]


def _drivers(
    night: Night, one: Serving, tonight: pl.DataFrame, rows: pl.DataFrame, wanted: Sequence[str]
) -> Mapping[str, Sequence[Driver]] | None:
    """What each feature adds to the score of each `wanted` symbol; None where the model cannot tell exactly."""
    version = ModelVersion(model_name(night.realm, one.horizon), one.version, "", one.content)
    bundle = load_version(night.tracking, version)
    names = bundle.manifest.features
    ranked = rows.select(SYMBOL).join(tonight.select(SYMBOL, *names), on=SYMBOL, how="left", maintain_order="left")
    places = [place for place, symbol in enumerate(ranked[SYMBOL]) if symbol in set(wanted)]
    features = to_matrix(ranked, names)
    added = exact_contributions(bundle.fitted, np.ascontiguousarray(features[places]))
    if added is None:
        return None
    above = _above(ranked, names)[places]
    symbols = ranked[SYMBOL].gather(places).to_list()
    return {symbol: list(_told(names, added, above, place)) for place, symbol in enumerate(symbols)}


def _told(names: Sequence[str], added: Contributions, above: Vector, place: int) -> Iterable[Driver]:
    known = every_feature()
    for column, name in enumerate(names):
        feature, share = known.get(name), float(above[place, column])
        meaning = "no feature of this name is known any more" if feature is None else feature.meaning
        yield Driver(name, meaning, float(added.values[place, column]), None if np.isnan(share) else share)


def _above(ranked: pl.DataFrame, names: Sequence[str]) -> Vector:
    """The share of the symbols whose value is lower, ties counted half; NaN where missing."""
    own = (pl.col(name).cast(pl.Float64).fill_nan(None) for name in names)
    shares = ranked.select((one.rank("average") - 0.5) / one.count() for one in own)
    found: Vector = shares.fill_null(float("nan")).to_numpy()
    return found
