"""The look-ahead audit of features: all that are registered pass, plain leaks are named, a user's file is tried."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows import cli
from nightdesk.errors import BadInput, UnknownName
from nightdesk.evaluation.feature_audit import audit_features
from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged
from nightdesk.operations.audit import audit_module, audit_registered
from nightdesk.tables import CLOSE, MEASURES


def test_no_registered_feature_looks_ahead() -> None:
    audited = audit_registered([])
    assert audited.leaks == ()
    assert {"rsi_14", "week_return_4", "return_1_rank", "hour_variance_ratio_20"} <= set(audited.features)


def tomorrow(runs: Runs, close: Values) -> Values:
    out = np.full(close.size, np.nan)
    for first, end in runs.tolist():
        out[first : end - 1] = close[first + 1 : end] / close[first : end - 1] - 1.0
        out[end - 1] = 0.0
    return out


def one_day(runs: Runs, close: Values) -> Values:
    out = close / lagged(runs, close, 1) - 1.0
    for first, end in runs.tolist():
        if end - first > 123:
            out[first + 121] = close[first + 122] / close[first + 121] - 1.0
    return out


def over_its_mean(runs: Runs, close: Values) -> Values:
    out = np.full(close.size, np.nan)
    for first, end in runs.tolist():
        out[first:end] = close[first:end] / close[first:end].mean()
    return out


def leaking(compute: Callable[..., Values]) -> Indicator:
    return Indicator("leaking", "test", (CLOSE,), {}, 0, 1, 0.0, "fraction", "looks ahead", "a bug", compute)


@pytest.mark.parametrize(("compute", "least", "most"), [(tomorrow, 1, 1), (one_day, 1, 1), (over_its_mean, 60, 70)])
def test_a_leak_is_named_with_how_far_and_how_much(compute: Callable[..., Values], least: int, most: int) -> None:
    (leak,) = audit_features([leaking(compute)])
    assert leak.trial == "truncation"
    assert least <= leak.ahead <= most
    assert (leak.days <= 3) == (compute is one_day)
    assert leak.words.startswith("leaking looks ahead: ")
    assert f"at least {leak.ahead} bar" in leak.words


def measured_tomorrow(runs: Runs, measure: Values) -> Values:
    out = np.full(measure.size, np.nan)
    for first, end in runs.tolist():
        out[first : end - 1] = measure[first + 1 : end]
        out[end - 1] = 0.0
    return out


@pytest.mark.parametrize("measure", MEASURES)
def test_a_leak_of_tomorrows_session_is_named(measure: str) -> None:
    planted = dataclasses.replace(leaking(measured_tomorrow), inputs=(measure,))
    (leak,) = audit_features([planted])
    assert (leak.trial, leak.ahead) == ("truncation", 1)


def test_an_honest_feature_beside_a_leaking_one_is_not_accused() -> None:
    honest = Indicator("honest", "test", (CLOSE,), {"bars": 3}, 3, 4, 0.0, "price", "an old close", "none", lagged)
    assert [leak.feature for leak in audit_features([honest, leaking(tomorrow)])] == ["leaking"]


OWN = """
import dataclasses
from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import lagged

def same(runs, close):
    return lagged(runs, close, 0)

def swapped(runs, close):
    out = close.copy()
    for first, end in runs.tolist():
        out[first : end - 1] = close[first + 1 : end]
    return out

def record(name, compute):
    return Indicator(name, "own", ("close",), {}, 0, 1, 0.0, "price", "meaning", "source", compute)

FEATURES = {"same": record("same", same), "swapped": record("swapped", swapped)}

@dataclasses.dataclass
class Keys:
    name: str = "keys"
    def fit(self, train, inputs, at):
        pass
    def apply(self, frame, inputs):
        return frame

PIPELINE = [Keys()]
"""


def test_the_command_tries_a_users_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own_audited_features.py"
    file.write_text(OWN)
    monkeypatch.setenv("NIGHTDESK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["nightdesk", "audit", "--module", str(file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    monkeypatch.delitem(sys.modules, "own_audited_features")
    out = capsys.readouterr().out
    assert ended.value.code == 1
    assert "Audited 2 features and 1 pipeline" in out
    assert "LEAK  swapped looks ahead" in out
    assert "LEAK  same" not in out


def test_what_cannot_be_audited_is_refused(tmp_path: Path) -> None:
    empty, broken = tmp_path / "own_empty.py", tmp_path / "own_broken.py"
    empty.write_text("NUMBER = 7\n")
    broken.write_text("import no_such_module_of_anybody\n")
    with pytest.raises(BadInput, match="must hold a feature or a list of steps, got none in"):
        audit_module(empty)
    with pytest.raises(BadInput, match=r"a module that can be imported, got .*No module named"):
        audit_module(broken)
    with pytest.raises(BadInput, match="must name a Python file, got nowhere"):
        audit_module(Path("nowhere"))
    with pytest.raises(UnknownName, match="feature must be one of"):
        audit_registered(["rsi_41"])
