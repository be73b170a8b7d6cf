"""A file of corporate actions beside a folder of raw bars, and each way in which it can be wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from apple_samples import LAST, SPLIT_2014, apple_actions, apple_bars
from bar_samples import csv_of, gzip_of, parquet_of, put
from polars.testing import assert_frame_equal

from nightdesk.errors import BadSetting, SourceBroken
from nightdesk.sources import Source, open_source
from nightdesk.tables import CORPORATE_ACTIONS

GOOD = "Symbol,EX_DATE,kind,value,note\nAAPL,2014-06-09,Split,7,\nAAPL,2014-05-08,dividend,3.29,cash\n"


def source_of(folder: Path, name: str, content: bytes) -> Source:
    put(folder, {"aapl.csv": csv_of(apple_bars().head(700)), name: content})
    return open_source("files", folder=folder, actions=folder / name, price_basis="raw")


def test_actions_are_read_up_to_a_day_and_never_taken_for_bars(tmp_path: Path) -> None:
    source = source_of(tmp_path, "actions.csv", GOOD.encode())
    assert source.actions(LAST).rows() == [
        ("AAPL", dt.date(2014, 5, 8), "dividend", 3.29),
        ("AAPL", SPLIT_2014, "split", 7.0),
    ]
    assert source.actions(SPLIT_2014 - dt.timedelta(days=1)).height == 1
    assert source.bars(None, LAST).height == 700


@pytest.mark.parametrize(
    ("name", "packed"), [("a.csv", csv_of), ("a.csv.gz", lambda frame: gzip_of(csv_of(frame))), ("a.pq", parquet_of)]
)
def test_every_kind_of_file_gives_the_same_actions(
    name: str, packed: Callable[[pl.DataFrame], bytes], tmp_path: Path
) -> None:
    assert_frame_equal(source_of(tmp_path, name, packed(apple_actions())).actions(LAST), apple_actions())


def test_a_changed_action_changes_the_fingerprint(tmp_path: Path) -> None:
    source = source_of(tmp_path, "actions.csv", GOOD.encode())
    before = source.fingerprint()
    assert source.fingerprint() == before
    (tmp_path / "actions.csv").write_text(GOOD.replace(",7,", ",4,"))
    assert source.fingerprint() != before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "symbol,date,kind,value\nA,2014-06-09,split,7\n",
            "must have columns symbol, ex_date, kind, value, .*add ex_date",
        ),
        (GOOD.replace("2014-06-09", "9 June"), "a date must be written as YYYY-MM-DD, got '9 June' in line 2"),
        (GOOD.replace("3.29", "$3.29"), "must be a number .*got '\\$3.29' under 'value' in line 3"),
        ("", "must not be empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match=says):
        source_of(tmp_path, "actions.csv", content.encode()).actions(LAST)


def test_a_file_that_is_not_there_is_told_and_none_means_none(tmp_path: Path) -> None:
    put(tmp_path, {"aapl.csv": csv_of(apple_bars().head(5))})
    with pytest.raises(SourceBroken, match=r"actions must name a file, got no .*gone\.csv"):
        open_source("files", folder=tmp_path, actions=tmp_path / "gone.csv", price_basis="raw").actions(LAST)
    none = open_source("files", folder=tmp_path, price_basis="raw").actions(LAST)
    assert none.equals(pl.DataFrame(schema=CORPORATE_ACTIONS))


def test_adjusted_bars_take_no_actions(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="actions belong to price_basis raw"):
        open_source("files", folder=tmp_path, actions=tmp_path / "actions.csv")
