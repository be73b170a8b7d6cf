"""What the page tells of ensembles and of calibrations: members, weights, why, and how far chances and bounds held."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from page_reader import Page
from report_samples import rich

from nightdesk.ensemble.calibration import Calibrated, calibrate
from nightdesk.report.contents import Meaning, Together
from nightdesk.report.page import render

WHY = "equal weights: no others are shown to be better on days they had not seen"


@cache
def judged() -> Calibrated:
    days, symbols, random = 120, 20, np.random.default_rng(1)
    dates = pl.date_range(pl.date(2016, 1, 1), pl.date(2016, 12, 31), eager=True).head(days)
    frame = pl.DataFrame({"date": dates}).join(pl.DataFrame({"symbol": range(symbols)}), how="cross")
    frame = frame.with_columns(
        known_date=pl.col("date") + pl.duration(days=2),
        score=pl.Series(random.normal(size=frame.height)),
        forward_return=pl.Series(random.normal(0, 0.02, frame.height)),
        daily_volatility=pl.lit(0.02),
    )
    kept = calibrate(frame, 1, dates.max(), pl.DataFrame(schema={"date": pl.Date, "regime": pl.String}))
    assert kept.found is not None
    return kept.found


def test_members_weights_and_why_are_told() -> None:
    members = (("ridge", 0.5), ("lightgbm", 0.5))
    html = render(rich(ensembles=(Together(5, "ensemble", members, (), WHY),)))
    assert "ridge 50 %, lightgbm 50 %" in html
    assert WHY in html
    assert "short of" not in html
    short = render(rich(ensembles=(Together(5, "ensemble_short", members, ("voter", "xgboost"), WHY),)))
    assert "short of voter and xgboost: never served" in short


def test_how_the_served_calibration_did_is_told() -> None:
    html = render(rich(meanings=(Meaning(5, "ensemble", judged(), "no confidence is shown: too few"),)))
    assert "Probabilities of up and how often it happened" in html
    assert "Weights, and what the scores mean" in Page(html).headings
    assert f"Brier score {judged().brier:.3f}" in html
    assert f"calibration error {judged().calibration_error:.3f}" in html
    assert "no confidence is shown: too few" in html
    assert f"{100 * judged().coverage()['coverage'][0]:.1f}" in html
    assert html == render(rich(meanings=(Meaning(5, "ensemble", judged(), "no confidence is shown: too few"),)))


def test_one_without_a_calibration_says_why() -> None:
    html = render(rich(meanings=(Meaning(60, "ridge", None, "a calibration must have 20 days <b>"),)))
    assert "No calibration: a calibration must have 20 days &lt;b&gt;" in html


def test_a_night_without_either_has_no_such_part() -> None:
    assert "Weights, and what the scores mean" not in render(rich())
