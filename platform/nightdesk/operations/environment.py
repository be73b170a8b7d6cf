"""The environment of every library: no telemetry, Prefect at home in our folder; set before they are imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

import psutil

from nightdesk.home import Home
from nightdesk.safety import SAFE

STARTED_BY = "NIGHTDESK_STARTED_BY"
"""Which process started a child, as pid and time of birth: a pid alone may be somebody else's by now."""

TRIGGERS = "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED"
"""Whether a Prefect server acts on the automations in its records."""

BIRTH_SECONDS = 2.0
"""Births as near as this are the same; a pid is not given again within it."""

QUIET = {
    # MLflow heeds DO_NOT_TRACK only when it is literally "true".
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
}


def prepare_environment(home: Home, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what is not set yet: telemetry off, and Prefect's own home below ours, made because Prefect does not."""
    home.prefect.mkdir(parents=True, exist_ok=True)
    for name, value in QUIET.items():
        environment.setdefault(name, value)
    environment.update(SAFE)
    environment[STARTED_BY] = f"{os.getpid()}:{psutil.Process().create_time()}"
    environment.setdefault("PREFECT_HOME", str(home.prefect))
    environment.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    environment.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "nightdesk")
    # What is logged while a night is planned, or by the doctor, belongs to no run: that is no cause for a warning.
    environment.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    if "PREFECT_API_URL" not in environment:
        # A night's own Prefect reads the desk's records: its automations would tell what the night tells itself.
        environment.setdefault(TRIGGERS, "false")
    # A first start migrates Prefect's own database, which takes longer than the 20 s that it allows itself.
    environment.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")


def stop_orphaned_servers(home: Home) -> int:
    """Stop ephemeral Prefect servers of `home` whose parent was killed: nobody else would. Returns their number."""
    stopped = 0
    for process in psutil.process_iter():
        try:
            if "prefect.server.api.server:create_app" not in " ".join(process.cmdline()):
                continue
            own = process.environ()
            if own.get("PREFECT_HOME") == str(home.prefect) and _gone(own.get(STARTED_BY, "")):
                process.terminate()
                stopped += 1
        except psutil.Error:
            continue  # it ended while we looked, or belongs to another user
    return stopped


def same_birth(process: psutil.Process, born: float) -> bool:
    """Whether a process is the one that was born then: the system tells births by its clock, which may be set."""
    return bool(abs(process.create_time() - born) < BIRTH_SECONDS)


def _gone(started_by: str) -> bool:
    """Whether the process that a child names as its parent has ended; a child that names none is left alone."""
    pid, _, born = started_by.partition(":")
    if not born:
        return False
    try:
        return not same_birth(psutil.Process(int(pid)), float(born))
    except psutil.NoSuchProcess:
        return True
