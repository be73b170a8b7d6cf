"""The nightly flow under Prefect's own engine: states, task runs, retries, artifacts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.testing.utilities import prefect_test_harness
from receivers import web_server
from secret_hunt import Planted, everything_in
from small_nights import choose_home, market_days
from test_replay import NOW
from test_wrong_arguments import run as command

from flows.nightly import REPEATED, SKIPPED, NightParameters, nightly
from flows.secret_blocks import read_settings
from nightdesk.errors import BadSetting, DataRefused, SourceUnavailable
from nightdesk.operations.night import plan_night
from nightdesk.settings import documented
from nightdesk.sources.synthetic import SyntheticSource
from nightdesk.store.nights import held

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


def run(**parameters: Any) -> Any:
    return nightly(NightParameters(**parameters), return_state=True)


def runs_of(name: str) -> list[Any]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))


def test_a_night_completes_in_at_most_fifty_task_runs_and_leaves_an_artifact(home: Path) -> None:
    (day,) = market_days(1)
    state = run(as_of=day)
    assert state.is_completed()
    assert state.result().status == "published"
    (flow_run,) = runs_of(f"nightly-live-{day}")
    with get_client(sync_client=True) as client:
        # Prefect enters task runs a moment after they ended.
        for _look in range(60):
            tasks = [one for one in client.read_task_runs(limit=200) if one.flow_run_id == flow_run.id]
            if len(tasks) >= 12 and all(one.state.is_completed() for one in tasks):
                break
            time.sleep(1)
        artifacts = client._client.post("/artifacts/filter", json={}).json()
    assert 12 <= len(tasks) <= 50
    assert all(one.state.is_completed() for one in tasks)
    left = {one["key"]: one["data"] for one in artifacts}
    assert str(day) in left["night-live"]
    assert f"/reports/live/{day}.html" in left["report-live"]
    assert '"action": "serve"' in left["decision-live"]
    assert "nobody was served" in left["decision-live"]
    checks = {row["check"]: row["rows"] for row in json.loads(left["drift-live"])}
    assert checks.pop("drift") == "not judged"  # nobody was served before the first night
    assert all(rows > 0 for rows in checks.values())
    assert any(check.startswith("held back: ") for check in checks)
    assert "models-live" not in left
    assert run(as_of=day).name == REPEATED


def test_a_second_start_of_a_running_night_is_skipped_and_says_so(home: Path) -> None:
    (day,) = market_days(1)
    night = plan_night(read_settings(), "live", day, "auto", NOW)
    with held(night.engine, night.home.locks, "live", day):
        state = run(as_of=day)
    assert (state.name, state.type.value) == (SKIPPED, "COMPLETED")
    assert "only one night of a date may run" in state.message


def test_a_transient_error_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (day,) = market_days(1)
    calls = failing_bars(monkeypatch, SourceUnavailable("the provider must answer, got 503: try again"), times=1)
    assert run(as_of=day).is_completed()
    assert len(calls) == 2


def test_a_permanent_error_is_not_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (day,) = market_days(1)
    calls = failing_bars(monkeypatch, DataRefused("a batch must hold"), times=9)
    state = run(as_of=day)
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), DataRefused)
    assert len(calls) == 1


def test_a_fit_that_fails_is_a_failed_task_in_a_completed_night(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge", "no-such-recipe"]')
    state = run(as_of=market_days(1)[0])
    assert state.is_completed()
    assert state.result().failed_fits == ("no-such-recipe h5",)


@pytest.mark.proof
def test_a_search_is_a_task_of_the_run_whose_workers_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TUNING__FIRST_NIGHT", "quick"), ("TUNING__TRIALS", "2"), ("TRAINING__RECIPES", '["ridge"]')):
        monkeypatch.setenv(f"NIGHTDESK_{name}", value)
    state = run(as_of=market_days(1)[0])
    assert state.is_completed()
    (said,) = state.result().searches
    assert said.startswith("ridge at 5 days (profile quick): 2 of 2 trials")
    assert not [one for one in psutil.Process().children(recursive=True) if "nightdesk.tuning.worker" in one.cmdline()]


def test_a_wrong_date_fails_the_run_with_the_rule_in_its_state(home: Path) -> None:
    state = run(as_of="2017-07-04")
    assert state.is_failed()
    assert "must be a trading day of XNYS" in state.message


def failing_bars(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[int]:
    """Make the source fail at first; the calls are counted in the list that comes back."""
    calls: list[int] = []
    real = SyntheticSource.bars

    def bars(self: SyntheticSource, *dates: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return real(self, *dates)

    monkeypatch.setattr(SyntheticSource, "bars", bars)
    return calls


def keep(name: str, value: str) -> str:
    """Save a secret block; gives how a setting names it."""
    Secret(value=value).save(name, overwrite=True)
    return f"prefect-secret://{name}"


def test_secrets_come_from_prefects_blocks_and_go_nowhere_else(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = Planted()
    password, path = planted.new("channel"), planted.new("path")

    def bars(*_: object) -> None:
        raise DataRefused(f"a batch must hold, got one from https://desk:{password}@bars.example/{path}: mend it")

    (day,) = market_days(1)
    with web_server() as web:
        channel = keep("night-channel", web.webhook.replace("//", f"//desk:{password}@").replace("/hook", f"/{path}"))
        monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", json.dumps([channel]))
        monkeypatch.setenv("NIGHTDESK_STORE__URL", keep("night-store", f"sqlite:///{tmp_path / 'kept elsewhere.db'}"))
        monkeypatch.setattr(SyntheticSource, "bars", bars)
        state = run(as_of=day)
        assert state.is_failed()
        (told,) = web.about(f"night-failed/live/{day}")
    assert "https://desk:***@bars.example/***: mend it" in told
    incidents = everything_in(f"sqlite:///{tmp_path / 'kept elsewhere.db'}")
    assert f"night-failed/live/{day}" in incidents
    assert not (home / "store.db").exists()
    with get_client(sync_client=True) as client:
        logs = "\n".join(log.message for log in client.read_logs(limit=200))
        runs = str([run.model_dump() for run in client.read_flow_runs()])
    code, out, err = command(monkeypatch, capsys, "settings")
    assert code == 0
    assert "prefect-secret://night-store" in out
    assert planted.seen_in(told + incidents + logs + runs + str(state) + out + err) == set()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("NIGHTDESK_STORE__URL", "prefect-secret://no-such", "store.url must name a secret block .* got 'no-such'"),
        ("NIGHTDESK_SOURCE__OPTIONS", '{"seed": "prefect-secret://gone"}', "source.options.seed must .* got 'gone'"),
        (
            "NIGHTDESK_MARKETS",
            '[{"name": "b3", "source": "files", "options": {"folder": "prefect-secret://away"}}]',
            "markets.0.options.folder must .* got 'away'",
        ),
        ("NIGHTDESK_ALERTS__URLS", '["prefect-secret://no-channel"]', "alerts must hold .*a URL that Apprise knows"),
    ],
)
def test_a_block_that_is_not_there_or_holds_nothing_of_use_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    keep("no-channel", "hunter2-is-no-channel")
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSetting, match=says) as refused:
        read_settings()
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_secret_of_a_source_is_handed_to_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"headers": {"Authorization": keep("night-key", "Bearer hunter2")}, "days": 420}
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps(options))
    settings = read_settings()
    assert settings.source.options == {"headers": {"Authorization": "Bearer hunter2"}, "days": 420}
    assert "hunter2" not in repr(settings) + str(documented(settings))
