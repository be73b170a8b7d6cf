"""The one-way flow of data, as import-linter's contracts in pyproject.toml state it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from source_files import LIBRARY, ROOT

CONFIGURATION = ROOT / "pyproject.toml"
STATED = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in STATED["contracts"]}
WAY_OF_THE_DATA = (
    *("sources", "store", "quality", "features", "scoring", "labels", "models", "evaluation", "promotion"),
    *("publish", "report", "operations"),
)


def test_every_contract_holds() -> None:
    assert lint_imports(config_filename=str(CONFIGURATION), no_cache=True) == 0


def test_a_broken_contract_would_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The store does use SQLAlchemy: a contract that forbids it must fail."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        '[tool.importlinter]\nroot_packages = ["nightdesk"]\ninclude_external_packages = true\n'
        '[[tool.importlinter.contracts]]\nname = "wrong"\ntype = "forbidden"\n'
        'source_modules = ["nightdesk"]\nforbidden_modules = ["sqlalchemy"]\n'
    )
    assert lint_imports(config_filename=str(wrong), no_cache=True) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_the_layers_are_the_way_of_the_data_and_leave_no_package_out() -> None:
    contract = CONTRACTS["one-way"]
    assert contract["exhaustive"] is True
    layers = [[name.strip() for name in layer.split("|")] for layer in reversed(contract["layers"])]
    height = {name: number for number, layer in enumerate(layers) for name in layer}
    heights = [height[name] for name in WAY_OF_THE_DATA]
    assert heights == sorted(set(heights))
    assert height["monitoring"] == height["promotion"]
    there = {entry.stem for entry in LIBRARY.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    assert there - {"__init__"} == set(height)


def test_the_library_knows_no_orchestrator_and_tasks_know_no_flow() -> None:
    library, tasks = CONTRACTS["no-orchestrator"], CONTRACTS["tasks-below-flows"]
    assert library["source_modules"] == ["nightdesk"]
    assert set(library["forbidden_modules"]) == {"prefect", "flows", "tasks"}
    assert (tasks["source_modules"], tasks["forbidden_modules"]) == (["tasks"], ["flows"])
