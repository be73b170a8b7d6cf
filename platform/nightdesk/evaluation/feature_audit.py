"""The look-ahead audit of features: each day's value on a history that ends there, goes on otherwise, or foretells.

Every cut is a symbol of its own, a copy of the history up to it, so that all days and all features are tried in one
pass of the engine. Cross-sections need the symbols of a date together: these are tried cut by cut.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from nightdesk.evaluation.audit_market import market
from nightdesk.evaluation.audit_sessions import with_sessions
from nightdesk.features.cross_section import CrossSection
from nightdesk.features.matrix import matrix_of
from nightdesk.features.stages import Feature
from nightdesk.tables import BARS, CLOSE, DATE, PRICES, SYMBOL, VOLUME

_FIRST: Final = dt.date(2015, 1, 1)
_DAYS: Final = 360  # trading days of a history: a year's window is warm, and has two months to look at
_LOOKED_AT: Final = 25  # days up to a cut
_NEWEST: Final = 45  # days of which each one is a cut where the future is changed
_EARLIER: Final = 23  # days from cut to cut before those
_REACH: Final = (1, 5, 21, 63)
_ROWS_AT_ONCE: Final = 120_000
_SURE: Final = 6.5
_MATTERS: Final = 0.1

_DAY, _COPY = "__day__", "__copy__"


@dataclass(frozen=True)
class FeatureLeak:
    """How one feature knows too much.

    Attributes
    ----------
    feature : its name.
    trial : `truncation`, `perturbation` or `shift`.
    days : number of (symbol, day) values that differ; of the shift, those looked at.
    share : of all that were tried.
    size : largest difference in standard deviations of the feature; None where it became or ceased to be null.
    ahead : bars ahead that it surely uses.
    correlation : with the next bar's return, on a walk where nothing foretells it; None where not found that way.
    words : all this in a sentence.
    """

    feature: str
    trial: str
    days: int
    share: float
    size: float | None
    ahead: int
    correlation: float | None
    words: str


def audit_features(features: Sequence[Feature], seed: int = 11) -> list[FeatureLeak]:
    """Audit `features` on walks with gaps, nulls, flat and untraded stretches; one leak a feature at most, in order.

    A feature that leaks by taking the future away is not tried further, but told how far it looks ahead.
    """
    own = [one for one in features if not isinstance(one, CrossSection)]
    relative = [one for one in features if isinstance(one, CrossSection)]
    bars = _walks(seed)
    found = _cut_and_changed(own, bars, seed) | _relative_leaks(relative, bars)
    found |= {leak.feature: leak for leak in _foretelling([one for one in features if one.name not in found], seed)}
    return [found[one.name] for one in features if one.name in found]


def _cut_and_changed(features: Sequence[Feature], bars: pl.DataFrame, seed: int) -> dict[str, FeatureLeak]:
    other = _walks(seed + 1)
    found: dict[str, FeatureLeak] = {}
    for trial, gap in (("truncation", None), ("perturbation", 0)):
        left = [one for one in features if one.name not in found]
        for name, (days, share, size) in _changed(left, bars, other, gap).items():
            found[name] = FeatureLeak(name, trial, days, share, size, 1, None, "")
    leaking = [one for one in features if one.name in found]
    ahead = dict.fromkeys(found, 1)
    for gap in _REACH:
        still = _changed([one for one in leaking if ahead[one.name] == _before(gap)], bars, other, gap)
        ahead |= dict.fromkeys(still, gap + 1)
    return {name: _in_words(leak, ahead[name]) for name, leak in found.items()}


def _before(gap: int) -> int:
    """What `ahead` is of a feature that noticed at every shorter gap."""
    shorter = [one for one in _REACH if one < gap]
    return shorter[-1] + 1 if shorter else 1


def _changed(
    features: Sequence[Feature], bars: pl.DataFrame, other: pl.DataFrame, gap: int | None
) -> dict[str, tuple[int, float, float | None]]:
    """Features whose value on a cut differs when what lies more than `gap` bars behind it is `other` (None: gone)."""
    if not features:
        return {}
    whole = matrix_of(bars, features)
    places = whole.with_columns(pl.int_range(pl.len()).over(SYMBOL).alias(_DAY))
    tried: set[tuple[str, int]] = set()
    differing: dict[str, set[tuple[str, int]]] = {feature.name: set() for feature in features}
    sizes: dict[str, list[float]] = {feature.name: [] for feature in features}
    for chunk in _chunks(_copies(bars, other, gap)):
        made = matrix_of(chunk.drop(_COPY, _DAY), features).with_columns(chunk[_COPY], chunk[_DAY])
        cut = pl.col(SYMBOL).str.split("@").list.last().cast(pl.Int64)
        met = made.filter(pl.col(_DAY) <= cut, pl.col(_DAY) > cut - _LOOKED_AT).join(
            places, left_on=[_COPY, _DAY], right_on=[SYMBOL, _DAY], suffix="_whole"
        )
        tried |= set(met.select(_COPY, _DAY).unique().iter_rows())
        for feature in features:
            rows = met.filter(pl.col(feature.name).ne_missing(pl.col(f"{feature.name}_whole")))
            differing[feature.name] |= set(rows.select(_COPY, _DAY).iter_rows())
            sizes[feature.name] += _sizes(rows, feature.name, whole[feature.name])
    return {
        name: (len(days), len(days) / len(tried), max(sizes[name], default=None))
        for name, days in differing.items()
        if days
    }


def _sizes(rows: pl.DataFrame, name: str, whole: pl.Series) -> list[float]:
    """The largest difference in standard deviations of the feature; none where values only came or went."""
    spread = whole.cast(pl.Float64).std()
    apart = (rows[name] - rows[f"{name}_whole"]).abs().cast(pl.Float64).drop_nulls()
    scale = spread if isinstance(spread, float) and spread > 0 else 1.0
    return [] if apart.is_empty() else [float(apart.max()) / scale]  # type: ignore[arg-type]


def _copies(bars: pl.DataFrame, other: pl.DataFrame, gap: int | None) -> list[pl.DataFrame]:
    """For each symbol and cut a copy of the history, called SYMBOL@cut, with the day's place and the original."""
    copies = []
    for (symbol,), own in bars.partition_by(SYMBOL, as_dict=True, maintain_order=True).items():
        own = own.with_columns(pl.lit(symbol).alias(_COPY), pl.int_range(pl.len()).alias(_DAY))
        strange = other.filter(pl.col(SYMBOL) == symbol).with_columns(own[_COPY], own[_DAY])
        for cut in _cuts(own.height, gap):
            kept = own.head(cut + 1 + (gap or 0))
            copy = kept if gap is None else pl.concat([kept, strange.slice(kept.height)])
            copies.append(copy.with_columns(pl.lit(f"{symbol}@{cut:04}").alias(SYMBOL)))
    return copies


def _cuts(days: int, gap: int | None) -> Iterable[int]:
    """Every day where the future is taken away, for a leak of one day; a choice of days where it is changed."""
    if gap is None:
        return range(1, days - 1)
    newest = range(max(0, days - _NEWEST - 1), days - 1)
    return sorted({*range(1, newest.start, _EARLIER), *newest})


def _chunks(copies: Sequence[pl.DataFrame]) -> Iterable[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    rows = 0
    for copy in copies:
        held.append(copy)
        rows += copy.height
        if rows >= _ROWS_AT_ONCE:
            yield pl.concat(held)
            held, rows = [], 0
    if held:
        yield pl.concat(held)


def _relative_leaks(features: Sequence[CrossSection], bars: pl.DataFrame) -> dict[str, FeatureLeak]:
    """Cross-sections that change when later dates are taken away; members change from month to month."""
    if not features:
        return {}
    members = bars.filter((pl.col(DATE).dt.month() + pl.col(SYMBOL).str.len_chars()) % 2 == 0).select(
        DATE, SYMBOL, sector=pl.when(pl.col(SYMBOL) > "W1").then(pl.lit("one")).otherwise(pl.lit("two"))
    )
    whole = matrix_of(bars, features, members)
    days = bars[DATE].unique().sort()
    found: dict[str, FeatureLeak] = {}
    for place in sorted({*range(270, len(days) - 1, 17), *range(len(days) - 8, len(days) - 1)}):
        past = pl.col(DATE) <= days[place]
        made = matrix_of(bars.filter(past), features, members.filter(past))
        for feature in features:
            before = whole.filter(past)[feature.name]
            differs = int(made[feature.name].ne_missing(before).sum())
            if differs and feature.name not in found:
                leak = FeatureLeak(feature.name, "truncation", differs, differs / made.height, None, 1, None, "")
                found[feature.name] = _in_words(leak, 1)
    return found


def _foretelling(features: Sequence[Feature], seed: int) -> list[FeatureLeak]:
    """Features that move with the next bar's return on a market where nothing foretells it."""
    if not features:
        return []
    here = market(seed, symbols=12, days=400)
    bars = with_sessions(here.inputs.first_bars().select(*BARS), seed)
    made = matrix_of(bars, features).join(here.secret, on=[SYMBOL, DATE]).sort(SYMBOL, DATE)
    leaks = []
    for feature in features:
        both = made.select(feature.name, "next_return").drop_nulls()
        if both.height < 100 or both[feature.name].n_unique() < 2:
            continue
        found: float = both.select(pl.corr(feature.name, "next_return", method="spearman")).item()
        if math.isfinite(found) and abs(found) > max(_MATTERS, _SURE / math.sqrt(both.height)):
            words = (
                f"{feature.name} looks ahead: it moves with the next bar's return (rank correlation {found:+.2f}) on a "
                "market where nothing known before does"
            )
            leaks.append(FeatureLeak(feature.name, "shift", both.height, 1.0, None, 1, found, words))
    return leaks


def _in_words(leak: FeatureLeak, ahead: int) -> FeatureLeak:
    done = "taken away" if leak.trial == "truncation" else "replaced by another course"
    by = "" if leak.size is None else f", by up to {leak.size:.2g} standard deviations"
    words = (
        f"{leak.feature} looks ahead: {leak.days:,} of its values ({leak.share:.1%}) differ when later bars are {done}"
        f"{by}; it uses bars at least {ahead} {'bar' if ahead == 1 else 'bars'} ahead"
    )
    return FeatureLeak(leak.feature, leak.trial, leak.days, leak.share, leak.size, ahead, leak.correlation, words)


def _walks(seed: int) -> pl.DataFrame:
    """Three symbols in ticks: one plain, one with nulls and missing days, one flat, untraded and jumping.

    Each day has a session of half-hours, whose measures stand beside its bar.
    """
    random = np.random.default_rng(seed)
    calendar = [_FIRST + dt.timedelta(days=number) for number in range(2 * _DAYS)]
    weekdays = [day for day in calendar if day.isoweekday() <= 5]
    parts = []
    for number, symbol in enumerate(("W0", "W1x", "W2")):
        steps = random.normal(0.0, 0.012, _DAYS)
        kept = np.arange(_DAYS)
        if symbol == "W1x":
            kept = np.sort(np.random.default_rng(5).choice(_DAYS + 60, _DAYS, replace=False))
        if number == 2:
            steps[[80, 200, 330]] = (-0.4, 0.3, -0.2)
            steps[230:250] = 0.0
        close = np.round(20.0 * np.exp(np.cumsum(steps)), 2)
        open_ = np.round(close * np.exp(random.normal(0.0, 0.006, _DAYS)), 2)
        ticks = random.integers(0, 20, (2, _DAYS)) / 100.0
        volume = random.integers(1, 9_000, _DAYS) * 100.0
        if number == 2:
            open_[230:250], ticks[:, 230:250], volume[225:255] = close[230:250], 0.0, 0.0
        table = pl.DataFrame(
            {
                SYMBOL: [symbol] * _DAYS,
                DATE: [weekdays[place] for place in kept],
                "open": open_,
                "high": np.maximum(open_, close) + ticks[0],
                "low": np.minimum(open_, close) - ticks[1],
                CLOSE: close,
                VOLUME: volume,
            },
            schema=BARS,
        )
        if symbol == "W1x":
            hole = pl.int_range(pl.len()).is_in([20, 41])
            table = table.with_columns(
                pl.when(hole).then(None).otherwise(pl.col(name)).alias(name) for name in (*PRICES, VOLUME)
            )
        parts.append(table)
    return with_sessions(pl.concat(parts), seed)
