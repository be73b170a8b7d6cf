"""LightGBM gives the same booster and the same scores by any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nightdesk.models import RECIPES, family
from nightdesk.models.recipe import Training


def test_the_number_of_threads_changes_neither_a_tree_nor_a_score(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    # More rows than one thread is left to score.
    features = random.standard_normal((12_000, 6)).astype(np.float32)
    features[random.random(features.shape) < 0.05] = np.nan
    target = np.nan_to_num(features[:, 0]) + random.standard_normal(12_000)
    rows, parameters = Training(features, target, np.ones(12_000)), dict(RECIPES["lightgbm"].parameters)
    trees, scores = [], []
    for threads in (1, 2, 3):
        fitted = family("lightgbm").fit(rows, parameters, 7, threads)
        (tmp_path / str(threads)).mkdir()
        fitted.save(tmp_path / str(threads))
        trees.append((tmp_path / f"{threads}/lightgbm.txt").read_text().split("parameters:")[0])
        scores.append(fitted.predict(features))
    assert len(set(trees)) == 1
    assert all(np.array_equal(scores[0], other) for other in scores)
    assert np.corrcoef(scores[0], target)[0, 1] > 0.5
