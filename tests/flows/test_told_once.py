"""A night beside the desk, without its server but on its records: it fails, and its people are told once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prefect_server import prefect_server
from receivers import web_server

pytestmark = pytest.mark.server


@pytest.mark.chaos
def test_a_night_that_fails_on_the_records_of_a_desk_is_told_once(tmp_path: Path) -> None:
    with web_server() as web, prefect_server(tmp_path, NIGHTDESK_ALERTS__URLS=json.dumps([web.webhook])) as server:
        server.line.run("alerts", "--register")
        server.stop()
        for name in ("PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_SERVER_API_PORT"):
            del server.line.environment[name]
        server.line.run("nightly", "--train", "never", code=1)
        server.line.run("nightly", "--train", "never", code=1)
        (told,) = web.about("night-failed/")
        assert "Sent by Prefect" not in told
