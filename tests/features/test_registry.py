"""The registry of features: its own entries, a user's by entry point, and records that make no sense."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightdesk.errors import BadInput
from nightdesk.features import INDICATORS, registered, select

PLUGIN = """
import dataclasses
from nightdesk.features import INDICATORS
LIKE = INDICATORS["return_1"]
MINE = dataclasses.replace(LIKE, name="{name}", parameters={{"days": 7}}, warm_up=7, look_back=8)
NUMBER = 7
"""


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    registered.cache_clear()
    yield
    registered.cache_clear()


def install(folder: Path, entry: str, name: str) -> None:
    """Lay out what pip would: a module, and a distribution that announces it."""
    (folder / "own_desk_features.py").write_text(PLUGIN.format(name=name))
    info = folder / "own_desk-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-desk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[nightdesk.features]\n{entry}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_desk_features", raising=False)
    return tmp_path


def test_names_are_the_keys() -> None:
    assert [indicator.name for indicator in INDICATORS.values()] == list(INDICATORS)


def test_baselines_are_there() -> None:
    assert {"momentum_252_21", "reversal_5", "volatility_60"} <= set(INDICATORS)


def test_a_users_feature_joins(folder: Path) -> None:
    install(folder, "return_7 = own_desk_features:MINE", "return_7")
    assert list(registered())[: len(INDICATORS)] == list(INDICATORS)
    assert select(["return_7"])[0].look_back == 8


@pytest.mark.parametrize(
    ("entry", "name", "message"),
    [
        ("return_7 = own_desk_features:NUMBER", "return_7", "must be an Indicator of that name, got 7"),
        ("return_4 = own_desk_features:MINE", "return_7", "'return_4' .* must be an Indicator of that name"),
        ("return_1 = own_desk_features:MINE", "return_1", "unique, got a second 'return_1'"),
    ],
)
def test_a_users_broken_feature_is_refused(folder: Path, entry: str, name: str, message: str) -> None:
    install(folder, entry, name)
    with pytest.raises(BadInput, match=message):
        registered()


def test_selection_is_in_registry_order() -> None:
    assert [indicator.name for indicator in select(["rsi_14", "return_1"])] == ["return_1", "rsi_14"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": ()}, "at least one column"),
        ({"look_back": 1}, "0 <= warm_up < look_back, got 1 and 1"),
        ({"warm_up": -1}, "got -1 and 2"),
        ({"tolerance": -1.0}, "tolerance of at least 0, got -1.0"),
        ({"tolerance": float("nan")}, "tolerance of at least 0, got nan"),
        ({"look_back": 9}, r"look_back must be warm_up \+ 1, got 9 and 1"),
    ],
)
def test_contradictory_records_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        dataclasses.replace(INDICATORS["return_1"], **fields)
