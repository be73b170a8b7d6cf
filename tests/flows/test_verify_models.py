"""`nightdesk models verify`: a line each, and exit code 1 where a version is not what was registered."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from small_nights import choose_home, market_days, run_night
from tracking_samples import sample_bundle, sample_run

from flows import cli
from nightdesk.models.artifacts import log_model
from nightdesk.operations.night import Night
from nightdesk.operations.verifying import verify_models
from nightdesk.settings import read_settings
from nightdesk.store.features import (
    definitions_of,
    read_features,
    table_of,
    write_definitions,
    write_index,
    write_part,
)
from nightdesk.store.ledger import StageKey, all_results, record
from nightdesk.store.nights import held

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
FIRST, SECOND = market_days(2)
RECIPES = ("ridge", "voter")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk after its first night, on which ridge and a voter were fitted."""
    home = tmp_path_factory.mktemp("verified") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTDESK_TRAINING__RECIPES", str(list(RECIPES)).replace("'", '"'))
        choose_home(patch, home)
        assert not run_night(FIRST).failed_fits
    return home


@pytest.fixture
def artifacts(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the files of registered models lie, to be spoilt: in a copy of the desk, which names the desk's own."""
    shutil.copytree(desk, tmp_path / "home")
    choose_home(monkeypatch, tmp_path / "home")
    yield desk / "artifacts"
    shutil.rmtree(desk / "artifacts")
    shutil.copytree(tmp_path / "home/artifacts", desk / "artifacts")


def verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, str]]:
    """Exit code and what is said of each version, by who it is."""
    monkeypatch.setattr(sys, "argv", ["nightdesk", "models", "verify", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith(("ok", "BROKEN"))]
    assert out.splitlines()[-1].startswith(f"{len(lines)} versions loaded and tried")
    return int(str(ended.value.code)), {
        line[line.index("(") + 1 : line.index(")")].split(",")[0]: line for line in lines
    }


def spoil(artifacts: Path, name: str) -> Path:
    """The one file of that name among all registered models."""
    (file,) = artifacts.rglob(name)
    return file


def test_whole_models_are_ok_and_it_costs_no_change(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code, said = verify(monkeypatch, capsys)
        assert code == 0
        assert set(said) == set(RECIPES)
        assert all(line.startswith("ok      nightdesk-live-h5 version ") for line in said.values())
        assert all(line.endswith(f"scores the features of {FIRST}") for line in said.values())
        assert sum("champion" in line for line in said.values()) == 1
        assert sum("shadow" in line for line in said.values()) == 1


def test_a_tampered_one_and_one_without_its_file_are_told_and_the_others_are_ok(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ridge = spoil(artifacts, "ridge.json")
    ridge.write_text(ridge.read_text().replace("-", "").replace("e", "e-"))
    code, said = verify(monkeypatch, capsys)
    assert code == 1
    assert [name for name, line in said.items() if line.startswith("BROKEN")] == ["ridge"]
    assert "must be those that were registered, got others" in said["ridge"]
    assert "restore its artifacts, or train again (nightdesk train)" in said["ridge"]
    spoil(artifacts, "forest.npz").unlink()
    code, said = verify(monkeypatch, capsys)
    assert code == 1
    assert {name for name, line in said.items() if line.startswith("BROKEN")} == {"ridge", "voter"}
    shutil.rmtree(spoil(artifacts, "ridge.json").parents[2])
    code, said = verify(monkeypatch, capsys)
    assert "must have its files in MLflow" in said["ridge"]


def test_all_tries_what_serves_nobody_too(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two more fits of nights that nobody knows of any more: one on features that are stored, one not."""
    tracking = Night(read_settings(), "live", FIRST, "never", NOW).tracking
    for key in ("rsi_14", "no_such_feature"):
        bundle, features = sample_bundle(), (key, "reversal_5", "volatility_60")
        run = replace(sample_run(key, FIRST), tags={"as_of": str(FIRST)})
        named = replace(bundle, manifest=replace(bundle.manifest, features=features))
        log_model(tracking, run, named, 5, pl.DataFrame({feature: [0.5, 0.6] for feature in features}))
    code, said = verify(monkeypatch, capsys)
    assert code == 0
    assert set(said) == set(RECIPES)
    found = verify_models(read_settings(), "live", NOW, everything=True)
    assert [(one.version, one.role, one.fault is None) for one in found[2:]] == [
        ("3", "registered", True),
        ("4", "registered", False),
    ]
    assert "got none called 'no_such_feature'" in str(found[3].fault)
    monkeypatch.setattr(sys, "argv", ["nightdesk", "models", "verify", "--all"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "BROKEN  nightdesk-live-h5 version 4 (registered): the model needs" in capsys.readouterr().out


def test_a_model_scores_the_newest_features_that_are_still_defined_as_for_it(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest table lacks a feature: the one before it is taken; without that one the model can score nothing."""
    night = Night(read_settings(), "live", FIRST, "never", NOW)
    before = table_of(json.loads(all_results(night.engine, "live", "features")[0]))
    definitions = {
        name: own for name, own in definitions_of(night.features, before.version).items() if name != "rsi_14"
    }
    chain = pl.DataFrame({"date": [SECOND], "chain": ["newer"]})
    rows = read_features(before, [FIRST]).drop("rsi_14").with_columns(pl.lit(SECOND).alias("date"))
    write_part(night.features, "part", definitions, rows, chain)
    write_definitions(night.features, "version", definitions)
    table = write_index(night.features, "version", chain.with_columns(parts=pl.lit("part")))
    with held(night.engine, night.home.locks, "live", SECOND):
        key = StageKey("live", SECOND, "features", "newer")
        record(night.engine, key, json.dumps(asdict(table), default=str), 0.0, NOW)
    code, said = verify(monkeypatch, capsys)
    assert code == 0
    assert all(line.endswith(f"scores the features of {FIRST}") for line in said.values())
    Path(before.path).unlink()
    code, said = verify(monkeypatch, capsys)
    assert code == 1
    assert all("must be given its features as they were defined" in line for line in said.values())
    assert all("got rsi_14 otherwise" in line for line in said.values())
