"""An object store for tests: moto's server, which speaks S3 over HTTP, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

KEYS = {
    "AWS_ACCESS_KEY_ID": "desk",
    "AWS_SECRET_ACCESS_KEY": "no secret: moto asks for none",
    "AWS_DEFAULT_REGION": "us-east-1",
    # No metadata service is asked, and no file of the user's read.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def object_store(**environment: str) -> Iterator[dict[str, str]]:
    """Start an empty one, with `environment` on top of ours; gives the AWS_* variables by which boto3 finds it.

    Skips where moto is not installed.
    """
    if importlib.util.find_spec("moto") is None:
        pytest.skip("no object store: install moto[server]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # Named, not numbered: as MinIO is found in a network of containers, where buckets are no names of hosts.
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=Path(tempfile.gettempdir())
        )
    try:
        end = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, "moto's server ended"
            assert time.monotonic() < end, "moto's server does not answer"
            time.sleep(0.05)
        yield {"AWS_ENDPOINT_URL": url, **KEYS}
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/moto-api/", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
