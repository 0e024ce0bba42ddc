"""A factory reset destroys the keys first, then all; it touches nothing that is no hub's, and no hub that runs."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest
from click.testing import CliRunner

from hub.cli.main import ilot
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.identity import keys
from hub.operations import factory_reset


@pytest.fixture
async def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state")
    keys.create(made.keys)
    store = await Store.open(made.store, keys.load(made.keys, {}).store_key)
    await store.put("x", b"y")
    await store.close()
    (made.buffer / "readings").mkdir(parents=True)
    (made.buffer / "readings" / "1.seg").write_bytes(b"sealed" * 100)
    made.enrolment.write_text("{}")
    return made


async def test_nothing_is_left_that_opens_anything(state: StateDir) -> None:
    store_key, image = keys.load(state.keys, {}).store_key, state.store.read_bytes()
    inodes = {path: path.open("rb") for path in state.keys.iterdir()}  # held open: what its blocks say afterwards
    before = {path: file.read() for path, file in inodes.items()}
    found = factory_reset.reset(state)
    assert {Path(name).name for name in found.keys} >= {"identity.pem", "store.key", "tls.pem"}
    assert found.buffered_bytes == 600
    for path, file in inodes.items():
        file.seek(0)
        left = file.read()
        file.close()
        assert left[:16] != before[path][:16], "overwritten, not only unlinked"
    assert [path.name for path in state.path.rglob("*")] == ["lock"]
    with pytest.raises((ConfigError, StorageError)):
        keys.load(state.keys, {})
    # the twin: a copy of the store is opened by the key that is gone, and by no other
    state.store.write_bytes(image)
    opened = await Store.open(state.store, store_key)
    assert await opened.get("x") == b"y"
    await opened.close()
    with pytest.raises(StorageError):
        await Store.open(state.store, keys.create(state.keys).store_key)


async def test_keys_that_were_set_aside_or_left_by_a_power_cut_are_overwritten_too(state: StateDir) -> None:
    former, left = state.path / "former-1900000000" / "keys", state.path / ".keys-ab12" / "keys"
    for folder in (former, left):
        keys.create(folder)
    inodes = [(folder / "store.key").open("rb") for folder in (former, left)]
    before = [file.read() for file in inodes]
    assert len(factory_reset.preview(state).keys) == 9
    factory_reset.reset(state)
    for file, was in zip(inodes, before, strict=True):
        file.seek(0)
        assert file.read() != was
        file.close()
    assert [path.name for path in state.path.rglob("*")] == ["lock"]


@pytest.mark.parametrize("place", ["keys", "former-1900000000"])
async def test_nothing_is_destroyed_through_a_link(state: StateDir, tmp_path: Path, place: str) -> None:
    theirs = tmp_path / "etc" / "keys"
    theirs.mkdir(parents=True)
    (theirs / "shadow").write_text("root's own")
    if place == "keys":
        rmtree(state.keys)
    (state.path / place).symlink_to(theirs if place == "keys" else theirs.parent)
    with pytest.raises(ConfigError, match="is a link"):
        factory_reset.reset(state)
    assert (theirs / "shadow").read_text() == "root's own"
    (state.path / place).unlink()
    factory_reset.reset(state)
    assert (theirs / "shadow").read_text() == "root's own"


async def test_a_reset_that_was_cut_short_anywhere_is_done_again(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    for left in ("buffer", "keys"):
        state.packs.mkdir(exist_ok=True)

        def remove(path: Path, left: str = left) -> None:
            if path.name == left:
                raise OSError(5, "Input/output error", str(path))
            rmtree(path)

        with monkeypatch.context() as patch:
            patch.setattr("shutil.rmtree", remove)
            with pytest.raises(StorageError, match="not everything is destroyed, try again"):
                factory_reset.reset(state)
        assert state.keys.is_dir(), "by it the rest is still known for a hub's"
    factory_reset.reset(state)
    assert [path.name for path in state.path.rglob("*")] == ["lock"]


def test_a_directory_that_is_no_hubs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(ConfigError, match="no hub's state directory"):
        factory_reset.reset(StateDir(tmp_path))
    assert (tmp_path / "letters" / "a.txt").read_text() == "dear"


async def test_a_hub_that_runs_is_not_reset(state: StateDir) -> None:
    with state.locked(), pytest.raises(StorageError, match="another hub"):
        factory_reset.reset(state)
    assert keys.load(state.keys, {})


async def test_no_link_is_followed(state: StateDir, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    (state.keys / "link.pem").symlink_to(outside / "mine")
    (state.path / "packs").symlink_to(outside)
    factory_reset.reset(state)
    assert (outside / "mine").read_text() == "mine"
    assert [path.name for path in state.path.rglob("*")] == ["lock"]


async def test_a_reset_that_is_cut_short_has_destroyed_the_keys_and_is_done_again(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", cut)
        with pytest.raises(StorageError, match="not everything is destroyed"):
            factory_reset.reset(state)
    assert list(state.keys.iterdir()) == []
    factory_reset.reset(state)
    assert [path.name for path in state.path.rglob("*")] == ["lock"]


async def test_the_command_asks_says_what_and_a_dry_run_changes_nothing(state: StateDir) -> None:
    where = ["reset", "--factory", "--state-dir", str(state.path)]
    done = CliRunner().invoke(ilot, [*where, "--dry-run", "--json"])
    assert json.loads(done.stdout)["destroyed"] is False
    assert CliRunner().invoke(ilot, where, input="n\n").exit_code != 0
    assert CliRunner().invoke(ilot, ["reset", "--state-dir", str(state.path), "--yes"]).exit_code == 2
    assert keys.load(state.keys, {})
    assert CliRunner().invoke(ilot, [*where, "--yes"]).exit_code == 0
    assert not state.keys.exists()
