"""Model families and recipes: two literal dicts, joined by a user's own from entry points `nightdesk.models`."""

from __future__ import annotations

from collections.abc import Mapping

from nightdesk.errors import UnknownName
from nightdesk.models.gradient_boosting import GradientBoostingFamily
from nightdesk.models.recipe import Family, Recipe
from nightdesk.models.ridge import RidgeFamily
from nightdesk.models.selected import SELECTED, SelectedFamily
from nightdesk.plugins import entry_points

FAMILIES: Mapping[str, Family] = {
    "ridge": RidgeFamily(),
    "lightgbm": GradientBoostingFamily(),
    SELECTED: SelectedFamily(lambda name: family(name)),
}

RECIPES: Mapping[str, Recipe] = {
    "ridge": Recipe("ridge", "ridge", (), (("alpha", 0.05),)),
    "lightgbm": Recipe(
        "lightgbm",
        "lightgbm",
        (),
        (
            ("rounds", 150),
            ("num_leaves", 31),
            ("learning_rate", 0.03),
            ("max_bin", 63),
            ("min_data_in_leaf", 500),
            ("feature_fraction", 0.5),
            ("bagging_fraction", 0.5),
            ("bagging_freq", 1),
            ("lambda_l2", 10.0),
        ),
    ),
    SELECTED: Recipe(
        SELECTED,
        SELECTED,
        (),
        (("family", "ridge"), ("selection", "vote"), (SELECTED, 10), ("votes", 3), ("alpha", 0.05)),
    ),
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
    """Recipes by name: RECIPES, and of each other family, a user's too, one with its own defaults."""
    return {**{name: Recipe(name, name, (), ()) for name in families()}, **RECIPES}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; UnknownName lists the known ones."""
    known = recipes()
    if name not in known:
        raise UnknownName.among("recipe", name, known)
    return known[name]
