"""The environment of every library: no telemetry, Prefect at home in our folder; set before they are imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from nightdesk.home import Home

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
    environment.setdefault("PREFECT_HOME", str(home.prefect))
    environment.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    environment.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "nightdesk")
    # A first start migrates Prefect's own database, which takes longer than the 20 s that it allows itself.
    environment.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
