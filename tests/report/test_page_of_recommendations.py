"""The page shows what is recommended and what following it came to, says what it is not, and hides no gap."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from page_reader import Page
from report_samples import AS_OF, FRAMES, minimal, rich

from nightdesk.publish.paper_book import ABOVE, EARLY, UNKNOWN, WITHIN, Standing
from nightdesk.publish.publication import NO_ADVICE, Recommended
from nightdesk.report.contents import PaperLine
from nightdesk.report.page import render
from nightdesk.report.paper_book import standing_sentence
from nightdesk.report.recommended import SHOWN, recommended_parts

USUAL: dict[str, Any] = {
    "horizon": 5, "rank": 1, "symbol": "AAA", "action": "buy", "trust": "unproven", "expected_return": 0.0234,
    "close": 101.5, "target": 103.88, "target_low": 95.1, "target_high": 112.7, "probability_up": 0.55,
    "confidence": 0.531, "weight": 0.0825, "shares": 812.0, "held_shares": None,
    "reasons": ["buy: expected to return +2.34 %", "its size is bound by <the limit> on one name"],
}  # fmt: skip
TYPES = {"held_shares": pl.Float64, "confidence": pl.Float64, "weight": pl.Float64, "reasons": pl.List(pl.String)}


def recommended(*rows: dict[str, Any], notes: tuple[str, ...] = ("Skill is not proven at 5 days.",)) -> Recommended:
    return Recommended(pl.DataFrame([USUAL | row for row in rows], schema_overrides=TYPES), notes)


def line(name: str = "ranking", days: int = 30, horizon: int = 5, **found: Any) -> PaperLine:
    dates = [AS_OF - dt.timedelta(days=days - day) for day in range(days)]
    book = pl.DataFrame(
        {
            "date": dates,
            "equity": [1.0 + 0.001 * (day + 1) for day in range(days)],
            "commission": 0.0001, "spread": 0.0002, "impact": 0.0003, "net": 0.001, "benchmark": 0.0005,
            "turnover": 0.2, "holdings": 7,
        }
    )  # fmt: skip
    usual = {"verdict": WITHIN, "days": days, "mean": 0.0005, "expected": 0.0003, "lower": -0.001, "upper": 0.0016}
    tested = None if found.get("lower", 0.0) is None else (dt.date(2014, 1, 2), dt.date(2017, 6, 1))
    return PaperLine(horizon, name, book, Standing(**(usual | found)), tested)


def plain(**changes: Any) -> str:
    """A published night's page without the pictures of its other sections, which take most of the time."""
    without = {name: pl.DataFrame(schema=FRAMES[name]) for name in ("walk_forward", "matured")}
    return render(rich(**without, **changes))


def test_buys_are_shown_with_target_size_and_reasons() -> None:
    page = Page(plain(recommended=recommended({}, {"symbol": "BBB", "action": "hold", "rank": 2})))
    assert "Recommendations" in page.headings
    assert page.headings.index("The ranking") < page.headings.index("Recommendations")
    assert "5 days ahead: 1 buy, 0 sell, 1 hold" in page.text
    for said in (
        NO_ADVICE,
        "Skill is not proven at 5 days.",
        "103.88 95.10 to 112.70",
        "812",
        "53.1",
        "8.2",
        "unproven",
    ):
        assert said in page.text, said
    assert "its size is bound by <the limit> on one name" in page.text
    assert "BBB" not in page.text


def test_what_is_held_is_shown_whatever_its_action() -> None:
    page = Page(plain(recommended=recommended({"action": "sell", "held_shares": 5.0, "weight": 0.0})))
    assert "0 buy, 1 sell, 0 hold" in page.text
    assert "AAA" in page.text


def test_nothing_to_buy_is_said_and_no_table_is_empty() -> None:
    page = Page(plain(recommended=recommended({"action": "hold"}, notes=("no edge",))))
    assert "5 days ahead: no buy, 0 sell, 1 hold." in page.text
    assert "no edge" in page.text


def test_a_missing_number_is_a_dash() -> None:
    missing = dict.fromkeys(("confidence", "weight", "shares", "target"), None)
    types = {**TYPES, "shares": pl.Float64, "target": pl.Float64}
    rows = pl.DataFrame([USUAL | missing], schema_overrides=types)
    page = Page(plain(recommended=Recommended(rows, ())))
    (row,) = [one for one in page.rows if one and one[0] == "AAA" and "buy" in one]
    assert row[6:9] == ["–", "–", "–"]


def test_the_largest_sizes_come_first_and_not_all_are_shown() -> None:
    rows = [{"symbol": f"S{place:02d}", "rank": place, "weight": place / 100} for place in range(1, 15)]
    (part,) = recommended_parts(recommended(*rows))
    assert [row["symbol"] for row in part.rows] == [f"S{place:02d}" for place in range(14, 14 - SHOWN, -1)]
    assert (part.buys, part.sells, part.holds) == (14, 0, 0)


def test_a_refused_night_recommends_nothing_even_where_the_record_holds_some() -> None:
    page = Page(render(minimal(recommended=recommended({}))))
    assert "Recommendations" not in page.headings
    assert "Recommendations" not in Page(plain()).headings


def test_the_book_is_drawn_and_stands_beside_the_backtest() -> None:
    html = plain(books=(line(), line("recommended", days=20, verdict=UNKNOWN, lower=None, upper=None)))
    page = Page(html)
    assert "The paper book" in page.headings
    assert "Paper book at 5 days up to 2017-06-29, return since its start: ranking +0.030; recommended +0.020." in html
    assert "as the backtest lets expect: +5.0 bp a day beyond every symbol" in page.text
    assert (
        "the walk-forward of 2014-01-02 to 2017-06-01 lets expect +3.0 bp, over so many days −10.0 bp to +16.0 bp"
        in page.text
    )
    assert "no backtest: what would have been suggested on past days is not known" in page.text
    (ranking,) = [row for row in page.rows if "ranking" in row]
    assert ranking[2:8] == ["30", "3.0", "1.8", "1.5", "20.0", "7"]
    assert plain(books=(line(),)) == plain(books=(line(),))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": ABOVE}, "better than the backtest lets expect"),
        ({"verdict": EARLY}, "too early to say"),
        ({"verdict": UNKNOWN, "lower": None, "upper": None}, "no backtest of its rule yet"),
    ],
)
def test_every_verdict_has_its_words(changes: dict[str, Any], said: str) -> None:
    assert standing_sentence(line(**changes)).startswith(said)
