"""What the command line is given and cannot use: one clear line, an exit code that is not zero, no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_nights import choose_home

from flows import cli


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["nightdesk", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 1, out, err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nightly", "--as-of", "2017-07-04"), "must be a trading day of XNYS, got 2017-07-04 (Tuesday)"),
        (("nightly", "--as-of", "2999-01-04"), "must not lie in the future, got 2999-01-04"),
        (("nightly", "--as-of", "2010-01-04"), "has bars from"),
        (("nightly", "--as-of", "2016-01-05"), "trading days of history"),
        (("nightly", "--as-of", "yesterday"), "Invalid value for '--as-of'"),
        (("nightly", "--train", "maybe"), "Invalid value for '--train'"),
        (("nightly", "--no-such-option"), "No such option: --no-such-option"),
        (("move", "--to", "nonsense"), "a move goes to postgresql+psycopg://, got 'nonsense'"),
        (("move", "--to", "postgresql+psycopg://host:port/name"), "must start with"),
        (("move", "--to", "postgresql+psycopg://nobody@127.0.0.1:1/none"), "a move needs a store, got none at"),
        (("deploy",), "deployments live on a Prefect server, got none: set PREFECT_API_URL"),
        (("no-such-command",), "No such command 'no-such-command'"),
        (("replay", "--from", "2017-06-02", "--to", "2017-06-01"), "from must not be after to"),
        (("replay", "--from", "2017-06-02"), "Missing option '--to'"),
        (("replay", "--from", "2017-06-01", "--to", "2017-06-02", "--realm", "No Good"), "a realm's name is"),
        (("replay", "--from", "2017-06-01", "--to", "2017-06-02", "--realm", "live"), "must not touch realm 'live'"),
        (("train", "--as-of", "2017-07-04"), "must be a trading day of XNYS, got 2017-07-04 (Tuesday)"),
        (("train", "--realm", "No Good"), "a realm's name is"),
        (("backfill", "--from", "2017-06-02", "--to", "2017-06-01"), "from must not be after to"),
        (("backfill", "--from", "2017-07-01", "--to", "2017-07-02"), "got none from 2017-07-01 to 2017-07-02"),
        (("cleanup", "--keep", "0"), "Invalid value for '--keep'"),
        (("predict", "SYN0001"), "run nightdesk nightly"),
        (("models",), "run nightdesk nightly"),
        (("models", "verify"), "got none in realm 'live': run nightdesk nightly"),
        (("models", "--realm", "past", "verify", "--all"), "got none in realm 'past': run nightdesk nightly"),
        (("models", "check"), "No such command 'check'"),
        (("history",), "run nightdesk nightly"),
        (("approve", "--by", "Ada"), "Missing option '--as-of'"),
        (("approve", "--as-of", "2017-08-31"), "Missing option '--by'"),
        (("approve", "--as-of", "2017-07-04", "--by", "Ada"), "must be a trading day of XNYS"),
        (("approve", "--as-of", "2017-08-31", "--by", " "), "--by must be a name of 1 to 64 characters, got ' '"),
        (("approve", "--as-of", "2017-08-31", "--by", "Ada"), "set NIGHTDESK_PROMOTION__APPROVAL=manual"),
        (("features", "rsi_41"), "feature must be one of"),
        (("audit", "rsi_41"), "feature must be one of"),
        (("audit", "--module", "nowhere.py"), "--module must name a Python file, got nowhere.py"),
        (("audit", "rsi_14", "--module", "own.py"), "--module audits all of its file, got rsi_14 too"),
        (("features", "rsi_14", "--symbol", "AAPL"), "got none of 'synthetic' in the store: run nightdesk nightly"),
        (("features", "--symbol", "AAPL"), "--symbol draws one feature, got AAPL and no feature"),
        (("selection", "ridge"), "of a recipe that chooses features, got 'ridge': choose selected"),
        (("selection", "selectid"), "recipe must be one of"),
        (("selection", "--times", "1"), "--times must be 2 to 40, got 1"),
        (("selection", "--horizon", "61"), "horizon must be 1 to 60"),
        (("selection",), "got none of 'synthetic' in the store: run nightdesk nightly"),
        (("selection", "--retrains"), "at least two registered fits of selected at 5 days, got 0"),
        (("compare", "rigde"), "recipe must be one of"),
        (("compare",), "got none of 'synthetic': run nightdesk nightly"),
        (("compare", "--horizon", "61"), "horizon must be 1 to 60"),
        (("explain", "SYN0001"), "run nightdesk nightly"),
        (("explain", "SYN0001", "--retrains"), "--retrains looks at all symbols together, got SYN0001 too"),
        (("explain", "SYN0001", "--out-of-sample"), "--out-of-sample looks at all symbols together, got SYN0001 too"),
        (("explain", "--out-of-sample", "--retrains"), "are two questions, got both"),
        (("explain", "--out-of-sample"), "run nightdesk nightly"),
        (("explain", "--top", "0"), "Invalid value for '--top'"),
        (("history", "--on", "2999-01-04"), "--on must not lie in the future"),
        (("history", "--on", "2017-06-01"), "no model was served on 2017-06-01"),
    ],
)
def test_one_clear_line_and_no_traceback(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert says in err
    assert err.startswith("nightdesk: ")
    assert err.count("\n") == 1
    assert out == ""


def test_a_wrong_setting_is_named_with_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[5, 90]")
    code, _, err = run(monkeypatch, capsys, "doctor")
    assert code == 2
    assert "horizons.1" in err
    assert "90" in err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NIGHTDESK_HORIZON", "[5]", "did you mean NIGHTDESK_HORIZONS?"),
        ("NIGHTDESK_HOME", "/proc/nothing/here", "home must be a folder that can be made"),
        ("NIGHTDESK_STORE__URL", "postgresql+psycopg://nobody@127.0.0.1:1/none", "the store must answer"),
        ("PREFECT_API_URL", "http://127.0.0.1:1/api", "PREFECT_API_URL must name a running Prefect server"),
    ],
)
def test_what_does_not_answer_or_is_misspelt_is_one_line(
    name: str,
    value: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv(name, value)
    code, _, err = run(monkeypatch, capsys, "nightly")
    assert code in (2, 75)
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        *("", "nightly", "replay", "predict", "models", "history", "settings", "doctor", "train", "backfill"),
        *("cleanup", "up", "down", "status", "move", "approve", "alerts", "quality", "quarantine", "ingest"),
        *("evaluate", "compare", "trials", "tune", "selection", "explain"),
    ],
)
def test_help_everywhere(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "Usage: nightdesk" in out
