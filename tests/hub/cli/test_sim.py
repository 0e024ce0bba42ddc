"""`ilot sim --pack`: its messages, its comparison with what a hub shows, and its errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from hub.cli.radio import everything
from hub.cli.sim import beside, expecting, sim
from hub.cli.sim.lines import flow, lines_of
from hub.cli.sim.play import Performance, Plan
from hub.cli.sim.script import messages_of
from hub.cli.sim.stage import playable
from hub.devices.packs.library import Library
from hub.devices.packs.maps import PLAIN
from hub.plugin_host.plugin_types import part_models
from hub.plugin_host.registry import Plugin, Registry
from hub.sdk.simulation import FAULTS, Fault, Message, Played, Script

LIBRARY = Library(parts=part_models(Registry.discover()))
PACK = LIBRARY.get("abb-b23")
ONE = Message("v:1", {"power": 12.5}, heard={"input 0": [1]})
TWO = Message("v:9", {"power": 13.5, "presence": True}, heard={"input 0": [2]})


def ilot(*arguments: str) -> Result:
    return CliRunner().invoke(sim, list(arguments))


class FakePlayer:
    """A device that a hub hears at once: what it says is what the hub shows, but where `lies`."""

    faults: frozenset[Fault] = frozenset(FAULTS)
    options: Mapping[str, Any] = {"port": 502}
    secrets: Mapping[str, str] = {"word": "x"}
    environment: Mapping[str, str] = {}

    def __init__(self, lies: float = 0.0) -> None:
        self.devices = [Played("modbus:a", {"unit": 1}), Played("modbus:b", {"unit": 2}, "00" * 16)]
        self.lies = lies
        self.said: list[tuple[int, str, str | None]] = []
        self.shown: list[dict[str, Any]] = []

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        pass

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        self.said.append((device, message.where, fault))
        if fault in (None, "repeat"):
            power = float(message.readings["power"]) + self.lies
            self.shown.append({"device": self.devices[device].id, "metric": "power", "value": power, "time": None})

    def status(self) -> dict[str, Any]:
        return {"last": self.shown, "counts": {"modbus:a": {"bad-mic": sum(f == "bad-mic" for _, _, f in self.said)}}}


def perform(player: FakePlayer, plan: Plan) -> bool:
    script = Script("modbus", PACK.name, [ONE, TWO], devices=2)
    return asyncio.run(Performance(plan, PACK, script, {"presence"}).perform(player, player.status))


def test_what_the_hub_shows_is_compared_with_each_vector(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expecting, "WITHHELD_S", 0.01)
    player = FakePlayer()
    assert perform(player, Plan("x", expect=True, rounds=2, within_s=6, json=True))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in events[:2]] == ["expected", "joined"]
    assert events[-1]["counts"] == {"said": 8, "right": 8, "withheld": 4}
    assert {tuple(one["withheld"]) for one in events if one["event"] == "shown"} == {(), ("presence",)}


def test_a_hub_that_shows_something_else_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert not perform(FakePlayer(lies=0.01), Plan("x", expect=True, rounds=1, within_s=0.1))
    said = capsys.readouterr()
    assert "modbus:a v:1: power is 12.51, not 12.5 of this message" in said.err
    assert "the hub showed 0 as expected, 4 not" in said.out


def test_a_message_with_a_fault_is_not_expected_and_what_the_hub_refused_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    player = FakePlayer()
    plan = Plan("x", expect=True, rounds=50, within_s=6, faults={"bad-mic": 0.5, "drop": 0.25}, seed=3, json=True)
    script = Script("modbus", PACK.name, [ONE], devices=2)
    assert asyncio.run(Performance(plan, PACK, script, set()).perform(player, player.status))
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    counts = end["counts"]
    assert counts["bad-mic"] + counts["drop"] + counts["said"] == 100
    assert 30 < counts["bad-mic"] < 70
    assert counts["right"] == counts["said"]
    assert end["refused"] == {"bad-mic": counts["bad-mic"]}


@pytest.mark.parametrize(
    ("value", "time", "ok"), [(12.5, 1000.0, True), (12.5, 990.0, False), (12.4, 1000.0, False), (12.5, None, True)]
)
def test_an_old_value_or_another_one_is_not_that_of_the_message(value: float, time: float | None, ok: bool) -> None:
    last = {("modbus:a", "power"): {"value": value, "time": time}}
    assert expecting.compare("modbus:a", ONE, 1000.0, last, ()).ok is ok


def test_a_message_that_dates_itself_is_shown_at_its_own_time() -> None:
    dated = Message("v:1", {"power": 1}, time=500.0)
    for time, ok in ((500.0, True), (1000.0, False)):
        last = {("d", "power"): {"value": 1, "time": time}}
        assert expecting.compare("d", dated, 1000.0, last, ()).ok is ok


def test_the_lines_are_yaml_that_says_what_was_meant() -> None:
    lines = lines_of(FakePlayer(), "modbus", "acme-x", "ZONE")
    read = YAML(typ="safe").load(lines.text().replace("!secret acme-x-2", "KEY"))
    assert read["integrations"] == {"modbus": {"port": 502}}
    assert read["places"] == {"acme-x-1": {"zone": "ZONE"}, "acme-x-2": {"zone": "ZONE"}}
    assert read["devices"]["modbus:a"]["settings"] == {"unit": 1}
    assert "key: !secret acme-x-2" in lines.text()
    assert lines.secrets == {"word": "x", "acme-x-2": "00" * 16}


@pytest.mark.parametrize("value", ["no", "1", "0xff", "a: b", "é", "", "- a", "{", "1/2/3", None, 2.5, ["a", {"b": 1}]])
def test_any_value_survives_the_flow_style(value: Any) -> None:
    assert YAML(typ="safe").load(f"x: {flow(value)}\n") == {"x": value}


def test_each_pack_that_ships_has_something_to_say_and_somebody_who_says_it() -> None:
    there = playable(everything())
    silent = []
    for name in LIBRARY.names():
        pack = LIBRARY.get(name)
        if pack.keys.protocol not in PLAIN and not (pack.keys.protocol in there and messages_of(pack)):
            silent.append(name)
    assert silent == []


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--pack", "nothing-here"), "nothing-here"),
        (("--pack", "schneider-pm5500"), "so there is nothing that a device of it could say"),
        (("--pack", "abb-b23", "--fault", "bad-mic:0.1"), "a device of modbus has no fault bad-mic; it has"),
        (("--pack", "abb-b23", "--fault", "drop:2"), "--fault drop:2: expected one of"),
        (("--pack", "abb-b23", "--interval", "soon"), "--interval: "),
        (("--pack", "abb-b23", "modbus"), "--pack takes no protocol: 'modbus'"),
        (("--pack", "abb-b23", "--devises", "3"), "--pack takes no protocol: '--devises'"),
        (("nonsense",), "nothing here simulates 'nonsense'"),
    ],
)
def test_what_cannot_be_played_says_why(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = ilot("-c", str(tmp_path / "none.yaml"), *arguments)
    told = done.stderr + (str(getattr(done.exception, "problems", "")) or "") + str(done.exception or "")
    assert done.exit_code != 0
    assert says in told


def test_no_code_of_a_stranger_runs_unless_a_person_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "stranger_of_sims"
    package.mkdir()
    (package / "__init__.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    (package / "sim.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = SimpleNamespace(value="stranger_of_sims:plugin")
    plugin = Plugin("stranger", "acme", "1", entry)  # type: ignore[arg-type]
    assert beside(plugin, "sim") == ""
    assert not (package / "ran").exists()
    assert beside(plugin, "sim", named=True) == "stranger_of_sims.sim"
