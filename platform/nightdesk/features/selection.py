"""Which features are built: groups and windows switched on, single ones added or left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from nightdesk.errors import BadSetting, UnknownName
from nightdesk.features import DEFAULT, INDICATORS, registered
from nightdesk.features.cross_section import METHODS, CrossSection
from nightdesk.features.stages import Feature, TimeSeries, every_feature, time_series
from nightdesk.sources.session_measures import HOUR
from nightdesk.tables import HOUR_MEASURES, MEASURES

NIGHTLY_GROUP: Final = "nightly"
EVERYTHING: Final = "all"

_OF_SESSIONS: Final = frozenset(MEASURES)
_OF_HOURS: Final = frozenset(HOUR_MEASURES)

NIGHTLY: Final = tuple(indicator.name for indicator in DEFAULT)
"""Group `nightly`: what a night builds unless settings say otherwise, together with all features of a user's own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the settings `features.*` say.

    Attributes
    ----------
    groups : names of groups whose every feature is wanted; `nightly` and `all` are groups too.
    windows : lengths in bars; of the groups, only features that have one of them among their parameters, and those
        without a whole-number parameter. Empty: every length.
    add : features wanted besides, whatever their group or window.
    leave_out : features or groups not wanted after all; stronger than everything else.
    cross_sections : methods (rank, z_score, sector_neutral) by which every wanted time-series feature is wanted
        too, beside itself.
    """

    groups: tuple[str, ...] = (NIGHTLY_GROUP,)
    windows: tuple[int, ...] = ()
    add: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    cross_sections: tuple[str, ...] = ()


def groups() -> dict[str, tuple[str, ...]]:
    """Every group of time-series features with their names, in registry order; `nightly` and `all` first."""
    known = time_series()
    own = [name for name in registered() if name not in INDICATORS]
    found: dict[str, list[str]] = {NIGHTLY_GROUP: [*NIGHTLY, *own], EVERYTHING: list(known)}
    for name, feature in known.items():
        found.setdefault(feature.group, []).append(name)
    return {group: tuple(names) for group, names in found.items()}


def choose(choice: Choice, adjusted_later: bool = False, bar_minutes: int | None = None) -> tuple[Feature, ...]:
    """Return the features that `choice` wants, in registry order, cross-sections last.

    On bars `adjusted_later`, features that are not scale-free are in no group: a later split would show in them. Nor
    are those of hours or minutes that bars made of ones of `bar_minutes` each do not give; None: they are daily as they
    come.

    Raises UnknownName for a group, feature, window or method that there is not, naming known ones; BadSetting where
    nothing is left, or where a group is wanted or a feature added that the bars forbid.
    """
    own, known, by_group = time_series(), every_feature(), groups()
    _check("features.groups", choice.groups, by_group)
    _check("features.add", choice.add, known)
    _check("features.leave_out", choice.leave_out, [*by_group, *known])
    _check("features.cross_sections", choice.cross_sections, METHODS)
    _check_windows(choice.windows, own.values())
    forbidden = {name for name, feature in known.items() if adjusted_later and not feature.scale_free}
    if revealing := sorted(forbidden & set(choice.add)):
        raise BadSetting(
            "features.add must name scale-free features where the source's prices are adjusted later, got "
            f"{', '.join(revealing)}: a split that nobody knew of would show in them; leave them out, or use raw bars"
        )
    absent = {name for name, feature in known.items() if not _given(feature, bar_minutes)}
    _check_given(choice, by_group, absent, bar_minutes)
    grouped = {name for group in choice.groups for name in by_group[group] if _fits(own[name], choice.windows)}
    grouped -= forbidden | absent
    dropped = {name for one in choice.leave_out for name in by_group.get(one, (one,))}
    wanted = (grouped | set(choice.add)) - dropped
    relative = {
        name
        for name, feature in known.items()
        if isinstance(feature, CrossSection) and feature.method in choice.cross_sections and feature.base.name in wanted
    }
    wanted |= relative - dropped
    if not wanted:
        raise BadSetting(
            f"features must leave at least one, got none of groups {', '.join(choice.groups) or 'none'} with windows "
            f"{', '.join(map(str, choice.windows)) or 'any'} and {len(dropped)} left out: name more in features.groups "
            "or features.add"
        )
    return tuple(feature for name, feature in known.items() if name in wanted)


def given_by(features: Iterable[Feature], bar_minutes: int | None) -> list[Feature]:
    """Those of `features` that bars made of ones of `bar_minutes` give; None: bars that are daily as they come."""
    return [feature for feature in features if _given(feature, bar_minutes)]


def windows_of(feature: TimeSeries) -> frozenset[int]:
    """The whole-number parameters of a feature: the lengths of its windows, in bars."""
    return frozenset(value for value in feature.parameters.values() if isinstance(value, int))


def _given(feature: Feature, bar_minutes: int | None) -> bool:
    lacking = _OF_SESSIONS if bar_minutes is None else _OF_HOURS if bar_minutes >= HOUR else frozenset[str]()
    return lacking.isdisjoint(feature.inputs)


def _check_given(
    choice: Choice, by_group: Mapping[str, Sequence[str]], absent: Set[str], bar_minutes: int | None
) -> None:
    """Raise BadSetting where a group is wanted of which the bars give nothing, or a feature that they do not give."""
    bars = "daily" if bar_minutes is None else f"{bar_minutes} minutes long"
    cure = f"set bar_minutes of source files to the length of {'its' if bar_minutes is None else 'shorter'} bars"
    empty = [group for group in choice.groups if by_group[group] and absent >= set(by_group[group])]
    if empty:
        raise BadSetting(
            f"features.groups must name groups that the source's bars give, got {', '.join(empty)} of bars that are "
            f"{bars}: {cure}, or leave the group out"
        )
    if lacking := [name for name in choice.add if name in absent]:
        raise BadSetting(
            f"features.add must name features that the source's bars give, got {', '.join(lacking)} of bars that are "
            f"{bars}: {cure}, or leave them out"
        )


def _fits(feature: TimeSeries, windows: Sequence[int]) -> bool:
    own = windows_of(feature)
    return not windows or not own or not own.isdisjoint(windows)


def _check(setting: str, names: Iterable[str], known: Iterable[str]) -> None:
    among = frozenset(known)
    for name in names:
        if name not in among:
            raise UnknownName.among(f"a name in {setting}", name, among)


def _check_windows(windows: Sequence[int], features: Iterable[TimeSeries]) -> None:
    if not windows:
        return
    known = sorted(frozenset[int]().union(*(windows_of(feature) for feature in features)))
    for window in windows:
        if window not in known:
            raise UnknownName(
                f"a length in features.windows must be that of a feature, got {window}: choose of "
                f"{', '.join(map(str, known))}"
            )
