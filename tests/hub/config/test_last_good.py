from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.config import last_good, reader_process, source
from hub.config.last_good import LastGoodStore, load_sections, recall, remember, start
from hub.config.load import Loaded, Models, load
from hub.core.errors import ConfigError, StorageError

Read = Callable[..., Loaded]
Write = Callable[..., Path]

SECRET = "c0ffee00c0ffee00"


@pytest.fixture
def state(tmp_path: Path) -> LastGoodStore:
    return LastGoodStore(tmp_path / "state", bytes(range(32)))


@pytest.fixture
def kept(state: LastGoodStore) -> Path:
    return state.state_dir / "config" / "last-good.msgpack"


@pytest.fixture
def text(base: str) -> str:
    return base.replace("settings:", "key: !secret k\n    settings:") + "link: {uplinks: {carrier: {url: x}}}\n"


def test_what_is_remembered_is_recalled(read: Read, models: Models, text: str, state: LastGoodStore) -> None:
    loaded = read(text, ILOT_SECRET_K=SECRET)
    remember(state, loaded)
    recalled = recall(state, models, environ={"ILOT_SECRET_K": SECRET})
    assert recalled is not None
    assert recalled.left_out == []
    assert recalled.loaded == loaded
    assert recalled.loaded.devices[0].key == bytes.fromhex(SECRET)


def test_it_holds_the_name_of_a_secret_and_not_its_value(
    read: Read, text: str, state: LastGoodStore, kept: Path
) -> None:
    remember(state, read(text, ILOT_SECRET_K=SECRET))
    content = kept.read_bytes()
    assert SECRET.encode() not in content
    assert bytes.fromhex(SECRET) not in content
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_it_names_no_device_and_no_place_without_the_hubs_store_key(
    read: Read, models: Models, base: str, state: LastGoodStore, kept: Path
) -> None:
    loaded = read(base)
    remember(state, loaded)
    content = kept.read_bytes()
    assert loaded.devices
    for word in (loaded.devices[0].id, loaded.devices[0].place, str(loaded.path)):
        assert word.encode() not in content
    assert recall(LastGoodStore(state.state_dir, bytes(32)), models, environ={}) is None
    assert recall(state, models, environ={}) is not None


@pytest.mark.real("processes")
def test_a_proxy_whose_password_is_gone_costs_the_proxy_only(
    write: Write, models: Models, base: str, state: LastGoodStore
) -> None:
    link = "link: {proxy: 'http://proxy:3128', proxy_user: hub, proxy_password: !secret p, metered: true}\n"
    path = write(base + link)
    good = load(path, models, environ={"ILOT_SECRET_P": "s/e c"})
    assert good.config.link.proxy_url() == "http://hub:s%2Fe%20c@proxy:3128"
    remember(state, good)
    started = start(path, models, kept=state, environ={})
    assert (started.loaded.config.link.proxy_url(), started.loaded.config.link.metered) == (None, True)
    assert {p.path for p in started.left_out} == {"link.proxy_password"}


def test_the_value_of_a_secret_is_looked_up_again_at_every_start(
    write: Write, models: Models, text: str, state: LastGoodStore
) -> None:
    path = write(text)
    remember(state, load(path, models, environ={"ILOT_SECRET_K": "aa"}))
    assert start(path, models, kept=state, environ={"ILOT_SECRET_K": "bb"}).loaded.devices[0].key == b"\xbb"


def test_nothing_was_remembered_yet(models: Models, state: LastGoodStore) -> None:
    assert recall(state, models, environ={}) is None


@pytest.mark.real("processes")
def test_an_invalid_file_leaves_the_last_good_one_running_and_says_why(
    write: Write, models: Models, base: str, state: LastGoodStore
) -> None:
    path = write(base)
    good = load(path, models, environ={})
    remember(state, good)
    for broken in (base.replace("unit: 3", "unit: x"), "a: [", "\0"):
        write(broken)
        started = start(path, models, kept=state, environ={})
        assert started.loaded == good
        assert started.problems
        assert started.problems[0].file == str(path)
    path.unlink()
    assert start(path, models, kept=state, environ={}).loaded == good


@pytest.mark.real("processes")
def test_an_invalid_file_with_nothing_to_fall_back_on_is_an_error(
    write: Write, models: Models, state: LastGoodStore
) -> None:
    for directory in (state, None):
        with pytest.raises(ConfigError, match="not an option"):
            start(write("hubb: {}"), models, kept=directory, environ={})


@pytest.mark.real("processes")
def test_a_right_file_is_read_whatever_was_remembered(
    write: Write, models: Models, base: str, state: LastGoodStore
) -> None:
    path = write(base)
    remember(state, load(path, models, environ={}))
    write(base.replace("unit: 3", "unit: 4"))
    started = start(path, models, kept=state, environ={})
    assert (started.problems, started.loaded.devices[0].settings["unit"]) == ([], 4)


FAST = """
import sys
from pathlib import Path
from hub.config.instances import Models
from hub.config import reader_process as aside; from hub.config import source
from hub.config.last_good import LastGoodStore, remember, start
kept = LastGoodStore(Path(sys.argv[2]), bytes(32))
started = start(Path(sys.argv[1]), Models(), kept=kept, environ={})
assert not started.problems
remember(kept, started.loaded)
print("ruamel" if "ruamel.yaml" in sys.modules else "none", started.loaded.config.hub.name)
"""


@pytest.mark.real("processes")
def test_no_yaml_parser_is_imported_to_start_from_a_file_that_is_right(write: Write, state: LastGoodStore) -> None:
    write("name: X\n", "hub.yaml")
    path = write("hub: !include hub.yaml\n")

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", FAST, str(path), str(state.state_dir)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert run() == "none X", "read in a child"
    assert run() == "none X", "unchanged"
    write("name: Y\n", "hub.yaml")
    assert run() == "none Y"


@pytest.mark.real("processes")
def test_what_a_child_reads_is_what_is_read_here(write: Write) -> None:
    write("{name: X, key: !secret k, n: 0017, deep: [1, 2.5, null, true, {a: é}]}", "hub.yaml")
    path = write("hub: !include hub.yaml\n")
    here = source.read(path)
    assert reader_process.read(path) == (here.files, here.data, here.asked)


@pytest.mark.real("processes")
@pytest.mark.parametrize("text", ["hub: {name: X", "hub: !include none.yaml", "hub: {name: X, name: Y}", "a: &b 1"])
def test_a_child_says_nothing_of_a_file_that_is_wrong_so_that_it_is_told_here(write: Write, text: str) -> None:
    path = write(text)
    assert reader_process.read(path) is None
    with pytest.raises(ConfigError):
        start(path, Models(), environ={})


@pytest.mark.real("processes")
def test_where_no_child_can_be_had_the_file_is_read_here(
    write: Write, models: Models, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    path = write(base)
    assert reader_process.read(path) is None
    assert start(path, models, environ={}).problems == []


@pytest.mark.real("processes")
def test_secrets_in_ordinary_lines_do_not_need_the_parser_either(
    write: Write, state: LastGoodStore, tmp_path: Path
) -> None:
    write("k: aabb # a key\n", "secrets.yaml")
    code = "import sys; from hub.config.secrets import Vault; from pathlib import Path\n"
    code += "assert Vault(Path(sys.argv[1]), {}).get('k').get_secret_value() == 'aabb'\n"
    code += "assert 'ruamel.yaml' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.mark.real("processes")
def test_a_plugin_that_is_gone_costs_its_own_devices_only(
    write: Write, models: Models, base: str, state: LastGoodStore
) -> None:
    text = base.replace("integrations:", "integrations:\n  radio:") + (
        "  radio:x: {integration: radio, place: room-1}\nlink: {uplinks: {carrier: {url: x}}}\n"
    )
    path = write(text)
    remember(state, load(path, models, environ={}))
    fewer = Models(integrations={"radio": models.integrations["radio"]})
    started = start(path, fewer, kept=state, environ={})
    assert [i.name for i in started.loaded.integrations] == ["radio"]
    assert [d.id for d in started.loaded.devices] == ["radio:x"]
    assert started.loaded.uplinks == []
    assert {p.path for p in started.left_out} == {"integrations.meter", "link.uplinks.carrier"}
    assert {p.path for p in started.problems} == {"integrations.meter", "link.uplinks.carrier"}


@pytest.mark.real("processes")
def test_a_secret_that_is_gone_costs_its_own_device_only(
    write: Write, models: Models, text: str, state: LastGoodStore
) -> None:
    path = write(
        text.replace("devices:", "devices:\n  meter:b: {integration: meter, place: room-1, settings: {unit: 1}}")
    )
    remember(state, load(path, models, environ={"ILOT_SECRET_K": "aa"}))
    for secrets in (None, "k: [broken", "\0"):
        if secrets is not None:
            write(secrets, "secrets.yaml")
        started = start(path, models, kept=state, environ={})
        assert [d.id for d in started.loaded.devices] == ["meter:b"]
        assert started.problems
        assert started.left_out


def test_what_the_core_itself_no_longer_accepts_cannot_be_recalled(
    read: Read, models: Models, state: LastGoodStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(state, read("hub: {name: x}"))
    monkeypatch.setattr(last_good, "reveal", lambda *_: {"hub": {"nmae": "x"}})
    assert recall(state, models, environ={}) is None


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_damaged_file_counts_as_none(
    read: Read, models: Models, base: str, state: LastGoodStore, kept: Path, data: st.DataObject
) -> None:
    remember(state, read(base))
    whole = kept.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[place] ^ (1 << data.draw(st.integers(0, 7)))])
    kept.write_bytes(whole[:place] + data.draw(st.sampled_from([b"", flipped])) * 1 + whole[place + 1 :])
    assert recall(state, models, environ={}) is None
    kept.write_bytes(whole[:place])
    assert recall(state, models, environ={}) is None
    kept.write_bytes(whole)
    assert recall(state, models, environ={}) is not None


def test_equal_content_is_not_written_again(read: Read, base: str, state: LastGoodStore, kept: Path) -> None:
    remember(state, read(base))
    before = kept.stat().st_ino
    remember(state, read(base))
    assert kept.stat().st_ino == before
    remember(state, read(base + "# other\n"))
    assert kept.stat().st_ino != before


def test_it_is_synced_before_it_is_renamed_and_the_directory_after(
    read: Read, base: str, state: LastGoodStore, disk_calls: list[str]
) -> None:
    remember(state, read(base))
    assert disk_calls == ["directory", "directory", "file", "rename", "directory"], "the state directory is new too"


def test_a_full_disk_is_told_and_leaves_the_former_one(
    read: Read, models: Models, base: str, state: LastGoodStore, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(state, read(base))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        remember(state, read(base + "# other\n"))
    assert recall(state, models, environ={}) is not None
    assert list(kept.parent.iterdir()) == [kept]


def test_a_part_of_the_file_can_be_used_whatever_is_wrong_elsewhere(text: str, models: Models, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text + "unknown: 1\n")
    with pytest.raises(ConfigError):
        load(path, models, environ={"ILOT_SECRET_K": SECRET})
    assert [uplink.name for uplink in load_sections(path, models, "link", "buffer", environ={}).uplinks] == ["carrier"]
    path.write_text("buffer: {window: never}\n")
    with pytest.raises(ConfigError, match="something is wrong in link and buffer"):
        load_sections(path, models, "link", "buffer", environ={})


@pytest.mark.real("processes")
def test_a_link_that_leads_to_another_include_is_seen_at_the_start(
    write: Write, models: Models, tmp_path: Path
) -> None:
    kept = last_good.LastGoodStore(tmp_path / "state", b"k" * 32)
    write("name: X\n", "a.yaml")
    write("name: Y\n", "b.yaml")
    path = write("hub: !include hub.yaml\n")
    for target, name in (("a.yaml", "X"), ("b.yaml", "Y")):
        (path.parent / "hub.yaml").unlink(missing_ok=True)
        (path.parent / "hub.yaml").symlink_to(target)
        started = last_good.start(path, models, kept=kept)
        last_good.remember(kept, started.loaded)
        assert started.loaded.config.hub.name == name
