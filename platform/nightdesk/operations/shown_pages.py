"""Pages beside MLflow's artifacts: its server hands them to a browser, which opens no file of the desk's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nightdesk.errors import RegistryUnavailable
from nightdesk.models.artifacts import Tracking
from nightdesk.models.reaching import reaching
from nightdesk.settings import without_password


def show_page(tracking: Tracking, page: Path, folder: str) -> str | None:
    """Copy `page` to the tracking server's artifacts, below `folder`; returns the URL at which the server has it.

    None where tracking is no server, or the server keeps no artifacts, or does not answer: then the file alone is left.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from requests import HTTPError

    if not tracking.uri.startswith("http"):
        return None
    try:
        with reaching(tracking):
            shown: Any = get_artifact_repository(f"mlflow-artifacts:/{folder}", tracking_uri=tracking.uri)
            shown.log_artifact(str(page))
    except (RegistryUnavailable, MlflowException, HTTPError):
        return None
    return f"{without_password(tracking.uri).rstrip('/')}/api/2.0/mlflow-artifacts/artifacts/{folder}/{page.name}"
