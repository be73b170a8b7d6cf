"""A night whose features lie in a bucket leaves, object for file and byte for byte, what one on a folder leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from logical_state import differences, logical_state
from object_store import object_store
from small_nights import choose_home, market_days, run_night

from nightdesk.faults import listening
from nightdesk.store import features, objects

pytestmark = [pytest.mark.server, pytest.mark.chaos]

ROOT = "s3://features/desk"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with object_store() as found:
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        objects._client.cache_clear()
        features._read.cache_clear()
        yield boto3.Session().resource("s3").create_bucket(Bucket="features")
        objects._client.cache_clear()
        features._read.cache_clear()


class Killed(BaseException):
    """What a test raises in the place of a kill: nothing in a night may catch it."""


def kill_before_the_labels(point: str) -> None:
    if point == "mature:begin":
        raise Killed(point)


def test_a_night_on_a_bucket_leaves_what_a_night_on_a_folder_leaves(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (day,) = market_days(1)
    folder = choose_home(monkeypatch, tmp_path / "folder")
    run_night(day)
    expected = logical_state(folder)

    home = choose_home(monkeypatch, tmp_path / "bucket")
    monkeypatch.setenv("NIGHTDESK_STORE__FEATURES", ROOT)
    with pytest.raises(Killed), listening(kill_before_the_labels):
        run_night(day)
    (index,) = [one for one in bucket.objects.all() if "/index/" in one.key]
    index.delete()  # the stage's result is in the ledger, and what it speaks of is gone: it is made again
    features._read.cache_clear()
    run_night(day)
    assert not (home / "features").exists()

    found = json.loads(json.dumps(logical_state(home)).replace(ROOT, "HOME/features"))
    for one in bucket.objects.all():
        name = one.key.replace("desk/", "features/", 1)
        found["files"][name] = hashlib.sha256(one.get()["Body"].read()).hexdigest()
    assert any(name.startswith("features/") for name in expected["files"])
    assert differences(found, expected) == []
