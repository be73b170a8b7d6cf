"""Nights on a PostgreSQL that is restarted under them, between stages and in one, or that stays away for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import postgresql_server
import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from opened_store import opened
from postgresql_server import Cluster
from receivers import Receiver, web_server
from small_nights import choose_home, market_days, run_night

from nightdesk.errors import StoreBusy
from nightdesk.faults import listening
from nightdesk.publish.publication import PUBLISHED, STALE, latest
from nightdesk.store import inputs
from nightdesk.store.nights import history

pytestmark = pytest.mark.server

BEFORE, DAY = market_days(2)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with web_server() as receiver:
        monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", json.dumps([receiver.webhook]))
        yield receiver


@pytest.mark.chaos
def test_a_server_restarted_under_a_night_or_away_for_a_while_leaves_the_same_state(
    web: Receiver, two_undisturbed_nights: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    with postgresql_server.cluster() as cluster, postgresql_server.database(cluster.url) as url, opened(url) as store:
        monkeypatch.setenv("NIGHTDESK_STORE__URL", url)
        run_night(BEFORE, train="always")

        with restarted_in_a_transaction(cluster):
            fails(home, web, "the store must answer, got ")
        with listening(At("propose:begin", cluster.stop)):
            fails(home, web, "the store must answer, got ")
        cluster.start()
        assert ends_of(store) == ["failed", "running"]

        restarts = [
            At(point, lambda: restart(cluster)) for point in ("propose:begin", "promote:intent", "forecast:said")
        ]
        with listening(restarts[0]), listening(restarts[1]), listening(restarts[2]):
            assert run_night(DAY, train="always").status == PUBLISHED
        assert all(hook.done for hook in restarts)
        assert ends_of(store) == ["failed", "abandoned", "done"]
        assert differences(logical_state(home, store=url), two_undisturbed_nights) == []


def fails(home: Path, web: Receiver, reason: str) -> None:
    """Run the night, which must fail for its store, tell of it, and leave the forecasts of the night before."""
    with pytest.raises(StoreBusy) as caught:
        run_night(DAY, train="always")
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
    standing = latest(home / "published", "live")
    assert (standing.as_of, standing.status) == (BEFORE, STALE)
    assert f"Reason: StoreBusy: {reason}" in web.about(f"Key: night-failed/live/{DAY}")[-1]


def ends_of(store: sa.Engine) -> list[str]:
    """How the starts of the night ended, in their order."""
    return history(store, "live").filter(pl.col("as_of") == DAY)["status"].to_list()


def restart(cluster: Cluster) -> None:
    cluster.stop()
    cluster.start()


class At:
    """A listener that acts once, when the night comes to its point."""

    def __init__(self, point: str, act: Any) -> None:
        self.point, self.act, self.done = point, act, False

    def __call__(self, point: str) -> None:
        if point == self.point and not self.done:
            self.done = True
            self.act()


@contextmanager
def restarted_in_a_transaction(cluster: Cluster) -> Iterator[None]:
    """Restart the server when the bars of a batch are written and not yet committed."""
    real = inputs.append_all

    def append_all(place: sa.Connection, batches: list[tuple[sa.Table, pl.DataFrame]]) -> int:
        added = real(place, batches)
        restart(cluster)
        return added

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "append_all", append_all)
        yield
