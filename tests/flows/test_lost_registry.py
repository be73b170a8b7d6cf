"""Nights whose MLflow server is killed, stays away or hangs: told, yesterday stands, and the end is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_state import differences, logical_state
from mlflow_server import MlflowServer, hanging_server, mlflow_server
from receivers import Receiver, web_server
from small_nights import choose_home, market_days, run_night
from test_replay import NOW

from nightdesk.errors import RegistryUnavailable
from nightdesk.faults import listening
from nightdesk.models import reaching
from nightdesk.operations.doctor import examine
from nightdesk.publish.publication import PUBLISHED, STALE, latest
from nightdesk.settings import read_settings
from nightdesk.store.database import open_store
from nightdesk.store.nights import history

BEFORE, DAY = market_days(2)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with web_server() as receiver:
        monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", json.dumps([receiver.webhook]))
        yield receiver


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person may set too: one more try, and a second for an answer."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def fails(home: Path, web: Receiver) -> str:
    """Run the night, which must fail for its registry, tell of it, and leave the forecasts of the night before."""
    with pytest.raises(RegistryUnavailable) as caught:
        run_night(DAY, train="always")
    standing = latest(home / "published", "live")
    assert (standing.as_of, standing.status) == (BEFORE, STALE)
    ended = history(open_store(f"sqlite:///{home / 'store.db'}"), "live").row(-1, named=True)
    assert (ended["as_of"], ended["status"]) == (DAY, "failed")
    assert ended["reason"] == f"RegistryUnavailable: {caught.value}"
    (told,) = web.about(f"Key: night-failed/live/{DAY}")
    assert "Reason: RegistryUnavailable: the registry must answer, got " in told
    return str(caught.value)


@pytest.mark.chaos
@pytest.mark.server
@pytest.mark.slow
@pytest.mark.usefixtures("_impatient")
def test_a_server_killed_in_training_and_at_promotion_costs_nothing_but_the_time(
    web: Receiver, two_undisturbed_nights: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    with mlflow_server(home) as server:
        monkeypatch.setenv("NIGHTDESK_TRACKING__URI", server.uri)
        run_night(BEFORE, train="always")
        for point in ("model:logged", "promote:intent"):
            with listening(killing(server, point)):
                said = fails(home, web)
            assert said == (
                f"the registry must answer, got 'Connection refused' from {server.uri}: "
                "start MLflow's server or what keeps its artifacts, or mend tracking.uri"
            )
            # It is still away when the night is started again: the night fails before any stage.
            with listening(lambda point: pytest.fail(f"came to {point} without a registry")):
                assert fails(home, web) == said
            server.start()
        assert run_night(DAY, train="always").status == PUBLISHED
        assert differences(logical_state(home, tracking=server.uri), two_undisturbed_nights) == []


@pytest.mark.usefixtures("_impatient")
@pytest.mark.chaos
def test_a_server_that_hangs_fails_the_night_in_time_and_not_for_ever(
    web: Receiver, two_undisturbed_nights: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    run_night(BEFORE, train="always")
    with hanging_server() as uri, monkeypatch.context() as patch:
        patch.setenv("NIGHTDESK_TRACKING__URI", uri)
        assert fails(home, web) == (
            f"the registry must answer, got 'no answer in time' from {uri}: "
            "start MLflow's server or what keeps its artifacts, or mend tracking.uri"
        )
    run_night(DAY, train="always")
    assert differences(logical_state(home), two_undisturbed_nights) == []


def test_the_doctor_asks_a_server_that_hangs_by_a_quick_look_and_not_by_mlflows_slow_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setattr(reaching, "HEALTH_SECONDS", 0.2)
    monkeypatch.setattr("nightdesk.operations.doctor.registered_models", lambda _: pytest.fail("MLflow's was asked"))
    with hanging_server() as uri:
        monkeypatch.setenv("NIGHTDESK_TRACKING__URI", uri)
        checks = {one.name: one for one in examine(read_settings(), NOW)}
    assert not checks["registry"].sound
    assert checks["registry"].finding.startswith(f"the registry must answer, got 'no answer in time' from {uri}")


def killing(server: MlflowServer, wanted: str) -> Any:
    """A listener that kills the server when the night comes to `wanted`."""

    def hook(point: str) -> None:
        if point == wanted:
            server.kill()

    return hook
