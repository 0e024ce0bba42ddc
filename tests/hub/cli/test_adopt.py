"""What the commands of adoption print and ask. The hub is a list of answers here; a real one is in the journey."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli import devices
from hub.core.errors import NotReady
from hub.protocol.device_labels.table import TEMPLATE

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
EUI = "0018B20000001234"
CANDIDATE = {"id": "ble:A4:C1:38:01:02:03", "model": "BTHome", "integration": "bluetooth", "reason": "new", "count": 3}


class Hub:
    """Answers each wish with the state `answers` has for its line, "added" unless told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[int, dict[str, Any]] = {}
        self.gone_after = 1000

    def call(self, path: Path, name: str, *, timeout: float = 30.0, by: str, **arguments: Any) -> Any:
        assert by.startswith("cli:"), "the audit log names who typed it"
        if len(self.asked) >= self.gone_after:
            raise NotReady("no hub answers")
        self.asked.append((name, arguments))
        if name == "devices":
            return {
                "devices": [],
                "quarantine": [{**CANDIDATE, "known": False}, {**CANDIDATE, "id": "x", "known": True}],
            }
        if name == "device.remove":
            return {"device": arguments["device"], "place": "hall"}
        return {"rows": [self.row(wish) for wish in arguments["wishes"]]}

    def row(self, wish: dict[str, Any]) -> dict[str, Any]:
        line = wish.get("line", 0)
        row = {
            "line": line, "device": wish.get("device", "") or "lorawan:x", "state": "added",
            "place": wish.get("place", ""), "zone": "rooms", "integration": "lorawan", "pack": "", "key_from": "row",
            "column": "", "en": "", "fr": "",
        }  # fmt: skip
        return {**row, **self.answers.get(line, {})}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr("hub.rpc.control_socket.call", made.call)
    return made


def ilot(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(devices.device, [*map(str, arguments)], input=stdin)


def test_a_device_is_added_and_what_is_said_stands_in_the_wish(hub: Hub) -> None:
    done = ilot(
        "add",
        f"lorawan:{EUI}",
        "--place",
        "hall",
        "--zone",
        "rooms",
        "--key-file",
        "-",
        "--set",
        "adr=false",
        "--pack",
        "cayenne-lpp",
        stdin=f"{KEY}\n",
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == f"lorawan:{EUI} added at hall (zone rooms)\n"
    assert "green" in done.stderr
    ((name, asked),) = hub.asked
    assert (name, asked["dry_run"], asked["update"]) == ("device.add", False, False)
    assert asked["wishes"] == [
        {
            "device": f"lorawan:{EUI}",
            "place": "hall",
            "zone": "rooms",
            "key": KEY,
            "settings": {"adr": "false"},
            "pack": "cayenne-lpp",
        }
    ]


def test_a_key_on_the_command_line_is_refused_and_one_from_stdin_is_not(hub: Hub) -> None:
    text = f"DevEUI {EUI} AppKey {KEY}"
    done = ilot("add", "--label", text, "--place", "hall")
    assert (done.exit_code, hub.asked) == (2, [])
    assert "--label-file" in done.stderr
    assert KEY not in done.stderr
    assert ilot("add", "--label-file", "-", "--place", "hall", stdin=text).exit_code == 0
    assert ilot("add", "--label", "x", "--label-file", "-", stdin=text).exit_code == 2
    assert ilot("add", "--label", EUI, "--set", "nonsense").exit_code == 2


def test_without_a_name_it_lists_what_is_heard_and_not_what_is_known(hub: Hub) -> None:
    done = ilot("add")
    assert done.exit_code == 2
    assert "ble:A4:C1:38:01:02:03" in done.stdout
    assert len(done.stdout.splitlines()) == 2
    assert "--place" in done.stderr


def test_what_is_wrong_ends_with_a_code_and_the_remedy(hub: Hub) -> None:
    hub.answers[0] = {"state": "wrong", "column": "zone", "en": "there is no zone"}
    done = ilot("add", "--label", EUI, "--place", "hall")
    assert done.exit_code != 0
    assert str(done.exception) == "zone: there is no zone"
    assert ilot("remove", f"lorawan:{EUI}").stdout == f"lorawan:{EUI} was removed from hall\n"


def test_the_template_is_printed_without_a_hub() -> None:
    done = ilot("import", "--template")
    assert (done.exit_code, done.stdout) == (0, TEMPLATE)
    assert ilot("import").exit_code == 2


def test_each_row_has_a_result_in_the_words_of_the_file_and_nothing_is_lost(hub: Hub, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{n:016x};{KEY};p{n}" for n in range(120)]
    rows.insert(3, "12;;p")
    table.write_text("\n".join(["DevEUI;AppKey;Lieu;Remarque", *(f"{row};x" for row in rows)]))
    hub.answers = {10: {"state": "already"}, 20: {"state": "wrong", "column": "place", "en": "no", "fr": "non"}}
    done = ilot("import", table, "--json")
    assert done.exit_code == 3
    answer = json.loads(done.stdout)
    assert answer["summary"] == {"added": 118, "wrong": 2, "already": 1}
    assert answer["ignored"] == ["Remarque"]
    assert [row["line"] for row in answer["rows"]] == list(range(2, 123))
    assert {row["line"]: row["column"] for row in answer["rows"] if row["state"] == "wrong"} == {
        5: "DevEUI",
        20: "Lieu",
    }
    assert [len(asked["wishes"]) for _, asked in hub.asked] == [50, 50, 20]
    assert "50 of 120" in done.stderr
    assert "121 rows: 118 added, 2 wrong, 1 is there already" in done.stderr
    told = ilot("import", table, "--dry-run")
    assert len(told.stdout.splitlines()) == 122
    assert "would be added" in told.stdout
    assert len(hub.asked) == 4, "a dry run judges the file as a whole"
    assert KEY not in done.output + told.output


def test_keys_without_places_are_kept(hub: Hub, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"dev_eui;app_key\n{EUI};{KEY}\n")
    assert ilot("import", table).exit_code == 0
    assert hub.asked[0][0] == "device.keep"


def test_a_hub_that_goes_away_says_how_far_it_came(hub: Hub, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["dev_eui;app_key;place", *(f"{n:016x};{KEY};p{n}" for n in range(120))]))
    hub.gone_after = 2
    done = ilot("import", table)
    assert isinstance(done.exception, NotReady)
    assert "after 100 of 120 rows" in str(done.exception)
    assert "import the file again" in str(done.exception)


@pytest.mark.parametrize(("content", "says"), [("a;b\n1;2\n", "names the columns"), (None, "cannot be read")])
def test_a_file_that_is_none_is_refused(hub: Hub, tmp_path: Path, content: str | None, says: str) -> None:
    table = tmp_path / "t.csv"
    if content is not None:
        table.write_text(content)
    done = ilot("import", table)
    assert says in str(done.exception)
    assert hub.asked == []


def test_a_place_that_is_not_there_is_made_in_the_zone_that_is_given(hub: Hub, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        f"\ufeffDevEUI;Clé;Emplacement;Zone\r\n{EUI};{KEY};Salle 4;\r\n{'1' * 16};{KEY};Hall;\r\n", "utf-8"
    )
    lost = {"state": "wrong", "why": "no-such-place", "column": "place", "en": "no", "fr": "non"}
    row = hub.row
    hub.row = lambda wish: {**row(wish), **(lost if wish["place"] == "Salle 4" and not wish.get("zone") else {})}  # type: ignore[method-assign]
    done = ilot("import", table, "--json")
    assert (done.exit_code, json.loads(done.stdout)["rows"][0]["column"]) == (3, "Emplacement")
    done = ilot("import", table, "--zone", "classes", "--json")
    assert (done.exit_code, json.loads(done.stdout)["summary"]) == (0, {"added": 2})
    asked = [[(wish["place"], wish.get("zone", "")) for wish in arguments["wishes"]] for _, arguments in hub.asked[1:]]
    assert asked == [[("Salle 4", ""), ("Hall", "")], [("Salle 4", "classes")]]
