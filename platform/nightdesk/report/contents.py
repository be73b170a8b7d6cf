"""What a morning report tells, as one record of plain values and frames; how it looks is `page.py`'s affair."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from nightdesk.ensemble.calibration import Calibrated
from nightdesk.monitoring.findings import Watched
from nightdesk.publish.paper_book import Standing
from nightdesk.publish.publication import Recommended
from nightdesk.store.evidence import Verdict


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Who is served at a horizon: recipe, registry version, data it was trained on, and whether its skill is proven."""

    horizon: int
    model: str
    version: str
    trained_as_of: dt.date
    served_since: dt.date
    skill: str


@dataclass(frozen=True, slots=True)
class Survivorship:
    """How many symbols were ever members of the index by the as-of date, and how many of them have no bars at all."""

    index_name: str
    members: int
    without_bars: int


NEW, CLOSED, LATE = "new", "closed", "late"
"""How a market stands on a night: it has new bars; it did not trade since the night before; its bars have not come."""


@dataclass(frozen=True, slots=True)
class MarketReport:
    """One of several markets on a night.

    `expected` is its own newest trading day that the night may know, `newest` the day of its newest bar (None: it has
    none), `entry` its own first open at which a decision of the night can be filled. `symbols` are those forecast.
    """

    name: str
    calendar: str
    currency: str
    price_basis: str
    state: str
    expected: dt.date
    newest: dt.date | None
    entry: dt.date | None
    symbols: int
    rows_in: int
    rows_new: int
    quarantined: int


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How the forecasts of one model that was served at a horizon did, of those that have matured.

    Frames: `rolling` is as `monitoring.performance.rolling_band` gives it, `slices` as `sliced` does.
    """

    horizon: int
    model: str
    nights: int
    rolling: pl.DataFrame
    slices: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class PaperLine:
    """One line of the paper book up to a night: its days, and how it stands beside the backtest of its rule.

    `days` is as `store.paper_book.book_of` gives it; `tested` the first and last day of that backtest, None without.
    """

    horizon: int
    line: str
    days: pl.DataFrame
    standing: Standing
    tested: tuple[dt.date, dt.date] | None


@dataclass(frozen=True, slots=True)
class Together:
    """The newest ensemble at a horizon: its members with their weights (fractions), what is missing, and why so."""

    horizon: int
    model: str
    members: tuple[tuple[str, float], ...]
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """How the calibration of the model served at a horizon did on days kept apart for that.

    `found` is None where there is none, and `reason` says why; else `reason` says why no confidence is shown, if so.
    """

    horizon: int
    model: str
    found: Calibrated | None
    reason: str


@dataclass(frozen=True, slots=True)
class NightReport:
    """All of one night that the report shows.

    Frames: `walk_forward` has horizon, model, kind (`model` or `baseline`), mean, lower, upper (rank IC; null where
    undefined), days, edge, edge_lower, edge_upper (paired difference to the best baseline, null for baselines), rival
    (that baseline), sorted as to be shown. `ranking` has horizon, rank (1 is best), symbol, score, percentile (0 to 1),
    close (currency), all symbols. `matured` has as_of, horizon, model, served, exit_date, rank_ic (null where
    undefined), symbols: every scored night so far. `quarantined` has symbol, date, reasons. `notes` has rule, count,
    meaning. `features` has feature, unit, meaning, missing (share of the night's symbols without a value).
    `approvals` has a sentence for each promotion that a person was asked about. `corrected` says that the night read
    the newest versions of its days, and not those of its own evening. `markets` is empty for a desk of one market, else
    the lead's record and then the others'; `ranking` then has market, bar_date and currency too, and ranks each market
    by itself, and `walk_forward_markets` has horizon, model, market, mean, lower, upper, days.
    `sight` is as `evaluation.sight.SIGHT`: what pairs of models let a gate see. `openings` has a sentence for each time
    that somebody scored on sealed days. `evidence` has where each question of evidence stood that night.
    `watched` is None where nobody judged drift; `drift_page` is Evidently's page, as a link from this one; empty
    without one. `ensembles` has a record of each horizon with an ensemble, `meanings` of each at which somebody is
    served. `recommended` is None where nothing was recommended, `books` are the lines of the paper book.
    `compared` is as `evaluation.against_baselines.COMPARED`: every model against every baseline.
    """

    as_of: dt.date
    realm: str
    source: str
    currency: str
    price_basis: str
    status: str
    status_reasons: tuple[str, ...]
    first_day: dt.date
    trading_days: int
    symbols: int
    rows_in: int
    rows_new: int
    trained: bool
    training_reason: str
    walk_forward_as_of: dt.date | None
    walk_forward: pl.DataFrame
    serving: tuple[ServedModel, ...]
    ranking: pl.DataFrame
    matured: pl.DataFrame
    quarantined: pl.DataFrame
    notes: pl.DataFrame
    features: pl.DataFrame
    survivorship: Survivorship | None
    code: str
    approvals: tuple[str, ...] = ()
    corrected: bool = False
    markets: tuple[MarketReport, ...] = ()
    walk_forward_markets: pl.DataFrame | None = None
    sight: pl.DataFrame | None = None
    openings: tuple[str, ...] = ()
    evidence: tuple[Verdict, ...] = ()
    watched: Watched | None = None
    courses: tuple[Course, ...] = ()
    drift_page: str = ""
    ensembles: tuple[Together, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    recommended: Recommended | None = None
    books: tuple[PaperLine, ...] = ()
    compared: pl.DataFrame | None = None
