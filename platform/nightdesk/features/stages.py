"""Every feature of every stage: time series, weeks and months, and the cross-sections of all of these."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from nightdesk.errors import BadInput
from nightdesk.features import registered
from nightdesk.features.cross_section import METHODS, CrossSection
from nightdesk.features.indicator import Indicator
from nightdesk.features.periods import PERIOD_FEATURES, PeriodFeature

TimeSeries = Indicator | PeriodFeature
Feature = Indicator | PeriodFeature | CrossSection


def time_series() -> Mapping[str, TimeSeries]:
    """Every feature of a symbol's own bars by name: the registry, then weeks and months.

    Raises BadInput where a registered name is that of a week or month.
    """
    known: Mapping[str, Indicator] = registered()
    _unique(set(known) & set(PERIOD_FEATURES))
    return {**known, **PERIOD_FEATURES}


def every_feature() -> Mapping[str, Feature]:
    """Every feature by name: those of `time_series`, then the cross-sections of each, method by method.

    Raises BadInput where one name would mean two features.
    """
    return _every(tuple(time_series()))


@cache
def _every(names: tuple[str, ...]) -> Mapping[str, Feature]:
    own = time_series()
    relative = {one.name: one for method in METHODS for name in names for one in [CrossSection(own[name], method)]}
    _unique(set(own) & set(relative))
    return MappingProxyType({**own, **relative})


def _unique(twice: set[str]) -> None:
    if twice:
        raise BadInput(f"feature names must be unique, got a second {min(twice)!r}: rename yours")
