"""An archive on storage that speaks S3. Keys and region come from where boto3 looks for them: the environment, or the
files of AWS's tools.

A bucket with versions keeps what was deleted or written over, as versions; a lock keeps a version from everybody, its
owner too, until it ends (mode COMPLIANCE). Whoever takes over the backend then may add to the archive, and hide files
of it, but destroys nothing: `stored` with a former moment finds each file as it was put first.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.archive.lists import missing_library
from backend.archive.stores import PIECE, Lock, Stored
from hub.core.errors import AuthFailed, ConfigError, NotReady, StorageError
from hub.core.text import phrase, reason_of

try:
    import boto3
    from botocore import config, exceptions
except ModuleNotFoundError as error:  # pragma: no cover
    raise missing_library("boto3") from error

MAX_PUT = 5 << 30
"""Bytes of a file, at most: S3 takes no more in one request, and a hub's day is far below."""
_AT_ONCE = 1000
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_ABSENT = ("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "404")
_REFUSED = ("AccessDenied", "MethodNotAllowed", "ObjectLocked")


class Bucket:
    """An archive below a prefix of a bucket. `endpoint` is the URL of a storage that is not AWS's."""

    def __init__(self, where: str, endpoint: str = "") -> None:
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        if not bucket:
            raise ConfigError(
                phrase("archive-bucket-missing", "{place}: name a bucket, s3://BUCKET/PREFIX", place=where)
            )
        self.place = where
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        settings = config.Config(
            retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60,
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        with self._errors():
            self._s3: Any = boto3.session.Session().client("s3", endpoint_url=endpoint or None, config=settings)

    def put(self, path: str, file: Path, sha256: str, lock: Lock | None) -> str:
        if file.stat().st_size > MAX_PUT:
            raise StorageError(phrase("archive-file-too-large", "{file} is too large for one request", file=path))
        with file.open("rb") as body:
            md5 = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False)).digest()
            body.seek(0)
            given: dict[str, Any] = {
                "Body": body, "ContentMD5": base64.b64encode(md5).decode(), "Metadata": {"sha256": sha256},
            }  # fmt: skip
            if lock is not None:
                given |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": _date(lock.until)}
            with self._errors():
                done = self._s3.put_object(Bucket=self._bucket, Key=self._prefix + path, **given)
        version = str(done.get("VersionId") or "")
        if lock is not None and not version:
            raise ConfigError(
                phrase(
                    "archive-bucket-without-versions",
                    "{place} keeps no versions, so that nothing can be locked: make a bucket with object lock",
                    place=self.place,
                )
            )
        return version

    def get(self, path: str, version: str = "") -> Iterator[bytes]:
        given = {"VersionId": version} if version else {}
        with self._errors():
            body = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + path, **given)["Body"]
            yield from body.iter_chunks(PIECE)

    def stored(self, prefix: str, as_of: float | None = None) -> Iterator[Stored]:
        if as_of is not None:
            yield from self._first_versions(prefix, as_of)
            return
        with self._errors():
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            ):
                for one in page.get("Contents", ()):
                    yield Stored(self._path(one["Key"]), "", int(one["Size"]))

    def renew(self, path: str, version: str, lock: Lock) -> None:
        given = {"VersionId": version} if version else {}
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": _date(lock.until)}
        with self._errors():
            self._s3.put_object_retention(Bucket=self._bucket, Key=self._prefix + path, Retention=retention, **given)

    def delete(self, paths: Iterable[str]) -> int:
        refused = 0
        for path in paths:
            try:
                self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + path)
            except exceptions.ClientError as error:
                if _code(error) not in _REFUSED:
                    with self._errors():
                        raise
                refused += 1
        return refused

    def _first_versions(self, prefix: str, as_of: float) -> Iterator[Stored]:
        """Yield the first version of each file that was put up to a moment, whatever was done to it later."""
        latest = _date(as_of)
        found: dict[str, tuple[datetime, Stored]] = {}
        with self._errors():
            for page in self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            ):
                for one in page.get("Versions", ()):
                    at, path = one["LastModified"], self._path(one["Key"])
                    if at <= latest and (path not in found or at < found[path][0]):
                        found[path] = at, Stored(path, str(one["VersionId"]), int(one["Size"]))
        for path in sorted(found):
            yield found[path][1]

    def _path(self, key: str) -> str:
        return str(key).removeprefix(self._prefix)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise this project's errors in the place of the library's."""
        try:
            yield
        except exceptions.ClientError as error:
            code = _code(error)
            if code in _DENIED:
                raise AuthFailed(
                    phrase("archive-denied", "{place} refuses these keys: {reason}", place=self.place, reason=code)
                ) from error
            if code in _ABSENT:
                raise StorageError(
                    phrase("archive-absent", "{place} does not have it: {reason}", place=self.place, reason=str(error))
                ) from error
            raise self._failed(error) from error
        except exceptions.NoCredentialsError as error:
            raise ConfigError(
                phrase(
                    "archive-without-keys",
                    "there are no keys for {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                    place=self.place,
                )
            ) from error
        except (exceptions.EndpointConnectionError, exceptions.HTTPClientError) as error:
            raise NotReady(
                phrase("archive-away", "{place} cannot be reached: {reason}", place=self.place, reason=reason_of(error))
            ) from error
        except (exceptions.BotoCoreError, ValueError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(
            phrase("archive-refuses", "{place} refuses: {reason}", place=self.place, reason=reason_of(error))
        )


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
