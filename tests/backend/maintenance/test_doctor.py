"""`ilot backend doctor`: what is right is said to be, and each thing that is wrong, with a remedy."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from backend_kit import NOW, Desk, row
from click.testing import CliRunner

from backend.cli.main import backend as command
from backend.hubs import silences
from backend.maintenance import copies
from backend.maintenance.doctor import machine, server
from backend.maintenance.doctor.examination import examine
from backend.maintenance.doctor.findings import DAY_S, NOTE, OK, WRONG, Finding
from backend.owner import directory as owners
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_storage
from backend.storage.processes import ProcessLine
from tests.journeys.patience import PATIENCE_S
from tests.ports import free_port

pytestmark = pytest.mark.real("network")


def found(directory: Path, now: float | None = None) -> dict[str, Finding]:
    """Findings by what they are about; the worst of each."""
    worst: dict[str, Finding] = {}
    for one in examine(directory, time.time() if now is None else now):
        before = worst.get(one.what)
        if before is None or (OK, NOTE, WRONG).index(one.state) > (OK, NOTE, WRONG).index(before.state):
            worst[one.what] = one
    return worst


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a busy machine may take its time."""
    monkeypatch.setattr(server, "ANSWER_S", PATIENCE_S)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An owner with a hub that spoke, records, a copy, and without the offline keys; its port is free."""
    owners.init(tmp_path / "owner", owner="Ville", port=free_port())
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    segment = sender.segment()
    desk.post(sender, segment.message([segment.block([row(NOW + n) for n in range(50)])]))
    desk.state(sender, sender.state(segment, every=30, trust_version=1))
    desk.close()
    copies.make(desk.owner.directory, tmp_path / "copy", lambda what, share: None)
    shutil.rmtree(desk.owner.directory / "root")
    (desk.owner.directory / "recovery.key").unlink()
    return desk.owner.directory


async def test_a_backend_that_is_right_has_nothing_to_be_seen_to(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "is_clock_synchronised", lambda: True)
    monkeypatch.setattr(machine, "NOTE_FREE", 0)
    monkeypatch.setattr(machine, "WRONG_FREE", 0)
    monkeypatch.setattr(machine, "SLOW_S", 60.0)
    async with serving(directory, port=owners.load(directory).settings.port):
        seen = await asyncio.to_thread(found, directory)
    assert {one.what: one for one in seen.values() if one.state != OK} == {}
    assert [one.remedy for one in seen.values() if one.remedy] == []
    assert list(directory.glob(".doctor-*")) == []


def test_a_server_that_does_not_run_is_said_with_its_log(directory: Path) -> None:
    one = found(directory)["running server"]
    assert one.state == WRONG
    assert "journalctl" in one.remedy


async def test_another_server_at_the_port_is_not_taken_for_the_backend(tmp_path: Path, directory: Path) -> None:
    owners.init(tmp_path / "other", owner="Autre")
    async with serving(tmp_path / "other", port=owners.load(directory).settings.port):
        one = (await asyncio.to_thread(found, directory))["running server"]
    assert one.state == WRONG


def test_a_server_that_answers_nothing_ends_the_wait(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", owners.load(directory).settings.port)):
        assert found(directory)["running server"].state == WRONG


async def test_a_server_of_a_former_release_is_to_be_restarted(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "version", lambda name: "99.0")
    one = (await asyncio.to_thread(found, served.owner.directory))["release"]
    assert (one.state, one.remedy) == (NOTE, "`systemctl restart ilot-backend`")


async def test_one_process_of_a_former_release_among_others_is_named(served: Running) -> None:
    now = time.time()
    with closing(open_storage(served.owner.database)) as storage, storage.transaction():
        storage.processes.tell(ProcessLine("ingest old 1", "ingest", "0.0.9", now, now, b"\x80"), 0.0)
    one = (await asyncio.to_thread(found, served.owner.directory))["release"]
    assert one.state == NOTE
    assert "0.0.9 runs" in one.says


def test_a_file_of_the_directory_that_is_damaged_is_named(directory: Path) -> None:
    (directory / "ack.key").write_text("no key")
    one = found(directory)["directory"]
    assert one.state == WRONG
    assert "restore" in one.remedy
    assert found(directory / "nowhere")["directory"].state == WRONG


def test_keys_that_others_may_read_are_wrong_and_a_shut_directory_makes_them_a_note(directory: Path) -> None:
    assert found(directory)["files and rights"].state == OK
    (directory / "ca.key").chmod(0o644)
    assert found(directory)["files and rights"].state == NOTE
    directory.chmod(0o755)
    one = found(directory)["files and rights"]
    assert one.state == WRONG
    assert "ca.key" in one.says


def test_offline_keys_beside_the_server_are_to_be_taken_away(tmp_path: Path) -> None:
    made = owners.init(tmp_path / "owner", owner="Ville")
    assert found(made.directory)["offline keys"].state == NOTE


def test_a_certificate_that_ends_soon_or_is_over_is_said(directory: Path) -> None:
    now = time.time()
    assert found(directory, now)["certificate"].state == OK
    assert found(directory, now + 810 * DAY_S)["certificate"].state == NOTE
    assert found(directory, now + 900 * DAY_S)["certificate"].state == WRONG


def test_the_age_of_the_last_copy_is_judged_by_what_hubs_still_hold(directory: Path, tmp_path: Path) -> None:
    now = time.time()
    assert [found(directory, now + days * DAY_S)["copy"].state for days in (1, 3, 8)] == [OK, NOTE, WRONG]
    (directory / copies.LAST).write_text("damaged")
    assert found(directory, now)["copy"].state == NOTE


def test_a_disk_that_fills_and_one_that_refuses_are_wrong(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100 << 30, 99 << 30, 1 << 29))
    monkeypatch.setattr(machine.os, "fsync", _refuses)
    seen = found(directory)
    assert (seen["disk"].state, seen["writing"].state) == (WRONG, WRONG)
    assert seen["disk"].remedy
    assert seen["writing"].remedy


def _refuses(descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_clock_behind_what_is_stored_and_one_that_nobody_keeps_are_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "is_clock_synchronised", lambda: None)
    seen = found(directory, time.time() - 3 * DAY_S)
    assert (seen["clock"].state, seen["time server"].state) == (WRONG, NOTE)
    assert found(directory)["clock"].state == OK


def test_a_damaged_database_is_found_by_its_sample(directory: Path) -> None:
    path = directory / "backend.db"
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)
    one = found(directory)["database"]
    assert one.state == WRONG
    assert "ilot backend check" in one.remedy


def test_a_large_database_is_sampled_within_its_time(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.maintenance.doctor import stored
    from backend.storage.sqlite import samples

    monkeypatch.setattr(stored, "SAMPLE_S", 0.0)
    monkeypatch.setattr(samples, "_STEPS", 1)
    one = found(directory)["database"]
    assert one.state == OK
    assert one.says.params["whole"] < one.says.params["tables"]  # type: ignore[attr-defined]


def test_silent_hubs_are_named_and_those_that_never_spoke_are_counted(directory: Path) -> None:
    desk = Desk(directory)
    desk.enrol()
    desk.close()
    seen = [one for one in examine(directory, time.time()) if one.what == "hubs"]
    assert [one.state for one in seen] == [OK, NOTE]
    late = time.time() + silences.silent_after(30.0) + 1.0
    silent, never = (one for one in examine(directory, late) if one.what == "hubs")
    assert silent.says.code == "hubs-silent"  # type: ignore[attr-defined]
    assert (silent.state, never.state) == (NOTE, NOTE)


def test_alarms_and_quarantine_wait_for_a_person(directory: Path) -> None:
    desk = Desk(directory)
    with desk.ingest.storage.transaction():
        desk.ingest.received.alarm("forged", "hub-a", "detail")
    desk.close()
    one = found(directory)["for a person"]
    assert (one.state, one.says.params["alarms"]) == (NOTE, 1)  # type: ignore[attr-defined]


def test_the_command_ends_with_what_it_found_and_prints_data(directory: Path) -> None:
    result = CliRunner().invoke(command, ["doctor", str(directory), "--json"])
    assert result.exit_code == 6
    told: list[dict[str, Any]] = json.loads(result.stdout)
    assert {"what", "what_text", "state", "says", "says_text", "remedy"} <= told[0].keys()
    shown = CliRunner().invoke(command, ["doctor", str(directory)])
    assert "✘\trunning server" in shown.stdout
    assert "journalctl" in shown.stderr
