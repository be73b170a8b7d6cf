"""Makes buckets, each that is named, on the object store that AWS_* variables name; those that are there stay."""

from __future__ import annotations

import sys

import boto3
from botocore.exceptions import ClientError

THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def make(names: list[str]) -> None:
    """Make the buckets `names`; one that is there already is no error, all else that boto3 raises is."""
    store = boto3.client("s3")
    for name in names:
        try:
            store.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in THERE:
                raise
        print(f"bucket {name} is there")


if __name__ == "__main__":
    make(sys.argv[1:])
