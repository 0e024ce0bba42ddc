"""Root's program: what it imports, takes up and believes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from releases_kit import KEY, OTHER, Place

from hub.operations.releases.inbox import INSTALL, RETURN, Inbox, Request
from hub.operations.releases.notes import Notes
from hub.operations.releases.root import Program


def program(place: Place) -> Program:
    return Program(place.state, place.root, place.package, place.machine)


def wish(place: Place, data: bytes, *, again: bool = False) -> None:
    inbox = Inbox(place.state)
    with inbox.begin() as target:
        target.write(data)
    inbox.ask(Request(do=INSTALL, by="web:anna", again=again))


@pytest.mark.real("processes")
def test_it_imports_nothing_of_the_hub_but_releases_protocol_and_core() -> None:
    code = "import sys, hub.operations.releases.root; print(*sys.modules)"
    found = subprocess.check_output([sys.executable, "-I", "-c", code], text=True).split()
    own = {name for name in found if name.startswith("hub.")}
    allowed = ("hub.core", "hub.protocol", "hub.operations.releases")
    assert {name for name in own if not name.startswith(allowed)} == {"hub.operations"}
    assert not {"asyncio", "pydantic", "apsw", "aiohttp", "yaml", "click"} & set(found)


def test_a_wish_is_done_once_and_its_outcome_told_to_everybody(place: Place) -> None:
    wish(place, place.bundle(101))
    program(place).serve()
    journal = Notes(place.root).journal()
    assert journal.last is not None
    assert (journal.last.result, journal.last.by, place.runs()) == ("installed", "web:anna", 101)
    assert (place.root / "journal.json").stat().st_mode & 0o444 == 0o444
    assert sorted(path.name for path in (place.state / "release-inbox").iterdir()) == []
    program(place).serve()
    assert place.machine.started == [101]


def test_a_wish_to_go_back_ends_a_trial_that_is_under_way(place: Place) -> None:
    wish(place, place.bundle(101))
    inbox = Inbox(place.state)
    place.machine.during = lambda passed: inbox.ask(Request(do=RETURN, by="anna")) if 100 < passed < 106 else None
    program(place).serve()
    last = Notes(place.root).journal().last
    assert last is not None
    assert (last.result, place.runs()) == ("taken-back", 100)


@pytest.mark.parametrize("request_text", [b"", b"{", b"[" * 5000, b'{"do": 7}', b'{"do": "erase"}', b"\xff" * 9000])
def test_a_wish_that_says_nothing_is_removed_and_nothing_is_done(place: Place, request_text: bytes) -> None:
    folder = place.state / "release-inbox"
    folder.mkdir()
    (folder / "request").write_bytes(request_text)
    program(place).serve()
    assert not (folder / "request").exists()
    assert place.machine.started == []


def test_no_link_pipe_or_directory_of_the_hubs_user_is_opened(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(place.bundle(101))
    folder = place.state / "release-inbox"
    folder.mkdir()

    def ask() -> str:
        Inbox(place.state).ask(Request(do=INSTALL, by="x"))
        program(place).serve()
        last = Notes(place.root).journal().last
        assert last is not None
        return last.result

    (folder / "bundle").symlink_to(secret)
    assert ask() == "refused"
    os.mkfifo(folder / "bundle")
    assert ask() == "refused", "and nobody waits for who never writes"
    assert secret.exists()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "request").write_bytes(b'{"do": "return"}')
    program(place).serve()
    assert (tmp_path / "elsewhere" / "request").exists(), "no link on the way is followed either"
    assert place.machine.started == []


def test_of_a_stick_the_newest_that_this_hub_takes_is_installed(place: Place, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    for name, data in {
        "old": place.bundle(99), "good": place.bundle(105), "other": place.bundle(109, architecture="amd64"),
        "forged": place.bundle(110, OTHER), "older": place.bundle(103), "cut": place.bundle(111)[:50],
    }.items():  # fmt: skip
        (stick / f"{name}.ilot-release").write_bytes(data)
    (stick / "photo.jpg").write_bytes(b"x")
    (stick / "link.ilot-release").symlink_to(stick / "good.ilot-release")
    program(place).install_from(stick)
    assert place.runs() == 105
    program(place).install_from(stick)
    last = Notes(place.root).journal().last
    assert last is not None
    assert last.result == "refused", "what the stick has says why it is not taken"


def test_a_stick_without_a_bundle_says_nothing(place: Place, tmp_path: Path) -> None:
    program(place).install_from(tmp_path)
    assert Notes(place.root).journal().last is None


def test_a_key_that_the_package_no_longer_names_ends_what_it_signed(place: Place) -> None:
    wish(place, place.bundle(101, KEY))
    program(place).serve()
    assert place.runs() == 101
    place.ship(100, OTHER)
    program(place).serve()
    assert place.runs() == 100
