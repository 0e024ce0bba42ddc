"""The state directory is the one that the file names, however it is written; where it cannot be told nobody guesses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.config.state_dir import DEFAULT, state_of
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def of(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return state_of(file)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hub:\n  state_dir: /srv/ilot  # keys\n", "/srv/ilot"),
        ("hub:\n  # state_dir: /elsewhere\n  state_dir: 'here'\n", "here"),
        ('{"hub": {"name": "x", "state_dir": "/srv/ilot"}}\n', "/srv/ilot"),
        ('hub: {name: x, "state_dir": "/srv/a b,c"}\n', "/srv/a b,c"),
        ("hub: {name: a state_dir is named here, state_dir: /srv/ilot}\n", "/srv/ilot"),
        ('hub:\n  state_dir: "/srv/\\u00eelot"\n', "/srv/îlot"),
        ("hub:\n  state_dir: >-\n    /srv/ilot\n", "/srv/ilot"),
        ("zones:\n  state_dir: {site: s}\nhub:\n  state_dir: /srv/ilot\n", "/srv/ilot"),
        ("hub: !include hub.yaml\n", "/srv/included"),
        ("hub: {}\n", str(DEFAULT)),
        ("# hub: {state_dir: /elsewhere}\nzones: {state_dir: {site: s}}\n", str(DEFAULT)),
    ],
)
def test_the_directory_is_found_however_the_file_writes_it(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "hub.yaml").write_text("state_dir: /srv/included\n")
    assert of(tmp_path, text) == tmp_path / named


def test_a_file_that_is_wrong_elsewhere_still_says_where_its_state_is(tmp_path: Path) -> None:
    assert of(tmp_path, "hub:\n  state_dir: /srv/ilot\nweb: {address: 127.0.0.1\n") == Path("/srv/ilot")


@pytest.mark.parametrize(
    "text", ['{"hub": {"state_dir": "/srv/ilot"}, "web": {', "hub: {state_dir: [a]}\n", "hub: !include none.yaml\n"]
)
def test_where_it_cannot_be_told_it_is_an_error_and_not_another_directory(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml.*where the state directory is cannot be told"):
        of(tmp_path, text)


def test_a_plain_file_is_not_parsed_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.config.source.read_all", lambda *_: pytest.fail("parsed"))
    assert of(tmp_path, "hub:\n  name: x\n  state_dir: state\n") == tmp_path / "state"
    assert of(tmp_path, "hub: {name: x}\n") == DEFAULT


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """Root runs commands on a directory in which the hub's user may put what it wants."""
    theirs = tmp_path / "shadow"
    theirs.write_text("root's own")
    state = tmp_path / "state"
    state.mkdir()
    (state / "lock").symlink_to(theirs)
    with pytest.raises(StorageError, match="cannot be used"), StateDir(state).locked():
        pass
    assert theirs.read_text() == "root's own"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("name", ["store.db", "keys", "buffer/readings"])
def test_root_holds_no_directory_in_which_a_link_of_its_user_leads_to_what_is_roots(tmp_path: Path, name: str) -> None:
    theirs, state = tmp_path / "roots", tmp_path / "state"
    theirs.mkdir()
    (theirs / "shadow").write_text("root's own")
    (state / name).parent.mkdir(parents=True)
    (state / name).symlink_to(theirs / "shadow" if "." in name else theirs)
    os.chown(state, 12345, 12345)
    os.chown(state / name, 12345, 12345, follow_symlinks=False)
    with pytest.raises(StorageError, match="chown -h root"), StateDir(state).locked():
        pass
    os.chown(state / name, 0, 0, follow_symlinks=False)
    (tmp_path / "above").symlink_to(tmp_path)  # the administrator's, as is the one that root made
    for _ in range(2):  # and it stays so
        with StateDir(tmp_path / "above" / "state").locked():
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write to what is another's")
def test_the_lock_is_not_written_through_another_name_of_a_file(tmp_path: Path) -> None:
    theirs, state = tmp_path / "shadow", tmp_path / "state"
    theirs.write_text("root's own")
    state.mkdir()
    os.chown(state, 12345, 12345)
    (state / "lock").hardlink_to(theirs)
    with StateDir(state).locked():
        pass
    assert (theirs.read_text(), theirs.stat().st_uid) == ("root's own", 0)


def test_a_state_of_a_later_release_is_not_opened_and_one_that_this_opens_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StateDir(tmp_path).claim_format()
    assert list(tmp_path.iterdir()) == [], "the first format has no mark"
    monkeypatch.setattr("hub.core.state_dir.STATE_READS", 3)
    monkeypatch.setattr("hub.core.state_dir.STATE_WRITES", 2)
    StateDir(tmp_path).claim_format()
    assert (tmp_path / "format").read_text() == "2\n"
    (tmp_path / "format").write_text("3\n")
    StateDir(tmp_path).claim_format()
    assert (tmp_path / "format").read_text() == "3\n", "a mark goes never down"
    (tmp_path / "format").write_text("4\n")
    with pytest.raises(StorageError, match="a later release wrote"):
        StateDir(tmp_path).claim_format()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose files they are")
def test_what_root_keeps_for_the_hubs_user_to_run_stays_roots(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    (tmp_path / "releases" / "7").mkdir(parents=True)
    (tmp_path / "keys").mkdir()
    with StateDir(tmp_path).locked():
        pass
    assert (tmp_path / "releases" / "7").stat().st_uid == (tmp_path / "releases").stat().st_uid == 0
    assert (tmp_path / "keys").stat().st_uid == 12345
