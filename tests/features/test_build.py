"""Features are built from their look-back, in parts that a changed definition adds to, and equal a full rebuild's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightdesk.features import INDICATORS, build
from nightdesk.features.build import build_features, matrix_of_days
from nightdesk.features.cross_section import METHODS, CrossSection
from nightdesk.features.matrix import matrix_of, version_of
from nightdesk.features.periods import PERIOD_FEATURES
from nightdesk.features.selection import Choice, choose
from nightdesk.features.stages import Feature
from nightdesk.sources.synthetic import synthetic
from nightdesk.store.features import read_features
from nightdesk.tables import CLOSE, DATE, SYMBOL

NIGHTLY = list(choose(Choice()))
RECURSIVE = [one for one in NIGHTLY if one.tolerance > 0]
STAGES: list[Feature] = [PERIOD_FEATURES["week_return_4"], CrossSection(INDICATORS["rsi_14"], "z_score")]
FEW: list[Feature] = [INDICATORS["return_1"], INDICATORS["sma_gap_20"], CrossSection(INDICATORS["return_1"], "rank")]


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    source = synthetic(seed=3, symbols=6, days=760, faults=True)
    whole = source.bars(None, source.last_day())
    known = whole.filter(pl.all_horizontal(pl.col("open", "high", "low", CLOSE).fill_null(1.0) > 0))
    return known.unique([SYMBOL, DATE], keep="first").sort(SYMBOL, DATE)


def days_of(bars: pl.DataFrame) -> list[dt.date]:
    return bars[DATE].unique().sort().to_list()


def files(root: Path) -> dict[str, int]:
    return {str(file.relative_to(root)): file.stat().st_ino for file in root.rglob("*.parquet")}


def test_any_days_from_their_look_back_equal_a_full_rebuild_bit_for_bit(bars: pl.DataFrame) -> None:
    days, features = days_of(bars), [*NIGHTLY, *STAGES]
    whole = matrix_of_days(bars, features, days)
    assert whole.height == bars.height
    new_year = next(place for place in range(500, 760) if days[place].year > days[place - 1].year)
    for some in (days[-1:], days[new_year - 1 : new_year + 1], days[550:560], [days[300], days[640]]):
        known = bars.filter(pl.col(DATE) <= some[-1])
        assert matrix_of_days(known, features, some).equals(whole.filter(pl.col(DATE).is_in(some)))


def test_night_by_night_equals_one_build_of_all(tmp_path: Path, bars: pl.DataFrame) -> None:
    days, features = days_of(bars), [*NIGHTLY, *STAGES]
    known = bars.filter(pl.col(DATE) <= days[44])
    whole = build_features(tmp_path / "whole", known, features)
    for place in (40, 41, 43, 44):
        table = build_features(tmp_path / "nights", bars.filter(pl.col(DATE) <= days[place]), features)
    assert table.content == whole.content
    assert read_features(table).equals(read_features(whole))
    nights, at_once = ({name for name in files(tmp_path / at) if "/index/" not in name} for at in ("nights", "whole"))
    assert nights == at_once


def test_finite_windows_equal_all_history_and_recursive_ones_within_their_tolerance(bars: pl.DataFrame) -> None:
    days = days_of(bars)
    found, history = matrix_of_days(bars, NIGHTLY, days[-60:]), matrix_of(bars, NIGHTLY)
    history = history.filter(pl.col(DATE).is_in(days[-60:]))
    for one in NIGHTLY:
        ours, theirs = found[one.name], history[one.name]
        if one.tolerance == 0.0:
            assert ours.equals(theirs), one.name
        else:
            spacing = np.spacing(np.abs(theirs.to_numpy()))
            assert ours.is_null().equals(theirs.is_null())
            apart = (ours.cast(pl.Float64) - theirs.cast(pl.Float64)).abs().fill_null(0.0).to_numpy()
            assert (apart <= one.tolerance + np.nan_to_num(spacing)).all(), one.name


def test_only_bars_of_the_look_back_are_looked_at(bars: pl.DataFrame) -> None:
    days = days_of(bars)
    finite = [one for one in NIGHTLY if one.tolerance == 0.0]
    broken = bars.with_columns(
        pl.when(pl.col(DATE) < days[-300]).then(pl.col(CLOSE) * 9).otherwise(pl.col(CLOSE)).alias(CLOSE)
    )
    assert matrix_of_days(broken, finite, days[-1:]).equals(matrix_of_days(bars, finite, days[-1:]))
    assert not matrix_of(broken, finite).equals(matrix_of(bars, finite))


def changed(feature: Feature) -> Feature:
    """The same feature under the same name, defined otherwise."""
    return dataclasses.replace(feature, parameters={"window": 21}, warm_up=20, look_back=21)


def test_a_changed_feature_rebuilds_itself_and_what_stands_on_it_alone(tmp_path: Path, bars: pl.DataFrame) -> None:
    few = bars.filter(pl.col(DATE) <= days_of(bars)[60])
    sma = FEW[1]
    before = [*FEW, CrossSection(sma, "rank")]
    old = build_features(tmp_path, few, before)
    stood = files(tmp_path)
    after = [FEW[0], changed(sma), FEW[2], CrossSection(changed(sma), "rank")]
    new = build_features(tmp_path, few, after)
    written = set(files(tmp_path)) - set(stood)
    part = version_of([after[1], after[3]])
    assert {name.split("/")[0] for name in written if "/date=" in name} == {part}
    columns = pl.read_parquet(tmp_path / next(name for name in written if "/date=" in name)).columns
    assert columns == [SYMBOL, DATE, "sma_gap_20", "sma_gap_20_rank"]
    expected = matrix_of(few, after).sort(DATE, SYMBOL)
    assert read_features(new).sort(DATE, SYMBOL).equals(expected)
    assert read_features(old).sort(DATE, SYMBOL).equals(matrix_of(few, before).sort(DATE, SYMBOL))
    assert new.version == version_of(after) != old.version


def test_a_night_after_a_change_writes_one_file_and_fewer_features_write_none(
    tmp_path: Path, bars: pl.DataFrame
) -> None:
    days = days_of(bars)
    first, second = (bars.filter(pl.col(DATE) <= days[place]) for place in (40, 41))
    build_features(tmp_path, first, FEW)
    build_features(tmp_path, first, [*FEW, INDICATORS["gap_open"]])
    stood = set(files(tmp_path))
    table = build_features(tmp_path, second, [*FEW, INDICATORS["gap_open"]])
    assert len([name for name in set(files(tmp_path)) - stood if "/date=" in name]) == 1
    assert read_features(table).sort(SYMBOL, DATE).equals(matrix_of(second, [*FEW, INDICATORS["gap_open"]]))
    stood = set(files(tmp_path))
    fewer = build_features(tmp_path, second, FEW[1:])
    assert [name for name in set(files(tmp_path)) - stood if "/date=" in name] == []
    assert read_features(fewer).sort(SYMBOL, DATE).equals(matrix_of(second, FEW[1:]))
    assert read_features(fewer, days[41:42]).columns == [SYMBOL, DATE, *(one.name for one in FEW[1:])]


def test_a_file_that_is_lost_is_built_again_as_it_was(tmp_path: Path, bars: pl.DataFrame) -> None:
    days, features = days_of(bars), [*RECURSIVE, *FEW]
    known = bars.filter(pl.col(DATE) <= days[90])
    build_features(tmp_path, known, features)
    for day in (days[50], days[89]):
        (lost,) = tmp_path.glob(f"*/date={day}/*.parquet")
        kept = lost.read_bytes()
        lost.unlink()
        build_features(tmp_path, known, features)
        assert lost.read_bytes() == kept


def test_a_large_build_by_parts_gives_the_same_files(
    tmp_path: Path, bars: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symbols in several parts, dates in many blocks; sectors, members of some dates only, weeks, and recursion."""
    known = bars.filter(pl.col(DATE) <= days_of(bars)[300])
    some = known.filter((pl.col(SYMBOL) < "S0004") | (pl.col(DATE) > days_of(bars)[200])).select(DATE, SYMBOL)
    members = some.with_columns(pl.lit("all").alias("sector")).filter(pl.col(DATE) > days_of(bars)[100])
    features = [*NIGHTLY, *STAGES, *(CrossSection(NIGHTLY[10], method) for method in METHODS)]
    build_features(tmp_path / "whole", known, features, members)
    monkeypatch.setattr(build, "CELLS", 9_000)
    assert len(list(build.matrices_of_days(known, features, days_of(known), members, tmp_path))) > 4
    parted = build_features(tmp_path / "parted", known, features, members, scratch=tmp_path / "aside")
    assert parted.rows > 0
    whole, parts = (
        {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*.parquet")}
        for root in (tmp_path / "whole", tmp_path / "parted")
    )
    assert parts == whole
    assert list((tmp_path / "aside").iterdir()) == []
