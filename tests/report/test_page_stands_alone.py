"""The page escapes all text, refers to nothing outside, is accessible, and is the same bytes for the same night."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from dataclasses import replace

import polars as pl
import pytest
from page_reader import Page
from report_samples import AS_OF, HORIZONS, minimal, rich, walk_forward

from nightdesk.report.contents import NightReport, ServedModel, Survivorship
from nightdesk.report.page import render


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(rich()))


HOSTILE = "<b>&\"'<script>$x_1$</script></svg>-->"


def hostile() -> NightReport:
    """Every text that comes from outside is hostile."""

    def bad(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        return frame.with_columns(pl.lit(HOSTILE).alias(column) for column in columns)

    base = rich()
    return replace(
        base,
        realm=HOSTILE, source=HOSTILE, currency=HOSTILE, status="stale", status_reasons=(HOSTILE,),
        training_reason=HOSTILE, code=HOSTILE,
        serving=(ServedModel(5, HOSTILE, HOSTILE, AS_OF, AS_OF, HOSTILE),),
        walk_forward=bad(base.walk_forward, "model", "rival"),
        ranking=bad(base.ranking, "symbol"),
        matured=bad(base.matured, "model"),
        quarantined=bad(base.quarantined, "symbol", "reasons"),
        notes=bad(base.notes, "rule", "meaning"),
        features=bad(base.features, "feature", "unit", "meaning"),
        survivorship=Survivorship(HOSTILE, 2, 1),
    )  # fmt: skip


def test_hostile_text_stays_text(page: Page) -> None:
    found = Page(render(hostile()))
    assert found.text.count(HOSTILE) > 20
    assert set(found.tags) <= set(page.tags) | {"ul", "li"}
    assert not {"b", "script"} & set(found.tags)
    labels = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == 2 * len(HORIZONS)
    assert HOSTILE in labels[0]


@pytest.mark.parametrize("made", [rich, minimal, hostile])
def test_refers_to_nothing_outside(made: object) -> None:
    text = render(made())  # type: ignore[operator]
    found = Page(text)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form", "image"} & set(found.tags)
    names = {"href", "src", "srcset", "xlink:href", "action", "data", "poster", "background", "cite"}
    pointers = [value for _, name, value in found.attributes if name in names]
    assert all(value.startswith("#") for value in pointers)
    styles = found.css + [value for _, name, value in found.attributes if not name.startswith("aria-")]
    assert all(inner.startswith("#") for style in styles for inner in re.findall(r"url\(['\"]?([^)]*)", style))
    assert not any("@import" in style for style in styles)
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    outward = {(name, value) for _, name, value in found.attributes if "://" in value}
    assert all(name.startswith("xmlns") for name, _ in outward)


def test_pointers_inside_the_page_meet_one_target(page: Page) -> None:
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for _, name, v in page.attributes if name in ("xlink:href", "aria-labelledby") and v[0] == "#"}
    wanted |= {value for _, name, value in page.attributes if name == "aria-labelledby"}
    assert wanted
    assert wanted <= set(ids)


def test_is_accessible(page: Page) -> None:
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("table") == page.tags.count("caption") > 0
    heads = [row for row in page.rows if row[0] in ("rank", "model", "horizon", "symbol", "reason", "note", "feature")]
    scopes = [value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")]
    assert page.tags.count("th") == len(scopes)
    assert scopes.count("col") == sum(map(len, heads))
    pictures = page.tags.count("svg")
    assert pictures == 2 * len(HORIZONS)
    assert page.attributes.count(("svg", "role", "img")) == pictures
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert "lightgbm (model) +0.034, +0.023 to +0.045" in labels[0]
    assert "constant (baseline) undefined" in labels[0]
    assert labels[3].startswith("Rank IC of 59 matured nights at 5 days ahead, forecast from 2017-01-03 to ")


def test_equal_reports_give_equal_bytes_in_any_process_and_language() -> None:
    program = "from report_samples import rich; from nightdesk.report.page import render; import sys; "
    program += "sys.stdout.buffer.write(render(rich()).encode())"
    elsewhere = {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONHASHSEED": "7",
        "LC_ALL": "C",
    }
    elsewhere |= {"TZ": "Asia/Tokyo", "PATH": os.environ["PATH"]}
    other = subprocess.run([sys.executable, "-c", program], env=elsewhere, capture_output=True, check=True).stdout
    assert render(rich()).encode() == render(rich()).encode() == other


def test_a_changed_number_changes_the_pictures() -> None:
    moved = walk_forward().with_columns(pl.col("mean") + 0.001)
    drawings = [re.findall(r"<svg.*?</svg>", render(one), re.DOTALL) for one in (rich(), rich(walk_forward=moved))]
    assert [a == b for a, b in zip(*drawings, strict=True)] == [False] * 3 + [True] * 3


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(rich())
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_carries_no_wall_clock_time() -> None:
    years = {int(year) for year in re.findall(r"\b(20\d\d)-\d\d-\d\d", render(rich()))}
    assert years == {2013, 2017}
    assert "matplotlib" not in render(rich()).lower()
    assert str(dt.datetime.now(dt.UTC).year) not in render(rich())
