"""Who may touch databases, networks, the clock and the settings; and that nothing is ever unpickled."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from source_files import LIBRARY, OWN_CODE, ROOT, called, imported, packages, python_files, tree

OUTSIDE = {"sqlite3", "psycopg", "sqlalchemy", "mlflow", "requests", "httpx"}
MAY_TOUCH_THE_OUTSIDE = (
    *("sources", "store", "tuning", "publish", "report", "alerts", "operations", "serving"),
    "models/artifacts.py",
    # What MLflow raises, as errors of ours: part of the same boundary.
    "models/reaching.py",
    # The code that MLflow itself runs to serve a model: it cannot but import MLflow.
    "models/served.py",
    "promotion/champion.py",
)
PICKLERS = {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
CLOCKS = {"now", "today", "utcnow", "localtime", "gmtime", "time", "time_ns", "ctime"}


def place(file: Path) -> str:
    return file.relative_to(LIBRARY).as_posix()


def tells_the_time(name: str) -> bool:
    """Whether a call reads the clock; `time.perf_counter` measures, and names no hour."""
    *owner, last = name.split(".")
    return last in CLOCKS and (last in {"now", "today", "utcnow"} or owner[-1:] in ([], ["time"]))


def test_only_the_named_places_touch_databases_and_networks() -> None:
    touching = {place(file) for file in python_files(LIBRARY) if packages(tree(file)) & OUTSIDE}
    assert {"store/database.py", "models/artifacts.py", "promotion/champion.py"} <= touching
    assert [file for file in sorted(touching) if not file.startswith(MAY_TOUCH_THE_OUTSIDE)] == []


def test_no_code_of_ours_can_unpickle() -> None:
    assert [file for file in python_files(*OWN_CODE) if packages(tree(file)) & PICKLERS] == []


def test_the_library_never_reads_the_clock() -> None:
    calls = [(place(file), name) for file in python_files(LIBRARY) for name in called(tree(file))]
    assert [call for call in calls if tells_the_time(call[1])] == []
    # A clock that is passed on by name, not called here, is a clock all the same.
    handed = [place(file) for file in python_files(LIBRARY) if {"time.time", "time.time_ns"} & imported(tree(file))]
    assert handed == []


def test_settings_are_read_by_flows_and_by_nobody_else() -> None:
    def readers(*folders: Path) -> set[str]:
        files = [file for file in python_files(*folders) if "read_settings" in called(tree(file))]
        return {file.relative_to(ROOT).as_posix() for file in files}

    assert "flows/command_start.py" in readers(ROOT / "flows")
    assert readers(LIBRARY, ROOT / "tasks") == set()
    made = [file for file in python_files(LIBRARY, ROOT / "tasks") if "Settings" in called(tree(file))]
    assert [place(file) for file in made] == ["settings.py"]


def test_every_run_reads_its_settings_with_the_secrets_they_name() -> None:
    """By flows/secret_blocks.py; the command line alone reads them first, and the secrets after Prefect's home."""
    plain = [
        file.name for file in python_files(ROOT / "flows") if "nightdesk.settings.read_settings" in imported(tree(file))
    ]
    assert plain == ["command_start.py"]
    assert "with_secrets" in called(tree(ROOT / "flows/command_start.py"))


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("dt.datetime.now(dt.UTC)", True),
        ("date.today()", True),
        ("time.time()", True),
        ("time()", True),
        ("sa.func.now()", True),
        ("time.perf_counter()", False),
        ("moment.time()", False),
    ],
)
def test_a_reading_of_the_clock_would_be_seen(code: str, reads: bool) -> None:
    assert any(tells_the_time(name) for name in called(ast.parse(code))) is reads


def test_an_import_inside_a_function_would_be_seen() -> None:
    inside = "def f():\n    import mlflow.pyfunc\n    from sqlalchemy.orm import Session\n"
    assert packages(ast.parse(f"{inside}if TYPE_CHECKING:\n    import httpx")) == {"mlflow", "sqlalchemy", "httpx"}
