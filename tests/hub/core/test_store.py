from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import threading
import time
import zlib
from pathlib import Path

import apsw
import pytest

from hub.core import store as stores
from hub.core.disk import sqlite
from hub.core.disk.retry import once_the_disk_works
from hub.core.disk.sqlite import RESERVE
from hub.core.errors import DiskRefuses, StorageError
from hub.core.store import Store, restore
from hub.core.text import phrase
from tests.processor import uncollected

KEY = bytes(range(32))


def taken(directory: Path) -> int:
    """Bytes of the disk that the files of a directory hold."""
    return sum(path.stat().st_blocks * 512 for path in directory.iterdir())


async def test_what_was_put_is_there_after_reopening(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.put("trust/version", b"7")
    await store.replace("ble:AA", "ble:BB", b"k" * 16, 1.0, "alice")
    await store.close()
    store = await Store.open(tmp_path / "store.db", KEY)
    assert await store.get("trust/version") == b"7"
    assert await store.get("nothing") is None
    assert await store.replaced() == {"ble:AA": ("ble:BB", b"k" * 16)}
    await store.close()


def test_what_the_journal_kept_of_a_deleted_secret_is_gone_once_it_is_wiped(tmp_path):
    path = tmp_path / "secrets.db"
    journal = Path(f"{path}-journal")
    db = sqlite.connect(path, KEY, ("CREATE TABLE secrets (x)",))
    db.execute("INSERT INTO secrets VALUES (randomblob(3000))")
    db.execute("DELETE FROM secrets")
    kept = journal.read_bytes()
    pages = [piece for at in range(4096, len(kept), 64) if any(piece := kept[at : at + 64])]
    assert pages, "the page of the secret, as it was, is in the journal"
    sqlite.wipe_journal(db)
    left = journal.read_bytes() if journal.exists() else b""
    assert not [piece for piece in pages if piece in left]
    assert db.pragma("journal_mode") == "persist"
    db.close()


async def test_a_commit_waits_for_the_disk_and_what_is_deleted_is_overwritten_as_sqlite_itself_says(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    assert await store.call(lambda db: db.pragma("synchronous")) == 2, "FULL"
    assert await store.call(lambda db: db.pragma("secure_delete")) == 1
    await store.close()


async def test_a_device_that_came_back_in_place_of_its_successor_is_no_former_one_any_more(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.replace("ble:AA", "ble:BB", b"b" * 16, 1.0, "alice")
    await store.replace("ble:BB", "ble:AA", b"a" * 16, 2.0, "alice")
    assert await store.replaced() == {"ble:BB": ("ble:AA", b"a" * 16)}
    await store.close()


async def test_the_key_of_a_replacement_stands_and_one_that_it_was_given_before_does_not(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.give_key("ble:BB", b"1" * 16, b"mark", 1.0, "alice")
    await store.replace("ble:AA", "ble:BB", b"2" * 16, 2.0, "alice")
    assert await store.keys() == {}
    assert await store.replaced() == {"ble:AA": ("ble:BB", b"2" * 16)}
    await store.close()


def test_a_new_file_takes_one_commit_however_many_versions_its_schema_has(tmp_path, monkeypatch):
    """Each commit is five syncs: a disk that refuses every third one let one version through an opening."""
    commits = []
    monkeypatch.setattr(apsw, "connection_hooks", [lambda db: db.set_commit_hook(lambda: bool(commits.append(1)))])
    sqlite.connect(tmp_path / "new.db", KEY, stores.SCHEMA, reserve=False).close()
    assert len(stores.SCHEMA) > 1
    assert len(commits) == 1
    sqlite.connect(tmp_path / "new.db", KEY, stores.SCHEMA, reserve=False).close()
    assert len(commits) == 1, "what is there is not written again"


def test_an_upgrade_that_fails_leaves_the_file_at_the_version_it_had(tmp_path):
    path, first = tmp_path / "old.db", stores.SCHEMA[:1]
    sqlite.connect(path, KEY, first).close()
    with pytest.raises(apsw.SQLError):
        sqlite.connect(path, KEY, (*first, "CREATE TABLE second (x)", "CREATE TABLE meta (x)"))
    db = sqlite.connect(path, KEY, first)
    assert db.pragma("user_version") == 1
    assert not list(db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'second'"))
    db.close()


async def test_nothing_readable_is_in_the_file_and_only_its_owner_may_read_it(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.put("canary-key", b"canary-value")
    await store.close()
    data = (tmp_path / "store.db").read_bytes()
    assert b"canary" not in data
    assert b"SQLite" not in data
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def former(path: Path, *, cut_short: bool = False) -> list[tuple[object, ...]]:
    """A file of a version that gave its key as a pass phrase; with `cut_short`, as a kill in a change leaves it. Its
    rows."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA cipher = 'chacha20'")
    db.execute(f"PRAGMA hexkey = '{KEY.hex()}'")
    db.execute("PRAGMA journal_mode = persist")
    for script in (*stores.SCHEMA, f"PRAGMA user_version = {len(stores.SCHEMA)}"):
        db.execute(script)
    for n in range(40):
        db.execute("INSERT INTO meta VALUES (?, ?)", (f"key {n}", bytes([n]) * 3000))
    rows = list(db.execute("SELECT * FROM meta ORDER BY key"))
    if cut_short:
        db.execute("PRAGMA cache_size = 2")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE meta SET value = zeroblob(3000)")
        for name in ("", "-journal"):
            Path(f"{path}.killed{name}").write_bytes(Path(f"{path}{name}").read_bytes())
        db.execute("ROLLBACK")
    db.close()
    if cut_short:
        for name in ("", "-journal"):
            Path(f"{path}.killed{name}").replace(f"{path}{name}")
    return rows


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_file_of_a_former_version_is_taken_over_with_all_that_is_in_it(tmp_path: Path, cut_short: bool) -> None:
    path = tmp_path / "store.db"
    rows = former(path, cut_short=cut_short)
    old = path.open("rb")
    for _ in range(2):
        db = sqlite.connect(path, KEY, stores.SCHEMA)
        assert list(db.execute("SELECT * FROM meta ORDER BY key")) == rows
        assert db.pragma("integrity_check") == "ok"
        db.close()
    raw = apsw.Connection(str(path))
    raw.execute("PRAGMA cipher = 'chacha20'")
    raw.execute(f"PRAGMA key = 'raw:{KEY.hex()}'")
    assert raw.pragma("user_version") == len(stores.SCHEMA)
    raw.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store.db", "store.db-journal"]
    with old:
        (tmp_path / "old.db").write_bytes(old.read())
    with pytest.raises(apsw.Error):  # what it held does not stay on the disk
        sqlite.connect(tmp_path / "old.db", KEY, stores.SCHEMA)


def test_a_file_of_a_former_version_serves_as_it_is_while_the_disk_takes_no_copy(tmp_path, monkeypatch):
    rows = former(tmp_path / "store.db")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    db = sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA)
    assert list(db.execute("SELECT * FROM meta ORDER BY key")) == rows
    db.execute("INSERT INTO meta VALUES ('later', 'x')")
    db.close()
    assert not (tmp_path / "store.db.new").exists()
    monkeypatch.undo()
    db = sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA)
    assert len(list(db.execute("SELECT * FROM meta"))) == len(rows) + 1
    db.close()


def test_a_file_that_was_taken_over_opens_though_the_disk_refuses_to_overwrite_the_old_one(tmp_path, monkeypatch):
    rows = former(tmp_path / "store.db")

    def refuses(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sqlite, "overwrite", refuses)
    db = sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA)
    assert list(db.execute("SELECT * FROM meta ORDER BY key")) == rows
    db.close()


def test_what_a_change_of_the_schema_meets_in_a_file_that_was_taken_over_is_told_as_it_is(tmp_path):
    former(tmp_path / "store.db")
    with pytest.raises(apsw.SQLError, match="no such table: nowhere"):  # not that it were of another hub's keys
        sqlite.connect(tmp_path / "store.db", KEY, (*stores.SCHEMA, "DELETE FROM nowhere"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over")
def test_a_file_that_root_took_over_stays_that_of_the_hubs_user(tmp_path):
    former(tmp_path / "store.db")
    os.chown(tmp_path, 12345, 12346)
    os.chown(tmp_path / "store.db", 12345, 12346)
    sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA).close()
    left = [(tmp_path / name).stat() for name in ("store.db", "store.db-journal")]
    assert [(one.st_uid, one.st_gid) for one in left] == [(12345, 12346)] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("name", ["store.db", "store.db-journal"])
def test_root_opens_no_store_through_a_link_of_the_hubs_user(tmp_path: Path, name: str) -> None:
    theirs, key = tmp_path / "passwd", os.urandom(32)
    sqlite.connect(tmp_path / "store.db", key, ["CREATE TABLE a (b)"]).close()
    (tmp_path / name).unlink(missing_ok=True)
    theirs.write_text("root's own")
    theirs.chmod(0o644)
    (tmp_path / name).symlink_to(theirs)
    os.chown(tmp_path / name, 12345, 12345, follow_symlinks=False)
    with contextlib.suppress(OSError, apsw.Error):
        sqlite.connect(tmp_path / "store.db", key, ["CREATE TABLE a (b)"]).close()
    assert (theirs.read_text(), theirs.stat().st_mode & 0o777) == ("root's own", 0o644)


def test_a_file_is_opened_without_stretching_its_key(tmp_path: Path) -> None:
    """64,007 rounds of SHA-256 take 27 ms of a PC's core; each hub has two such files."""
    sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA).close()
    began = time.thread_time()
    with uncollected():
        for _ in range(5):
            sqlite.connect(tmp_path / "store.db", KEY, stores.SCHEMA).close()
    opened = time.thread_time() - began
    began = time.thread_time()
    hashlib.pbkdf2_hmac("sha256", KEY, bytes(16), 5 * 64_007)
    assert opened < (time.thread_time() - began) / 2


async def test_another_key_does_not_open_it_and_the_error_says_what_to_do(tmp_path):
    await (await Store.open(tmp_path / "store.db", KEY)).close()
    with pytest.raises(StorageError, match="another hub's keys"):
        await Store.open(tmp_path / "store.db", bytes(32))


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM audit WHERE n = 2",
        "UPDATE audit SET who = 'mallory' WHERE n = 2",
        "UPDATE audit SET n = n + 10 WHERE n = 3",
        "UPDATE audit SET what = (SELECT what FROM audit WHERE n = 1) WHERE n = 2",
    ],
)
async def test_an_audit_entry_that_is_edited_deleted_or_moved_is_detected(tmp_path, attack):
    store = await Store.open(tmp_path / "store.db", KEY)
    for n in range(3):
        await store.audit(float(n), "alice", {"did": n})
    assert [entry.what["did"] for entry in await store.audited()] == [0, 1, 2]
    await store.close()
    db = apsw.Connection(str(tmp_path / "store.db"))
    db.execute("PRAGMA cipher = 'chacha20'")
    db.execute(f"PRAGMA key = 'raw:{KEY.hex()}'")
    db.execute(attack)
    db.close()
    store = await Store.open(tmp_path / "store.db", KEY)
    with pytest.raises(StorageError, match="broken at entry"):
        await store.audited()
    await store.close()


async def test_a_flipped_bit_in_the_file_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "store.db"
    store = await Store.open(path, KEY)
    await store.put("key", b"value" * 1000)
    await store.close()
    data = bytearray(path.read_bytes())
    for place in range(200, len(data), 512):
        data[place] ^= 1
    path.write_bytes(data)

    async def read():
        store = await Store.open(path, KEY)
        try:
            await store.get("key")
        finally:
            await store.close()

    with pytest.raises(StorageError):
        await read()


async def test_an_entry_of_a_whole_second_does_not_break_the_chain(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.audit(7, "alice", {"did": 1})
    await store.audit(8.5, "alice", {"did": 2})
    assert [entry.at for entry in await store.audited()] == [7.0, 8.5]
    await store.close()


async def audit_much(store: Store) -> None:
    for n in range(40):
        await store.audit(float(n), "alice", {"device": "replace", "old": f"ble:{n}", "new": f"ble:{n + 1}"})
        await store.put(f"key {n}", bytes(500))


async def test_small_changes_take_nothing_from_the_disk_so_that_a_full_one_stops_none(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    before = taken(tmp_path)
    await audit_much(store)
    assert taken(tmp_path) == before
    await store.close()
    store = await Store.open(tmp_path / "store.db", KEY)
    assert taken(tmp_path) == before, "a start must not need room either"
    await store.close()


async def test_without_its_reserve_the_same_changes_do_take_room(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "restock", lambda db: None)
    monkeypatch.setattr(stores, "restock", lambda db: None)
    store = await Store.open(tmp_path / "store.db", KEY)
    before = taken(tmp_path)
    await audit_much(store)
    assert taken(tmp_path) > before
    await store.close()


async def test_the_reserve_is_taken_again_when_it_was_used_and_stays_out_of_a_backup(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    for n in range(20):
        await store.put(f"key {n}", bytes(RESERVE // 10))
    before = taken(tmp_path)
    await audit_much(store)
    assert taken(tmp_path) == before
    assert len(await store.image()) < 20 * RESERVE // 10 + RESERVE // 2
    assert {path.name for path in tmp_path.iterdir()} == {"store.db", "store.db-journal"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    await store.close()


async def test_a_journal_that_was_extended_rolls_back_a_change_that_was_cut_short(tmp_path):
    path = tmp_path / "store.db"
    store = await Store.open(path, KEY)
    await store.put("key", b"before")
    await store.close()
    db = sqlite.connect(path, KEY, stores.SCHEMA)
    db.execute("PRAGMA cache_spill = 1; PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE; UPDATE meta SET value = CAST('after' AS BLOB)")
    db.execute("INSERT INTO meta VALUES ('more', zeroblob(100000))")  # spills: the journal is hot from here on
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    db.close()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert files["store.db-journal"][:8] != bytes(8), "the test must have made a hot journal"
    store = await Store.open(path, KEY)
    assert await store.get("key") == b"before"
    assert await store.get("more") is None
    await store.close()


async def test_a_call_that_the_disk_refuses_is_tried_again_and_then_says_that_it_may_be_later(tmp_path, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(sqlite.time, "sleep", pauses.append)
    store = await Store.open(tmp_path / "store.db", KEY)
    left = [apsw.IOError("disk I/O error"), apsw.FullError("database or disk is full")]

    def work(db: apsw.Connection) -> str:
        with sqlite.transaction(db):
            db.execute("DELETE FROM meta")
            if left:
                raise left.pop()
        return "done"

    assert await store.call(work) == "done"
    assert pauses == list(sqlite.PAUSES[:2])
    left = [apsw.IOError("disk I/O error")] * 9
    with pytest.raises(DiskRefuses, match="the disk refuses"):
        await store.call(work)
    await store.put("and", b"goes on")
    await store.close()


async def test_a_call_that_the_disk_refuses_is_told_as_such_while_the_next_one_is_under_way(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    running, go = threading.Event(), threading.Event()

    def fails(db: apsw.Connection) -> None:
        raise apsw.FullError("no room")

    def lasts(db: apsw.Connection) -> None:
        def within() -> int:
            running.set()
            return int(go.wait(60))

        db.create_scalar_function("within", within, 0)
        list(db.execute("SELECT within()"))

    first, second = asyncio.create_task(store.call(fails)), asyncio.create_task(store.call(lasts))
    await asyncio.sleep(0)  # both are given to the thread
    assert running.wait(60)  # the loop stands still until the connection is busy with the second
    try:
        with pytest.raises(DiskRefuses, match="no space left"):
            await first
    finally:
        go.set()
        await second
        await store.close()


async def test_a_start_waits_for_the_disk_and_for_nothing_else():
    outcomes: list[Exception] = [DiskRefuses("no"), DiskRefuses("no"), DiskRefuses("no")]
    slept: list[float] = []

    async def call() -> str:
        if outcomes:
            raise outcomes.pop()
        return "open"

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert await once_the_disk_works(call, sleep) == "open"
    assert len(slept) == 3
    outcomes = [StorageError("it is another hub's")]
    with pytest.raises(StorageError, match="another hub's"):
        await once_the_disk_works(call, sleep)
    assert len(slept) == 3


async def test_a_start_needs_nothing_written_when_the_disk_takes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite.time, "sleep", lambda seconds: None)
    store = await Store.open(tmp_path / "store.db", KEY)
    assert await store.start() == 1

    def refuse(db: apsw.Connection) -> None:
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(stores, "transaction", refuse)
    assert await store.start() == 1
    monkeypatch.undo()
    assert await store.start() == 2
    await store.close()


async def test_an_image_in_clear_becomes_an_encrypted_store_with_every_row_of_every_table(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.put("sent/x", b"5")
    for n in range(50):
        await store.audit(float(n), "test", {"n": n, "what": "x" * 200})
    image = await store.image()
    before = await store.audited()
    await store.close()
    assert image.startswith(b"SQLite format 3\0"), "whoever asks seals it"
    assert len(zlib.compress(image)) < len(image) / 5
    restore(tmp_path / "copy.db", KEY, image, sent="none/", jump=0)
    written = (tmp_path / "copy.db").read_bytes()
    assert b"SQLite" not in written
    assert b"x" * 20 not in written
    again = await Store.open(tmp_path / "copy.db", KEY)
    assert await again.get("sent/x") == b"5"
    assert await again.audited() == before
    await again.audit(60.0, "test", {"n": 60})
    assert len(await again.audited()) == len(before) + 1
    await again.close()


async def test_an_image_of_a_former_version_which_was_encrypted_is_restored_too(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.put("kept", b"x")
    await store.close()
    restore(tmp_path / "copy.db", KEY, (tmp_path / "store.db").read_bytes(), sent="none/", jump=0)
    again = await Store.open(tmp_path / "copy.db", KEY)
    assert await again.get("kept") == b"x"
    await again.close()


async def test_an_audit_entry_holds_a_phrase_as_its_sentence(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.audit(1.0, "cli", {"why": phrase("gone", "{name} is gone", name="x")})
    assert [entry.what for entry in await store.audited()] == [{"why": "x is gone"}]
    await store.close()
