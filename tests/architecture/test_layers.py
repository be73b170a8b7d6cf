"""The one-way flow of data, as import-linter's contracts in pyproject.toml state it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from source_files import LIBRARY, ROOT

CONFIGURATION = ROOT / "pyproject.toml"
STATED = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in STATED["contracts"]}
WAY_OF_THE_DATA = (
    *("sources", "store", "quality", "features", "scoring", "labels", "models", "evaluation", "promotion"),
    *("publish", "report", "operations"),
)


def lint_imports(configuration: Path) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: import-linter switches off all loggers of the process that it is called in."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run([*command, "--config", str(configuration)], cwd=ROOT, capture_output=True, text=True)


def test_every_contract_holds() -> None:
    found = lint_imports(CONFIGURATION)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_broken_contract_would_be_seen(tmp_path: Path) -> None:
    """The store does use SQLAlchemy: a contract that forbids it must fail."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        '[tool.importlinter]\nroot_packages = ["nightdesk"]\ninclude_external_packages = true\n'
        '[[tool.importlinter.contracts]]\nname = "wrong"\ntype = "forbidden"\n'
        'source_modules = ["nightdesk"]\nforbidden_modules = ["sqlalchemy"]\n'
    )
    found = lint_imports(wrong)
    assert (found.returncode, "BROKEN" in found.stdout) == (1, True)


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
