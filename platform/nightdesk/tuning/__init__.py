"""Search spaces by model family: a literal dict, joined by the `space` of a user's own families."""

from __future__ import annotations

from collections.abc import Mapping

from nightdesk.errors import BadInput
from nightdesk.models import family
from nightdesk.tuning.space import Number, Space

SPACES: Mapping[str, Space] = {
    "ridge": Space((("alpha", Number(1e-4, 1e2, log=True)),), quick=6, full=20),
    # max_bin is not searched: the rows are binned once, and all trials share the bins.
    "lightgbm": Space(
        (
            ("rounds", Number(30, 200, log=True, whole=True)),
            ("num_leaves", Number(7, 63, log=True, whole=True)),
            ("learning_rate", Number(0.01, 0.1, log=True)),
            ("min_data_in_leaf", Number(100, 3000, log=True, whole=True)),
            ("feature_fraction", Number(0.2, 0.8)),
            ("bagging_fraction", Number(0.3, 0.8)),
            ("lambda_l2", Number(0.01, 100.0, log=True)),
        ),
        quick=6,
        full=20,
    ),
    "xgboost": Space(
        (
            ("rounds", Number(30, 200, log=True, whole=True)),
            ("max_depth", Number(2, 7, whole=True)),
            ("eta", Number(0.01, 0.1, log=True)),
            ("min_child_weight", Number(20, 2000, log=True)),
            ("colsample_bytree", Number(0.2, 1.0)),
            ("subsample", Number(0.3, 1.0)),
            ("lambda", Number(0.01, 100.0, log=True)),
        ),
        quick=6,
        full=20,
    ),
    "random_forest": Space(
        (
            ("max_depth", Number(4, 14, whole=True)),
            ("min_samples_leaf", Number(20, 400, log=True, whole=True)),
            ("max_samples", Number(0.2, 0.9)),
        ),
        quick=2,
        full=4,
    ),
    "voter": Space(
        (
            ("forest_share", Number(0.0, 1.0)),
            ("forest_min_samples_leaf", Number(20, 400, log=True, whole=True)),
            ("boosted_max_depth", Number(2, 6, whole=True)),
            ("boosted_eta", Number(0.02, 0.15, log=True)),
        ),
        quick=2,
        full=4,
    ),
}


def space_of(name: str) -> Space:
    """The search space of the family called `name`, its own attribute `space` before SPACES.

    Raises UnknownName where no family is called so, BadInput where it has no space.
    """
    found = getattr(family(name), "space", None) or SPACES.get(name)
    if not isinstance(found, Space):
        raise BadInput(
            f"a family must have a search space to be tuned, got none of {name!r}: give it an attribute space "
            "(infra/operations/tuning.md)"
        )
    return found
