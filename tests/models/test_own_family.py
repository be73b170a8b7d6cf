"""A user's own families, as infra/operations/models.md shows them: found by entry point, fitted, saved, loaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from nightdesk.models import families, family, recipe
from nightdesk.models.recipe import Training

PAGE = Path(__file__).parents[2] / "infra/operations/models.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    code, points = (re.search(rf"```{kind}\n(.*?)```", text, re.S).group(1) for kind in ("python", "toml"))
    (tmp_path / "my_models.py").write_text(code)
    info = tmp_path / "my_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-models\nVersion: 1.0\n")
    named = points.replace('[project.entry-points."nightdesk.models"]', "[nightdesk.models]").replace('"', "")
    (info / "entry_points.txt").write_text(named)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_models", raising=False)


def test_families_of_ones_own_are_found_and_keep_the_contract(installed: None, tmp_path: Path) -> None:
    assert {"slopes", "forest_voter"} <= set(families())
    random = np.random.default_rng(1)
    features = random.standard_normal((400, 3)).astype(np.float32)
    training = Training(features, features[:, 1] + 0.2 * random.standard_normal(400), np.ones(400))
    for name in ("slopes", "forest_voter"):
        fitted = family(name).fit(training, dict(recipe(name).parameters), 1, 1)
        folder = tmp_path / name
        folder.mkdir()
        fitted.save(folder)
        said = fitted.predict(features)
        assert family(name).load(folder).predict(features).tobytes() == said.tobytes()
        assert np.corrcoef(said, features[:, 1])[0, 1] > 0.8
