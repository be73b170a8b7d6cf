"""Closes Prefect's record of runs whose process was killed; only the holder of a night's lock may know that."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed


def close_prefect_orphans(run_ids: Iterable[str]) -> list[str]:
    """Mark the flow runs `run_ids` as crashed, unless they have ended; returns those that this server knows."""
    known = []
    for run_id in run_ids:
        with get_client(sync_client=True) as client:
            try:
                run = client.read_flow_run(UUID(run_id))
            except ObjectNotFound:
                continue
            known.append(run_id)
            if run.state is not None and not run.state.is_final():
                message = "its process was killed; closed by the next start of the same night"
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    return known
