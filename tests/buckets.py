"""S3 buckets on a real local server, and stores of the registry that are kept in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from siappakai.domain.stores import S3Place
from siappakai.models import Store
from siappakai.services import stores
from tests.factories import BY


@dataclass(frozen=True)
class Buckets:
    """A server that has buckets."""

    endpoint: str
    client: Any

    def make(self, name: str) -> None:
        self.client.create_bucket(Bucket=name)

    def add_store(self, name: str) -> Store:
        """Make a bucket and keep backups in it."""
        self.make(name)
        place = S3Place(self.endpoint, name, "", "", "kunci")
        return stores.add_s3(name=name, place=place, secret="rahasia", by=BY)

    def names(self, bucket: str) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {one["Key"] for one in listed}

    def put(self, bucket: str, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=bucket, Key=name, Body=content)

    def get(self, bucket: str, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=bucket, Key=name)["Body"].read()
        return content

    @contextmanager
    def forbidding_deletion(self, bucket: str, name: str = "*") -> Iterator[None]:
        """As long as it lasts nothing, or one thing, can be deleted there, by its own policy."""
        rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject"}
        rule["Resource"] = f"arn:aws:s3:::{bucket}/{name}"
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
        self.client.put_bucket_policy(Bucket=bucket, Policy=policy)
        try:
            yield
        finally:
            self.client.delete_bucket_policy(Bucket=bucket)

    def empty(self) -> None:
        """Delete all buckets with what is in them."""
        for bucket in self.client.list_buckets()["Buckets"]:
            for name in self.names(bucket["Name"]):
                self.delete(bucket["Name"], name)
            self.client.delete_bucket(Bucket=bucket["Name"])

    def delete(self, bucket: str, name: str) -> None:
        self.client.delete_object(Bucket=bucket, Key=name)


@contextmanager
def buckets() -> Iterator[Buckets]:
    """A server without buckets, gone afterwards with all that was in it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="kunci",
            aws_secret_access_key="rahasia",
        )
        found = Buckets(endpoint, client)
        yield found
        found.empty()
    finally:
        server.stop()
