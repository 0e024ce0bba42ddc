"""A restoration as its files tell it; the whole way, over programs, is in tests/journeys/test_restore.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from backups_kit import FILES, Home

from hub import keys
from hub.backups.restore import Restoration
from hub.buffer import Buffer
from hub.clock import SystemClock
from hub.documents.backup import RESTORED, SENT_JUMP, SENT_PREFIX
from hub.errors import ConfigError, StorageError
from hub.identity import enrolment
from hub.state import StateDir
from hub.store import GENERATION, Store


def opened(state: StateDir) -> Buffer:
    enrolled, trust = enrolment.load(state.path)
    made = keys.load(state.keys, {})
    return Buffer.open(
        state.buffer, hub=enrolled.hub, identity=made.identity, store_key=made.store_key, trust=trust,
        clock=SystemClock(),
    )  # fmt: skip


async def remember(state: StateDir, key: bytes, values: dict[str, object], meta: dict[str, bytes]) -> None:
    """What a hub that lived left in its small state and in its store."""
    buffer = opened(state)
    buffer.start(asyncio.get_running_loop())
    for name, value in values.items():
        buffer.put_local(name, value)
    await buffer.close()
    store = await Store.open(state.store, key)
    for name, number in meta.items():
        await store.put(name, number)
    await store.close()


async def told(state: StateDir, key: bytes, name: str) -> int:
    store = await Store.open(state.store, key)
    value = await store.call(lambda db: db.execute("SELECT value FROM meta WHERE key = ?", (name,)).get)
    await store.close()
    return int(value or 0)


def test_windows_stay_and_all_that_was_sent_jumps_ahead_in_the_small_state_and_in_the_store(
    home: Home, tmp_path: Path
) -> None:
    window, sent, plugin = "counter/ble:AA/00", f"{SENT_PREFIX}lorawan:1", "state/knx"
    asyncio.run(
        remember(
            home.state, home.keys.store_key, {window: 41, sent: 7, f"{plugin}/sequence": 3}, {f"{SENT_PREFIX}knx": b"9"}
        )
    )
    data, new = home.stopped(), StateDir(tmp_path / "new")
    made = asyncio.run(told(home.state, home.keys.store_key, GENERATION))
    restoration = Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new.path)
    assert restoration.plan.windows == 1
    assert restoration.apply() == made + SENT_JUMP
    local = opened(new).local
    assert local[window] == 41
    assert local[sent] == 7 + SENT_JUMP
    assert (local[f"{plugin}/sequence"], local[f"{plugin}/{RESTORED}"]) == (3, True)
    assert asyncio.run(told(new, home.keys.store_key, f"{SENT_PREFIX}knx")) == 9 + SENT_JUMP
    assert asyncio.run(told(new, home.keys.store_key, GENERATION)) == made + SENT_JUMP
    assert keys.load(new.keys, {}).hub_id == home.keys.hub_id
    assert {name: (tmp_path / "config" / name).read_text() for name in FILES} == FILES


def test_a_state_directory_with_something_in_it_is_left_as_it_is(home: Home, tmp_path: Path) -> None:
    data, new = home.stopped(), tmp_path / "new"
    new.mkdir()
    (new / "mine").write_text("mine")
    restoration = Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new)
    with pytest.raises(ConfigError, match="not empty"):
        restoration.apply()
    assert (new / "mine").read_text() == "mine"
    assert not (tmp_path / "config").exists()


def test_a_restoration_that_fails_half_way_leaves_nothing_that_counts(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, new = home.stopped(), tmp_path / "new"
    restoration = Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new)

    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device", "store.db")

    with monkeypatch.context() as patch:
        patch.setattr("hub.backups.restore.stores.restore", refuse)
        with pytest.raises(Exception, match="No space left"):
            restoration.apply()
    assert {path.name for path in new.iterdir()} <= {"lock"}
    assert not any((tmp_path / "config" / name).exists() for name in FILES)
    assert Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new).apply() > SENT_JUMP


def test_what_was_moved_aside_is_put_back_when_the_disk_does_not_keep_its_new_place(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, config = tmp_path / "new", tmp_path / "config"
    for directory in (state, config):
        directory.mkdir()
        (directory / "config.yaml").write_text("mine")

    def refuse(directory: Path) -> None:
        raise OSError(5, "Input/output error", str(directory))

    monkeypatch.setattr("hub.backups.restore.sync_directory", refuse)
    restoration = Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=state, set_aside=True)
    with pytest.raises(StorageError, match="Input/output error"):
        restoration.apply()
    assert [(directory / "config.yaml").read_text() for directory in (state, config)] == ["mine", "mine"]
    monkeypatch.undo()
    restoration.apply()
    assert (config / "config.yaml").read_text() == FILES["config.yaml"]


def test_directories_that_a_restoration_makes_for_the_configuration_outlive_a_power_cut(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("hub.backups.restore.sync_directory", synced.append)
    config = tmp_path / "etc" / "ilot"
    Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=tmp_path / "new").apply()
    assert synced[:2] == [tmp_path, tmp_path / "etc"]
    assert {name: (config / name).read_text() for name in FILES} == FILES
