"""What `ilot quarantine` and `ilot recette` print and ask. The hub is a list of answers; a real one: the journey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from hub.cli import quarantine

ONE = "ble:A4:C1:38:00:00:01"
WAITING = {
    "id": ONE, "model": "BTHome", "integration": "bluetooth", "reason": "not in the configuration", "count": 12,
    "held": 5, "heard": {"hci0": -60}, "known": False,
}  # fmt: skip
ROW = {
    "line": 1, "device": ONE, "state": "added", "place": "salle-01", "zone": "rooms", "integration": "bluetooth",
    "pack": "", "key_from": "", "column": "", "en": "", "fr": "",
}  # fmt: skip
OPEN = {"active": True, "left_s": 5400, "by": "cli", "adopted": 3}


class Hub:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "quarantine.list": {
                "waiting": [WAITING], "suspects": {"lorawan:Y": "clone-fork"}, "evicted": 7, "paths": [],
                "retired": [{**WAITING, "id": "lorawan:OLD", "reason": "was replaced by lorawan:NEW"}],
                "decisions": [{"kind": "block", "id": "ble:BAD*", "integration": "*", "model": "*", "by": "cli",
                               "why": "loud", "heard": 2, "at": 1.0}],
            },
            "quarantine.adopt": {"row": ROW, "held": 5, "released": 15},
            "quarantine.block": {"filter": ONE, "kind": "block", "waiting": [ONE], "devices": [], "destroyed": 5},
            "quarantine.ignore": {"filter": ONE, "kind": "ignore", "waiting": [], "devices": [], "destroyed": 0},
            "quarantine.unblock": {"filter": ONE, "kind": "block"},
            "quarantine.clear": {"device": ONE, "suspect": "clone-fork"},
            "recette.start": OPEN, "recette.status": {"active": False, "left_s": 0}, "recette.end": OPEN,
            "recette.adopt": {"rows": [ROW], "released": 9},
        }  # fmt: skip

    def call(self, path: Path, name: str, /, *, timeout: float = 30.0, by: str, **arguments: Any) -> Any:
        assert by.startswith("cli:"), "the audit log names who typed it"
        self.asked.append((name, arguments))
        return self.answers[name]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr("hub.rpc.control_socket.call", made.call)
    return made


def ilot(group: click.Group, *arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)], input=stdin)


def test_the_list_shows_who_waits_who_looks_cloned_and_what_was_decided(hub: Hub) -> None:
    done = ilot(quarantine.quarantine, "list")
    for said in (
        ONE,
        "hci0 -60",
        "12",
        "5",
        "clone-fork",
        "ble:BAD*",
        "loud",
        "lorawan:OLD",
        "was replaced by lorawan:NEW",
    ):
        assert said in done.stdout
    assert "7 more" in done.stderr


def test_adopting_says_where_it_stands_and_what_went_on(hub: Hub) -> None:
    done = ilot(quarantine.quarantine, "adopt", ONE, "--place", "salle-01", "--name", "Sonde")
    assert (done.exit_code, done.stdout) == (0, f"{ONE} added at salle-01 (zone rooms)\n")
    assert "15 readings that waited went on" in done.stderr
    assert hub.asked[0][1]["name"] == "Sonde"
    hub.answers["quarantine.adopt"]["row"] = {**ROW, "state": "wrong", "column": "zone", "en": "there is no such zone"}
    done = ilot(quarantine.quarantine, "adopt", ONE, "--place", "salle-01")
    assert "zone: there is no such zone" in str(done.exception)


def test_decisions_say_whom_they_mean_and_a_dry_run_that_nothing_is_done(hub: Hub) -> None:
    done = ilot(quarantine.quarantine, "block", ONE, "--why", "not ours")
    assert done.stdout == f"{ONE} is blocked\n  {ONE}\n"
    assert "destroyed: 5 reports that waited" in done.stderr
    assert ilot(quarantine.quarantine, "ignore", ONE, "--dry-run").stdout == f"{ONE} would be ignored\n"
    assert ilot(quarantine.quarantine, "unblock", ONE).stdout == f"{ONE} is heard again\n"
    assert ilot(quarantine.quarantine, "clear", ONE, "--why", "seen").stdout == f"{ONE} is believed again\n"
    assert [asked["dry_run"] for _, asked in hub.asked] == [False, True, False, False]


def test_mode_recette_is_opened_for_a_length_and_says_how_long_it_lasts(hub: Hub) -> None:
    done = ilot(quarantine.recette, "start", "--for", "2h")
    assert "open for 1:30:00 more, by cli; 3 sensors adopted" in done.stdout
    assert hub.asked == [("recette.start", {"seconds": 7200.0, "why": ""})]
    assert ilot(quarantine.recette, "start", "--for", "soon").exit_code == 2
    assert ilot(quarantine.recette, "status").stdout == "Mode recette is not open\n"
    assert "3 sensors were adopted" in ilot(quarantine.recette, "end").stdout


def test_a_batch_is_adopted_by_a_pattern_or_a_table_and_a_wrong_row_is_exit_code_3(hub: Hub, tmp_path: Path) -> None:
    done = ilot(quarantine.recette, "adopt", "ble:*", "--place", "salle-{n:2}", "--start", "7", "--dry-run")
    assert done.exit_code == 0
    assert "would be added" in done.stdout
    assert (hub.asked[0][1]["place"], hub.asked[0][1]["start"]) == ("salle-{n:2}", 7)
    table = tmp_path / "places.csv"
    table.write_text(f"device;place\n{ONE};salle-01\n")
    hub.answers["recette.adopt"]["rows"] = [{**ROW, "state": "wrong", "column": "device", "en": "is not heard"}]
    done = ilot(quarantine.recette, "adopt", "--table", table)
    assert done.exit_code == 3
    assert "is not heard" in done.stdout
    (wish,) = hub.asked[-1][1]["wishes"]
    assert (wish["device"], wish["place"]) == (ONE, "salle-01")
    assert ilot(quarantine.recette, "adopt", "--table", table, "--place", "x").exit_code == 2
    table.write_text(f"device;name\n{ONE};x\n")
    assert "column `place`" in str(ilot(quarantine.recette, "adopt", "--table", table).exception)
