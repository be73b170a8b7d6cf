"""Keeps the reference that drift is judged by beside each fitted model: made of what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from nightdesk.monitoring.findings import GROSS
from nightdesk.monitoring.reference import gross_nights, reference_from, to_frame
from nightdesk.operations.night import Night
from nightdesk.store.features import FeatureTable
from nightdesk.store.files import content_of
from nightdesk.store.monitoring import drift_of, has_reference, point_to_reference, write_reference
from nightdesk.tables import DATE


def keep_reference(
    night: Night, table: FeatureTable, features: pl.DataFrame, columns: Sequence[str], model: str
) -> None:
    """Keep the reference of the model of content `model`, fitted on `columns` of `features`.

    Fits on the same columns of the same table share one: it says how the inputs are, whatever is learnt from them.
    Nothing is kept where too few clean nights are left: drift of that model's inputs is then not judged, and says so.
    """
    days = features[DATE].unique().sort().to_list()
    found = drift_of(night.engine, night.realm, days[0], days[-1]).filter(verdict=GROSS)
    without = gross_nights(found.select("since", "as_of").unique().rows(), days)
    contents = {feature.name: feature.content for feature in night.chosen}
    name = content_of([(column, contents[column]) for column in columns], table, sorted(without))
    if not has_reference(night.features, name):
        reference = reference_from(features, columns, without)
        if reference is None:
            return
        write_reference(night.features, name, to_frame(reference))
    point_to_reference(night.features, model, name)
