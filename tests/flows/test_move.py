"""A home moved to PostgreSQL: every row arrives, the next night ends as it would have, a failed move leaves nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import postgresql_server
import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from opened_store import opened
from small_nights import begin_with, choose_home, market_days, run_night
from test_wrong_arguments import run as command

from nightdesk.errors import BadInput, NightLocked, NothingThere, StoreBusy
from nightdesk.models.artifacts import load_alias, model_name
from nightdesk.operations import move as moving
from nightdesk.operations.move import move
from nightdesk.operations.night import tracking_of
from nightdesk.promotion.champion import CHAMPION, alias_version
from nightdesk.settings import read_settings
from nightdesk.store import schema
from nightdesk.store.database import connect, open_store
from nightdesk.store.nights import held

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after two nights."""
    home = tmp_path_factory.mktemp("kept") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        first, second, _ = market_days(3)
        begin_with(first, second)
        open_store.cache_clear()
    return home


@pytest.fixture
def home(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The very place of that home, as it was then: its artifacts are named by their whole path."""
    aside = tmp_path / "aside"
    shutil.copytree(kept, aside)
    yield choose_home(monkeypatch, kept)
    open_store.cache_clear()
    shutil.rmtree(kept)
    shutil.copytree(aside, kept)


@pytest.fixture
def targets(postgresql_url: str) -> Iterator[tuple[str, str]]:
    with postgresql_server.database(postgresql_url) as store, postgresql_server.database(postgresql_url) as tracking:
        yield store, tracking


def tables(url: str) -> list[str]:
    engine = connect(url)
    found = sa.inspect(engine).get_table_names()
    engine.dispose()
    return found


@pytest.mark.chaos
def test_the_next_night_ends_the_same_on_either_side_of_a_move(
    home: Path, targets: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tracking = targets
    day = market_days(3)[-1]
    before = logical_state(home)
    moved = move(read_settings(), store, tracking)
    assert moved.store["bars"] > 0
    assert moved.tracking["registered_models"] > 0
    assert differences(logical_state(home), before) == []
    shutil.copytree(home, tmp_path / "as it was")
    run_night(day)
    expected = logical_state(home)

    open_store.cache_clear()
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "as it was", home)
    (home / "store.db").unlink()
    (home / "mlflow.db").unlink()
    for name, value in zip(("NIGHTDESK_STORE__URL", "NIGHTDESK_TRACKING__URI"), targets, strict=True):
        monkeypatch.setenv(name, value)
    assert run_night(day).status == "published"
    assert differences(logical_state(home, store=store, tracking=tracking), expected) == []
    assert not (home / "store.db").exists()

    own = tracking_of(read_settings(), "live")
    assert alias_version(own, 5) is not None
    served = load_alias(own, model_name("live", 5), CHAMPION)
    names = served.metadata.get_input_schema().input_names()
    assert len(served.predict(_frame(names))) == 2
    runs = mlflow.MlflowClient(tracking, tracking).search_runs([_experiment(tracking)])
    # What counts by itself goes on after the highest number that was moved.
    client = mlflow.MlflowClient(tracking, tracking)
    numbers = [int(one.experiment_id) for one in client.search_experiments()]
    assert int(client.create_experiment("after the move")) == max(numbers) + 1
    assert all(run.info.artifact_uri.startswith(home.as_uri()) for run in runs)
    with opened(store) as engine:
        engine.dispose()


def _frame(names: list[str]):
    import pandas as pd

    return pd.DataFrame([[0.0] * len(names), [float("nan")] * len(names)], columns=names).astype("float32")


def _experiment(uri: str) -> str:
    return mlflow.MlflowClient(uri, uri).get_experiment_by_name("nightdesk-live").experiment_id


def test_the_store_alone_may_move_and_the_command_shows_no_password(
    home: Path, targets: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_password = sa.make_url(targets[0]).set(password="secret").render_as_string(hide_password=False)
    code, out, err = command(monkeypatch, capsys, "move", "--to", with_password)
    assert (code, err) == (0, "")
    assert "secret" not in out
    assert "export NIGHTDESK_STORE__URL='postgresql+psycopg://nightdesk:***@" in out
    assert f"rows of {len(schema.metadata.tables)} tables copied and compared" in out
    assert "TRACKING" not in out
    assert tables(targets[1]) == []


def test_a_move_that_fails_at_its_end_leaves_both_targets_empty(
    home: Path, targets: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: sa.Engine, target: sa.Connection) -> dict[str, int]:
        copied = copy(source, target)
        assert copied["runs"] > 0
        raise StoreBusy("killed")

    copy = moving.copy_tracking
    monkeypatch.setattr(moving, "copy_tracking", fail)
    with pytest.raises(StoreBusy):
        move(read_settings(), *targets)
    assert [tables(url) for url in targets] == [[], []]
    monkeypatch.undo()
    choose_home(monkeypatch, home)
    assert move(read_settings(), *targets).tracking["runs"] > 0


def test_a_row_that_arrives_changed_stops_the_move(
    home: Path, targets: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = moving.append_all

    def lose_a_row(place, batches):
        return real(place, [(table, frame[1:]) for table, frame in batches])

    monkeypatch.setattr(moving, "append_all", lose_a_row)
    with pytest.raises(BadInput, match="must arrive as it left, got other rows"):
        move(read_settings(), targets[0])
    assert tables(targets[0]) == []


def test_no_move_while_a_night_runs(home: Path, targets: tuple[str, str]) -> None:
    settings = read_settings()
    engine = connect(f"sqlite:///{home / 'store.db'}")
    day = market_days(1)[0]
    with held(engine, home / "locks", "live", day), pytest.raises(NightLocked, match="no night may run meanwhile"):
        move(settings, targets[0])
    engine.dispose()
    assert tables(targets[0]) == []


def test_a_target_must_be_an_empty_database_of_postgresql(home: Path, targets: tuple[str, str], tmp_path: Path) -> None:
    settings = read_settings()
    move(settings, targets[0])
    with pytest.raises(
        BadInput, match=rf"a move needs an empty database, got one with {len(schema.metadata.tables) + 1}"
    ):
        move(settings, targets[0])
    with pytest.raises(BadInput, match=r"a move goes to postgresql\+psycopg://, got 'sqlite'"):
        move(settings, f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(BadInput, match="a database each, got one for both"):
        move(settings, targets[1], targets[1])
    with pytest.raises(StoreBusy, match=r"the (target|store) must answer"):
        move(settings, "postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_what_is_not_there_or_not_sqlite_is_not_moved(
    tmp_path: Path, targets: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_home(monkeypatch, tmp_path / "new")
    with pytest.raises(NothingThere, match="a move needs a store, got none at"):
        move(read_settings(), targets[0])
    monkeypatch.setenv("NIGHTDESK_STORE__URL", targets[0])
    with pytest.raises(BadInput, match=r"a move starts from SQLite, got a store at postgresql\+psycopg"):
        move(read_settings(), targets[1])
