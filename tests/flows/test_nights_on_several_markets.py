"""One night over three markets: New York, Sao Paulo and coins around the clock, each on its own calendar."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import postgresql_server
import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from market_samples import (
    B3,
    CARNIVAL,
    CLOSED_IN_NEW_YORK,
    CLOSED_IN_SAO_PAULO,
    COINS,
    LOST,
    LOST_SUNDAY,
    choose_desk,
    coins,
    new_york,
    sao_paulo,
)
from small_nights import run_night
from test_same_state import Killed

from flows.evaluation import evaluate
from nightdesk.errors import DataRefused
from nightdesk.faults import listening
from nightdesk.operations.calibrating import calibrated
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.summaries import NightSummary
from nightdesk.settings import read_settings
from nightdesk.store import schema
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.inputs import bars_as_known
from nightdesk.tables import DATE, SYMBOL

EVE = dt.date(2017, 6, 14)
HALF_DAY, AGAIN = dt.date(2017, 7, 3), dt.date(2017, 7, 5)
NIGHTS = (EVE, CLOSED_IN_SAO_PAULO, HALF_DAY, AGAIN)
"""Around a holiday of Sao Paulo's, then around one of New York's."""


@dataclass(frozen=True)
class Desk:
    home: Path
    nights: dict[dt.date, NightSummary]
    after_two: dict[str, Any]

    def night(self, day: dt.date) -> Night:
        return plan_night(read_settings(), "live", day, "auto", dt.datetime(2018, 1, 1, tzinfo=dt.UTC))

    def ranking(self, day: dt.date, realm: str = "live") -> pl.DataFrame:
        (file,) = (self.home / "published" / realm / str(day)).glob("*/ranking.parquet")
        return pl.read_parquet(file)

    def rows(self, table: sa.Table) -> pl.DataFrame:
        with self.night(EVE).engine.connect() as connection:
            return pl.DataFrame(connection.execute(sa.select(table)).mappings().all(), infer_schema_length=None)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as patch:
        home = choose_desk(patch, tmp_path_factory.mktemp("markets") / "home")
        nights = {day: run_night(day) for day in NIGHTS[:2]}
        after_two = logical_state(home)
        nights |= {day: run_night(day, train="never") for day in NIGHTS[2:]}
        yield Desk(home, nights, after_two)


def test_each_night_takes_in_what_each_market_traded_since_the_last(desk: Desk) -> None:
    batches = desk.rows(schema.batches).sort("source", "last_date")
    spans = {
        source: [
            (f"{first:%m-%d}", f"{last:%m-%d}") for first, last in part.select("first_date", "last_date").iter_rows()
        ][1:]
        for (source,), part in batches.partition_by("source", as_dict=True).items()
    }
    assert spans == {
        "files": [("06-15", "06-15"), ("06-16", "07-03"), ("07-05", "07-05")],
        # Nothing on the holiday; New York's half day ends before Sao Paulo's bar is out; then two days at once.
        "b3": [("06-16", "06-30"), ("07-03", "07-05")],
        # A night behind by its calendar: the day is not over in London when New York has closed.
        "crypto": [("06-14", "06-14"), ("06-15", "07-02"), ("07-03", "07-04")],
    }
    assert {day: night.status for day, night in desk.nights.items()} == dict.fromkeys(NIGHTS, "published")
    # 12 trading days of New York, 11 of Sao Paulo and a stray row, 18 days.
    assert [night.rows_in for night in desk.nights.values()][1:3] == [20 + 0 + 3, 20 * 12 + 12 * 11 + 1 + 3 * 18]


def test_each_bar_is_checked_against_its_own_exchanges_days(desk: Desk) -> None:
    held = desk.rows(schema.quarantine)
    assert held.select("source", SYMBOL, DATE, "reasons").rows() == [
        ("b3", "VALE3.SA", CLOSED_IN_SAO_PAULO, "not_a_trading_day")
    ]
    found = {
        source: [one for text in part["findings"] for one in json.loads(text)]
        for (source,), part in desk.rows(schema.batches).partition_by("source", as_dict=True).items()
    }
    gaps = {
        (source, one["symbol"], one["date"])
        for source, findings in found.items()
        for one in findings
        if one["rule"] == "missing_row"
    }
    assert gaps == {("b3", "PETR4.SA", str(LOST)), ("crypto", "ETH/USD", str(LOST_SUNDAY))}
    assert not sao_paulo().filter(pl.col(DATE) == CARNIVAL).height  # no bar, and no word of it


def test_the_rows_of_each_market_are_known_from_its_own_close_and_lag(desk: Desk) -> None:
    known = desk.rows(schema.bars).filter(pl.col(DATE) == HALF_DAY).select("source", "known_at").unique().sort("source")
    assert [(source, f"{moment:%m-%d %H:%M}") for source, moment in known.iter_rows()] == [
        ("b3", "07-03 21:00"),
        ("crypto", "07-04 00:00"),
        ("files", "07-03 19:00"),
    ]
    night = desk.night(HALF_DAY)
    newest = {name: bars_as_known(night.engine, name, night.cutoff)[DATE].max() for name in ("files", "b3", "crypto")}
    assert newest == {"files": HALF_DAY, "b3": dt.date(2017, 6, 30), "crypto": dt.date(2017, 7, 2)}


def test_each_market_is_ranked_by_itself_on_its_own_newest_day(desk: Desk) -> None:
    for day, b3_day, coin_day in (
        (EVE, EVE, EVE - dt.timedelta(1)),
        (CLOSED_IN_SAO_PAULO, EVE, EVE),
        (AGAIN, AGAIN, CLOSED_IN_NEW_YORK),
    ):
        ranking = desk.ranking(day)
        assert ranking.group_by("market", "currency", "bar_date").len().sort("market").rows() == [
            ("b3", "BRL", b3_day, 12),
            ("crypto", "USD", coin_day, 3),
            ("files", "USD", day, 20),
        ]
        for _, part in ranking.group_by("market"):
            assert sorted(part["rank"]) == list(range(1, part.height + 1))
            assert part.sort("rank")["score"].is_sorted(descending=True)
            assert (part["percentile"].max(), part["percentile"].min()) == (1.0, 0.0)
    assert set(desk.ranking(AGAIN).filter(market="b3")[SYMBOL]) == set(B3)
    closes = dict(desk.ranking(AGAIN).select(SYMBOL, "close").iter_rows())
    bought = coins().filter(pl.col(DATE) == CLOSED_IN_NEW_YORK).select(SYMBOL, "close").rows()
    assert dict(bought) == {symbol: closes[symbol] for symbol in COINS}
    # On the holiday the market is forecast again, on the same bars: its next open is the same.
    eve, holiday = (desk.ranking(day).filter(market="b3").select("rank", SYMBOL, "close") for day in NIGHTS[:2])
    assert eve.equals(holiday)


def test_what_the_scores_mean_is_said_of_every_market(desk: Desk) -> None:
    """On the night after two holidays too: volatility is that of each market's own newest day."""
    night = desk.night(AGAIN)
    told = calibrated(night, forecasts_of(night.engine, "live", AGAIN))
    assert told.height == 35
    whole = told.drop_nulls(["expected_return", "lower", "upper", "probability_up"])
    assert whole.height == 35
    wide = whole.with_columns(width=pl.col("upper") - pl.col("lower"))
    assert wide["width"].n_unique() == 35
    assert wide["width"].min() > 0


def test_a_nights_forecasts_are_scored_once_those_of_every_market_have_come(desk: Desk) -> None:
    """Forecasts of 14 June exit in New York on the 16th; in Sao Paulo, which rests on the 15th, on the 19th."""
    scored = desk.rows(schema.matured).filter(served=True).sort("as_of")
    assert scored.select("as_of", "exit_date", "scored_on", "symbols").rows() == [
        (EVE, dt.date(2017, 6, 19), HALF_DAY, 32),
        (CLOSED_IN_SAO_PAULO, dt.date(2017, 6, 19), HALF_DAY, 32),
    ]
    forecasts = desk.rows(schema.forecasts).filter(served=True, as_of=EVE).select(SYMBOL, "score")
    total, weight = 0.0, 0
    for bars, (bought, sold) in ((new_york(), (15, 16)), (sao_paulo(), (16, 19))):
        opens = {
            day: bars.filter(pl.col(DATE) == dt.date(2017, 6, day)).select(SYMBOL, "open") for day in (bought, sold)
        }
        both = forecasts.join(opens[bought], on=SYMBOL).join(opens[sold], on=SYMBOL)
        rank_ic = both.select(pl.corr("score", pl.col("open_right") / pl.col("open"), method="spearman")).item()
        total, weight = total + rank_ic * both.height, weight + both.height
    assert weight == 32
    assert scored["rank_ic"][0] == pytest.approx(total / weight)


@pytest.mark.proof
def test_a_replay_reads_of_every_market_what_the_night_itself_read(desk: Desk) -> None:
    """Two weeks of each market have come since."""
    run_night(EVE, realm="again")
    assert desk.ranking(EVE, "again").equals(desk.ranking(EVE))


def test_the_skill_within_each_market_is_told_beside_that_of_all(desk: Desk) -> None:
    found = desk.rows(schema.walk_forward_markets).filter(realm="live", as_of=EVE, model="ridge").sort("market")
    # Three coins are too few for a rank IC: nothing is known of them.
    assert found.select("market", pl.col("mean").is_null()).rows() == [
        ("b3", False),
        ("crypto", True),
        ("files", False),
    ]
    whole = desk.rows(schema.walk_forward).filter(realm="live", as_of=EVE, model="ridge")
    assert found["mean"].min() < whole["mean"][0] < found["mean"].max()
    assert "Walk-forward rank IC within each market" in Path(desk.nights[AGAIN].report).read_text()


def test_an_evaluation_ranks_within_markets_as_a_night_does_and_trades_the_lead(desk: Desk) -> None:
    found = evaluate("ridge", EVE, horizon=1, seeds=0)
    whole = desk.rows(schema.walk_forward).filter(realm="live", as_of=EVE, model="ridge")
    assert found.rank_ic.mean == whole["mean"].item()
    assert found.metrics["ic"] is not None
    traded = set(desk.night(EVE).days(dt.date(2017, 1, 1)))
    assert set(found.returns.filter(pl.col(DATE) >= dt.date(2017, 1, 1))[DATE]) < traded
    assert found.rows > 20 * found.rank_ic.days  # more than New York's shares are forecast


def test_the_summary_and_the_report_say_how_each_market_stands(desk: Desk) -> None:
    holiday = desk.nights[CLOSED_IN_SAO_PAULO]
    assert [(market, horizon, len(symbols)) for market, horizon, symbols in holiday.tops] == [
        *(("b3", 1, 10), ("crypto", 1, 3), ("files", 1, 10))
    ]
    assert holiday.top == tuple((horizon, symbols) for market, horizon, symbols in holiday.tops if market == "files")
    page = Path(holiday.report).read_text()
    assert "Each market is ranked by itself" in page
    assert "no new trading day since the night before" in page
    assert "close, BRL" in page
    assert {"b3", "crypto"} <= {one.name for one in (desk.home / "reports").rglob("*") if one.is_dir()}


def test_a_symbol_in_two_markets_stops_the_night_before_anything_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = coins().with_columns(pl.col(SYMBOL).replace("BTC/USD", "US07"))
    choose_desk(monkeypatch, tmp_path / "home", crypto=shared)
    with pytest.raises(DataRefused, match="a symbol must belong to one market, got US07 in both 'files' and 'crypto'"):
        run_night(EVE)
    night = plan_night(read_settings(), "live", EVE, "auto", dt.datetime(2018, 1, 1, tzinfo=dt.UTC))
    assert [bars_as_known(night.engine, one.facts.name, night.cutoff).height for one in night.markets] == [0, 0, 0]


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.proof)])
@pytest.mark.chaos
def test_a_desk_killed_between_its_markets_and_after_ends_in_the_same_state(
    engine: str, desk: Desk, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_desk(monkeypatch, desk.home.parent / engine)
    with ExitStack() as stack:
        url = None
        if engine == "postgresql":
            url = stack.enter_context(postgresql_server.database(request.getfixturevalue("postgresql_url")))
            monkeypatch.setenv("NIGHTDESK_STORE__URL", url)
        run_night(EVE)
        starts = 1
        with listening(_KillAt(POINTS)):
            while not _ends(CLOSED_IN_SAO_PAULO):
                starts += 1
        assert starts == 1 + len(POINTS)
        assert differences(logical_state(home, store=url), desk.after_two) == []


POINTS = ("loaded:crypto", "loaded:files", "publish:written")


class _KillAt:
    """Kills the night at the first coming of each of some points."""

    def __init__(self, points: tuple[str, ...]) -> None:
        self.points, self.left = points, set(points)

    def __call__(self, point: str) -> None:
        if point in self.left:
            self.left.remove(point)
            raise Killed(point)


def _ends(day: dt.date) -> bool:
    try:
        run_night(day)
    except Killed:
        return False
    return True
