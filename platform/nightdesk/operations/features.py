"""The features that settings choose, checked against what will be fitted on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from nightdesk.errors import BadSetting, ModelBroken, UnknownName
from nightdesk.features.selection import Choice, choose
from nightdesk.features.stages import Feature
from nightdesk.home import Home
from nightdesk.models.baselines import LINEAR
from nightdesk.models.recipe import Recipe
from nightdesk.operations.markets import open_markets
from nightdesk.operations.recipes import known_recipe
from nightdesk.settings import Settings
from nightdesk.sources import SourceFacts


def chosen_features(settings: Settings) -> tuple[Feature, ...]:
    """Return the features that `features.*` choose, in registry order; where a market's prices are adjusted later,
    those alone that such prices do not distort, and those of hours or minutes alone that every market's bars give.

    Raises UnknownName for a name that no feature or group has; BadSetting where nothing is left, where the bars do not
    give what is asked for by name, or where a baseline or a recipe of `training.recipes` needs a feature that is not
    chosen. A recipe that is not known is not judged here:
    its fit fails alone, and is told, and the night goes on with the others.
    """
    wanted = settings.features
    choice = Choice(wanted.groups, wanted.windows, wanted.add, wanted.leave_out, wanted.cross_sections)
    facts = [source.facts for source in open_markets(settings)]
    later = any(one.price_basis == "adjusted_later" for one in facts)
    chosen = choose(choice, later, bars_of_all(facts))
    for fitted in (LINEAR, *_known(settings)):
        check_features(fitted, chosen)
    return chosen


def bars_of_all(markets: Iterable[SourceFacts]) -> int | None:
    """The longest bars of `markets` that daily ones are made of, in minutes; None where those of one are daily."""
    lengths = [one.bar_minutes for one in markets]
    made = [length for length in lengths if length is not None]
    return max(made) if len(made) == len(lengths) else None


def check_features(recipe: Recipe, chosen: Iterable[Feature]) -> None:
    """Raise BadSetting where a recipe names a feature that is not among the chosen ones."""
    names = {feature.name for feature in chosen}
    lacking = [name for name in recipe.features if name not in names]
    if lacking:
        raise BadSetting(
            f"features must hold {_listed(recipe.features)}, by which {recipe.name} ranks or fits, got none called "
            f"{_listed(lacking)}: name them in features.add, and not in features.leave_out"
        )


def _listed(names: Sequence[str]) -> str:
    """The names, of more than eight the first and how many there are."""
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:4])} and {len(names) - 4} others"


def _known(settings: Settings) -> Iterator[Recipe]:
    home = Home(settings.home)
    for name in settings.training.recipes:
        with suppress(UnknownName, ModelBroken):
            yield known_recipe(home, name)
