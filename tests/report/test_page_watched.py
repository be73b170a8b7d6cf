"""What the report tells of drift and of outcomes: which features since when, which symbols, and how models held up."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from page_reader import Page
from report_samples import AS_OF, minimal, rich

from nightdesk.monitoring.findings import FlaggedFeature, InputDrift, Outcome, Watched
from nightdesk.monitoring.performance import SLICED, rolling_band
from nightdesk.report.contents import Course
from nightdesk.report.page import render

SINCE = dt.date(2017, 6, 12)
FLAGGED = (FlaggedFeature("gap_open", SINCE, 1.25, -0.2, 0.0), FlaggedFeature("natr_14", AS_OF, 0.5, 0.1, 0.25))
DRIFTED = InputDrift(
    5, "ridge", "content", "gross", 20, 0.1, SINCE, FLAGGED, (("AAA", 0.25), ("BBB", 0.05)), "2 of 20 features drifted"
)
OUTCOME = Outcome(5, "ridge", "broken", 130, 0.04, 9.0, 6.5, SINCE, -0.02, -0.05, 0.01, "scores no longer say")
WATCHED = Watched("content", (DRIFTED, replace(DRIFTED, horizon=20)), (OUTCOME,))


def course(nights: int) -> Course:
    values = np.random.default_rng(1).normal(0.02, 0.1, nights)
    days = [dt.date(2017, 1, 2) + dt.timedelta(days=night) for night in range(nights)]
    told = pl.DataFrame({"as_of": days, "rank_ic": values}).with_columns(promised=pl.lit(0.03))
    rows = [("year", "2017", nights, 0.02, 0.01, 0.03), ("regime", "calm", 9, None, None, None)]
    return Course(5, "ridge", nights, rolling_band(told, 5), pl.DataFrame(rows, SLICED, orient="row"))


def test_features_nights_and_symbols_are_named_once_for_models_of_one_reference() -> None:
    assert "could not be drawn: the night's log says why" in render(rich(watched=WATCHED))
    page = Page(render(rich(watched=WATCHED, drift_page="quality/2017-06-30/drift.html")))
    assert "could not be drawn" not in page.text
    assert page.rows_of("gap_open") == [["gap_open", str(SINCE), "1.25", "−0.200", "0.0"]]
    assert page.rows_of("natr_14")[-1][1:] == [str(AS_OF), "0.50", "+0.100", "25.0"]
    assert "AAA (25.0 %) and BBB (5.0 %)" in page.text
    assert "Evidently's page of the drifted features" in page.text
    assert [row[2] for row in page.rows if row[-1] == DRIFTED.reason] == ["gross", "gross"]
    assert ["5 days", "broken", "−0.020 −0.050 to +0.010", "+0.040", "scores no longer say"] in page.rows


@pytest.mark.parametrize("watched", [None, Watched("content", (), ())])
def test_where_nobody_was_served_it_says_so(watched: Watched | None) -> None:
    page = Page(render(minimal(watched=watched)))
    assert "Nobody was served before this night" in page.text
    assert "Evidently" not in page.text


def test_the_course_is_drawn_where_a_band_is_defined_and_slices_say_what_is_undefined() -> None:
    html = render(rich(watched=WATCHED, courses=(course(150),)))
    assert "Rolling mean rank IC of ridge at 5 days ahead" in html
    assert html == render(rich(watched=WATCHED, courses=(course(150),)))
    page = Page(html)
    assert ["regime", "calm", "9", "undefined"] in page.rows
    young = render(rich(watched=WATCHED, courses=(course(12),)))
    assert "Rolling mean" not in young
    assert "12 matured nights" in Page(young).text
