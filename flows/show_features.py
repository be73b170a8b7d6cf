"""What the command line shows of features: all of them, one by itself, one drawn, and the catalogue page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from flows.show import console
from nightdesk.errors import UnknownName
from nightdesk.features.catalogue import catalogue, described, needs
from nightdesk.features.cross_section import METHODS
from nightdesk.features.stages import Feature, every_feature, time_series
from nightdesk.operations.feature_picture import draw_feature, draw_study
from nightdesk.operations.features import chosen_features
from nightdesk.operations.night import LIVE, plan_night
from nightdesk.report.write import write_page
from nightdesk.settings import Settings


def show_features(settings: Settings) -> None:
    """List every feature, group by group, and mark those that nights build as settings stand."""
    known = time_series()
    chosen = {feature.name for feature in chosen_features(settings)}
    out = console()
    out.print(
        f"{len(known)} features are registered, and cross-sections of each ({', '.join(METHODS)}); "
        f"{len(chosen)} are built each night (*)",
        soft_wrap=True,
    )
    group = None
    for feature in sorted(known.values(), key=lambda one: one.group):
        if feature.group != group:
            group = feature.group
            out.print(f"\n{group}")
        mark = "*" if feature.name in chosen else " "
        warm_up, look_back = needs(feature)
        out.print(f"{mark} {feature.name} ({feature.unit}): {feature.meaning}", soft_wrap=True)
        out.print(f"    warm-up {warm_up}, look-back {look_back}; {feature.source}", soft_wrap=True)


def show_feature(name: str) -> None:
    """Show all there is to know of one feature; raises UnknownName where there is none of that name."""
    out = console()
    for what, text in described(feature_called(name)):
        out.print(f"{what:11}{text}", soft_wrap=True)


def show_picture(settings: Settings, name: str, symbol: str) -> None:
    """Draw one feature of one symbol, and say where the picture lies."""
    night = plan_night(settings, LIVE, None, "never", dt.datetime.now(dt.UTC))
    console().print(f"Picture: {draw_feature(night, feature_called(name), symbol)}", soft_wrap=True)


def show_study(settings: Settings, kind: str) -> None:
    """Draw all chosen features together, and say where the picture lies."""
    night = plan_night(settings, LIVE, None, "never", dt.datetime.now(dt.UTC))
    console().print(f"Picture: {draw_study(night, kind)}", soft_wrap=True)


def write_catalogue(file: Path) -> None:
    """Write the catalogue page."""
    write_page(file, catalogue(time_series().values()))
    console().print(f"Catalogue of {len(time_series())} features: {file}", soft_wrap=True)


def feature_called(name: str) -> Feature:
    """The feature called `name`, a cross-section too; UnknownName has the nearest."""
    known = every_feature()
    if name not in known:
        raise UnknownName.among("feature", name, known)
    return known[name]
