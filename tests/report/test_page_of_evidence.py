"""The report's section of evidence: each question with its answer, what is needed, and what the test can see."""

from __future__ import annotations

import dataclasses

import pytest
from page_reader import Page
from report_samples import AS_OF, rich

from nightdesk.promotion.verdicts import told
from nightdesk.report.page import render
from nightdesk.store.evidence import REPLACEMENT, RETURN, SKILL, Verdict

ASKED = Verdict(
    5, REPLACEMENT, AS_OF, "b", "lightgbm", "ridge", "open", 1.2, 3.456, 80.0, 40, 38, 0.0361, "<not> shown to beat"
)
SKILLED = Verdict(20, SKILL, AS_OF, "a", "ridge", "momentum", "open", None, None, 20.0, 0, None, None, "none counts")
BACK = dataclasses.replace(ASKED, kind=RETURN, outcome="superior", highest=81.0)


def test_each_question_has_its_row_and_nothing_unknown_is_a_number() -> None:
    page = Page(render(rich(evidence=(ASKED, SKILLED))))
    assert "What the evidence says" in page.headings
    asked = ["5 days", "may lightgbm replace ridge?", "open", "3.46 of 80", "38 of 40", "0.0361", "<not> shown to beat"]
    skill = ["20 days", "is the skill of ridge proven?", "unproven", "unknown of 20", "0", "unknown", "none counts"]
    assert asked in page.rows
    assert skill in page.rows


def test_a_night_that_weighed_nothing_has_no_such_section() -> None:
    assert "What the evidence says" not in Page(render(rich())).headings


@pytest.mark.parametrize(("pairs", "edge"), [(19, "unknown"), (20, "above 0.4")])
def test_an_edge_that_no_test_finds_is_told_from_one_that_is_not_known(pairs: int, edge: str) -> None:
    page = Page(render(rich(evidence=(dataclasses.replace(ASKED, pairs=pairs, detectable=None),))))
    assert edge in next(row for row in page.rows if "may lightgbm replace ridge?" in row)


def test_a_verdict_is_told_in_a_line() -> None:
    assert told(BACK) == ("5 days, must lightgbm take its place back from ridge? superior (evidence 81.00 of 80)")
