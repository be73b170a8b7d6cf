"""The features that models of earlier nights still need: built until these retire, as they were defined for them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.features.stages import Feature, every_feature
from nightdesk.operations.night import Night
from nightdesk.store.decisions import newest_walk_forward, serving_on
from nightdesk.store.features import Definitions, FeatureTable, definitions_of, needs_of
from nightdesk.tables import HORIZON


def features_to_build(night: Night) -> tuple[Feature, ...]:
    """The chosen features, and those that a model which speaks tonight was fitted on, defined as they were then."""
    known, chosen = every_feature(), night.chosen
    wanted = {feature.name for feature in chosen}
    for needs in _needs(night):
        wanted |= {name for name, content in needs.items() if name in known and known[name].content == content}
    return tuple(feature for name, feature in known.items() if name in wanted)


def outdated_features(night: Night) -> list[str]:
    """Features that models which speak tonight were fitted on, and which this code defines otherwise or not at all."""
    known = every_feature()
    return sorted(
        {
            name
            for needs in _needs(night)
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


def _needs(night: Night) -> Iterator[Definitions]:
    """What each model needs that may speak tonight: the served ones, and the newest fits beside them."""
    served = {one.content for one in serving_on(night.engine, night.realm, night.as_of)}
    newest = newest_walk_forward(night.engine, night.realm, night.as_of).filter(
        pl.col(HORIZON).is_in(list(night.settings.horizons))
    )
    for content in sorted(served | set(newest["model_content"].drop_nulls())):
        needs = needs_of(night.features, content)
        if needs is not None:
            yield needs
