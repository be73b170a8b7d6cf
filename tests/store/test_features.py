"""The feature store writes a date again only where a bar up to it changed, and reads the dates it is asked for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from store_samples import DAYS, bars

from nightdesk.store.features import (
    FeatureTable,
    _read,
    day_chain,
    missing_days,
    read_features,
    remove_parts,
    write_index,
    write_part,
)

BARS = bars({(symbol, day): (day.day + 0.5, 1.0) for symbol in ("AAA", "BBB") for day in DAYS[:4]})


def build(root: Path, frame: pl.DataFrame, version: str = "v1") -> FeatureTable:
    """Write what is missing, as the night does; the one feature is twice the close."""
    chain = day_chain(frame)
    matrix = frame.select("symbol", "date", twice=pl.col("close") * 2).sort("date", "symbol")
    missing = missing_days(root, version, chain)
    write_part(root, version, {"twice": "as defined"}, matrix.filter(pl.col("date").is_in(missing)), chain)
    return write_index(root, version, chain.with_columns(parts=pl.lit(version)))


def restated(day: dt.date, **values: float | None) -> pl.DataFrame:
    """The bars with values of BBB on `day` changed."""
    there = (pl.col("date") == day) & (pl.col("symbol") == "BBB")
    return BARS.with_columns(
        pl.when(there).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    )


def files(root: Path) -> dict[str, int]:
    """Every file below `root`, with the identity of what lies there."""
    return {str(file.relative_to(root)): file.stat().st_ino for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "changed",
    [
        restated(DAYS[2], close=1.0),
        restated(DAYS[2], volume=None),
        restated(DAYS[2], volume=0.0),
        BARS.filter((pl.col("date") != DAYS[2]) | (pl.col("symbol") != "BBB")),
        pl.concat([BARS, bars({("CCC", DAYS[2]): (1.0, 1.0)})]),
    ],
    ids=["value", "null", "zero", "row gone", "row more"],
)
def test_the_chain_changes_from_the_changed_date_on_and_not_before(changed: pl.DataFrame) -> None:
    before, after = day_chain(BARS), day_chain(changed)
    assert before["date"].to_list() == after["date"].to_list() == DAYS[:4]
    same = [one == other for one, other in zip(before["chain"], after["chain"], strict=True)]
    assert same == [True, True, False, False]


def test_the_chain_does_not_ask_for_the_order_of_rows_or_for_later_days() -> None:
    assert_frame_equal(day_chain(BARS.reverse()), day_chain(BARS))
    assert_frame_equal(day_chain(BARS.filter(pl.col("date") <= DAYS[1])), day_chain(BARS)[:2])
    assert day_chain(BARS)["chain"].n_unique() == 4
    assert day_chain(BARS.clear()).is_empty()


def test_null_and_zero_are_different_bars() -> None:
    null, zero = (day_chain(restated(DAYS[0], volume=value))["chain"][0] for value in (None, 0.0))
    assert null != zero


def test_everything_is_missing_at_first_and_nothing_once_written(tmp_path: Path) -> None:
    assert missing_days(tmp_path, "v1", day_chain(BARS)) == DAYS[:4]
    table = build(tmp_path, BARS)
    assert missing_days(tmp_path, "v1", day_chain(BARS)) == []
    assert missing_days(tmp_path, "v2", day_chain(BARS)) == DAYS[:4]
    assert (table.version, table.as_of, table.rows) == ("v1", DAYS[3], 2)


def test_only_dates_from_the_change_on_are_written_again(tmp_path: Path) -> None:
    build(tmp_path, BARS)
    before = files(tmp_path)
    build(tmp_path, restated(DAYS[2], close=1.0))
    after = files(tmp_path)
    assert {name for name in before if after[name] != before[name]} <= {"definitions/v1.parquet"}
    written = sorted(name.split("/")[1] for name in after.keys() - before.keys())
    assert written == [f"date={DAYS[2]}", f"date={DAYS[3]}", "index"]


def test_a_date_lost_in_a_kill_is_written_again(tmp_path: Path) -> None:
    build(tmp_path, BARS)
    before = files(tmp_path)
    lost = next(name for name in before if f"date={DAYS[1]}" in name)
    (tmp_path / lost).unlink()
    assert missing_days(tmp_path, "v1", day_chain(BARS)) == [DAYS[1]]
    build(tmp_path, BARS)
    assert files(tmp_path).keys() == before.keys()


def test_chosen_dates_are_read(tmp_path: Path) -> None:
    table = build(tmp_path, BARS)
    everything = read_features(table)
    assert everything["date"].to_list() == [day for day in DAYS[:4] for _ in range(2)]
    assert everything["twice"].to_list() == [2 * (day.day + 0.5) for day in DAYS[:4] for _ in range(2)]
    chosen = read_features(table, [DAYS[3], DAYS[1]])
    assert_frame_equal(chosen, everything.filter(pl.col("date").is_in([DAYS[1], DAYS[3]])))


def test_an_older_table_reads_what_it_was_made_from(tmp_path: Path) -> None:
    old = build(tmp_path, BARS)
    new = build(tmp_path, restated(DAYS[2], close=1.0))
    assert old.content != new.content
    day = pl.col("date") == DAYS[2]
    assert read_features(old).filter(day)["twice"].to_list() == [9.0, 9.0]
    assert read_features(new).filter(day)["twice"].to_list() == [9.0, 2.0]


def test_a_table_is_named_by_its_bars_and_its_version(tmp_path: Path) -> None:
    table = build(tmp_path / "a", BARS)
    assert build(tmp_path / "b", BARS).content == table.content
    assert build(tmp_path / "a", BARS, "v2").content != table.content


def test_a_removed_part_takes_what_leads_to_it_along_and_nothing_else(tmp_path: Path) -> None:
    kept, other = build(tmp_path, BARS), build(tmp_path, BARS, "v2")
    both = write_index(tmp_path, "v3", day_chain(BARS).with_columns(parts=pl.lit("v1,v2")))
    before = read_features(kept)
    stood = files(tmp_path)
    remove_parts(tmp_path, {"v2"})
    assert not {Path(one.path).exists() for one in (other, both)} - {False}
    gone = set(stood) - set(files(tmp_path))
    assert {name for name in stood if "v2" in name} < gone
    assert gone - {name for name in stood if "v2" in name} == {str(Path(both.path).relative_to(tmp_path))}
    assert not (tmp_path / "v2").exists()
    _read.cache_clear()
    assert read_features(kept).equals(before)
    remove_parts(tmp_path, {"v2"})
    assert build(tmp_path, BARS, "v2") == other
