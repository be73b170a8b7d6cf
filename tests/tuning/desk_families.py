"""A family of a user's own that fits, crashes, hangs or is killed, trial by trial as a file says."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from nightdesk.models.recipe import Recipe

MODULE = '''
import os
import signal
import time
from pathlib import Path

from nightdesk.models.ridge import RidgeFamily
from nightdesk.tuning.space import Number, Space

HERE = Path(__file__).parent


class Scripted(RidgeFamily):
    """Ridge, which does what the next line of `script` says before it fits."""

    space = Space((("alpha", Number(1e-3, 10.0, log=True)),), quick=3, full=6)

    def fit(self, training, parameters, seed, threads):
        with (HERE / "fits").open("a") as fits:
            fits.write(f"{os.getpid()} {parameters['alpha']!r}\\n")
        place = len((HERE / "fits").read_text().splitlines()) - 1
        script = (HERE / "script").read_text().split()
        act = script[place] if place < len(script) else "fit"
        if act == "raise":
            raise ArithmeticError("alpha does not please me")
        if act == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "hang":
            (HERE / "hanging").touch()
            time.sleep(3600)
        return super().fit(training, parameters, seed, threads)
'''

SCRIPTED = Recipe("scripted", "scripted", ("oracle", "return_20"), (("alpha", 0.05),))


def install(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out what pip would, and put it on the path, of children too; `script` is one word a fit."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "desk_scripted.py").write_text(MODULE)
    (folder / "script").write_text(script)
    info = folder / "desk_scripted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-scripted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nightdesk.models]\nscripted = desk_scripted:Scripted\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "desk_scripted", raising=False)
    importlib.invalidate_caches()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))
    return folder
