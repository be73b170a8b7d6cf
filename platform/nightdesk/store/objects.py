"""Frames as Parquet objects of S3 or of what speaks like it (MinIO): written whole, read whole, looked for.

Where the store is and with which keys it opens is boto3's own business: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION and the rest of its variables and files.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from nightdesk.errors import BadSetting, NothingThere, StoreBusy

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

SCHEME = "s3://"

AT_ONCE = 16
"""Requests under way at a time: a date is one small object, and nearly all of its time is the wait for an answer."""

_LATER = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "503", "500"}
"""What S3 answers where it may answer otherwise in a moment; boto3 has tried again by itself before we hear it."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a bucket: its URL, and its size in bytes."""

    url: str
    size: int


def in_bucket(location: str) -> bool:
    """Whether a location is the URL of an object, not the path of a file."""
    return location.startswith(SCHEME)


def stands(location: str) -> bool:
    """Whether a file or an object is there; raises as `read_frames` does where its store does not answer."""
    if not in_bucket(location):
        return Path(location).exists()
    return any(one.url == location for one in objects(location))


def objects(prefix: str) -> Iterator[Object]:
    """Objects whose URL begins with `prefix`, in order of their names.

    Raises StoreBusy where the object store does not answer, BadSetting where it refuses: no such bucket, wrong keys.
    """
    bucket, key = _parts(prefix)
    with _errors_of(prefix):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            for found in page.get("Contents", ()):
                yield Object(f"{SCHEME}{bucket}/{found['Key']}", found["Size"])


def check_bucket(prefix: str) -> None:
    """Look whether the bucket of `prefix` answers; raises as `objects` does, and changes nothing."""
    bucket, key = _parts(prefix)
    with _errors_of(prefix):
        _client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)


def write_frames(frames: Mapping[str, pl.DataFrame]) -> None:
    """Write each frame as Parquet (lz4) to its URL: the same bytes as in a file.

    An object is there whole or not at all; boto3 sends a checksum with it that the store checks. Raises as `objects`.
    """
    _client()  # boto3 makes one safely in one thread only
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_write, frames, frames.values()))


def read_frames(urls: Iterable[str]) -> list[pl.DataFrame]:
    """Read the frame at each URL, in that order; what arrives is compared with the checksum that the store kept.

    Raises NothingThere for an object that is not there, StoreBusy for one that did not arrive as it was written, and as
    `objects` does.
    """
    _client()  # as above
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_read, urls))


def remove_objects(urls: Iterable[str]) -> None:
    """Remove the objects at these URLs; one that is not there is none to remove. Raises as `objects`."""
    _client()  # as above
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_remove, urls))


def _remove(url: str) -> None:
    bucket, key = _parts(url)
    with _errors_of(url):
        _client().delete_object(Bucket=bucket, Key=key)


def _write(url: str, frame: pl.DataFrame) -> None:
    body = io.BytesIO()
    frame.write_parquet(body, compression="lz4", statistics=False)
    bucket, key = _parts(url)
    with _errors_of(url):
        _client().put_object(Bucket=bucket, Key=key, Body=body.getvalue())


def _read(url: str) -> pl.DataFrame:
    bucket, key = _parts(url)
    with _errors_of(url):
        body = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return pl.read_parquet(io.BytesIO(body))


def _parts(url: str) -> tuple[str, str]:
    """Bucket and key of a URL."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, key


@lru_cache(maxsize=1)
def _client() -> Any:
    """One client a process; boto3's are safe between threads, and its import costs those alone who use it."""
    import boto3
    from botocore.config import Config

    return boto3.Session().client("s3", config=Config(max_pool_connections=AT_ONCE))


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    """Make errors of ours of boto3's: worth a retry where the store was not reached, or asked to come later."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(url, error) from error
    except BotoCoreError as error:
        raise _unreached(url, error) from error


def _refused(url: str, error: ClientError) -> Exception:
    code = str(error.response["Error"]["Code"])
    if code in _LATER:
        return StoreBusy(f"the object store must answer, got {code} for {url}: see its log")
    if code == "NoSuchKey":
        return NothingThere(f"an object of the feature store must be there, got none at {url}: start the night again")
    return BadSetting(
        f"store.features must name a bucket that these keys open, got {code} for {url}: make the bucket, or mend AWS_*"
    )


def _unreached(url: str, error: BotoCoreError) -> Exception:
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

    said = str(error).splitlines()[0]
    if isinstance(error, FlexibleChecksumError):
        return StoreBusy(f"an object must arrive as it was written, got another checksum for {url}: delete it")
    if isinstance(error, NoConnection | HTTPClientError | IncompleteReadError):
        return StoreBusy(f"the object store must answer, got {said}: start it, or mend AWS_ENDPOINT_URL")
    return BadSetting(f"store.features needs the keys of its bucket, got {said}: set AWS_ACCESS_KEY_ID and the like")
