"""An S3-compatible bucket as a store of backups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from siappakai.domain.stores import DeletionRefusedError, S3Place, Upload
from siappakai.errors import NotFoundError, RefusedError, UnreachableError
from siappakai.wording import say

# Ten thousand parts at most: up to 160 GB, and no more than one part is in memory.
PART_BYTES: Final = 16 << 20
_PIECE: Final = 1 << 18
_REFUSED: Final = frozenset({"AccessDenied", "403", "MethodNotAllowed", "ObjectLocked"})
_UNKNOWN: Final = frozenset({"NoSuchKey", "404"})
_WRONG_LOGIN: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"})


class _ForbiddenError(RefusedError):
    """The login is known; what was asked for is not allowed to it."""


class S3Vault:
    """An open bucket; see domain.stores.Vault."""

    def __init__(self, client: Any, place: S3Place) -> None:
        self._client = client
        self._bucket = place.bucket
        self._prefix = f"{place.prefix}/" if place.prefix else ""

    def upload(self, name: str, size: int) -> Upload:
        """Begin a file, or go on with the parts that a broken transfer left."""
        key = self._prefix + name
        with _told(self._bucket):
            known = {"Bucket": self._bucket, "Key": key}
            begun = self._begun(key)
            if begun is None:
                made = self._client.create_multipart_upload(**known)
                return _S3Upload(self._client, {**known, "UploadId": made["UploadId"]}, [])
            known["UploadId"] = begun
            parts = self._client.list_parts(**known).get("Parts", [])
            return _S3Upload(self._client, known, _whole(parts, size))

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file; raises NotFoundError."""
        with _told(self._bucket):
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            yield from found["Body"].iter_chunks(_PIECE)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each file in a folder."""
        start = f"{self._prefix}{folder}/"
        with _told(self._bucket):
            pages = self._client.get_paginator("list_objects_v2")
            found = [
                one
                for page in pages.paginate(Bucket=self._bucket, Prefix=start)
                for one in page.get("Contents", [])
            ]
        return {one["Key"].removeprefix(start): one["Size"] for one in found}

    def delete(self, name: str) -> None:
        """Delete a file, there or not; raises DeletionRefusedError."""
        try:
            with _told(self._bucket):
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except _ForbiddenError:
            raise DeletionRefusedError(
                say("Penyimpanan %(label)s tidak mengizinkan penghapusan.", label=self._bucket),
                say("Pangkas cadangan lama dari sisi penyimpanan itu sendiri."),
            ) from None

    def _begun(self, key: str) -> str | None:
        """Return the transfer of this file that broke off, if there is one."""
        listed = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        found = [one["UploadId"] for one in listed.get("Uploads", []) if one["Key"] == key]
        return str(found[-1]) if found else None


class _S3Upload:
    """A file in parts; those that arrived stay when the line breaks."""

    def __init__(self, client: Any, known: dict[str, str], parts: list[dict[str, Any]]) -> None:
        self.offset = len(parts) * PART_BYTES
        self._client = client
        self._known = known
        self._parts = parts
        self._waiting = bytearray()

    def write(self, piece: bytes) -> None:
        self._waiting += piece
        self.offset += len(piece)
        while len(self._waiting) >= PART_BYTES:
            self._send(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]

    def finish(self) -> None:
        if self._waiting or not self._parts:
            self._send(bytes(self._waiting))
        with _told(self._known["Bucket"]):
            self._client.complete_multipart_upload(
                **self._known, MultipartUpload={"Parts": self._parts}
            )

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with _told(self._known["Bucket"]):
            sent = self._client.upload_part(**self._known, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


def _whole(parts: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Return the parts that can stay: whole ones from the first on, none behind the end."""
    kept: list[dict[str, Any]] = []
    for part in sorted(parts, key=lambda one: int(one["PartNumber"])):
        number = len(kept) + 1
        is_next = part["PartNumber"] == number and part["Size"] == PART_BYTES
        if not is_next or number * PART_BYTES > size:
            break
        kept.append({"PartNumber": number, "ETag": part["ETag"]})
    return kept


@cache
def _session() -> boto3.session.Session:
    # It has read how S3 is spoken to, which takes longer than most answers do.
    return boto3.session.Session()


@contextmanager
def open_bucket(place: S3Place, secret: str, timeout: float) -> Iterator[S3Vault]:
    """Open a bucket as a store; nothing is asked of it yet."""
    client = _session().client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region or "us-east-1",
        aws_access_key_id=place.access_key,
        aws_secret_access_key=secret,
        config=Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"max_attempts": 3},
            s3={"addressing_style": "path"},
            # Others than Amazon's own often know no other checksum than the signed one.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    try:
        yield S3Vault(client, place)
    finally:
        client.close()


@contextmanager
def _told(label: str) -> Iterator[None]:
    """Turn what the client raises into errors for people."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise _refusal(label, code) from None
    except (BotoCoreError, OSError) as error:
        raise UnreachableError(
            say("Penyimpanan %(label)s tidak terjangkau: %(error)s.", label=label, error=error),
            say("Periksa alamat, jaringan dan layanannya."),
        ) from None


def _refusal(label: str, code: str) -> Exception:
    if code in _UNKNOWN:
        return NotFoundError(
            say("Cadangan itu tidak ada di penyimpanan %(label)s.", label=label),
            say("Pakai salinannya di penyimpanan lain."),
        )
    if code in _REFUSED or code in _WRONG_LOGIN:
        kind = _ForbiddenError if code in _REFUSED else RefusedError
        return kind(
            say("Penyimpanan %(label)s menolak: %(code)s.", label=label, code=code),
            say("Periksa nama ember, kunci akses dan haknya."),
        )
    return UnreachableError(
        say("Penyimpanan %(label)s gagal: %(code)s.", label=label, code=code),
        say("Coba lagi nanti; bila tetap begitu, periksa layanannya."),
    )
