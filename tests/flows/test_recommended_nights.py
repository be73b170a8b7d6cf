"""A night recommends on what it ranked, and the paper book follows it: whole, by itself, and the same again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from small_nights import choose_home, market_days, run_night
from test_replay import NOW
from test_same_state import Killed, _kill_at

from flows.show_recommendations import show_book, show_recommendations, show_symbol
from nightdesk.errors import BadInput, BadSetting, NothingThere, UnknownName
from nightdesk.evaluation.backtest import Costs
from nightdesk.evaluation.trading_panel import trading_panel
from nightdesk.faults import listening
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.panel import panel_of
from nightdesk.operations.paper_book import books
from nightdesk.operations.recommending import recommended_on
from nightdesk.publish.paper_book import RANKING, best_tenth, follow
from nightdesk.publish.publication import NO_ADVICE, latest
from nightdesk.recommend.risk import risk_of
from nightdesk.settings import read_settings
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.paper_book import Standpoint, book_of, expectations_of, positions_on

NIGHTS = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of four nights; the last knows what is held, and was killed around its publication and its book."""
    place = tmp_path_factory.mktemp("recommended") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, place)
        patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
        *days, last = market_days(NIGHTS)
        for day in days:
            run_night(day)
        held = place / "held.csv"
        held.write_text(f"symbol,shares,cost\n{_symbols(place)[-1]},40,10\n", encoding="utf-8")
        patch.setenv("NIGHTDESK_RECOMMEND__HOLDINGS", str(held))
        for point in ("publish:begin", "publish:written", "book:begin", "book:written"):
            with pytest.raises(Killed), listening(_kill_at(point)):
                run_night(last)
        run_night(last)
    return place


@pytest.fixture
def night(home: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    choose_home(monkeypatch, home)
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    return plan_night(read_settings(), "live", market_days(1)[0], "auto", NOW)


def _symbols(home: Path) -> list[str]:
    return latest(home / "published", "live").ranking()["symbol"].to_list()


def test_every_ranked_symbol_has_a_row_with_its_risk(night: Night) -> None:
    newest = latest(night.home.published, "live")
    rows, ranking = newest.recommendations(), newest.ranking()
    assert rows.select(ranking.columns).equals(ranking)
    assert set(rows["action"]) <= {"buy", "hold", "sell"}
    assert rows["trust"].unique().to_list() == ["unproven"]
    risk = dict(risk_of(panel_of(night)).select("symbol", "volatility").iter_rows())
    assert dict(rows.select("symbol", "volatility").iter_rows()) == {name: risk[name] for name in rows["symbol"]}
    assert all(len(reasons) >= 1 for reasons in rows["reasons"])
    assert "adds most to its score" in " ".join(rows.filter(rank=1)["reasons"][0])


def test_the_document_holds_the_same_rows_and_says_what_they_are_not(night: Night) -> None:
    newest = latest(night.home.published, "live")
    document = json.loads((newest.folder / "recommendations.json").read_text(encoding="utf-8"))
    assert document["recommendations"] == newest.recommendations().to_dicts()
    assert (document["format"], document["as_of"], document["status"]) == (1, str(night.as_of), "published")
    assert document["disclaimer"] == NO_ADVICE
    assert tuple(document["notes"]) == newest.notes()
    assert "biased upward" in newest.notes()[-1] or "have bars" in newest.notes()[-1]


def test_what_is_held_is_known_on_the_night_that_was_told(home: Path, night: Night) -> None:
    held = latest(night.home.published, "live").recommendations().filter(pl.col("held_shares") > 0.0)
    assert held["held_shares"].to_list() == [40.0]
    assert "held: 40 shares" in held["reasons"][0][-1] or "held: 40 shares" in held["reasons"][0][-2]
    before = recommended_on(read_settings(), "live", market_days(2)[0]).recommendations()
    assert before["held_shares"].null_count() == before.height


def test_the_paper_book_is_what_the_published_nights_come_to(night: Night) -> None:
    days = market_days(NIGHTS)
    book = book_of(night.engine, "live", night.as_of).filter(line=RANKING)
    assert book["date"].to_list() == days[1:]
    assert book["decided"].to_list() == days[:-1]
    bars = panel_of(night)
    panel = trading_panel(bars, night.days(bars["date"].min()))
    said = pl.concat(
        forecasts_of(night.engine, "live", day).filter("served").with_columns(date=pl.lit(day)) for day in days
    )
    scores = panel.wide(said, "score")
    costs = Costs(capital=night.settings.recommend.capital)
    closes = panel.wide(bars, "close")
    slow = follow(Standpoint(days[0], 1.0, {}), best_tenth(scores, 5), scores, panel, closes, costs)
    assert book["equity"].to_list() == pytest.approx([one.equity for one in slow], rel=1e-12)
    assert book["benchmark"].to_list() == pytest.approx([one.benchmark for one in slow], rel=1e-9)
    assert positions_on(night.engine, "live", 5, RANKING, days[-1]) == pytest.approx(dict(slow[-1].positions))
    assert book["net"].to_list() != [0.0] * 3


def test_the_backtest_of_its_rule_stands_beside_the_ranking(night: Night) -> None:
    (expected,) = expectations_of(night.engine, "live", night.as_of).values()
    assert (expected.as_of, expected.horizon, expected.model) == (market_days(NIGHTS)[0], 5, "ridge")
    (file,) = night.home.evaluations("live", expected.as_of).glob("h5-ridge-said-*.parquet")
    said, bars = pl.read_parquet(file), panel_of(night)
    # The whole history instead of its part, and the sum done by hand.
    days = [day for day in night.days(bars["date"].min()) if day <= said["date"].max()]
    bars = bars.filter(pl.col("date") <= days[-1])
    panel = trading_panel(bars, days)
    scores, costs = panel.wide(said, "score"), Costs(capital=night.settings.recommend.capital)
    state = Standpoint(said["date"].min(), 1.0, {})
    made = follow(state, best_tenth(scores, 5), scores, panel, panel.wide(bars, "close"), costs)
    assert expected.days == len(made)
    assert expected.mean == pytest.approx(sum(one.net - one.benchmark for one in made) / len(made), rel=1e-9)
    assert (expected.first_day, expected.last_day) == (made[0].date, made[-1].date)
    paper = [one for one in books(night, {5: "ridge"}) if one.line == RANKING]
    assert paper[0].standing.verdict == "early"
    assert paper[0].standing.lower < expected.mean < paper[0].standing.upper


def test_a_night_run_again_adds_nothing_to_the_book(night: Night) -> None:
    before = book_of(night.engine, "live", night.as_of)
    run_night(night.as_of)
    run_night(market_days(2)[0])
    assert book_of(night.engine, "live", night.as_of).equals(before)


def test_the_report_shows_recommendations_and_book(night: Night) -> None:
    page = night.home.report("live", night.as_of).read_text(encoding="utf-8")
    assert NO_ADVICE in page
    assert "The paper book" in page
    assert "Paper book at 5 days up to" in page
    first = night.home.report("live", market_days(NIGHTS)[0]).read_text(encoding="utf-8")
    assert "Recommendations" in first
    assert "The paper book" not in first


def test_the_commands_show_them(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    newest = recommended_on(night.settings, "live", None)
    show_recommendations(newest, None, 5)
    shown = capsys.readouterr().out
    assert "5 days ahead: " in shown
    assert f"5 of {newest.recommendations().height} shown" in shown
    assert "meant to hold 9 of 10 outcomes" in shown
    assert "Research, not advice" in shown
    symbol = _symbols(night.home.root)[0]
    show_symbol(newest, symbol, 5)
    told = capsys.readouterr().out
    assert "adds most to its score" in told
    assert "volatility" in told
    show_book(night.settings, "live", None)
    assert "5 days, recommended: no backtest" in capsys.readouterr().out
    with pytest.raises(UnknownName, match="symbol must be one of"):
        show_symbol(newest, "NOPE", None)
    with pytest.raises(BadInput, match="--horizon must be one that was published, 5, got 20"):
        show_recommendations(newest, 20, 5)
    with pytest.raises(NothingThere, match="--date must be a night that was published, got 1999-01-04"):
        recommended_on(night.settings, "live", night.as_of.replace(year=1999, month=1, day=4))
    with pytest.raises(NothingThere, match="the paper book begins"):
        show_book(night.settings, "elsewhere", None)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (None, BadSetting, "recommend.holdings must name a file, got no"),
        ("symbol,shares\nAAA,-1\n", BadInput, "shares must be 0 or more, got -1"),
    ],
)
def test_a_file_of_holdings_that_cannot_be_read_ends_the_night_before_it_begins(
    text: str | None, error: type[Exception], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    file = tmp_path / "held.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("NIGHTDESK_RECOMMEND__HOLDINGS", str(file))
    with pytest.raises(error, match=told):
        run_night(market_days(1)[0])
    assert not (home / "published").exists()
    # Nobody knows what was held on the evenings of a replay.
    assert plan_night(read_settings(), "replay", None, "auto", NOW).realm == "replay"


def test_a_symbol_that_nobody_knows_ends_the_night_before_it_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    file = tmp_path / "held.csv"
    file.write_text("symbol,shares\nNOPE,1\n", encoding="utf-8")
    monkeypatch.setenv("NIGHTDESK_RECOMMEND__HOLDINGS", str(file))
    with pytest.raises(UnknownName, match=r"symbol in line 2 of held\.csv"):
        run_night(market_days(1)[0])
    with pytest.raises(NothingThere):
        latest(home / "published", "live")
    file.write_text("symbol,shares\n", encoding="utf-8")
    assert run_night(market_days(1)[0]).status == "published"
    assert latest(home / "published", "live").recommendations()["held_shares"].sum() == 0.0
