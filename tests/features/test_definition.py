"""The content of a definition: it changes with all code and constants a function reaches, and with nothing else."""

import functools
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import talib

from nightdesk.errors import BadInput
from nightdesk.features import INDICATORS, kernels, momentum, registered, ta_lib
from nightdesk.features.definition import code_content, described_once

CODE = """
import functools
import numpy as np
import numba
import talib
import nightdesk.features.primitives as primitives
from nightdesk.features.primitives import lagged

SHARE = 0.25
TABLE = np.array([1.0, 2.0])

@numba.njit
def halved(values):
    return values / 2.0

def helper(values):
    return halved(values) * SHARE

def other(values):
    return values * 3.0

def wanted(runs, close, days=1):
    def inner(price):
        return helper(price) + talib.SMA(price, 3) + TABLE[0]
    return inner(close) + primitives.lagged(runs, close, days)

part = functools.partial(wanted, days=2)
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Writes code to a file of its own, as another version of one module, and loads it."""
    numbers = itertools.count()

    def load(code: str) -> ModuleType:
        file = tmp_path / f"version_{next(numbers)}" / "own_features.py"
        file.parent.mkdir()
        file.write_text(code)
        spec = importlib.util.spec_from_file_location("own_features", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SHARE = 0.25", "SHARE = 0.5"),
        ("[1.0, 2.0]", "[1.5, 2.0]"),
        ("values / 2.0", "values / 4.0"),
        ("halved(values) * SHARE", "halved(values) - SHARE"),
        ("talib.SMA(price, 3)", "talib.SMA(price, 4)"),
        ("talib.SMA", "talib.EMA"),
        ("days=1", "days=3"),
        ("primitives.lagged(runs, close, days)", "primitives.wilder(runs, close, days)"),
        ("@numba.njit", "@numba.njit(fastmath=True)"),
    ],
)
def test_it_changes_with_all_that_is_reached(written: Callable[[str], ModuleType], old: str, new: str) -> None:
    assert CODE.count(old) == 1
    before, after = written(CODE), written(CODE.replace(old, new))
    assert code_content(before.wanted) != code_content(after.wanted)
    assert code_content(before.part) != code_content(after.part)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("values * 3.0", "values * 4.0"),  # another function of the file
        ("def helper(values):", 'def helper(values):\n    # why\n    """What."""'),
        ("SHARE = 0.25", "\n\nSHARE = 0.250"),
        ("return helper(price) + talib", "return helper(price)  +  talib"),
    ],
)
def test_it_changes_with_nothing_else(written: Callable[[str], ModuleType], old: str, new: str) -> None:
    assert CODE.count(old) == 1
    assert code_content(written(CODE).wanted) == code_content(written(CODE.replace(old, new)).wanted)


def test_arguments_bound_to_a_function_count(written: Callable[[str], ModuleType]) -> None:
    module = written(CODE)
    assert len({code_content(functools.partial(module.wanted, days=days)) for days in (1, 2, 2)}) == 2
    assert code_content(module.part) != code_content(module.wanted)


def test_closed_over_values_count(written: Callable[[str], ModuleType]) -> None:
    module = written("def make(days):\n    def made(runs, close):\n        return close * days\n    return made\n")
    assert code_content(module.make(2)) == code_content(module.make(2)) != code_content(module.make(3))


def test_ta_libs_version_counts_where_it_is_used_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    rsi, gap = (INDICATORS[name].content for name in ("rsi_14", "return_1"))
    monkeypatch.setattr(talib, "__ta_version__", b"9.9.9")
    assert INDICATORS["rsi_14"].content != rsi
    assert INDICATORS["return_1"].content == gap


def test_where_the_code_lies_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: one.content for name, one in INDICATORS.items()}
    for module in (ta_lib, talib, kernels):
        monkeypatch.setattr(module, "__file__", f"/elsewhere{module.__file__}")
    assert {name: one.content for name, one in INDICATORS.items()} == before


def test_a_primitive_counts_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = INDICATORS["return_1"].content
    monkeypatch.setattr(momentum, "lagged", momentum.reversal)
    assert INDICATORS["return_1"].content != before


def test_every_definition_is_another_and_the_same_twice() -> None:
    contents = [indicator.content for indicator in INDICATORS.values()]
    assert len(set(contents)) == len(contents)
    assert [indicator.content for indicator in INDICATORS.values()] == contents


def test_a_function_without_source_is_refused() -> None:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec("def wanted(runs, close):\n    return close\n", space)
    with pytest.raises(BadInput, match=r"source of a feature's function must be readable .* got none for 'wanted'"):
        code_content(space["wanted"])


def test_described_once_together_each_definition_has_the_content_that_it_has_alone() -> None:
    alone = {name: indicator.content for name, indicator in registered().items()}
    with described_once():
        assert {name: indicator.content for name, indicator in reversed(registered().items())} == alone
    assert len(set(alone.values())) == len(alone)
