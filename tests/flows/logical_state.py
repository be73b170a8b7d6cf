"""The logical state of a home: all that must be equal after the same nights, whatever happened on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy as sa

from nightdesk.store.schema import metadata

# Identifiers and clock times: they name and date what happened, and are no part of what came of it.
APART = {"night_id", "run_id", "started_at", "ended_at", "finished_at", "decided_at", "ingested_at", "seconds"} | {
    "asked_at",
    "answered_at",
    "tried_at",
    "frozen_at",
}
KEPT = ("published", "reports", "features", "evaluations")


def logical_state(
    home: Path, *copied_from: Path, store: str | None = None, tracking: str | None = None
) -> dict[str, Any]:
    """Rows, files, runs, models and aliases of `home`, without identifiers, clock times and the home's own path.

    `store` and `tracking` are the URLs of its databases, where these do not lie in it.
    """
    # By the names that they would have at home, under which the summaries of nights speak of them.
    named = {f"sqlite:///{home / 'store.db'}": store, f"sqlite:///{home / 'mlflow.db'}": tracking}
    return {
        "rows": _rows(named, home, *copied_from),
        "files": _files(home),
        "registry": _registry(tracking or f"sqlite:///{home / 'mlflow.db'}"),
        "left over": _left_over(home),
    }


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two states differ, a line each: readable in a failed test."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = sorted(found.keys() | expected.keys())
        return [line for n in names for line in differences(found.get(n), expected.get(n), f"{path}/{n}")]
    if isinstance(found, list) and isinstance(expected, list):
        more = [f"{path} + {one}" for one in found if one not in expected]
        less = [f"{path} - {one}" for one in expected if one not in found]
        return more + less + ([f"{path}: {len(found)} for {len(expected)}"] if len(found) != len(expected) else [])
    return [] if found == expected else [f"{path}: {found} for {expected}"]


def _rows(named: Mapping[str, str | None], *homes: Path) -> dict[str, list[str]]:
    at_home, elsewhere = next(iter(named.items()))
    engine = sa.create_engine(elsewhere or at_home)
    tables = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name == "incidents":
                continue  # a kill is told to people: what they were told is no part of what came of the nights
            wanted = sa.select(table)
            if table.name == "nights":
                wanted = wanted.where(table.c.status == "done")
            rows = [_row(table.name, dict(row), homes, named) for row in connection.execute(wanted).mappings()]
            tables[table.name] = sorted(rows)
    engine.dispose()
    return tables


def _row(table: str, row: dict[str, Any], homes: Sequence[Path], named: Mapping[str, str | None]) -> str:
    apart = APART | ({"known_at"} if table == "quarantine" else set())
    kept = {name: value for name, value in row.items() if name not in apart}
    if table == "stages":
        kept["result"] = _without_identifiers(json.loads(kept["result"]))
    text = json.dumps(kept, default=str, sort_keys=True)
    for at_home, elsewhere in named.items():
        text = text.replace(elsewhere or at_home, at_home)
    for home in homes:
        text = text.replace(str(home), "HOME")
    return text


def _without_identifiers(record: Any) -> Any:
    if isinstance(record, Mapping):
        return {name: _without_identifiers(value) for name, value in record.items() if name != "run_id"}
    return [_without_identifiers(one) for one in record] if isinstance(record, list) else record


def _files(home: Path) -> dict[str, str]:
    files = [path for folder in KEPT for path in (home / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _left_over(home: Path) -> list[str]:
    """Files half written, scratch folders of nights that are done, and holders of locks."""
    aside = [path for folder in KEPT for path in (home / folder).rglob(".*.????????") if path.is_file()]
    scratch = (home / "scratch").glob("*/*")
    return [str(path.relative_to(home)) for path in (*aside, *scratch, *home.glob("locks/*.holder"))]


def _registry(tracking: str) -> dict[str, Any]:
    client = mlflow.MlflowClient(tracking, tracking)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()], max_results=10_000)
    keys = {run.info.run_id: run.data.tags.get("nightdesk.key", "") for run in runs}
    finished = [_run(run) for run in runs if run.info.status == "FINISHED"]
    models = {model.name: model for model in client.search_registered_models()}
    versions = [
        json.dumps([one.name, str(one.version), dict(one.tags), keys[one.run_id]], sort_keys=True)
        for one in client.search_model_versions()
    ]
    return {
        "runs": sorted(finished),
        "open": [run.info.run_name for run in runs if run.info.status == "RUNNING"],
        "versions": sorted(versions),
        "aliases": {name: {alias: str(v) for alias, v in model.aliases.items()} for name, model in models.items()},
    }


def _run(run: Any) -> str:
    ours = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    # Both carry MLflow's own identifier of the logged model.
    for name in ("nightdesk.model_uri", "nightdesk.artifact"):
        ours.pop(name, None)
    return json.dumps([run.info.run_name, run.data.params, run.data.metrics, ours], sort_keys=True)
