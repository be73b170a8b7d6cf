"""What every command begins with: settings, environment, the exit codes, and how it says what went wrong."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import httpx

from flows.secret_blocks import with_secrets
from nightdesk.concealment import conceal_logs, concealed, without_password
from nightdesk.disk import on_disk
from nightdesk.errors import BadSetting, ServerTrouble
from nightdesk.home import Home
from nightdesk.operations.environment import prepare_environment, stop_orphaned_servers
from nightdesk.settings import Settings, read_settings

FAILED, USAGE, NOT_ALL_UP, BUSY = 1, 2, 3, 75
"""Exit codes: a night or check failed; what was given breaks a rule; a server is down; try again later."""

ISO, SHOWN = "%Y-%m-%d", "YYYY-MM-DD"


def fail(message: str, code: int) -> NoReturn:
    """End with `code` after one line on standard error, without what is secret in it."""
    print(f"nightdesk: {concealed(message)}", file=sys.stderr)
    sys.exit(code)


def prepare(*, secrets: bool = True) -> Settings:
    """Settings and environment of a command; without `secrets`, blocks of Prefect's stay named, and nobody is asked."""
    settings = read_settings()
    conceal_logs()
    home = Home(settings.home)
    try:
        with on_disk(home.root):
            prepare_environment(home)
    except OSError as error:
        raise BadSetting(f"home must be a folder that can be made, got {home.root}: {error.strerror}") from None
    stop_orphaned_servers(home)
    return with_secrets(settings) if secrets else settings


def check_server() -> None:
    """Raise ServerTrouble where the Prefect server which the environment names does not answer."""
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise ServerTrouble(
            f"PREFECT_API_URL must name a running Prefect server, got {without_password(url)} ({error}): start it, or "
            "unset it"
        ) from None
