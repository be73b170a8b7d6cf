"""The page in a real browser: nothing is fetched, nothing complains, nothing overflows, pictures show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import started_browser
from matplotlib import image
from report_samples import HORIZONS, minimal, rich

from nightdesk.report.contents import NightReport
from nightdesk.report.page import render
from nightdesk.report.write import write_page

pytestmark = pytest.mark.browser

A4_WITHIN_MARGINS = 688  # CSS pixels: 210 mm less twice the 14 mm of the page's own print rule


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as started:
        yield started


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize(("made", "pictures"), [(rich(), 2 * len(HORIZONS)), (minimal(), 0)], ids=["rich", "minimal"])
def test_opens_whole_and_quiet(browser: Any, tmp_path: Path, width: int, made: NightReport, pictures: int) -> None:
    target = tmp_path / "night.html"
    write_page(target, render(made))
    asked: list[str] = []
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})

    def refuse(route: Any) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("http://**", refuse)
    page.route("https://**", refuse)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(target.as_uri(), wait_until="load")
    for details in page.locator("details").all():
        details.evaluate("one => one.open = true")

    assert page.locator("h1, h2").count() == 7
    assert all(heading.is_visible() for heading in page.locator("h1, h2").all())
    boxes = [picture.bounding_box() for picture in page.locator("svg").all()]
    assert len(boxes) == pictures
    assert all(box and box["width"] > 250 and box["height"] > 120 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert reaching_out(page, "svg text", "svg") == []
    assert reaching_out(page, ".panels table", ".panels > *") == []
    shot = tmp_path / "night.png"
    page.screenshot(path=shot, full_page=True)
    page.close()

    assert asked == []
    assert complaints == []
    pixels = image.imread(shot)
    assert pixels.shape[1] == width
    shades = Counter(map(bytes, (pixels[::4, ::4, :3] * 255).astype("uint8").reshape(-1, 3)))
    assert len(shades) > 50
    assert shades.most_common(1)[0][1] < 0.99 * shades.total()


def test_prints_on_a4_without_overlap(browser: Any, tmp_path: Path) -> None:
    target = tmp_path / "night.html"
    write_page(target, render(rich()))
    page = browser.new_page(viewport={"width": A4_WITHIN_MARGINS, "height": 1000})
    page.emulate_media(media="print")
    page.goto(target.as_uri(), wait_until="load")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WITHIN_MARGINS
    assert reaching_out(page, "table", "div") == []
    assert reaching_out(page, "svg text", "svg") == []
    tops = [figure.bounding_box()["y"] for figure in page.locator("figure").all()]
    assert len(set(tops)) == 2, "three pictures stand side by side"
    page.close()


def reaching_out(page: Any, inner: str, outer: str) -> list[str]:
    """Texts of what matches `inner` and reaches out of its nearest `outer` by more than a pixel."""
    return list(
        page.evaluate(
            """([inner, outer]) => [...document.querySelectorAll(inner)].filter(one => {
                const own = one.getBoundingClientRect();
                const all = one.parentElement.closest(outer).getBoundingClientRect();
                return own.left < all.left - 1 || own.right > all.right + 1 || own.bottom > all.bottom + 1;
            }).map(one => one.textContent.slice(0, 40))""",
            [inner, outer],
        )
    )
