"""The servers of a desk: closed to everybody else unless a setting opens them, which is told."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from receivers import free_port

from flows.servers import MLFLOW, PREFECT, exports, exposed, servers
from nightdesk.operations.processes import start, stop_all, wait_until_healthy
from nightdesk.settings import Settings


def settings(home: Path, **own: object) -> Settings:
    ports = {"prefect_port": free_port(), "mlflow_port": free_port()}
    return Settings(home=home, servers={**ports, **own})


def hosts(one: Settings) -> dict[str, str]:
    """The address that each server is told to listen on."""
    commands = {server.name: server.command for server in servers(one)}
    return {name: commands[name][commands[name].index("--host") + 1] for name in (PREFECT, MLFLOW)}


def test_servers_are_on_loopback_and_nobody_is_warned(tmp_path: Path) -> None:
    assert hosts(settings(tmp_path)) == {PREFECT: "127.0.0.1", MLFLOW: "127.0.0.1"}
    assert exposed(settings(tmp_path)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_by_any_name_is_not_warned_about(tmp_path: Path, host: str) -> None:
    assert exposed(settings(tmp_path, host=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "desk.example"])
def test_another_address_is_warned_about(tmp_path: Path, host: str) -> None:
    open_to_all = settings(tmp_path, host=host)
    assert hosts(open_to_all) == {PREFECT: host, MLFLOW: host}
    warning = exposed(open_to_all) or ""
    assert warning.startswith(f"servers.host is {host}, not loopback: ")
    assert "ask for no password" in warning


@pytest.mark.server
@pytest.mark.slow
def test_a_server_opened_by_the_setting_listens_where_it_says(tmp_path: Path) -> None:
    (prefect,) = [one for one in servers(settings(tmp_path, host="0.0.0.0")) if one.name == PREFECT]
    record = start(tmp_path, prefect, tmp_path)
    try:
        wait_until_healthy(record, 180)
        process = psutil.Process(record.pid)
        heard = {
            one.laddr.ip
            for each in (process, *process.children(recursive=True))
            for one in each.net_connections(kind="inet")
            if one.status == psutil.CONN_LISTEN
        }
    finally:
        stop_all(tmp_path)
    assert heard == {"0.0.0.0"}


def test_a_tracking_uri_with_a_password_is_not_printed_for_shells(tmp_path: Path) -> None:
    with_password = settings(tmp_path).model_copy(
        update={"tracking": Settings(tracking={"uri": "http://desk:hunter2@mlflow.example"}).tracking}
    )
    assert "NIGHTDESK_TRACKING__URI" in exports(settings(tmp_path))
    assert "hunter2" not in str(exports(with_password))
    (worker,) = [one for one in servers(with_password) if one.name == "worker"]
    assert worker.environment["NIGHTDESK_TRACKING__URI"] == "http://desk:hunter2@mlflow.example"
    assert "hunter2" not in str([one.command for one in servers(with_password)])
