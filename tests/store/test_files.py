"""A file is replaced whole or not at all; contents name what a thing is, not where it lies."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from nightdesk.store.files import content_of, frame_content, replacing, write_frame, write_json
from nightdesk.store.refs import FrameRef, save_frame

FRAME = pl.DataFrame({"symbol": ["AAA", "BBB"], "close": [1.0, None]})


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())


def write_half(file: Path) -> None:
    """Begin to replace a file, and be stopped."""
    with replacing(file) as aside:
        aside.write_text("half")
        raise RuntimeError("killed")


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file.txt"
    with replacing(file) as aside:
        aside.write_text("new")
        assert not file.exists()
        assert aside.parent == file.parent
    assert file.read_text() == "new"
    assert names(file.parent) == ["file.txt"]


def test_a_writer_that_raises_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError, match="killed"):
        write_half(file)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file.txt"):
        pass
    assert names(tmp_path) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    with replacing(file) as one, replacing(file) as other:
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one"
    assert names(tmp_path) == ["file.txt"]


def test_json_is_sorted_and_keeps_text_and_dates(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": dt.date(2024, 1, 2), "a": "é\n"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": "é\n", "b": "2024-01-02"}
    assert text.index('"a"') < text.index('"b"')
    assert text.endswith("}\n")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {("no", "key"): 1})
    assert json.loads((tmp_path / "a.json").read_text()) == [1]
    assert names(tmp_path) == ["a.json"]


def test_frames_come_back(tmp_path: Path) -> None:
    write_frame(tmp_path / "a.parquet", FRAME)
    assert_frame_equal(pl.read_parquet(tmp_path / "a.parquet"), FRAME)


def test_the_content_of_a_ref_is_its_own_wherever_it_lies() -> None:
    ref = FrameRef("0123456789abcdef", "/here/a.parquet", 3)
    moved = dataclasses.replace(ref, path="/there/b.parquet", rows=4)
    other = dataclasses.replace(ref, content="f" * 16)
    assert content_of(ref, 1) == content_of(moved, 1)
    assert content_of(ref, 1) != content_of(other, 1)
    assert content_of([(ref,)]) == content_of([(moved,)])
    assert content_of([(ref,)]) != content_of([(other,)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), (2, 1)),
        (([1, 2],), ([2, 1],)),
        (("ab", "c"), ("a", "bc")),
        ((1, 2), ([1, 2],)),
        ((1,), ("1",)),
        ((None,), ("",)),
        ((dt.date(2024, 1, 2),), (dt.date(2024, 1, 3),)),
        ((), (None,)),
    ],
)
def test_different_parts_have_different_contents(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert content_of(*one) != content_of(*other)


def test_the_order_of_keys_changes_nothing_and_the_content_is_stable() -> None:
    assert content_of({"a": 1, "b": 2}) == content_of({"b": 2, "a": 1})
    assert content_of((1, 2)) == content_of([1, 2])
    assert content_of("night", 5) == "f988f2c5e56a4bb7"


@pytest.mark.parametrize(
    "other",
    [
        FRAME.reverse(),
        FRAME.rename({"close": "open"}),
        FRAME.with_columns(close=pl.col("close").fill_null(0.0)),
        FRAME.with_columns(pl.col("close").cast(pl.Float32)),
        FRAME[:1],
        FRAME.select("close", "symbol"),
    ],
    ids=["order", "name", "null", "dtype", "fewer", "columns"],
)
def test_a_frame_is_named_by_names_dtypes_and_every_value(other: pl.DataFrame) -> None:
    assert frame_content(FRAME) == frame_content(pl.concat([FRAME[:1], FRAME[1:]], rechunk=False))
    assert frame_content(FRAME) != frame_content(other)
    assert frame_content(FRAME) != frame_content(pl.DataFrame())


def test_a_saved_frame_is_read_back_and_not_written_twice(tmp_path: Path) -> None:
    ref = save_frame(tmp_path, "bars", FRAME)
    before = Path(ref.path).stat().st_ino
    assert save_frame(tmp_path, "bars", FRAME) == ref
    assert Path(ref.path).stat().st_ino == before
    assert (ref.content, ref.rows) == (frame_content(FRAME), 2)
    assert_frame_equal(ref.read(), FRAME)
    assert save_frame(tmp_path, "bars", FRAME.reverse()).path != ref.path
