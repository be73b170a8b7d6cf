"""Quality pages say what was found in words and pictures, escape all text, and stand alone, in a real browser too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import started_browser
from page_reader import Page
from quality_samples import DAYS, bare, beside, members, rich

from nightdesk.report.course import course
from nightdesk.report.quality import LISTED, TITLES, render_bars, render_table
from nightdesk.report.write import write_page

PAGES = tuple(TITLES)
HOSTILE = "<b>&\"'<script>$x_1$</script></svg>-->"


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_bars(rich(), PAGES))


def test_every_finding_stands_there_in_words(page: Page) -> None:
    assert page.headings == [
        "Quality of the bars",
        "What was found",
        "Suspected splits, spin-offs and special dividends",
        "Suspected wrong prices",
        "Large moves that look like news",
        "Quarantine",
        "Everything else that is odd",
        "Coverage and freshness",
    ]
    assert (
        "123,456 bars of 2 symbols on 200 trading days of XNYS. 2 rows came into quarantine, and 706 things"
        in page.text
    )
    assert ["suspected_action", "2", "a split that is not in the prices"] in page.rows
    assert "SPLIT 2015-04-11" in page.text
    assert re.search(r"confidence 0\.99\s?: -50 %", page.text)
    assert ["GAP", "2015-01-10", "2 trading days"] in page.rows
    assert ["–", "2015-01-05", "7 symbols, 8 the day before"] in page.rows
    assert ["BAD", "2015-01-04", "ohlc_order", "open 1, close 2", "held", "0123456789abcdef"] in page.rows
    assert ["–", "–", "missing_key", "open missing", "dropped", "fedcba9876543210"] in page.rows
    assert ["LATE", "2015-01-01", "2015-05-31", "151", "0", "49"] in page.rows
    assert "1 of 2 symbols have a bar on the newest day" in page.text


def test_a_flood_of_one_kind_is_cut_and_the_page_says_so(page: Page) -> None:
    assert len([row for row in page.rows if row and row[0].startswith("SAME")]) == LISTED
    assert "The first 500 of 700 of repeated_bar" in page.text


def test_the_most_certain_comes_first() -> None:
    html = render_bars(rich())
    assert html.index("SPLIT") < html.index("FLAT")


def test_a_page_of_nothing_says_so() -> None:
    page = Page(render_bars(bare()))
    assert "Nothing was found." in page.text
    assert "No row ever came into quarantine." in page.text
    assert "svg" not in page.tags
    assert "1 of 1 symbols have a bar on the newest day" in page.text


def test_members_without_bars_are_named() -> None:
    page = Page(render_table(beside("membership"), PAGES, members()))
    assert "2 of 9 symbols that were members of SP500 at some time have no bars at all" in page.text
    assert "As the lists spell them it is 3 of 10; 1 aliases were joined." in page.text
    assert ["GONE", "Gone, Inc.", "–", "2015-01-01", "2015-01-06"] in page.rows
    assert ["A-B", "A.B", "spelling"] in page.rows


@pytest.mark.parametrize(
    "html", [render_bars(rich(HOSTILE), PAGES), render_table(beside("membership", HOSTILE), PAGES, members(HOSTILE))]
)
def test_text_from_outside_is_escaped_and_nothing_is_fetched(html: str) -> None:
    page = Page(html)
    assert {"script", "b", "iframe", "img", "link"} & set(page.tags) <= {"b"}
    assert HOSTILE in page.text or HOSTILE in "".join(page.words)
    links = {value for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "action")}
    assert links <= {f"{page}.html" for page in PAGES}
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)


@pytest.mark.parametrize("name", PAGES[1:])
def test_a_table_beside_the_bars_says_what_was_checked_and_how_far_it_reaches(name: str) -> None:
    page = Page(render_table(beside(name), PAGES))
    assert page.headings == [
        f"Quality of the {TITLES[name]}",
        "What was checked",
        "What was found",
        "Coverage and freshness",
    ]
    assert "12,345 rows from 2015-01-01 to 2015-07-19. The newest is of yesterday." in page.text
    assert "is known since 2015-07-20 21:00 UTC; 7 versions were restated" in page.text
    assert ["value", "12,345", "2", "refuses", "it must be a number"] in page.rows
    assert ["twice", "12,345", "0", "is noted", "it must be there once"] in page.rows
    assert ["value", "AAA", "2015-01-02", "inf, and 1 more"] in page.rows
    assert ["2015-01-01", "AAA", "1,234", "–"] in page.rows
    links = {value for _, attribute, value in page.attributes if attribute == "href"}
    assert links == {f"{other}.html" for other in PAGES if other != name}


def test_a_table_that_holds_every_rule_says_so() -> None:
    page = Page(render_table(replace(beside("factors"), findings=()), ("bars", "factors")))
    assert "Nothing: every row holds every rule." in page.text


def test_the_same_record_gives_the_same_bytes() -> None:
    assert render_bars(rich(), PAGES) == render_bars(rich(), PAGES)


def test_a_course_marks_its_day_and_leaves_out_what_is_no_price() -> None:
    closes = [5.0, None, float("nan"), -1.0, 10.0, 20.0]
    drawn = course(DAYS[:6], closes, DAYS[4], "A&B")
    assert "Closes of A&amp;B from 2015-01-01 to 2015-01-06, between 5.00 and 20.00; marked: 2015-01-05" in drawn
    (line,) = re.findall(r'points="([^"]+)"', drawn)
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert len(points) == 3
    assert (points[0][1], points[2][1]) == (90.0, 10.0)
    assert points[1][1] == pytest.approx(50.0)  # on a log scale 10 is half way from 5 to 20
    (across,) = re.findall(r'<circle cx="([^"]+)"', drawn)
    assert float(across) == points[1][0]
    assert course(DAYS[:1], [1.0], DAYS[0], "A") == ""
    assert course([], [], DAYS[0], "A") == ""


def test_a_course_shows_thirty_bars_on_each_side() -> None:
    drawn = course(DAYS, [float(n + 1) for n in range(200)], DAYS[100], "A")
    assert f"from {DAYS[70]} to {DAYS[130]}" in drawn
    assert f"from {DAYS[0]} to {DAYS[60]}" in course(DAYS, [1.0] * 200, DAYS[5], "A")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as started:
        yield started


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_opens_whole_and_quiet(browser: Any, tmp_path: Path, width: int) -> None:
    write_page(tmp_path / "bars.html", render_bars(rich(), PAGES))
    for name in PAGES[1:]:
        audit = members() if name == "membership" else None
        write_page(tmp_path / f"{name}.html", render_table(beside(name), PAGES, audit))
    asked: list[str] = []
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "bars.html").as_uri(), wait_until="load")
    for details in page.locator("details").all():
        details.evaluate("one => one.open = true")
    boxes = [picture.bounding_box() for picture in page.locator("svg").all()]
    assert len(boxes) == 4
    assert all(box and box["width"] > 250 and box["height"] > 90 for box in boxes)
    assert all(mark.is_visible() for mark in page.locator("svg circle").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in PAGES[1:]:
        page.get_by_role("link", name=TITLES[name]).click()
        page.wait_for_url(f"**/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").inner_text() == f"Quality of the {TITLES[name]}"
    page.close()
    assert [url for url in asked if not url.startswith("file://")] == []
    assert complaints == []
