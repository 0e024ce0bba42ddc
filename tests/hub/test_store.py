from __future__ import annotations

import apsw
import pytest

from hub.errors import StorageError
from hub.store import Store

KEY = bytes(range(32))


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


async def test_nothing_readable_is_in_the_file_and_only_its_owner_may_read_it(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    await store.put("canary-key", b"canary-value")
    await store.close()
    data = (tmp_path / "store.db").read_bytes()
    assert b"canary" not in data
    assert b"SQLite" not in data
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


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
    db.execute(f"PRAGMA hexkey = '{KEY.hex()}'")
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
