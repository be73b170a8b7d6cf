"""The bundled sample is what its README says, and a changed file is refused."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest

from nightdesk.errors import SourceBroken
from nightdesk.sources import open_source, sample
from nightdesk.tables import DATE, SYMBOL


def test_counts_are_those_of_the_readme() -> None:
    source = open_source("sample")
    bars = source.bars(None, source.last_day())
    assert bars.height == 542_440
    assert bars.get_column(SYMBOL).n_unique() == 501
    assert bars.get_column(DATE).n_unique() == 1_107
    assert (source.first_day(), source.last_day()) == (dt.date(2013, 2, 8), dt.date(2017, 6, 30))


def test_a_known_bar_keeps_its_values() -> None:
    day = dt.date(2013, 2, 8)
    row = open_source("sample").bars(day, day).row(0)
    assert row == ("A", day, 45.07, 45.35, 45.0, 45.08, 1_824_755.0)


def test_membership_shows_only_lists_already_published() -> None:
    source = open_source("sample")
    members = source.membership(dt.date(2013, 3, 1))
    assert members.get_column("snapshot_date").unique().sort().to_list() == [
        dt.date(2012, 12, 27),
        dt.date(2013, 2, 10),
    ]
    assert source.membership(dt.date(2018, 4, 2)).height == 10_017


def test_readme_gives_the_hashes_that_are_verified() -> None:
    text = (sample.DATA / "README.md").read_text()
    for name, digest in sample.SHA256.items():
        assert f"`{name}`" in text
        assert f"`{digest}`" in text


@pytest.mark.parametrize("name", sorted(sample.SHA256))
def test_a_changed_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(sample.DATA, tmp_path / "data")
    with (tmp_path / "data" / name).open("ab") as file:
        file.write(b"\n")
    monkeypatch.setattr(sample, "DATA", tmp_path / "data")
    source = open_source("sample")
    with pytest.raises(SourceBroken, match=f"the sample's {name} must have sha256 {sample.SHA256[name]}, got "):
        _read_both(source)


def test_a_file_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "DATA", tmp_path)
    with pytest.raises(SourceBroken, match=rf"must be there, got no .*{sample.BARS_FILE}"):
        open_source("sample").last_day()


def _read_both(source: object) -> pl.DataFrame:
    assert isinstance(source, sample.SampleSource)
    source.membership(dt.date(2018, 4, 2))
    return source.bars(None, dt.date(2017, 6, 30))
