"""Carries the paper book on, night by night, from what was published; and says how it stands beside the backtest.

A night adds the days since the newest one of each line, from the positions that stand there and the decisions that
earlier nights published: both never change, and so neither do the rows. A night of the past adds nothing to a book that
has gone on without it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
import sqlalchemy as sa

from nightdesk.evaluation.backtest import Costs
from nightdesk.evaluation.trading_panel import TradingPanel, trading_panel
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, first_day
from nightdesk.operations.training import said_name
from nightdesk.publish.paper_book import (
    LINES,
    RANKING,
    BookDay,
    best_tenth,
    expected_of,
    follow,
    standing,
)
from nightdesk.publish.publication import Latest, published_nights
from nightdesk.recommend.sizing import WEIGHT
from nightdesk.report.contents import PaperLine
from nightdesk.scoring.intervals import MeanInterval
from nightdesk.scoring.observed import FloatArray
from nightdesk.store.decisions import Serving, newest_walk_forward
from nightdesk.store.paper_book import (
    LINE,
    Expectation,
    Standpoint,
    add_days,
    add_expectations,
    book_of,
    expectations_of,
    newest_standpoints,
)
from nightdesk.tables import CLOSE, DATE, HORIZON, MARKET, MODEL, SCORE, SYMBOL

WARM_UP = 60
"""Trading days before a line's newest that are read with it: what costs and payments depend on lies in them."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """The panel of the days read, the closes that lines are marked at, and what was decided, by horizon and wide."""

    panel: TradingPanel
    closes: FloatArray
    scores: Mapping[int, FloatArray]
    weights: Mapping[int, FloatArray]


def keep_book(night: Night, bars: pl.DataFrame) -> pl.DataFrame:
    """Add the days up to tonight to every line of tonight's horizons; returns tonight's rows as they stand then.

    Of several markets the book trades the lead's symbols alone: no currency is converted.
    """
    points = newest_standpoints(night.engine, night.realm)
    horizons = night.settings.horizons
    keys = [(horizon, line) for horizon in horizons for line in LINES]
    lines = {key: points.get(key) for key in keys}
    behind = [None if one is None else one.date for one in lines.values() if one is None or one.date < night.as_of]
    if behind:
        own, days = bars_of(night.source, bars), night.days(first_day(night, bars))
        published = published_nights(night.home.published, night.realm, _begin(days, behind, max(horizons)), days[-2])
        begin = _before(days, [*behind, *(one.as_of for one in published[:1])], WARM_UP)
        decided = _decided(own, [day for day in days if day >= begin], published, horizons, night.source.facts.name)
        costs = Costs(capital=night.settings.recommend.capital)
        rows = [
            _row(horizon, line, one)
            for (horizon, line), stood in lines.items()
            for one in _followed(decided, horizon, line, stood, costs)
        ]
        if rows:
            add_days(night.engine, night.realm, pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None))
    return book_of(night.engine, night.realm, night.as_of).filter(pl.col(DATE) == night.as_of)


_TYPES = {"decided": pl.Date, "benchmark": pl.Float64}


def expect(night: Night, bars: pl.DataFrame, served: Sequence[Serving]) -> None:
    """Enter what the ranking's rule made over the newest walk-forward of each served model, where nobody has yet.

    It is read from what the model said out of fold, which lies with the evaluations of the night that trained; a model
    of which nothing was kept is left out, and nothing is expected of it.
    """
    tested = newest_walk_forward(night.engine, night.realm, night.as_of).select("as_of", HORIZON, MODEL)
    on = {(horizon, model): day for day, horizon, model in tested.iter_rows()}
    known = {(one.as_of, *key) for key, one in expectations_of(night.engine, night.realm, night.as_of).items()}
    wanted = {(one.horizon, one.model): on[one.horizon, one.model] for one in served if (one.horizon, one.model) in on}
    said = {
        (day, *key): pl.read_parquet(files[-1])
        for key, day in wanted.items()
        if (day, *key) not in known
        and (files := sorted(night.home.evaluations(night.realm, day).glob(f"{said_name(*key)}-*.parquet")))
    }
    if not said:
        return
    own, days = bars_of(night.source, bars), night.days(first_day(night, bars))
    costs = Costs(capital=night.settings.recommend.capital)
    spoken: list[dt.date] = sorted({day for one in said.values() for day in one[DATE].unique()})
    begin = _before(days, spoken[:1], WARM_UP)
    read = [day for day in days if begin <= day <= spoken[-1]]
    known_bars = own.filter(pl.col(DATE).is_between(read[0], read[-1]))
    panel = trading_panel(known_bars, read)
    closes = panel.wide(known_bars, CLOSE)
    add_expectations(
        night.engine,
        night.realm,
        [_expectation(key, one, panel, closes, costs) for key, one in said.items()],
    )


def backtest_of(
    said: pl.DataFrame, panel: TradingPanel, closes: FloatArray, horizon: int, costs: Costs
) -> list[BookDay]:
    """The line `ranking` over scores out of sample (symbol, date, score), day by day, on the days that were scored."""
    first, last = said[DATE].min(), said[DATE].max()
    scores = panel.wide(said, SCORE)
    followed = follow(Standpoint(first, 1.0, {}), best_tenth(scores, horizon), scores, panel, closes, costs)  # type: ignore[arg-type]
    return [one for one in followed if one.date <= last]  # type: ignore[operator]


def books(night: Night, served: Mapping[int, str]) -> tuple[PaperLine, ...]:
    """Every line of the book up to tonight; `served` is horizon to the model whose walk-forward lets expect something.

    Only the ranking's rule has a backtest: what would have been suggested on past days is not known.
    """
    return books_of(night.engine, night.realm, night.as_of, served)


def books_of(engine: sa.Engine, realm: str, last: dt.date, served: Mapping[int, str]) -> tuple[PaperLine, ...]:
    """The same of a realm up to a day."""
    expected, rows = expectations_of(engine, realm, last), book_of(engine, realm, last)
    found = []
    for (horizon, line), days in rows.partition_by(HORIZON, LINE, as_dict=True, maintain_order=True).items():
        one = expected.get((horizon, served.get(horizon, ""))) if line == RANKING else None
        tested = None if one is None or one.first_day is None or one.last_day is None else (one.first_day, one.last_day)
        found.append(PaperLine(horizon, line, days, standing(days, None if one is None else _interval(one)), tested))
    return tuple(found)


def _interval(one: Expectation) -> MeanInterval:
    # Its own ends are not asked for: those of a book of so many days are wider.
    return MeanInterval(one.mean, None, None, one.standard_error, one.terms, one.days)


def _begin(days: Sequence[dt.date], behind: Sequence[dt.date | None], longest: int) -> dt.date:
    """The first night whose decision is read: the longest horizon before the oldest line; every one of a new line."""
    return dt.date.min if None in behind else _before(days, behind, longest)


def _before(days: Sequence[dt.date], among: Sequence[dt.date | None], count: int) -> dt.date:
    """The trading day `count` before the first of `among`, as far as there are days."""
    first = min((one for one in among if one is not None), default=days[-1])
    return days[max(0, sum(day < first for day in days) - count)]


def _decided(
    bars: pl.DataFrame, days: Sequence[dt.date], published: Sequence[Latest], horizons: Sequence[int], lead: str
) -> _Decided:
    own = bars.filter(pl.col(DATE) >= days[0])
    panel = trading_panel(own, days)
    ranked = _gathered(((one.as_of, one.ranking()) for one in published), SCORE, lead)
    suggested = _gathered(((one.as_of, one.recommendations()) for one in published if one.recommends), WEIGHT, lead)
    return _Decided(
        panel,
        panel.wide(own, CLOSE),
        {horizon: panel.wide(ranked.filter(pl.col(HORIZON) == horizon), SCORE) for horizon in horizons},
        {horizon: panel.wide(suggested.filter(pl.col(HORIZON) == horizon), WEIGHT) for horizon in horizons},
    )


def _gathered(nights: Iterator[tuple[dt.date, pl.DataFrame]], value: str, lead: str) -> pl.DataFrame:
    """horizon, symbol, date and `value` of the lead's symbols on each of these nights."""
    empty = pl.DataFrame(schema={HORIZON: pl.Int64, SYMBOL: pl.String, DATE: pl.Date, value: pl.Float64})
    parts = [empty]
    for day, rows in nights:
        own = rows.filter(pl.col(MARKET) == lead) if MARKET in rows.columns else rows
        named = own.select(
            pl.col(HORIZON).cast(pl.Int64), pl.col(SYMBOL).cast(pl.String), pl.lit(day).alias(DATE), value
        )
        parts.append(named)
    return pl.concat(parts)


def _followed(decided: _Decided, horizon: int, line: str, state: Standpoint | None, costs: Costs) -> list[BookDay]:
    scores = decided.scores[horizon]
    targets = best_tenth(scores, horizon) if line == RANKING else decided.weights[horizon]
    if state is None:
        begun = np.flatnonzero(~np.isnan(targets).all(axis=1))
        if not len(begun):
            return []
        state = Standpoint(decided.panel.days[int(begun[0])], 1.0, {})
    if state.date >= decided.panel.days[-1]:
        return []
    return follow(state, targets, scores, decided.panel, decided.closes, costs)


def _row(horizon: int, line: str, one: BookDay) -> dict[str, object]:
    positions = json.dumps(dict(one.positions), sort_keys=True)
    return {HORIZON: horizon, LINE: line, **asdict(one), "holdings": len(one.positions), "positions": positions}


def _expectation(
    key: tuple[dt.date, int, str], said: pl.DataFrame, panel: TradingPanel, closes: FloatArray, costs: Costs
) -> Expectation:
    as_of, horizon, model = key
    made = backtest_of(said, panel, closes, horizon, costs)
    found = expected_of(made)
    first, last = (made[0].date, made[-1].date) if made else (None, None)
    return Expectation(as_of, horizon, model, found.mean, found.standard_error, found.terms, found.days, first, last)
