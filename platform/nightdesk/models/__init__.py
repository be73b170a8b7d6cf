"""Model families and recipes: two literal dicts, joined by a user's own from entry points `nightdesk.models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nightdesk.errors import UnknownName
from nightdesk.models.combination import ENSEMBLE, EnsembleFamily
from nightdesk.models.extreme_boosting import ExtremeBoostingFamily
from nightdesk.models.gradient_boosting import GradientBoostingFamily
from nightdesk.models.qlib_peer import PEER, QLIB_LIGHTGBM
from nightdesk.models.random_forest import RandomForestFamily
from nightdesk.models.recipe import Family, Recipe
from nightdesk.models.ridge import RidgeFamily
from nightdesk.models.selected import SELECTED, SelectedFamily
from nightdesk.models.voting import VoterFamily
from nightdesk.plugins import entry_points

FAMILIES: Mapping[str, Family] = {
    "ridge": RidgeFamily(),
    "lightgbm": GradientBoostingFamily(),
    SELECTED: SelectedFamily(lambda name: family(name)),
    "xgboost": ExtremeBoostingFamily(),
    "random_forest": RandomForestFamily(),
    "voter": VoterFamily(),
    ENSEMBLE: EnsembleFamily(lambda name: family(name)),
}

_LIGHTGBM: Final = (
    ("num_leaves", 31),
    ("learning_rate", 0.045),
    ("max_bin", 63),
    # Of all rows the edges of 63 bins would come out nearly the same, and binning would take twice as long.
    ("bin_construct_sample_cnt", 20_000),
    ("min_data_in_leaf", 500),
    ("feature_fraction", 0.5),
    ("bagging_fraction", 0.5),
    ("bagging_freq", 1),
    ("lambda_l2", 10.0),
)
_XGBOOST: Final = (
    ("max_depth", 5),
    ("eta", 0.045),
    ("max_bin", 64),
    ("min_child_weight", 200),
    ("colsample_bytree", 0.5),
    ("subsample", 0.5),
    ("lambda", 10.0),
)
_STOPPED: Final = (("rounds", 600), ("early_stopping", 50), ("validation", 0.2), ("least_rounds", 30))

RECIPES: Mapping[str, Recipe] = {
    "ridge": Recipe("ridge", "ridge", (), (("alpha", 0.05),)),
    "lightgbm": Recipe("lightgbm", "lightgbm", (), (("rounds", 100), *_LIGHTGBM)),
    # Less is left to fit on than by `lightgbm`: its leaves may be smaller, and stopping guards against the rest.
    "lightgbm_stopped": Recipe(
        "lightgbm_stopped", "lightgbm", (), (*_STOPPED, *{**dict(_LIGHTGBM), "min_data_in_leaf": 200}.items())
    ),
    "xgboost": Recipe("xgboost", "xgboost", (), (("rounds", 100), *_XGBOOST)),
    "xgboost_stopped": Recipe("xgboost_stopped", "xgboost", (), (*_STOPPED, *_XGBOOST)),
    "random_forest": Recipe(
        "random_forest",
        "random_forest",
        (),
        (
            ("max_rows", 30_000),
            ("n_estimators", 80),
            ("max_depth", 8),
            ("min_samples_leaf", 50),
            ("max_features", "sqrt"),
            ("max_samples", 0.4),
        ),
    ),
    "voter": Recipe(
        "voter",
        "voter",
        (),
        (
            ("sell_below", -1 / 6),
            ("buy_above", 1 / 6),
            ("forest_share", 0.5),
            ("forest_max_rows", 30_000),
            ("forest_n_estimators", 50),
            ("forest_max_depth", 8),
            ("forest_min_samples_leaf", 50),
            ("forest_max_features", "sqrt"),
            ("forest_max_samples", 0.4),
            ("boosted_rounds", 40),
            ("boosted_max_depth", 4),
            ("boosted_eta", 0.07),
            ("boosted_max_bin", 64),
            ("boosted_min_child_weight", 200),
            ("boosted_colsample_bytree", 0.3),
            ("boosted_subsample", 0.5),
            ("boosted_lambda", 10.0),
        ),
    ),
    SELECTED: Recipe(
        SELECTED,
        SELECTED,
        (),
        (("family", "ridge"), ("selection", "vote"), (SELECTED, 10), ("votes", 3), ("alpha", 0.05)),
    ),
    PEER: QLIB_LIGHTGBM,
}


def families() -> dict[str, Family]:
    """Families by name, those of installed entry points `nightdesk.models` included."""
    own = {point.name: point.load()() for point in entry_points(group="nightdesk.models")}
    return {**FAMILIES, **own}


def family(name: str) -> Family:
    """The family called `name`; UnknownName lists the known ones."""
    known = families()
    if name not in known:
        raise UnknownName.among("model family", name, known)
    return known[name]


def recipes() -> dict[str, Recipe]:
    """Recipes by name: RECIPES, and of each other family that can be fitted, a user's too, one with its defaults."""
    return {**{name: Recipe(name, name, (), ()) for name in families() if name != ENSEMBLE}, **RECIPES}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; UnknownName lists the known ones."""
    known = recipes()
    if name not in known:
        raise UnknownName.among("recipe", name, known)
    return known[name]
