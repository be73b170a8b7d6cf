"""Tuned recipes: a recipe with parameters that a search found, named after what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nightdesk.errors import ModelBroken
from nightdesk.models.recipe import Recipe

MARK = "@tuned-"
"""Between the name of a recipe that was tuned and 8 hex digits of what came of it."""


def is_tuned(name: str) -> bool:
    """Whether a recipe's name is that of a tuned one."""
    return MARK in name


def tuned(recipe: Recipe, parameters: Mapping[str, float | int | str]) -> Recipe:
    """`recipe` with other parameters, under the name of its content: the same search result, the same name."""
    found = tuple(parameters.items())
    return Recipe(_named(recipe.name, recipe.family, recipe.features, found), recipe.family, recipe.features, found)


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """As JSON can hold it; `recipe_from` reads it."""
    return {**asdict(recipe), "content": recipe.content}


def recipe_from(plain: Mapping[str, Any]) -> Recipe:
    """The tuned recipe that `plain_recipe` gave; ModelBroken where it is not what its name and content say."""
    try:
        parameters = tuple((str(name), value) for name, value in plain["parameters"])
        found = Recipe(plain["name"], plain["family"], tuple(plain["features"]), parameters)
        whole = found.name == _named(found.name, found.family, found.features, parameters)
        known = whole and found.content == plain["content"]
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise ModelBroken(
            f"a tuned recipe must be what its name says, got another content under {plain.get('name')!r}: restore its "
            "file, or tune again (nightdesk tune)"
        )
    return found


def _named(
    name: str, family: str, features: tuple[str, ...], parameters: tuple[tuple[str, float | int | str], ...]
) -> str:
    digest = hashlib.sha256(json.dumps([family, features, parameters]).encode()).hexdigest()[:8]
    return f"{name.split(MARK)[0]}{MARK}{digest}"
