"""The morning report of a desk of several markets: each ranked by itself, in its own money, and how each stands."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest
from report_samples import AS_OF, minimal, rich

from nightdesk.errors import UnknownName
from nightdesk.report.contents import CLOSED, LATE, NEW, MarketReport
from nightdesk.report.page import render

EVE = AS_OF - dt.timedelta(days=1)
US = MarketReport("files", "XNYS", "USD", "raw", NEW, AS_OF, AS_OF, AS_OF, 3, 4, 3, 1)
B3 = MarketReport("b3", "BVMF", "BRL", "adjusted_as_known", CLOSED, EVE, EVE, AS_OF, 2, 0, 0, 0)
COINS = MarketReport("crypto", "24/7", "USD", "raw", LATE, EVE, None, None, 0, 0, 0, 0)


def page(*markets: MarketReport) -> str:
    rows = [
        *((5, 1, "PETR4.SA", 0.2, 1.0, 38.5, "lightgbm", "b3"), (5, 2, "<VALE3>", 0.1, 0.0, 61.0, "lightgbm", "b3")),
        *((5, rank, f"US{rank}", 0.5 / rank, 1.5 - rank / 2, 100.0, "lightgbm", "files") for rank in (1, 2, 3)),
    ]
    columns = ["horizon", "rank", "symbol", "score", "percentile", "close", "model", "market"]
    skill = pl.DataFrame(
        [
            *((5, "lightgbm", "crypto", None, None, None, 0), (5, "lightgbm", "files", 0.03, 0.01, 0.05, 500)),
            *((5, "lightgbm", "b3", -0.01, -0.04, 0.02, 480), (5, "momentum", "b3", 0.07, 0.01, 0.09, 480)),
        ],
        schema=["horizon", "model", "market", "mean", "lower", "upper", "days"],
        orient="row",
    )
    ranking = pl.DataFrame(rows, schema=columns, orient="row")
    return render(rich(ranking=ranking, markets=markets, walk_forward_markets=skill))


def test_each_market_has_a_ranking_of_its_own_the_lead_first() -> None:
    html = page(US, B3, COINS)
    assert html.index("<caption>files, 5 days ahead</caption>") < html.index("<caption>b3, 5 days ahead</caption>")
    assert "close, BRL" in html
    assert "close, USD" in html
    assert "Each market is ranked by itself" in html
    assert "of its market ranked that night" in html
    assert "&lt;VALE3&gt;" in html


def test_each_market_says_how_it_stands() -> None:
    html = page(US, B3, COINS)
    for said in ("new bars", "no new trading day since the night before", "its bars have not come: it has none, so"):
        assert said in html
    assert f"its newest is of {EVE}" in page(US, B3, replace(COINS, newest=EVE))
    with pytest.raises(UnknownName, match="state of a market"):
        page(replace(US, state="asleep"), B3)


def test_the_skill_of_models_is_told_within_each_market_and_missing_is_undefined() -> None:
    table = page(US, B3, COINS).partition("Walk-forward rank IC within each market")[2].partition("</table>")[0]
    assert [table.index(f"<td>{name}</td>") for name in ("files", "b3", "crypto")] == sorted(
        table.index(f"<td>{name}</td>") for name in ("files", "b3", "crypto")
    )
    assert table.count("undefined</span>") == 1
    assert "momentum" not in table


def test_a_refused_night_says_how_its_markets_stand_and_ranks_none() -> None:
    html = render(minimal(markets=(US, B3)))
    assert "This night was refused" in html
    assert "no new trading day since the night before" in html


def test_a_desk_of_one_market_says_nothing_of_markets() -> None:
    html = render(rich())
    assert "market is ranked by itself" not in html
    assert 'aria-labelledby="markets"' not in html
    assert "within each market" not in html
