"""The catalogue of features: each with what a reader must know of it, as rows and as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable

from nightdesk.features.cross_section import METHODS, CrossSection
from nightdesk.features.periods import PeriodFeature
from nightdesk.features.stages import Feature

_HEAD = """# Features

Every feature that nightdesk can build, by group. Written by `nightdesk features --catalogue infra/features.md`: do not
edit it by hand. How to choose among them: [operations/features.md](operations/features.md).

*Warm-up* is how many of a symbol's first bars have no value. *Look-back* is how many bars, the current one included,
give the value that all history gives: exactly, or within *tolerance* where one is stated.

The price basis changes those marked *not scale-free*: on prices adjusted later they are in no group. Those of group
`intraday` need a source whose bars are hours or minutes, and those of it that begin with `hour_` bars shorter than an
hour: elsewhere they are in no group.
"""

_CROSS_SECTIONS = """Each feature above can also be had relative to the members of its date: the members that the
newest list of an index has which was known on that evening, or all symbols with a bar on dates before the first list.
A symbol that is no member has no value. Warm-up and look-back are those of the feature."""


def described(feature: Feature) -> list[tuple[str, str]]:
    """What there is to know of one feature, as (what, text), in the order in which it is shown."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in feature.parameters.items())
    return [
        ("name", feature.name),
        ("group", feature.group),
        ("meaning", feature.meaning),
        ("unit", _unit(feature)),
        ("reads", ", ".join(feature.inputs)),
        ("parameters", parameters or "none"),
        ("warm-up", needs(feature)[0]),
        ("look-back", needs(feature)[1]),
        ("source", feature.source),
        ("definition", feature.content),
    ]


def needs(feature: Feature) -> tuple[str, str]:
    """Warm-up and look-back in words."""
    within = f", within {feature.tolerance:g}" if feature.tolerance else ""
    own = feature.base if isinstance(feature, CrossSection) else feature
    warm_up = _count(own.warm_up, own.period if isinstance(own, PeriodFeature) else "bar")
    return warm_up, f"{_count(feature.look_back, 'bar')}{within}"


def catalogue(features: Iterable[Feature]) -> str:
    """The catalogue page of time-series `features` in Markdown: a table a group, then their cross-sections in short."""
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.group, []).append(feature)
    count = sum(map(len, groups.values()))
    lines = [_HEAD, f"{count} features in {len(groups)} groups: {', '.join(groups)}."]
    for group, members in groups.items():
        lines += ["", f"## {group}", "", "| name | meaning | unit | warm-up | look-back | source |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        lines += [_row((f"`{f.name}`", f.meaning, _unit(f), *needs(f), f.source)) for f in members]
    lines += ["", "## Cross-sections", "", _CROSS_SECTIONS, "", "| name | meaning | unit | source |"]
    lines.append("| --- | --- | --- | --- |")
    lines += [_row((f"`NAME_{method}`", meaning, unit, source)) for method, (unit, meaning, source) in METHODS.items()]
    return "\n".join(lines) + "\n"


def _unit(feature: Feature) -> str:
    return feature.unit if feature.scale_free else f"{feature.unit}, not scale-free"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
