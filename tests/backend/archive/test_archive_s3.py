"""An archive on storage that speaks S3: whole, locked, and put back after everything else was destroyed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from archive_kit import HUBS, city, export, facts, fill, load, readings, total
from backend_kit import Desk
from botocore.exceptions import ClientError
from click.testing import CliRunner
from compaction_kit import report
from moto.s3 import models
from moto.server import ThreadedMotoServer

from backend.archive import lists
from backend.archive.lists import Manifest
from backend.archive.reading import Archive
from backend.archive.s3 import Bucket
from backend.archive.stores import Stored
from backend.cli.main import backend as command
from backend.storage.opening import open_archive_source
from hub.core.errors import ConfigError, NotReady, StorageError

pytestmark = pytest.mark.real("clock, network")

DAY_S = 86_400.0
LOCKED, PLAIN = "locked", "plain"


class Clock:
    """The storage's clock."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None) + self.ahead

    @property
    def seconds(self) -> float:
        return self.now().replace(tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(models, "utcnow", clock.now)
    return clock


@pytest.fixture
def s3(endpoint: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Who has the keys of the account. There is a bucket that can lock, and one that has no versions."""
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    client = boto3.client("s3", endpoint_url=endpoint)
    models.s3_backends.reset()
    client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket=PLAIN)
    return client


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "backend.db"
    one = city(path)
    fill(one, 2)
    one.close()
    return path


def all_of(path: Path) -> tuple[Any, Any]:
    source = open_archive_source(path)
    try:
        return facts(source), readings(source)
    finally:
        source.close()


def versions(s3: Any, bucket: str = LOCKED) -> list[Any]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return [one for page in pages for one in page.get("Versions", ())]


def test_an_archive_in_a_bucket_is_the_same_below_any_prefix(
    s3: Any, endpoint: str, filled: Path, tmp_path: Path
) -> None:
    for number, where in enumerate((f"s3://{PLAIN}", f"s3://{LOCKED}/town/of ours/")):
        place = Bucket(where, endpoint)
        first, second = export(filled, place), export(filled, place)
        assert (second.files, second.files_put, second.left) == (first.files, 1, 0)
        load(place, tmp_path / f"{number}.db")
        assert all_of(tmp_path / f"{number}.db") == all_of(filled)
    keys = [one["Key"] for one in versions(s3, LOCKED)]
    assert all(key.startswith("town/of ours/") for key in keys)


def test_an_archive_outlives_whoever_has_all_keys_and_is_put_back(
    s3: Any, endpoint: str, clock: Clock, tmp_path: Path
) -> None:
    """The drill: the backend is taken over, its database encrypted, its keys turned against the archive."""
    desk = Desk(tmp_path / "owner")
    desk.close()
    desk.owner.database.unlink()
    one = city(desk.owner.database)
    fill(one, 2)
    one.close()
    owner, place = str(tmp_path / "owner"), f"s3://{LOCKED}/archive"
    shutil.copytree(owner, tmp_path / "safe", ignore=shutil.ignore_patterns("backend.db*"))
    run = CliRunner().invoke
    wanted = all_of(desk.owner.database)
    done = run(command, ["export", owner, place, "--all", "--lock", "30", "--endpoint", endpoint])
    assert done.exit_code == 0, done.output
    before = datetime.now(UTC) + timedelta(seconds=1)
    clock.ahead = timedelta(hours=1)

    shutil.rmtree(owner)
    destroyed = destroy(s3, endpoint)
    assert destroyed > 10
    forge(endpoint, place)

    restored = str(tmp_path / "safe")
    misled = run(command, ["check-archive", place, "--endpoint", endpoint, "--json"])
    assert json.loads(misled.stdout)["files"] == 0  # what is there now says that there was nothing
    as_of = ["--endpoint", endpoint, "--as-of", before.isoformat()]
    checked = run(command, ["check-archive", place, *as_of, "--json"])
    assert checked.exit_code == 0, checked.output
    imported = run(command, ["import", place, restored, *as_of, "--json"])
    assert imported.exit_code == 0, imported.output
    assert json.loads(imported.stdout)["readings"] == total(wanted[1])
    assert all_of(tmp_path / "safe" / "backend.db") == wanted


def destroy(s3: Any, endpoint: str) -> int:
    """Do all that the keys allow to each version; return how many of them withstood."""
    withstood = 0
    for one in versions(s3):
        at = {"Bucket": LOCKED, "Key": one["Key"]}
        for bypass in (False, True):
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.delete_object(**at, VersionId=one["VersionId"], BypassGovernanceRetention=bypass)
        s3.put_object(**at, Body=b"pay us")
        s3.delete_object(**at)
        withstood += 1
    return withstood


def forge(endpoint: str, place: str) -> None:
    """Put a manifest there that is newer, and says that there is nothing."""
    empty = Manifest(
        format=1, made_at=4e9, owner="Ville", root="0", everything=True, complete=True, by_hub=False, hubs=0, lists=[]
    )  # fmt: skip
    path, data = lists.encode_manifest(empty)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        Bucket(place, endpoint).put(path, Path(file.name), lists.digest_of(data), None)


@pytest.mark.long("a second takeover")
def test_a_twin_that_takes_the_newest_version_is_robbed(
    s3: Any, endpoint: str, clock: Clock, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Bucket(f"s3://{LOCKED}/archive", endpoint)
    export(filled, place, lock_s=30 * DAY_S)
    before = clock.seconds + 1
    clock.ahead = timedelta(hours=1)
    destroy(s3, endpoint)

    def newest(self: Bucket, prefix: str, as_of: float | None = None) -> Iterator[Stored]:
        for one in versions(s3):
            yield Stored(one["Key"].removeprefix("archive/"), "", int(one["Size"]))

    assert Archive(place, before).newest(complete=True) is not None
    monkeypatch.setattr(Bucket, "stored", newest)
    with pytest.raises(StorageError):
        Archive(place, before).newest(complete=True)


def test_locks_are_renewed_before_half_of_their_time_is_over(
    s3: Any, endpoint: str, clock: Clock, filled: Path, tmp_path: Path
) -> None:
    place = Bucket(f"s3://{LOCKED}", endpoint)
    began = float(int(clock.seconds))
    export(filled, place, lock_s=100 * DAY_S, now=lambda: began)
    export(filled, place, lock_s=100 * DAY_S, now=lambda: began + 40 * DAY_S)
    assert until(s3, "readings/") == {round(began + 100 * DAY_S)}
    done = export(filled, place, lock_s=100 * DAY_S, now=lambda: began + 60 * DAY_S)
    assert until(s3, "readings/") == until(s3, "hubs/") == {round(began + 160 * DAY_S)}
    assert done.files_put > 1  # the lists, which say so
    assert done.left == 0


def until(s3: Any, prefix: str) -> set[int]:
    """Return until when what an archive still needs below a prefix is locked."""
    found = set()
    for one in versions(s3):
        if one["Key"].startswith(prefix) and one["IsLatest"]:
            kept = s3.head_object(Bucket=LOCKED, Key=one["Key"], VersionId=one["VersionId"])
            assert kept["ObjectLockMode"] == "COMPLIANCE"
            found.add(round(kept["ObjectLockRetainUntilDate"].timestamp()))
    return found


def test_what_cannot_be_locked_is_not_called_locked(s3: Any, endpoint: str, filled: Path) -> None:
    with pytest.raises((ConfigError, StorageError)):
        export(filled, Bucket(f"s3://{PLAIN}", endpoint), lock_s=DAY_S)


def test_keys_that_may_not_delete_leave_old_files_and_say_how_many(
    s3: Any, endpoint: str, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Path(shutil.copy(filled, tmp_path / "backend.db"))
    place = Bucket(f"s3://{PLAIN}", endpoint)
    export(changed, place)

    def refuse(**given: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObject")

    monkeypatch.setattr(place._s3, "delete_object", refuse)
    one = city(changed)
    (stream,) = one.storage.streams.of(HUBS[0])
    one.resume(HUBS[0], stream)
    one.arrive(HUBS[0], [report(1_800_000_000_001, 9.0)])
    one.close()
    assert export(changed, place).left > 2
    load(place, tmp_path / "new.db")
    assert all_of(tmp_path / "new.db")[1] == all_of(changed)[1]


def test_what_the_storage_lacks_or_refuses_is_said(
    s3: Any, endpoint: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match="NoSuchBucket"):
        export(filled, Bucket("s3://nowhere", endpoint))
    with pytest.raises(ConfigError, match="name a bucket"):
        Bucket("s3://", endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(NotReady, match="cannot be reached"):
        export(filled, Bucket(f"s3://{PLAIN}", "http://127.0.0.1:1"))
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        export(filled, Bucket(f"s3://{PLAIN}", endpoint))
