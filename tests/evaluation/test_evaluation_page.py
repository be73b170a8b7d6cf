"""The page on evidence: what it shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "infra/operations/evaluation.md"


def test_the_examples_of_the_page_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # That of one's own model needs a desk: tests/flows/test_evaluate.py runs it.
    blocks = [block for block in blocks if "flows.evaluation" not in block]
    assert len(blocks) == 4
    space: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), space)  # the page's own code, from this repository
    shown = capsys.readouterr().out
    assert "Summary(days=1105" in shown
    assert "challenger is not shown to beat champion" in shown
    assert "features drifted over 15 nights" in shown
