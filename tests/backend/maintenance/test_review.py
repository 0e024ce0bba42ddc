"""What waits for a person: closed when it was judged, taken out or away, and told to nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from backend_kit import Desk, Sender
from click.testing import CliRunner

from backend.cli.main import backend
from backend.hubs.alarms import clear_alarm
from backend.ingest import quotas
from backend.storage.engine import ErasureOrder
from hub.protocol.records import framing


@pytest.fixture
def hub(plain: Desk) -> Sender:
    return plain.enrol()


def ilot(desk: Desk, command: str, *arguments: str, fails: int = 0) -> list[dict[str, Any]]:
    done = CliRunner().invoke(backend, [command, str(desk.owner.directory), *arguments, "--json"])
    assert done.exit_code == fails, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def unreadable(desk: Desk, hub: Sender, last: int = 1) -> bytes:
    segment = hub.segment()
    bad = segment.raw(framing.BLOCK, b"\xff" * 9 + bytes([last]), 4)
    desk.post(hub, segment.message([bad]))
    return bad


def test_an_alarm_that_was_judged_is_closed_and_raised_again_when_it_is_so_again(plain: Desk, hub: Sender) -> None:
    unreadable(plain, hub)
    (alarm,) = ilot(plain, "alarms")
    assert (alarm["kind"], alarm["hub"]) == ("unreadable", hub.hub)
    assert ilot(plain, "alarms", "--hub", "hub-other") == []
    assert ilot(plain, "alarms", "--close", str(alarm["id"])) == []
    assert plain.alarms() == []
    assert [one["cleared_at"] is None for one in ilot(plain, "alarms", "--all")] == [False]
    ilot(plain, "alarms", "--close", str(alarm["id"]), fails=3)
    unreadable(plain, hub)
    assert [one["id"] > alarm["id"] for one in ilot(plain, "alarms")] == [True]


def test_an_alarm_keeps_the_code_of_its_sentence_and_is_shown_in_the_language_of_the_shell(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable(plain, hub)
    (alarm,) = ilot(plain, "alarms")
    assert alarm["detail_text"]["code"] == "sealed-not-readable"
    assert alarm["detail_text"]["params"]["cause"]["code"] == "hub-maybe-newer"
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    done = CliRunner().invoke(backend, ["alarms", str(plain.owner.directory)])
    assert "ce qu'il a vraiment scellé ne se lit pas ici" in done.stdout.replace("\u2019", "'")
    done = CliRunner().invoke(backend, ["alarms", str(plain.owner.directory / "nothing")])
    assert done.stderr.startswith("erreur : ")


def test_of_several_all_are_closed_or_none(plain: Desk, hub: Sender) -> None:
    unreadable(plain, hub)
    (alarm,) = ilot(plain, "alarms")
    ilot(plain, "alarms", "--close", str(alarm["id"]), "--close", "999", fails=3)
    assert plain.alarms() == ["unreadable"]


def test_what_is_in_quarantine_is_taken_out_and_away(
    plain: Desk, hub: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = unreadable(plain, hub)
    (one,) = ilot(plain, "quarantine", "--out", str(tmp_path / "out"))
    assert (one["hub"], one["reason"], one["bytes"]) == (hub.hub, "unreadable", len(bad))
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_bytes() == bad
    monkeypatch.setattr(quotas, "EVIDENCE", len(bad) + quotas.ROW_OVERHEAD)
    monkeypatch.setattr(quotas, "AGAIN_S", 0.0)
    unreadable(plain, hub, 2)
    assert [line["id"] for line in ilot(plain, "quarantine")] == [one["id"]], "its share is full"
    assert ilot(plain, "quarantine", "--drop", str(one["id"])) == []
    kept = b"".join(path.read_bytes() for path in plain.owner.directory.glob("backend.db*"))
    assert bad not in kept
    unreadable(plain, hub, 3)
    assert len(ilot(plain, "quarantine")) == 1, "there is room again, also for the backend that runs"
    ilot(plain, "quarantine", "--drop", "999", fails=3)


def test_a_hub_that_raises_much_hides_what_another_raised_before_in_no_list(plain: Desk, hub: Sender) -> None:
    other, received = plain.enrol(), plain.ingest.received
    with plain.ingest.storage.transaction():
        for sender, count in ((other, 1), (hub, 6)):
            for n in range(count):
                received.quarantine(sender.hub, "unreadable", f"{sender.hub} {n}".encode(), f"bytes {n}")
        received.alarm("forged", other.hub, "over")
        clear_alarm(plain.ingest.storage, "forged", other.hub, "over", 1.0)
    shown = plain.views.alarms(everything=False, limit=4)
    assert [(one["hub"], one["detail"]) for one in shown] == [
        (hub.hub, "bytes 5"), (hub.hub, "bytes 4"), (hub.hub, "bytes 3"), (other.hub, "bytes 0"),
    ]  # fmt: skip
    assert [one["detail"] for one in plain.views.alarms()] == [
        *(f"bytes {n}" for n in (5, 4, 3, 2, 1, 0)),
        "bytes 0",
        "over",
    ]
    kept = plain.views.quarantined(limit=3)
    assert [one["hub"] for one in kept] == [hub.hub, hub.hub, other.hub]
    assert kept[-1]["bytes"] == len(f"{other.hub} 0")


def test_a_hub_that_orders_erasures_without_end_hides_none_of_another(plain: Desk, hub: Sender) -> None:
    other = plain.enrol()
    with plain.ingest.storage.transaction():
        for sender, count in ((other, 1), (hub, 5)):
            for n in range(count):
                order = ErasureOrder(str(n), "device", "x", 0, float(n))
                plain.ingest.storage.bodies.order(sender.hub, order, n)
    assert [(one["hub"], one["id"]) for one in plain.views.erased(limit=3)] == [
        (hub.hub, "4"),
        (hub.hub, "3"),
        (other.hub, "0"),
    ]
    assert len(plain.views.erased()) == 6
    assert [one["hub"] for one in plain.views.erased(other.hub)] == [other.hub]
