"""The configuration of a running hub changes under load: nothing is lost, only what differs is touched, and what does
not hold is taken back."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.main import ilot as group
from hub.core.errors import HubError
from hub.rpc.control_socket import call

from ..faults.rig import Rig
from ..ports import free_port
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

MORE = """\
# kept by Anne
config: {gate: 5min, confirm: 10min}
web: {address: 127.0.0.1, port: 0}
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    with rig.config.open("a") as file:
        file.write(MORE)
    yield rig
    rig.close()


def ilot(rig: Rig, *words: str, code: int | None = 0) -> dict[str, Any]:
    """Run a command as a process of its own would; `code` None: whatever it ends with."""
    command = ["config", *words, "--config", str(rig.config), "--json"]
    done = CliRunner().invoke(group, command, standalone_mode=False)
    error = done.exception
    assert error is None or isinstance(error, HubError), done.exc_info
    assert code in (None, done.return_value or 0 if error is None else error.exit_code), (done.output, error)
    return dict(json.loads(done.stdout)) if done.stdout.strip() else {"error": str(error)}


def status(rig: Rig) -> dict[str, Any]:
    return dict(call(rig.state / "hub.sock", "status"))


def until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def health(rig: Rig, name: str) -> dict[str, Any]:
    return next((one for one in status(rig)["plugins"] if one["name"] == name), {})


def test_a_configuration_changes_under_load_and_no_reading_is_lost(rig: Rig) -> None:
    hub = rig.start_hub(per_second=300)
    until(lambda: status(rig)["readings"] > 100)
    began = health(rig, "faults")["since"]
    assert "#" in rig.config.read_text()

    # parts that go on: places, rules, a device that moves
    done = ilot(rig, "set", "places.generator.name", "Autre nom", "--reason", "a better name")
    assert (done["state"], done["parts"], done["instances"]) == ("committed", ["places"], [])
    rule = "{metric: uptime, above: 1, text: it runs, text_fr: ça tourne}"
    assert ilot(rig, "set", "rules.up", rule)["parts"] == ["rules"]
    until(lambda: status(rig)["alerts"]["open"] == 1)
    done = ilot(rig, "set", 'devices["faults:spare-0"].place', "generator")
    assert done["parts"] == ["devices"]
    found = {one["id"]: one["place"] for one in call(rig.state / "hub.sock", "devices")["devices"]}
    assert found == {"faults:generator": "generator", "faults:spare-0": "generator"}
    assert any(one["series"] == "generator/uptime" for one in status(rig)["last"])  # shown on, without a gap

    # an instance and an exporter come, change and go; the generator never notices
    port = free_port()
    text = rig.config.read_text().replace("integrations: {", "integrations: {host: {interval: 1s}, ")
    other = rig.root / "other.yaml"
    other.write_text(text.replace("devices:\n", "devices:\n  host:local: {integration: host, place: spare}\n"))
    assert ilot(rig, "apply", str(other), "--reason", "its own temperature")["instances"] == [
        {"kind": "integration", "name": "host", "how": "added"}
    ]
    assert ilot(rig, "set", "exporters.prometheus", f"{{address: 127.0.0.1, port: {port}}}")["state"] == "committed"
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    assert ilot(rig, "set", "integrations.host.interval", "2s")["instances"][0]["how"] == "changed"
    before = health(rig, "host")["since"]
    asked = CliRunner().invoke(group, ["plugins", "restart", "host", "--config", str(rig.config), "--json"])
    assert (asked.exit_code, json.loads(asked.stdout)["was"]) == (0, "running")
    assert health(rig, "host")["since"] > before
    assert [one["name"] for one in status(rig)["plugins"]].count("host") == 1
    assert ilot(rig, "set", "exporters", "--remove")["instances"][0]["how"] == "removed"
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        pass
    assert health(rig, "faults")["since"] == began
    assert health(rig, "faults")["restarts"] == 0

    # what needs a restart is said before, and written
    plan = ilot(rig, "set", "buffer.window", "300ms", "--dry-run")
    assert (plan["state"], plan["restart"]) == ("planned", ["buffer.window"])
    assert ilot(rig, "set", "buffer.window", "300ms")["state"] == "committed"
    assert any("buffer.window" in said for said in status(rig)["degraded"])

    # the link goes on with other options, once somebody confirms
    done = ilot(rig, "set", "link.uplinks.https.parallel", "2")
    assert (done["state"], done["lockout"]) == ("unconfirmed", ["link.uplinks.https"])
    assert ilot(rig, "confirm")["state"] == "committed"

    # all of it can be gone back to, and a file that was edited is taken up by a signal
    first = ilot(rig, "log")["revisions"][-1]["id"]
    assert ilot(rig, "rollback", first[:10], "--dry-run")["state"] == "planned"
    rig.config.write_text(rig.config.read_text().replace("Autre nom", "Par signal"))
    os.kill(hub.pid, signal.SIGHUP)
    until(lambda: ilot(rig, "log")["revisions"][0]["author"] == "signal")
    assert "kept by Anne" in rig.config.read_text()
    audited = ilot(rig, "log")["revisions"]
    assert {"a better name"} <= {one["reason"] for one in audited}

    assert rig.stop(rig.hub) == 0
    rig.stop(rig.backend)
    verdict = rig.verdict("reload", 1)
    assert verdict.held, verdict
    assert verdict.stored >= 2 * (verdict.emitted - 1), verdict


def test_what_does_not_hold_is_taken_back_with_its_reason(rig: Rig) -> None:
    rig.start_hub(per_second=50)
    for gate in ("8s", "90s"):  # in which it must have been tried: a busy machine has the longer one
        assert ilot(rig, "set", "config.gate", gate)["state"] == "committed"
        before = rig.config.read_bytes()
        done = ilot(rig, "set", "integrations.mqtt_devices", f"{{host: 127.0.0.1, port: {free_port()}}}", code=None)
        if done["state"] != "committed":
            break
        ilot(rig, "set", "integrations.mqtt_devices", "--remove")
    assert done["state"] == "taken-back"
    assert "mqtt_devices does not get through" in done["why"]
    assert rig.config.read_bytes() == before
    assert not health(rig, "mqtt_devices")
    newest = ilot(rig, "log")["revisions"][0]
    assert newest["what"] == "refused"
    assert "mqtt_devices" in newest["detail"]

    # an exporter whose port is taken
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = ilot(rig, "set", "exporters.prometheus", f"{{address: 127.0.0.1, port: {port}}}", code=6)
    assert "prometheus" in done["why"]
    assert rig.config.read_bytes() == before

    # mistakes change nothing, and stand at their line
    wrong = ilot(rig, "set", "config.gaet", "1s", code=3)
    assert "did you mean gate" in wrong["problems"][0]
    assert f"{rig.config.name}:" in wrong["problems"][0]
    other = rig.root / "other.yaml"
    other.write_bytes(before + b"# more\n")
    assert "changed meanwhile" in ilot(rig, "apply", str(other), "--base", "0000", code=3)["problems"][0]
    assert ilot(rig, "set", "config.gate", gate)["state"] == "same"
    assert rig.config.read_bytes() == before

    # managed: shown, not changed
    text = before.decode().replace("{gate:", "{mode: managed, managed_by: la DSI, gate:")
    rig.config.write_text(text)
    assert ilot(rig, "reload")["state"] == "committed"
    assert "managed by la DSI" in ilot(rig, "set", "config.gate", "3s", code=5)["error"]
    assert rig.config.read_text() == text


def test_a_port_that_nobody_confirms_is_taken_back_also_by_a_hub_that_crashed_meanwhile(rig: Rig) -> None:
    hub = rig.start_hub(per_second=50)
    before, port = rig.config.read_bytes(), free_port()
    until(lambda: status(rig)["web"]["served"])
    edits = [{"path": ["web", "port"], "value": port}]
    for within in (600, 5):  # a busy machine may take its time to look, and then nobody confirms
        done = call(rig.state / "hub.sock", "config.apply", timeout=PATIENCE_S, edits=edits, by="cli", confirm_s=within)
        assert (done["state"], done["lockout"]) == ("unconfirmed", ["web.port"])
        if within == 600:
            until(lambda: f":{port}/" in status(rig)["web"]["url"])
            assert "to be confirmed" in " ".join(status(rig)["degraded"])
            assert ilot(rig, "set", "config.gate", "9s", code=6)["error"]  # one change at a time
            call(rig.state / "hub.sock", "config.revert", timeout=PATIENCE_S, by="cli")
        until(lambda: rig.config.read_bytes() == before)
        until(lambda: f":{port}/" not in status(rig)["web"]["url"] and status(rig)["web"]["served"])
        until(lambda: not call(rig.state / "hub.sock", "config.progress")["stage"])

    assert ilot(rig, "set", "web.port", str(port))["state"] == "unconfirmed"
    assert str(port) in rig.config.read_text()
    rig.kill(hub)
    rig.start_hub(per_second=50)
    assert rig.config.read_bytes() == before
    assert "was not confirmed before the hub ended" in " ".join(status(rig)["degraded"])
    assert ilot(rig, "log")["revisions"][0]["what"] == "refused"

    # confirmed, it stays
    assert ilot(rig, "set", "web.port", str(port))["state"] == "unconfirmed"
    assert ilot(rig, "confirm")["state"] == "committed"
    rig.kill(rig.hub)
    rig.start_hub(per_second=50)
    assert str(port) in rig.config.read_text()
    until(lambda: f":{port}/" in status(rig)["web"]["url"])
