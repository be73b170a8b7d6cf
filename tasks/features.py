"""The panel as known tonight, and the features made from it."""

from __future__ import annotations

import polars as pl

from nightdesk.errors import DataRefused
from nightdesk.features.build import build_features
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, decided_by, panel_of
from nightdesk.operations.served_features import features_to_build
from nightdesk.operations.universe import members_of_days
from nightdesk.store.features import FeatureTable
from nightdesk.store.refs import FrameRef, save_frame
from nightdesk.tables import DATE
from tasks.ingest import Ingested
from tasks.stage import stage


@stage("panel")
def panel(night: Night, ingested: Ingested) -> FrameRef:
    """Read all bars as they are known at tonight's cut-off, raw ones adjusted for the splits known then."""
    del ingested  # its content is part of this stage's key: new rows, new panel
    bars = panel_of(night)
    if bars_of(night.source, bars).filter(pl.col(DATE) == night.as_of).is_empty():
        name = night.source.facts.name
        raise DataRefused(f"a night needs bars of its as-of day, got none of {night.as_of} from {name}: mend it")
    return save_frame(night.scratch, "panel", bars)


@stage("features")
def features(night: Night, bars: FrameRef) -> FeatureTable:
    """Bring the feature store up to tonight: what is chosen, and what served models still need."""
    known, wanted = bars.read(), features_to_build(night)
    members = members_of_days(night, wanted, bars_of(night.source, known))
    return build_features(night.features, known, wanted, members, decided_by(night, known), night.scratch)
