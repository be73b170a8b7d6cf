"""The feature store in a bucket: the same files, bytes and answers as in a folder, and clear words when it fails."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
from object_store import object_store
from polars.testing import assert_frame_equal
from store_samples import DAYS, bars

from flows.show import show_status
from nightdesk.errors import BadSetting, NothingThere, StoreBusy
from nightdesk.operations.doctor import examine
from nightdesk.settings import Settings
from nightdesk.store import features, objects
from nightdesk.store.features import (
    FeatureTable,
    day_chain,
    missing_days,
    read_features,
    remove_parts,
    write_index,
    write_part,
)

pytestmark = pytest.mark.server

BARS = bars({(symbol, day): (day.day + 0.5, 1.0) for symbol in ("AAA", "BBB") for day in DAYS[:4]})
RESTATED = BARS.with_columns(
    close=pl.when((pl.col("date") == DAYS[2]) & (pl.col("symbol") == "BBB")).then(1.0).otherwise(pl.col("close"))
)
ROOT = "s3://features/desk"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with object_store(MOTO_S3_DEFAULT_MAX_KEYS="3") as found:
        yield found


@pytest.fixture(autouse=True)
def bucket(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, and a process that has spoken to none before."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    objects._client.cache_clear()
    features._read.cache_clear()
    own = boto3.resource("s3").create_bucket(Bucket="features")
    yield own
    own.objects.delete()
    own.delete()
    objects._client.cache_clear()
    features._read.cache_clear()


def build(root: Path | str, frame: pl.DataFrame, version: str = "v1") -> FeatureTable:
    """Write what is missing, as the night does; the one feature is twice the close."""
    chain = day_chain(frame)
    matrix = frame.select("symbol", "date", twice=pl.col("close") * 2).sort("date", "symbol")
    missing = missing_days(root, version, chain)
    write_part(root, version, {"twice": "as defined"}, matrix.filter(pl.col("date").is_in(missing)), chain)
    return write_index(root, version, chain.with_columns(parts=pl.lit(version)))


def kept(bucket: Any) -> dict[str, bytes]:
    return {one.key.removeprefix("desk/"): one.get()["Body"].read() for one in bucket.objects.all()}


def written(bucket: Any) -> dict[str, Any]:
    return {one.key: one.last_modified for one in bucket.objects.all()}


def test_a_bucket_holds_the_same_bytes_under_the_same_names_as_a_folder(bucket: Any, tmp_path: Path) -> None:
    folder, table = build(tmp_path, BARS), build(ROOT, BARS)
    assert kept(bucket) == {str(f.relative_to(tmp_path)): f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    assert (table.content, table.version, table.as_of, table.rows) == (
        folder.content,
        folder.version,
        folder.as_of,
        folder.rows,
    )
    assert table.path.startswith(f"{ROOT}/v1/index/")
    assert_frame_equal(read_features(table), read_features(folder))
    chosen = [DAYS[3], DAYS[1]]
    assert_frame_equal(read_features(table, chosen), read_features(folder, chosen))


def test_only_what_changed_is_written_again(bucket: Any) -> None:
    old = build(ROOT, BARS)
    before = written(bucket)
    new = build(ROOT, RESTATED)
    after = written(bucket)
    assert {name for name in before if after[name] != before[name]} <= {"desk/definitions/v1.parquet"}
    assert sorted(name.split("/")[2] for name in after.keys() - before.keys()) == [
        f"date={DAYS[2]}",
        f"date={DAYS[3]}",
        "index",
    ]
    day = pl.col("date") == DAYS[2]
    assert read_features(old).filter(day)["twice"].to_list() == [9.0, 9.0]
    assert read_features(new).filter(day)["twice"].to_list() == [9.0, 2.0]


def test_more_objects_than_a_page_lists_are_all_found(bucket: Any) -> None:
    build(ROOT, BARS)
    assert bucket.meta.client.list_objects_v2(Bucket="features")["IsTruncated"]
    found = list(objects.objects(f"{ROOT}/"))
    assert {one.url.removeprefix(f"{ROOT}/"): one.size for one in found} == {
        name: len(body) for name, body in kept(bucket).items()
    }
    assert missing_days(ROOT, "v1", day_chain(BARS)) == []


def test_a_date_that_is_gone_is_missed_and_a_table_without_it_is_not_read(bucket: Any) -> None:
    table = build(ROOT, BARS)
    (lost,) = [name for name in kept(bucket) if f"date={DAYS[1]}" in name]
    assert objects.stands(table.path)
    assert objects.stands(f"{ROOT}/{lost}")
    bucket.Object(f"desk/{lost}").delete()
    assert not objects.stands(f"{ROOT}/{lost}")
    assert missing_days(ROOT, "v1", day_chain(BARS)) == [DAYS[1]]
    with pytest.raises(NothingThere, match=f"got none at {ROOT}/{lost}"):
        read_features(table)


def test_an_object_that_was_changed_on_its_way_is_not_read(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = build(ROOT, BARS)
    own = objects._client()
    fetch = own._endpoint.http_session.send

    def bent(request: Any) -> Any:
        answer = fetch(request)
        if request.method == "GET" and "/date%3D" in request.url:
            body = answer.raw.read()
            answer.raw = Raw(body[:40] + bytes([body[40] ^ 1]) + body[41:])
        return answer

    monkeypatch.setattr(own._endpoint.http_session, "send", bent)
    with pytest.raises(StoreBusy, match="an object must arrive as it was written, got another checksum for s3://"):
        read_features(table)


class Raw:
    """A body that arrived, as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, amount: int | None = None) -> bytes:
        end = len(self.body) if amount is None else amount
        given, self.body = self.body[:end], self.body[end:]
        return given

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def test_what_keeps_it_from_the_bucket_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSetting, match=r"store\.features must name a bucket .*NoSuchBucket for s3://other/desk"):
        objects.check_bucket("s3://other/desk")
    with free_port() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        objects._client.cache_clear()
        with pytest.raises(StoreBusy, match=f"the object store must answer, got .*{port}.*: start it"):
            missing_days(ROOT, "v1", day_chain(BARS))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    objects._client.cache_clear()
    with pytest.raises(BadSetting, match=r"store\.features needs the keys of its bucket, got Unable to locate cred"):
        build(ROOT, BARS)


def test_doctor_and_status_look_into_the_bucket(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, store={"features": f"{ROOT}/"})
    assert settings.store.features == ROOT
    build(ROOT, BARS)
    (check,) = [one for one in examine(settings, dt.datetime(2026, 1, 5, tzinfo=dt.UTC)) if one.name == "features"]
    assert check.sound
    assert check.finding.endswith(f"kept in {ROOT}")
    assert "6 objects, 0.0 MiB" in shown(settings)
    gone = Settings(home=tmp_path, store={"features": "s3://gone"})
    (check,) = [one for one in examine(gone, dt.datetime(2026, 1, 5, tzinfo=dt.UTC)) if one.name == "features"]
    assert not check.sound
    assert "NoSuchBucket for s3://gone: make the bucket" in check.finding
    assert "Features in s3://gone: store.features must name a bucket" in shown(gone)


def shown(settings: Settings) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_status(settings, [])
    return out.getvalue()


def test_a_name_of_a_container_is_asked_by_path_not_as_a_host_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    objects._client.cache_clear()
    url = objects._client().generate_presigned_url("get_object", {"Bucket": "features", "Key": "a/b"})
    assert url.startswith("http://minio:9000/features/a/b?")


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port on which nobody listens, kept from others meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_a_removed_part_is_gone_from_the_bucket_and_nothing_else(bucket: Any) -> None:
    kept = build(ROOT, BARS)
    build(ROOT, BARS, "v2")
    write_index(ROOT, "v3", day_chain(BARS).with_columns(parts=pl.lit("v1,v2")))
    remove_parts(ROOT, {"v2"})
    left = {one.key for one in bucket.objects.all()}
    assert not [key for key in left if "v2" in key or "v3" in key]
    features._read.cache_clear()
    assert read_features(kept).height == BARS.height
