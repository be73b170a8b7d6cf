"""A night with everything on PostgreSQL: the store, MLflow's database, and that of the Prefect server it runs on."""

from __future__ import annotations

from pathlib import Path

import mlflow
import postgresql_server
import pytest
import sqlalchemy as sa
from prefect_server import prefect_server
from secret_hunt import Planted, everything_in
from small_nights import market_days

from nightdesk.store.database import connect

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]


@pytest.mark.chaos
def test_a_night_runs_with_store_tracking_and_flows_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    (day,), planted = market_days(1), Planted()
    with (
        postgresql_server.database(postgresql_url) as store,
        postgresql_server.database(postgresql_url) as tracking,
        postgresql_server.database(postgresql_url) as flows,
        prefect_server(
            tmp_path,
            bare=True,
            PREFECT_API_DATABASE_CONNECTION_URL=asyncpg(with_password(flows, planted.new("prefect database"))),
            NIGHTDESK_STORE__URL=with_password(store, planted.new("store")),
            NIGHTDESK_TRACKING__URI=with_password(tracking, planted.new("tracking")),
            PREFECT_LOGGING_LEVEL="DEBUG",
            PREFECT_LOGGING_EXTRA_LOGGERS="nightdesk,mlflow,httpx,httpcore,sqlalchemy,urllib3,alembic",
            **{name: planted.new(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_KEY")},
        ) as server,
    ):
        line = server.line
        assert f"Night of {day} (live): published" in line.run("nightly")
        assert "the store had tonight's" not in line.run("doctor")
        assert line.calls == ""

        assert _rows(store, "SELECT DISTINCT status FROM nights") == [("done",)]
        assert _rows(store, "SELECT count(*) > 1000 FROM bars") == [(True,)]
        assert ("nightly-live-newest", "COMPLETED") in _rows(flows, "SELECT name, state_type::text FROM flow_run")
        client = mlflow.MlflowClient(tracking, tracking)
        champion = client.get_model_version_by_alias("nightdesk-live-h5", "champion")
        assert client.get_run(champion.run_id).info.artifact_uri.startswith(line.home.as_uri())
        # Passwords in all three URLs, loggers at their loudest: none of them is anywhere.
        assert "DEBUG" in everything_in(flows) or "DEBUG" in "".join(one.read_text() for one in line.logs.glob("*.*"))
        assert planted.seen_below(tmp_path) == {}
        assert [planted.seen_in(everything_in(url)) for url in (store, tracking, flows)] == [set(), set(), set()]
        # Nothing was left to the databases that a home has by itself.
        assert not [file.name for file in line.home.rglob("*.db")]
        assert not (line.logs / "mlruns").exists()


def asyncpg(database: str) -> str:
    """The URL with the one driver through which Prefect speaks to its database."""
    return sa.make_url(database).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def with_password(url: str, password: str) -> str:
    return sa.make_url(url).set(password=password).render_as_string(hide_password=False)


def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = connect(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found
