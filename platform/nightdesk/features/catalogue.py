"""The catalogue of features: each with what a reader must know of it, as rows and as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable

from nightdesk.features.indicator import Indicator

_HEAD = """# Features

Every feature that nightdesk can build, by group. Written by `nightdesk features --catalogue infra/features.md`: do not
edit it by hand. How to choose among them: [operations/features.md](operations/features.md).

*Warm-up* is how many of a symbol's first bars have no value. *Look-back* is how many bars, the current one included,
give the value that all history gives: exactly, or within *tolerance* where one is stated.
"""


def described(feature: Indicator) -> list[tuple[str, str]]:
    """What there is to know of one feature, as (what, text), in the order in which it is shown."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in feature.parameters.items())
    return [
        ("name", feature.name),
        ("group", feature.group),
        ("meaning", feature.meaning),
        ("unit", feature.unit),
        ("reads", ", ".join(feature.inputs)),
        ("parameters", parameters or "none"),
        ("warm-up", needs(feature)[0]),
        ("look-back", needs(feature)[1]),
        ("source", feature.source),
        ("definition", feature.content),
    ]


def needs(feature: Indicator) -> tuple[str, str]:
    """Warm-up and look-back in words."""
    within = f", within {feature.tolerance:g}" if feature.tolerance else ""
    return _bars(feature.warm_up), f"{_bars(feature.look_back)}{within}"


def catalogue(features: Iterable[Indicator]) -> str:
    """The catalogue page of `features` in Markdown, a table a group, both in the order in which they first come."""
    groups: dict[str, list[Indicator]] = {}
    for feature in features:
        groups.setdefault(feature.group, []).append(feature)
    count = sum(map(len, groups.values()))
    lines = [_HEAD, f"{count} features in {len(groups)} groups: {', '.join(groups)}."]
    for group, members in groups.items():
        lines += ["", f"## {group}", "", "| name | meaning | unit | warm-up | look-back | source |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        lines += [_row((f"`{f.name}`", f.meaning, f.unit, *needs(f), f.source)) for f in members]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"
