"""Every method of selection keeps scikit-learn's own contract of an estimator."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nightdesk.selection import METHODS
from nightdesk.selection.boruta import Boruta

DRAWN = "a forest draws its splits: a weight of two is two rows on average only"


def expected(estimator: object) -> dict[str, str]:
    return {"check_sample_weight_equivalence_on_dense_data": DRAWN} if isinstance(estimator, Boruta) else {}


def made(name: str) -> Any:
    small: dict[str, dict[str, Any]] = {
        "boruta": {"rounds": 3, "trees": 5},
        "vote": {"methods": ("f_score", "lasso", "rfe"), "at_least": 2},
    }
    return METHODS[name](**small.get(name, {}))


@parametrize_with_checks([made("f_score"), made("pca")])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.proof
@parametrize_with_checks(
    [made(name) for name in METHODS if name not in ("f_score", "pca")], expected_failed_checks=expected
)
def test_scikit_learns_checks_of_all_others(estimator: Any, check: Any) -> None:
    check(estimator)
