"""Draws one feature of one symbol, from the bars in the store as a night knows them."""

from __future__ import annotations

from pathlib import Path

from nightdesk.errors import NothingThere, UnknownName
from nightdesk.features.matrix import matrix_of
from nightdesk.features.stages import Feature
from nightdesk.operations.night import Night
from nightdesk.operations.universe import members_of_days
from nightdesk.report.feature_picture import feature_picture
from nightdesk.report.write import write_page
from nightdesk.store.adjusted import panel_as_known
from nightdesk.tables import CLOSE, DATE, SYMBOL


def draw_feature(night: Night, feature: Feature, symbol: str) -> Path:
    """Write the picture of `feature` for `symbol`, over all days known by `night`; returns the SVG file.

    Raises NothingThere where the store has no bars, UnknownName for a symbol without any.
    """
    facts = night.source.facts
    bars = panel_as_known(night.engine, facts, night.cutoff, night.as_of)
    if bars.is_empty():
        raise NothingThere(f"a picture needs bars, got none of {facts.name!r} in the store: run nightdesk nightly")
    rows = matrix_of(bars, [feature], members_of_days(night, [feature], bars)).filter(bars[SYMBOL] == symbol)
    if rows.is_empty():
        raise UnknownName.among("symbol", symbol, bars[SYMBOL].unique())
    closes = bars.filter(bars[SYMBOL] == symbol)[CLOSE].to_list()
    title = f"{feature.name} of {symbol}, {facts.name}, up to {night.as_of}"
    drawn = feature_picture(title, feature.unit, rows[DATE].to_list(), closes, rows[feature.name].to_list())
    file = night.home.feature_picture(feature.name, symbol)
    write_page(file, drawn)
    return file
