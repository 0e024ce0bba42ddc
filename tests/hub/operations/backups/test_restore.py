"""A restoration as its files tell it; the whole way, over programs, is in tests/journeys/test_restore.py."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from backups_kit import FILES, Home

from hub.core.clock import SystemClock
from hub.core.disk import backup_directory
from hub.core.disk.atomic_files import Owner
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir
from hub.core.store import GENERATION, Store
from hub.identity import enrolment, keys
from hub.operations.backups import generation_notes
from hub.operations.backups.restore import KnownHub, Restoration, read_file
from hub.protocol.documents.backup import RESTORED, SENT_JUMP, SENT_PREFIX, SKIP, read
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from tests.hub.swap_kit import state_of, swapped_before


def opened(state: StateDir) -> Buffer:
    enrolled, trust = enrolment.load(state.path)
    made = keys.load(state.keys, {})
    return Buffer.open(
        state.buffer,
        keys=SealingKeys(enrolled.hub, made.identity, made.store_key),
        trust=trust,
        clock=SystemClock(),
    )


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


class Twice:
    """A hub whose counter stood at 7 in its backup, restored again and again."""

    def __init__(self, home: Home, root: Path, config: str = "") -> None:
        self.home, self.root, self.lives = home, root, 0
        if config:
            home.config.write_text(config)
        asyncio.run(remember(home.state, home.keys.store_key, {f"{SENT_PREFIX}x": 7, "state/knx/n": 3}, {}))
        self.data = home.stopped()
        self.made = read(self.data).head.generation

    def restored(self, *, state: Path | None = None, lived: int = 0, **more: Any) -> tuple[int, Restoration]:
        """Where the counter stands in the next life."""
        self.lives += 1
        place = state or self.root / f"life-{self.lives}"
        found = Restoration(
            self.data,
            self.home.recovery,
            config_dir=self.root / f"config-{self.lives}",
            state_dir=place,
            known=KnownHub(lived=lived),
            **more,
        )
        started = found.apply()
        assert started == self.made + found.plan.jump == found.plan.starts_at
        local = opened(StateDir(place)).local
        assert (local[f"state/knx/{RESTORED}"], local[f"state/knx/{SKIP}"]) == (True, found.plan.jump)
        return int(local[f"{SENT_PREFIX}x"]), found


def test_the_same_backup_restored_again_from_its_stick_begins_beyond_the_life_before(
    home: Home, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    twice = Twice(home, tmp_path)
    counters = [twice.restored(came_from=stick)[0] for _ in range(4)]
    assert [later - one for one, later in pairwise([7, *counters])] == [SENT_JUMP] * 4
    assert twice.restored()[0] == 7 + SENT_JUMP, "who has another copy of it cannot know"


def test_a_state_that_is_set_aside_knows_of_the_restoration_that_made_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(
        "hub.operations.backups.restore.time.time", lambda: now
    )  # a clock that says the same after each boot
    twice, state = Twice(home, tmp_path), tmp_path / "state-of-both"
    counters = [twice.restored(state=state, set_aside=True)[0] for _ in range(3)]
    assert counters == [7 + SENT_JUMP, 7 + 2 * SENT_JUMP, 7 + 3 * SENT_JUMP]


def test_the_stick_that_the_configuration_names_knows_too_also_by_the_backups_on_it(home: Home, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    twice = Twice(home, tmp_path, config=f"backup: {{directory: {stick}}}\n")
    assert [twice.restored()[0] for _ in range(2)] == [7 + SENT_JUMP, 7 + 2 * SENT_JUMP]
    (stick / f"{home.keys.hub_id}.ilot-restored").unlink()
    later = home.stopped()
    newest = read(later).head.generation
    backup_directory.keep(stick, home.keys.hub_id, newest, later)
    backup_directory.keep(stick, home.keys.hub_id, 9999, b"forged")
    assert twice.restored()[0] == 7 + SENT_JUMP + newest - twice.made


def test_what_a_person_knows_of_the_hub_counts_and_a_typing_error_does_not(home: Home, tmp_path: Path) -> None:
    twice = Twice(home, tmp_path)
    counter, found = twice.restored(lived=twice.made + 1500)
    assert (counter, found.plan.lived) == (7 + 1500 + SENT_JUMP, twice.made + 1500)
    with pytest.raises(ConfigError, match="cannot be"):
        twice.restored(lived=10**9)


def test_time_keeps_two_restorations_apart_that_know_nothing_of_each_other(home: Home, tmp_path: Path) -> None:
    twice = Twice(home, tmp_path)
    made = read(twice.data).head.made
    assert [twice.restored(now=made + hours * 3600)[0] - 7 - SENT_JUMP for hours in (0, 24, 48)] == [0, 720, 1440]


def test_a_stick_that_takes_no_note_is_named_and_the_hub_is_restored(home: Home, tmp_path: Path) -> None:
    counter, found = Twice(home, tmp_path).restored(came_from=tmp_path / "taken away")
    assert counter == 7 + SENT_JUMP
    assert [str(tmp_path / "taken away") in said for said in found.forgotten] == [True]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")
@pytest.mark.parametrize("given", [True, False])
def test_the_note_that_root_leaves_on_a_stick_is_the_hubs_users_where_the_stick_allows_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    os.chown(stick, 12345, 12346)

    def refuse(descriptor: int, uid: int, gid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not given:
        monkeypatch.setattr(os, "fchown", refuse)
    made = generation_notes.record_generation(stick, home.keys.identity, home.keys.hub_id, generation=7, at=1.9e9)
    assert made.stat().st_uid == (12345 if given else os.geteuid())
    assert generation_notes.highest_generation(stick, home.keys.hub_id) == 7


def test_of_a_stick_the_newest_whole_backup_is_taken(home: Home, tmp_path: Path) -> None:
    stick, data = tmp_path / "stick", home.stopped()
    stick.mkdir()
    backup_directory.keep(stick, home.keys.hub_id, 1, data)
    backup_directory.keep(stick, home.keys.hub_id, 2, data[: len(data) // 2])
    (stick / "fetched.ilot-backup").write_bytes(b"named by a person: it is not taken for another hub's")
    assert read_file(stick) == data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")
@pytest.mark.parametrize("shared", [True, False])
def test_what_root_restores_the_hubs_user_can_use(home: Home, tmp_path: Path, shared: bool) -> None:
    state, config = tmp_path / "new", tmp_path / "etc"
    state.mkdir(0o700)
    os.chown(state, 12345, 12346)
    if shared:  # deploy/README.md
        config.mkdir()
        config.chmod(0o770)
        os.chown(config, 0, 12346)
    Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=state).apply()
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.rglob("*") if path.name != "lost"}
    assert owners == dict.fromkeys(owners, (12345, 12346))
    secrets = (config / "secrets.yaml").stat()
    assert (secrets.st_uid, secrets.st_gid, secrets.st_mode & 0o777) == (
        (0, 12346, 0o640) if shared else (12345, 12346, 0o600)
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")
def test_root_restores_a_configuration_where_nobody_can_give_files_away(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor say who may read them. A boot partition (vfat), a share that takes root for nobody."""
    state, config = tmp_path / "new", tmp_path / "boot"
    state.mkdir(0o700)
    os.chown(state, 12345, 12346)
    config.mkdir()
    (config / "secrets.yaml").write_text("other: 1\n")
    given, modes, true, true_mode = list[int](), list[int](), os.fchown, os.fchmod

    def refuse(descriptor: int, uid: int, gid: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(config):
            given.append(uid)
            raise PermissionError(1, "Operation not permitted")
        true(descriptor, uid, gid)

    def refuse_mode(descriptor: int, mode: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(config):
            modes.append(mode)
            raise PermissionError(1, "Operation not permitted")
        true_mode(descriptor, mode)

    def refuse_by_name(path: Path, uid: int, gid: int, **options: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "chown", refuse_by_name)
    monkeypatch.setattr(os, "fchmod", refuse_mode)
    data = home.stopped()
    Restoration(data, home.recovery, config_dir=config, state_dir=state, set_aside=True).apply()
    assert given
    assert set(modes) == {0o700, 0o640}
    assert "other" not in (config / "secrets.yaml").read_text()
    assert next(config.glob("former-*/secrets.yaml")).read_text() == "other: 1\n"
    assert (state / "enrolment.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
def test_root_restores_no_configuration_through_a_link_of_the_hubs_user(home: Home, tmp_path: Path) -> None:
    state, config, roots = tmp_path / "new", tmp_path / "etc", tmp_path / "roots"
    for directory in (state, config, roots):
        directory.mkdir()
    restoration = Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=state)
    restoration._contents.files["conf.d/cron"] = b"* * * * * root sh\n"  # what a hub in wrong hands backed up
    (config / "conf.d").symlink_to(roots)
    os.chown(config / "conf.d", 12345, 12345, follow_symlinks=False)
    with pytest.raises(ConfigError, match="chown -h root"):
        restoration.apply()
    assert list(roots.iterdir()) == []
    assert list(config.iterdir()) == [config / "conf.d"], "what was written before is taken back"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("where", ["etc/conf.d", "etc/config.yaml", "new/former"])
def test_whenever_the_hubs_user_puts_a_link_in_the_way_root_restores_and_moves_nothing_through_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Between any two steps: of moving aside what is there, and of writing the configuration."""
    state, config, roots = tmp_path / "new", tmp_path / "etc", tmp_path / "roots"
    for directory in (state, config, roots):
        directory.mkdir()
    (roots / "config.yaml").write_text("root's own")
    before, step, tried = state_of(roots), 0, True
    restoration = Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=state, set_aside=True)
    restoration._contents.files["conf.d/cron"] = b"* * * * * root sh\n"  # what a hub in wrong hands backed up
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of times, and no power is cut here

    def swap() -> None:
        at = state / restoration._aside if where == "new/former" else tmp_path / where
        if os.path.lexists(at):
            at.rename(tmp_path / f"away-{step}")
        at.symlink_to(roots / at.name if at.suffix else roots)
        os.chown(at, 12345, 12345, follow_symlinks=False)

    def work() -> None:
        for path in restoration._in_the_way():
            restoration._move(path, aside=True)
        restoration._configuration()

    refused = 0
    while tried:
        step += 3  # each kind of step comes at some file
        for directory in (state, config):
            shutil.rmtree(directory)
            directory.mkdir()
            os.chown(directory, 12345, 12345)
        (state / "cron").write_text("* * * * * root sh")  # whoever leads root has it moved where it counts
        (config / "config.yaml").write_text("former")
        try:
            tried = swapped_before(step, swap, work)
        except OSError:
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 100, "between all steps"
    assert refused > 2 or where == "etc/config.yaml"
    assert (config / "conf.d/cron").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("place", ["keys", "buffer", "buffer/readings", "store.db", "store.db-journal"])
def test_whenever_a_link_is_put_into_the_state_directory_root_makes_nothing_where_it_leads(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Between any two steps of bringing keys, store and buffer there, which were made where nobody else comes."""
    state, roots, made = tmp_path / "new", tmp_path / "roots", tmp_path / "made"
    for directory in (state, roots, made):
        directory.mkdir()
    (roots / "store").write_text("root's own")
    restoration = Restoration(home.stopped(), home.recovery, config_dir=tmp_path / "etc", state_dir=state)
    restoration._made_in(StateDir(made))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of times, and no power is cut here
    before, step, tried, refused = state_of(roots), 0, True, 0

    def swap() -> None:
        at = state / place
        at.parent.mkdir(exist_ok=True)
        if os.path.lexists(at):
            at.rename(tmp_path / f"away-{step}")
        at.symlink_to(roots / "store" if "." in place else roots)
        for path in (at, at.parent):
            os.chown(path, 12345, 12345, follow_symlinks=False)

    while tried:
        step += 7  # each kind of step comes at some file
        shutil.rmtree(state)
        state.mkdir()
        os.chown(state, 12345, 12345)
        try:
            tried = swapped_before(step, swap, lambda: restoration._carry(made, Owner(12345, 12345)))
        except OSError:
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 100
    assert refused > 0 or "." in place, "a file that was put there is replaced"
    found = state_of(state)
    assert {name: entry[3] for name, entry in found.items()} == {name: at[3] for name, at in state_of(made).items()}
    assert {entry[1] for entry in found.values()} == {12345}


def test_a_state_directory_with_something_in_it_is_left_as_it_is(home: Home, tmp_path: Path) -> None:
    data, new = home.stopped(), tmp_path / "new"
    new.mkdir()
    (new / "mine").write_text("mine")
    restoration = Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new)
    with pytest.raises(ConfigError, match="not empty"):
        restoration.apply()
    assert (new / "mine").read_text() == "mine"
    assert not (tmp_path / "config").exists()


def test_on_a_new_card_what_the_waiting_hub_made_goes_aside_and_the_releases_stay(home: Home, tmp_path: Path) -> None:
    data, new, config = home.stopped(), tmp_path / "new", tmp_path / "config"
    release = new / "releases" / "7" / "program"
    release.parent.mkdir(parents=True)
    release.write_text("program")
    waiting = keys.create(new / "keys").hub_id
    config.mkdir()
    (config / "config.yaml").write_text("web: {}\n")
    restoration = Restoration(data, home.recovery, config_dir=config, state_dir=new, set_aside=True)
    restoration.apply()
    assert release.read_text() == "program"
    assert keys.load(new / "keys", {}).hub_id == home.keys.hub_id != waiting
    assert (config / "config.yaml").read_text() == FILES["config.yaml"]
    assert len(list(new.glob("former-*/keys"))) == 1


def test_a_restoration_that_fails_half_way_leaves_nothing_that_counts(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, new = home.stopped(), tmp_path / "new"
    restoration = Restoration(data, home.recovery, config_dir=tmp_path / "config", state_dir=new)

    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device", "store.db")

    with monkeypatch.context() as patch:
        patch.setattr("hub.operations.backups.restore.stores.restore", refuse)
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
    (state / "zones.yaml").write_text("mine too")
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    restoration = Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=state, set_aside=True)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        restoration.apply()
    assert [(directory / "config.yaml").read_text() for directory in (state, config)] == ["mine", "mine"]
    assert (state / "zones.yaml").read_text() == "mine too", "what was not moved yet is not taken for the restoration's"
    monkeypatch.undo()
    restoration.apply()
    assert (config / "config.yaml").read_text() == FILES["config.yaml"]


def test_directories_that_a_restoration_makes_for_the_configuration_outlive_a_power_cut(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = list[Path](), os.fsync

    def noted(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    config = tmp_path / "etc" / "ilot"
    restoration = Restoration(home.stopped(), home.recovery, config_dir=config, state_dir=tmp_path / "new")
    restoration._contents.files["conf.d/more.yaml"] = b""
    monkeypatch.setattr(os, "fsync", noted)
    restoration.apply()
    directories = [path for path in synced if not path.is_relative_to(tmp_path / "new")]
    made = [tmp_path, tmp_path, tmp_path / "etc"]  # the first for the state directory
    assert directories[:3] == made
    assert {config, config / "conf.d"} <= set(directories[3:])
    assert {name: (config / name).read_text() for name in FILES} == FILES
