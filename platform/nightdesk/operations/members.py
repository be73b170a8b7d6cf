"""Which recipes a night's ensemble is made of, as settings say."""

from __future__ import annotations

import math

from nightdesk.errors import BadSetting
from nightdesk.models.combination import ENSEMBLE, SHORT
from nightdesk.settings import Settings


def members_of(settings: Settings) -> tuple[str, ...]:
    """The members of a night's ensemble, in order; none where there is no ensemble.

    Raises BadSetting where they are not two or more of `training.recipes`, each once, where `ensemble.weights` are not
    those of the members, or where a recipe is called like the ensemble itself.
    """
    recipes, own = settings.training.recipes, settings.ensemble
    every = tuple(dict.fromkeys(recipes))
    members = (every if len(every) > 1 else ()) if own.members is None else own.members
    strangers = [name for name in members if name not in recipes]
    if strangers:
        raise BadSetting(
            f"ensemble.members must be among training.recipes ({', '.join(recipes)}), got {', '.join(strangers)}: "
            "train them too, or take them out"
        )
    if len(members) == 1 or len(set(members)) != len(members):
        raise BadSetting(
            f"ensemble.members must be two or more recipes, each once, got {', '.join(members)}: "
            "name another one, or write [] for no ensemble"
        )
    taken = [name for name in members if name in (ENSEMBLE, SHORT)]
    if taken:
        raise BadSetting(f"a member must not be called like the ensemble itself, got {taken[0]}: rename the recipe")
    _check_weights(settings, members)
    return members


def _check_weights(settings: Settings, members: tuple[str, ...]) -> None:
    weights = settings.ensemble.weights
    if not weights:
        return
    if set(weights) != set(members):
        raise BadSetting(
            f"ensemble.weights must name the members, {', '.join(members) or 'of which there are none'}, got "
            f"{', '.join(weights)}: give one for each, or none at all"
        )
    values = list(weights.values())
    if not all(math.isfinite(value) and value >= 0.0 for value in values) or not any(values):
        shown = ", ".join(f"{name} {value}" for name, value in weights.items())
        raise BadSetting(f"ensemble.weights must be 0 or more and not all 0, got {shown}: give each member its share")
