"""The picture of what features add: the largest first, small ones left out and counted, the same bytes each time."""

from __future__ import annotations

import datetime as dt

import numpy as np

from nightdesk.report.explanation import DOTS, MOST, explanation_picture, importance_picture


def test_the_largest_features_come_first_and_the_rest_is_counted() -> None:
    random = np.random.default_rng(1)
    names = [f"feature_{number:02}" for number in range(MOST + 3)]
    added = random.standard_normal((600, MOST + 3)) * np.linspace(1.0, 3.0, MOST + 3)
    added[:, 0] = 0.0
    above = random.random(added.shape)
    above[:5] = np.nan
    drawing = explanation_picture("Why it ranks so", names, added, above)
    size = np.abs(added).mean(axis=0)
    order = [drawing.index(f">{names[place]}  ") for place in np.argsort(-size)[:MOST]]
    assert order == sorted(order)
    assert f"{DOTS} of 600" in drawing
    assert "2 features that move scores less are left out" in drawing
    assert ">feature_00  " not in drawing
    assert ">Why it ranks so<" in drawing


def test_scores_that_nothing_moves_have_an_empty_picture() -> None:
    drawing = explanation_picture("Nothing", ["one"], np.zeros((3, 1)), np.full((3, 1), 0.5))
    assert drawing == explanation_picture("Nothing", ["one"], np.zeros((3, 1)), np.full((3, 1), 0.5))
    assert "3 of 3" in drawing
    assert ">one  " not in drawing


def test_importances_by_retrain_come_by_their_mean() -> None:
    days = [dt.date(2016, 1, 1), dt.date(2016, 7, 1), dt.date(2017, 1, 1)]
    shares = np.array([[0.2, 0.5, 0.3, 0.0], [0.1, 0.8, 0.1, 0.0], [0.3, 0.6, 0.1, 0.0]])
    drawing = importance_picture("By retrain", days, ["small", "large", "least", "never"], shares)
    assert drawing == importance_picture("By retrain", days, ["small", "large", "least", "never"], shares)
    assert drawing.index(">large  63%<") < drawing.index(">small  20%<") < drawing.index(">least  17%<")
    assert ">never" not in drawing
    assert "3 of 4 features" in drawing
    assert ">2016-01-01<" in drawing
    assert ">2017-01-01<" in drawing
