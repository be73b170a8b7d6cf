"""Sources are opened by name, a user's own join by entry point, and wrong names and options are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import nightdesk.sources as registry
from nightdesk.errors import BadSetting, UnknownName
from nightdesk.sources import open_source, source_names
from nightdesk.sources.sample import SampleSource


@dataclass(frozen=True)
class Point:
    name: str

    def load(self) -> Any:
        return SampleSource


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownName, match="source must be one of 4 known ones, got 'smaple': choose files, http, sample, synthetic"
    ):
        open_source("smaple")


def test_an_installed_source_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("mine")] if group == "nightdesk.sources" else [])
    assert source_names() == ["files", "http", "sample", "synthetic", "mine"]
    assert isinstance(open_source("mine"), SampleSource)


def test_an_installed_source_may_not_take_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("sample")])
    with pytest.raises(BadSetting, match=r"must have a name of its own, got sample"):
        open_source("sample")


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (
            "sample",
            {"folder": "x"},
            "options of source 'sample' must be among none: it takes none, got folder",
        ),
        (
            "synthetic",
            {"symbol": 3},
            "options of source 'synthetic' must be among annual_volatility, .*, got symbol",
        ),
        ("synthetic", {"symbols": 0}, "synthetic symbols must be a whole number from 1 to 5000, got 0"),
        ("synthetic", {"days": 10.5}, "synthetic days must be a whole number from 2 to 20000, got 10.5"),
        (
            "synthetic",
            {"signal_ic": float("nan")},
            "synthetic signal_ic must be a number from 0.0 to 0.3, got nan",
        ),
        ("synthetic", {"seed": True}, "synthetic seed must be a whole number from 0 to 4294967295, got True"),
        ("synthetic", {"faults": 1}, "faults true or false, got .* and 1"),
        (
            "synthetic",
            {"first_day": "soon"},
            "synthetic first_day must be a date like 2016-01-04, got 'soon'",
        ),
        (
            "synthetic",
            {"signal_ic": 0.2, "horizon": 60, "persistence": 0.3},
            r"signal_ic must be at most 0\.\d+ at",
        ),
    ],
)
def test_bad_options_give_one_clear_line(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSetting, match=text) as caught:
        open_source(name, **options)
    assert "\n" not in str(caught.value)


def test_a_date_may_be_text() -> None:
    assert str(open_source("synthetic", first_day="2020-01-01", days=5).first_day()) == "2020-01-02"
