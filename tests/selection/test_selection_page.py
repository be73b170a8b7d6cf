"""The page on selection: what it shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nightdesk.selection import METHODS

PAGE = Path(__file__).parents[2] / "infra/operations/selection.md"


def test_the_examples_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # That of a recipe needs a desk: tests/flows/test_evaluate.py runs it.
    blocks = [block for block in blocks if "flows.evaluation" not in block]
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})  # the page's own code, from this repository
    chosen, good, idle = capsys.readouterr().out.splitlines()
    assert "3" in chosen
    assert float(good.split()[2]) > 0.1
    assert abs(float(idle.split()[1])) < 0.05


def test_every_method_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in METHODS if f"| `{name}` |" not in text] == []
