"""Draws one feature of one symbol, or all chosen ones together, from the bars in the store as a night knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.errors import NothingThere, UnknownName
from nightdesk.features.build import matrices_of_days
from nightdesk.features.matrix import matrix_of
from nightdesk.features.stages import Feature
from nightdesk.monitoring.feature_study import clusters, missing, stability
from nightdesk.operations.night import Night
from nightdesk.operations.universe import members_of_days
from nightdesk.report.feature_picture import feature_picture
from nightdesk.report.feature_study import clusters_picture, missing_picture, stability_picture
from nightdesk.report.write import write_page
from nightdesk.store.adjusted import panel_as_known
from nightdesk.tables import CLOSE, DATE, SYMBOL

STUDIES: Final = ("clusters", "missing", "stability")
"""What can be drawn of all chosen features together."""

APART: Final = 5
"""Trading days from one date that is looked at to the next."""

LAGS: Final = (5, 20, 60)
"""Trading days after which a feature is compared with itself."""


def draw_feature(night: Night, feature: Feature, symbol: str) -> Path:
    """Write the picture of `feature` for `symbol`, over all days known by `night`; returns the SVG file.

    Raises NothingThere where the store has no bars, UnknownName for a symbol without any.
    """
    facts, bars = night.source.facts, _bars(night)
    rows = matrix_of(bars, [feature], members_of_days(night, [feature], bars)).filter(bars[SYMBOL] == symbol)
    if rows.is_empty():
        raise UnknownName.among("symbol", symbol, bars[SYMBOL].unique())
    closes = bars.filter(bars[SYMBOL] == symbol)[CLOSE].to_list()
    title = f"{feature.name} of {symbol}, {facts.name}, up to {night.as_of}"
    drawn = feature_picture(title, feature.unit, rows[DATE].to_list(), closes, rows[feature.name].to_list())
    file = night.home.feature_picture(feature.name, symbol)
    write_page(file, drawn)
    return file


def draw_study(night: Night, kind: str) -> Path:
    """Write the picture of all features that settings choose, of one of STUDIES, over every fifth day known by `night`.

    Returns the SVG file. Raises UnknownName for another kind, NothingThere where the store has no bars, BadInput where
    there are too few features for it.
    """
    if kind not in STUDIES:
        raise UnknownName.among("picture", kind, STUDIES)
    bars, features = _bars(night), night.chosen
    days = bars[DATE].unique().sort().to_list()[APART - 1 :: APART]
    sample = pl.concat(matrices_of_days(bars, features, days, members_of_days(night, features, bars), night.scratch))
    over = f"{len(features)} features, {night.source.facts.name}, {days[0]} to {days[-1]}"
    if kind == "clusters":
        drawn = clusters_picture(f"What says the same: {over}", clusters(sample))
    elif kind == "missing":
        drawn = missing_picture(f"What is missing: {over}", missing(sample))
    else:
        drawn = stability_picture(f"What is steady: {over}", stability(sample, APART, LAGS))
    file = night.home.feature_study(kind)
    write_page(file, drawn)
    return file


def _bars(night: Night) -> pl.DataFrame:
    facts = night.source.facts
    bars = panel_as_known(night.engine, facts, night.cutoff, night.as_of)
    if bars.is_empty():
        raise NothingThere(f"a picture needs bars, got none of {facts.name!r} in the store: run nightdesk nightly")
    return bars
