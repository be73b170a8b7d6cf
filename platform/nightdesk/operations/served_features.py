"""The features that models of earlier nights still need: built until these retire, as they were defined for them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.features.selection import given_by
from nightdesk.features.stages import Feature, every_feature
from nightdesk.operations.features import bars_of_all
from nightdesk.operations.night import Night
from nightdesk.promotion.reign import reign_of
from nightdesk.store.decisions import Move, moves_up_to, newest_walk_forward, serving_on
from nightdesk.store.features import Definitions, FeatureTable, definitions_of, needs_of
from nightdesk.tables import HORIZON


def features_to_build(night: Night) -> tuple[Feature, ...]:
    """The chosen features, and those that a model which speaks tonight was fitted on, defined as they were then."""
    known, chosen = _known(night), night.chosen
    wanted = {feature.name for feature in chosen}
    for needs in (*_needs(night, _speaking(night)), *_needs(night, _former(night))):
        wanted |= {name for name, content in needs.items() if name in known and known[name].content == content}
    return tuple(feature for name, feature in known.items() if name in wanted)


def outdated_features(night: Night) -> list[str]:
    """Features that models which speak tonight were fitted on, and which this code defines otherwise or not at all.

    So are those of hours or minutes where the bars have become daily ones.
    """
    known = _known(night)
    return sorted(
        {
            name
            for needs in _needs(night, _speaking(night))
            for name, content in needs.items()
            if name not in known or known[name].content != content
        }
    )


def check_needs(night: Night, table: FeatureTable, model: str, content: str) -> None:
    """Raise ModelBroken where a model was fitted on features that `table` has not, or has under another definition."""
    needs = needs_of(night.features, content)
    if needs is None:
        return
    held = definitions_of(night.features, table.version)
    other = [name for name, definition in needs.items() if held.get(name) != definition]
    if other:
        raise ModelBroken(
            f"{model} must be given its features as they were defined when it was fitted, got {', '.join(other[:4])} "
            f"otherwise ({len(other)} of {len(needs)}): train again (nightdesk nightly --train always)"
        )


def _known(night: Night) -> dict[str, Feature]:
    """Every feature that the bars of all markets give, by name."""
    minutes = bars_of_all(market.facts for market in night.markets)
    return {feature.name: feature for feature in given_by(every_feature().values(), minutes)}


def _speaking(night: Night) -> set[str]:
    """The served models, and the newest fits beside them, by their content."""
    served = {one.content for one in serving_on(night.engine, night.realm, night.as_of)}
    newest = newest_walk_forward(night.engine, night.realm, night.as_of).filter(
        pl.col(HORIZON).is_in(list(night.settings.horizons))
    )
    return served | set(newest["model_content"].drop_nulls())


def _former(night: Night) -> set[str]:
    """The former champions, which speak in shadow as long as they can: by their content."""
    moves: dict[int, list[Move]] = {}
    for move in moves_up_to(night.engine, night.realm, night.as_of):
        moves.setdefault(move.serving.horizon, []).append(move)
    reigns = [reign_of(own) for own in moves.values()]
    return {one.former.serving.content for one in reigns if one is not None and one.former is not None}


def _needs(night: Night, models: set[str]) -> Iterator[Definitions]:
    """What each of these models needs, by their content."""
    for content in sorted(models):
        needs = needs_of(night.features, content)
        if needs is not None:
            yield needs
