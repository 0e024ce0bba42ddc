"""A copy of a backend in service: whole, verified, and put back without an acknowledgement number twice."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from backend_kit import NOW, Desk, Sender, row
from city_admission import admit_somebody, admitted
from click.testing import CliRunner

from backend.cli.main import backend as command
from backend.conformance.probe import Answer
from backend.conformance.sender import Segment
from backend.maintenance import copies
from backend.owner import directory as owners
from backend.readings.erasures import PSEUDONYM
from backend.storage.city import people, register
from backend.storage.city.database import open_city
from backend.storage.engine import ErasureOrder
from backend.storage.sqlite import copies as engine
from hub.core.errors import ConfigError, HubError, NotReady, StorageError
from hub.protocol.records.rows import Subject


def quiet(what: str, share: float) -> None:
    assert 0.0 <= share <= 1.0, what


def send(desk: Desk, hub: Sender, segment: Segment, count: int = 1) -> Answer:
    """Send so many records of one reading each."""
    return desk.post(hub, segment.message([segment.block([row(NOW + segment.next_seq, 1.0)]) for _ in range(count)]))


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path / "owner")
    yield desk
    desk.close()


@pytest.fixture
def stopped(desk: Desk, tmp_path: Path) -> tuple[Desk, Sender, Segment, Answer]:
    """A backend with a copy at record 5 that went on to record 9, and is stopped: its last answer."""
    hub = desk.enrol()
    segment = hub.segment()
    send(desk, hub, segment, 5)
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    answer = send(desk, hub, segment, 4)
    desk.close()
    return desk, hub, segment, answer


def test_a_copy_made_while_messages_arrive_is_of_one_moment_and_begins_once(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = desk.enrol()
    segment = hub.segment()
    send(desk, hub, segment, 5)
    monkeypatch.setattr(engine, "_PAGES", 4)
    shares: list[float] = []

    def meanwhile(what: str, share: float) -> None:
        if what == copies.COPYING:
            shares.append(share)
            assert send(desk, hub, segment).acks

    head = copies.make(desk.owner.directory, tmp_path / "copy", meanwhile)
    assert len(shares) > 5
    assert shares == sorted(shares)  # one that begins anew has a smaller share done
    assert head.database.last_record == 5
    assert copies.check(tmp_path / "copy", quiet) == head
    assert engine.contents(desk.owner.database).last_record == 5 + len(shares)


def test_the_twin_without_a_snapshot_begins_anew_with_each_commit(desk: Desk, tmp_path: Path) -> None:
    import apsw

    hub = desk.enrol()
    segment = hub.segment()
    send(desk, hub, segment, 5)
    source, made = apsw.Connection(str(desk.owner.database)), apsw.Connection(str(tmp_path / "twin.db"))
    left: list[int] = []
    with made.backup("main", source, "main") as pages:
        for _ in range(12):
            pages.step(4)
            left.append(pages.remaining)
            send(desk, hub, segment)
    made.close()
    source.close()
    assert left[0] <= left[-1]  # it gets nowhere


def test_a_copy_holds_what_a_server_needs_and_neither_root_nor_recovery_key(desk: Desk, tmp_path: Path) -> None:
    (desk.owner.directory / "backups").mkdir(exist_ok=True)
    (desk.owner.directory / "backups/hub-1.bin").write_bytes(b"sealed")
    (desk.owner.directory / "elsewhere").symlink_to("/etc/passwd")
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    names = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert {"backend.db", "backend.json", "api.token", "ca.key", "ack.key", "backups/hub-1.bin"} <= names
    assert not {"recovery.key", "root/ed25519.pem", "elsewhere"} & names
    assert not owners.load(tmp_path / "copy").demo_grade
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    last = copies.last(desk.owner.directory)
    assert last is not None
    assert last.copy == str(tmp_path / "copy")


@pytest.mark.parametrize("where", ["owner/inside", "there"])
def test_a_place_that_will_not_do_is_refused_before_anything_is_written(desk: Desk, tmp_path: Path, where: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError):
        copies.make(desk.owner.directory, tmp_path / where, quiet)
    assert not (tmp_path / "owner/inside").exists()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_copied(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1 << 20))  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match="MB free"):
        copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["owner"]


def test_what_a_killed_copy_left_is_replaced_by_the_next(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / ".copy.partial").mkdir()
    (tmp_path / ".copy.partial/backend.db").write_bytes(b"half")
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    assert {path.name for path in tmp_path.iterdir()} == {"owner", "copy"}


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["backend.db", "ca.key", "copy.json"])
@pytest.mark.parametrize("harm", [_cut, _alter, Path.unlink])
def test_a_copy_that_the_disk_altered_is_refused_and_nothing_is_touched(
    stopped: Any, tmp_path: Path, name: str, harm: Any
) -> None:
    desk = stopped[0]
    before = desk.owner.database.read_bytes()
    harm(tmp_path / "copy" / name)
    with pytest.raises(HubError):
        copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
    assert desk.owner.database.read_bytes() == before


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "", ".", "a\0b"])
def test_a_head_that_names_files_elsewhere_is_refused(stopped: Any, tmp_path: Path, name: str) -> None:
    head = json.loads((tmp_path / "copy/copy.json").read_bytes())
    head["files"][name] = "0" * 64
    (tmp_path / "copy/copy.json").write_text(json.dumps(head))
    with pytest.raises((ConfigError, StorageError)):
        copies.restore(tmp_path / "copy", tmp_path / "other", quiet)
    assert not (tmp_path / "other").exists()


def test_a_copy_put_back_has_another_identity_asks_hubs_again_and_repeats_no_number(
    stopped: Any, tmp_path: Path
) -> None:
    desk, hub, segment, before = stopped
    done = copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
    assert "before-restore-" in done.aside
    desk.ingest = Desk(desk.owner.directory).ingest
    (again,) = desk.post(hub, segment.message([segment.block([row(NOW + 50)])])).acks
    assert again.db != before.acks[0].db
    assert again.n > before.acks[0].n
    assert (again.through, again.ranges) == (5, ((10, 10),))  # 6 to 9 are missed, and so are sent again


def test_the_twin_that_keeps_its_identity_would_let_hubs_keep_what_it_lacks_as_acknowledged(
    stopped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "begin_again", lambda path, now: 0)
    desk, hub, segment, before = stopped
    copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
    desk.ingest = Desk(desk.owner.directory).ingest
    assert send(desk, hub, segment).acks[0].db == before.acks[0].db


def test_the_city_is_copied_while_it_is_written_and_begins_anew_with_older_readings(desk: Desk, tmp_path: Path) -> None:
    directory = desk.owner.directory
    city = open_city(directory, desk.owner.database)
    hub = desk.enrol()
    segment = hub.segment()
    send(desk, hub, segment, 5)
    with city.transaction() as t:
        register.put_services(t, [("proprete", "Propreté")])
        register.put_followed(t, hub.hub, register.Followed(5, 0, "", "", ""))
    with city.snapshot() as reading:
        reading.rows("select * from services")
        with city.transaction() as t:
            register.put_services(t, [("voirie", "Voirie")])
        head = copies.make(directory, tmp_path / "copy", quiet)
    assert {"city.db"} == {name for name in head.files if name.startswith("city.")}
    with city.transaction() as t:
        register.put_services(t, [("after", "After")])
    city.close()
    desk.close()
    copies.restore(tmp_path / "copy", directory, quiet)
    assert not [path.name for path in directory.glob("*city.db*") if path.name != "city.db"]
    again = open_city(directory, desk.owner.database)
    with again.snapshot() as reading:
        assert list(register.services(reading)) == ["proprete", "voirie"]
        assert register.followed(reading) == {}
    again.close()


def test_nobody_is_admitted_to_the_city_by_what_ended_after_the_copy(desk: Desk, tmp_path: Path) -> None:
    directory = desk.owner.directory
    city = open_city(directory, desk.owner.database)
    with city.transaction() as t:
        admit_somebody(t)
    copies.make(directory, tmp_path / "copy", quiet)
    with city.transaction() as t:  # all of it ends, and the code is used
        people.end_sessions(t, 1)
        people.remove_token(t, "token")
        people.withdraw(t, "publication", "bins")
    city.close()
    desk.close()
    said = CliRunner().invoke(command, ["restore", str(tmp_path / "copy"), str(directory)])
    assert said.exit_code == 0, said.output
    assert "tokens of programs are withdrawn" in " ".join(said.output.split())
    again = open_city(directory, desk.owner.database)
    with again.transaction() as t:
        assert admitted(t) == []
        one = people.person(t, 1)
        assert one is not None
        assert (one.name, one.secret) == ("anna", b"hash"), "the account itself is not lost"
    again.close()


def test_a_copy_of_the_city_that_the_disk_altered_is_refused(desk: Desk, tmp_path: Path) -> None:
    open_city(desk.owner.directory, desk.owner.database).close()
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    desk.close()
    _alter(tmp_path / "copy" / "city.db")
    with pytest.raises(StorageError, match=r"city\.db is not what was copied"):
        copies.restore(tmp_path / "copy", desk.owner.directory, quiet)


def test_a_copy_becomes_a_backend_on_another_machine(stopped: Any, tmp_path: Path) -> None:
    _, hub, segment, before = stopped
    done = copies.restore(tmp_path / "copy", tmp_path / "new/owner", quiet)
    assert (done.aside, done.since_known) == ("", False)
    other = Desk(tmp_path / "new/owner")
    (again,) = send(other, hub, segment).acks
    other.close()
    assert again.db != before.acks[0].db
    assert again.n > before.acks[0].n
    assert (again.through, again.ranges) == (5, ((10, 10),))


def test_a_token_that_was_open_when_the_copy_was_made_enrols_nobody_after_it_is_put_back(
    desk: Desk, tmp_path: Path
) -> None:
    root = desk.owner.settings.root
    desk.ingest.registry.issue(url="https://localhost:1", root=root, name="t", now=0.0, lifetime=1e12)
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    desk.close()
    assert copies.restore(tmp_path / "copy", desk.owner.directory, quiet).tokens_withdrawn == 1
    desk.restart()
    assert desk.sql("select count(*) from tokens where used_at is null") == [(0,)]


def test_hubs_enrolled_or_revoked_since_the_copy_are_so_after_it_is_put_back(desk: Desk, tmp_path: Path) -> None:
    stolen = desk.enrol()
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    later = desk.enrol()
    desk.ingest.registry.revoke(stolen.hub, 1.0)
    desk.close()
    assert copies.restore(tmp_path / "copy", desk.owner.directory, quiet).since_known
    desk.restart()
    assert send(desk, later, later.segment()).acks
    segment = stolen.segment()
    assert isinstance(desk.answer(stolen, segment.message([segment.block([row()])])), HubError)


def test_what_was_erased_since_the_copy_stays_erased_and_an_alarm_tells_of_the_copy(desk: Desk, tmp_path: Path) -> None:
    hub = desk.enrol()
    segment = hub.segment()
    tagged = Subject("badge:1", "room-1", zone="~abc")
    desk.post(hub, segment.message([segment.block([row(NOW, subject=tagged), row(NOW + 1)])]))
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    with desk.ingest.storage.transaction():
        desk.ingest.erasures.carry_out(hub.hub, ErasureOrder("e1", PSEUDONYM, "~abc", 0, 1.0), 1)
    desk.close()
    assert copies.restore(tmp_path / "copy", desk.owner.directory, quiet).since_known
    assert b"badge:1" in (tmp_path / "copy/backend.db").read_bytes()
    desk.restart()
    assert [moment for moment, _ in desk.rows()] == [NOW + 1]
    assert {one["zone"] for one in desk.views.series()} == {"ground floor"}
    assert desk.ingest.storage.erasures.hidden(hub.hub) == {"~abc": "e1"}
    desk.compact()
    assert b"badge:1" not in desk.owner.database.read_bytes()
    assert [one.id for one in desk.ingest.storage.erasures.done(hub.hub, 9)] == ["e1"]
    assert "restored" in desk.alarms()


def test_nothing_is_put_back_under_a_running_backend(desk: Desk, tmp_path: Path) -> None:
    copies.make(desk.owner.directory, tmp_path / "copy", quiet)
    with pytest.raises(NotReady, match="in use"):
        copies.restore(tmp_path / "copy", desk.owner.directory, quiet)


def test_a_copy_of_another_owner_is_refused(stopped: Any, tmp_path: Path) -> None:
    other = owners.init(tmp_path / "other", owner="Autre ville")
    with pytest.raises(ConfigError, match="belongs to"):
        copies.restore(tmp_path / "copy", other.directory, quiet)


def test_a_damaged_database_is_replaced_and_set_aside(stopped: Any, tmp_path: Path) -> None:
    desk = stopped[0]
    desk.owner.database.write_bytes(b"no database" * 1000)
    done = copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
    assert not done.since_known
    assert (Path(done.aside) / "backend.db").read_bytes().startswith(b"no database")
    assert engine.contents(desk.owner.database).last_record == 5


class Killed(BaseException):
    pass


def test_a_restoration_that_is_killed_anywhere_leaves_a_database_and_can_be_run_again(
    stopped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = stopped[0]
    kept = tmp_path / "kept"
    shutil.copytree(desk.owner.directory, kept)
    steps = 0
    for limit in range(1, 200):
        shutil.rmtree(desk.owner.directory)
        shutil.copytree(kept, desk.owner.directory)
        with monkeypatch.context() as patched:
            left = [limit]
            for of, name in ((os, "fsync"), (os, "link"), (os, "mkdir"), (os, "rename"), (os, "replace")):
                patched.setattr(of, name, _dying(getattr(of, name), left))
            try:
                copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
            except Killed:
                steps += 1
            else:
                break
        assert engine.contents(desk.owner.database).last_record in (5, 9)
        copies.restore(tmp_path / "copy", desk.owner.directory, quiet)
        assert engine.contents(desk.owner.database).last_record == 5
    assert 5 < steps < 199


def _dying(call: Any, left: list[int]) -> Any:
    def called(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed
        return call(*arguments, **more)

    return called


def test_the_commands_tell_what_they_did_as_data_and_in_sentences(desk: Desk, tmp_path: Path) -> None:
    hub = desk.enrol()
    send(desk, hub, hub.segment(), 3)
    run = CliRunner()
    made = run.invoke(command, ["backup", str(desk.owner.directory), str(tmp_path / "copy"), "--json"])
    assert made.exit_code == 0, made.stderr
    facts = json.loads(made.stdout)
    assert (facts["hubs"], facts["last_record"]) == (1, 3)
    assert "100%" in made.stderr
    refused = run.invoke(command, ["restore", str(tmp_path / "copy"), str(desk.owner.directory)])
    assert (refused.exit_code, refused.stdout) == (4, "")
    desk.close()
    done = run.invoke(command, ["restore", str(tmp_path / "copy"), str(desk.owner.directory), "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["hubs"] == 1
    desk.restart()
