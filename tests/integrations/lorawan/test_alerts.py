"""The bin journey: a frame from a full bin becomes an alert at the backend, is acknowledged there while the link is
down, is seen acknowledged on the hub afterwards, and is cleared by the next frame. Device and gateway are not ours."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lorawan_peer import LoraPacket, PeerDevice

from ...faults.rig import ilot, until
from .test_hub import DEV_EUI, KEY, House

pytestmark = [
    pytest.mark.real("clock, network, processes"),
    pytest.mark.long("starts whole hubs", of="tests/integrations"),
]

CONFIG = """\
hub: {{name: bins, site: city, state_dir: {state}}}
sites: {{city: {{name: City, timezone: Europe/Paris}}}}
zones: {{street: {{site: city, name: Rue Haute}}}}
places: {{bin: {{zone: street, name: Benne rue Haute}}}}
integrations:
  lorawan: {{gateways: {{"{gateway}": {{}}}}, udp: {{port: {port}}}, status: 0s}}
devices:
  lorawan:{dev_eui}: {{integration: lorawan, place: bin, pack: milesight-em400-mud, key: !secret appkey}}
rules:
  full-bin: {{template: bin_full, places: [bin], inputs: {{level: 98, depth: 2200, full: 315}}}}
notifiers: {{webhook: {{url: "http://127.0.0.1:HOOK/alerts"}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 5min}}
"""
FULL = bytes.fromhex("01756403670b0104823b01050001")
"""The maker's example: 315 mm, which here is the distance to the rim: 100 % full. See the vectors of the pack."""
EMPTY = bytes.fromhex("01755C0367010104824408050001")
"""The maker's other example: 2116 mm."""


class Hook(BaseHTTPRequestHandler):
    """Somebody's webhook: away at first, then it takes what comes."""

    posts: list[tuple[str, dict[str, Any]]]
    busy: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Hook.busy:
            Hook.busy -= 1
            self.send_response(503)
        else:
            Hook.posts.append((self.headers["Idempotency-Key"], body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None: ...


class Bins:
    def __init__(self, root: Path, lora_packet: LoraPacket) -> None:
        Hook.posts, Hook.busy = [], 1
        self.hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        self.house = House(root, CONFIG.replace("HOOK", str(self.hook.server_port)))
        self.rig = self.house.rig
        self.device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)

    def join(self) -> None:
        accept = self.house.gateway.forward(self.device.join_request(1), 60)
        assert accept, self.rig.logs()
        self.device.join_accept(accept)

    def say(self, payload: bytes) -> None:
        """A confirmed frame, until its acknowledgement: the report is durable then."""
        frame = self.device.uplink(payload, 85, confirmed=True)
        answer = self.house.gateway.forward(frame, 60)
        assert answer, self.rig.logs()
        self.device.downlink(answer)

    def at_hub(self, *arguments: str) -> Any:
        return ilot("alerts", *arguments, "--config", str(self.rig.config), "--json")

    def at_backend(self) -> list[dict[str, Any]]:
        """What the backend's database says, not its code."""
        db = sqlite3.connect(f"file:{self.rig.backend_dir}/backend.db?mode=ro", uri=True)
        try:
            names = ("alert", "n", "rule", "state", "severity", "by", "value", "text", "text_fr", "place", "device")
            rows = db.execute(f"select {', '.join(names)} from alerts order by raised_at")
            return [dict(zip(names, row, strict=True)) for row in rows]
        finally:
            db.close()

    def wait(self, state: str, seconds: float = 60) -> dict[str, Any]:
        until(lambda: [one["state"] for one in self.at_backend()] == [state], seconds, self.rig.logs)
        return self.at_backend()[0]


@pytest.fixture
def bins(tmp_path: Path, lora_packet: LoraPacket) -> Iterator[Bins]:
    made = Bins(tmp_path, lora_packet)
    yield made
    made.house.close()
    made.hook.shutdown()
    made.hook.server_close()


def test_a_full_bin_is_an_alert_acknowledged_over_an_outage_and_cleared_by_the_next_frame(bins: Bins) -> None:
    bins.house.start()
    bins.join()
    bins.say(EMPTY)
    bins.say(FULL)
    raised = bins.wait("raised")  # at once, not with the readings' next window
    assert raised["severity"] == "warning"
    assert raised["text_fr"] == "Benne rue Haute\u00a0: plein (315\u202fmm)"
    assert (raised["place"], raised["device"]) == ("bin", f"lorawan:{DEV_EUI}")
    [here] = bins.at_hub()["alerts"]
    assert (here["id"], here["state"]) == (raised["alert"], "raised")  # one id at both ends

    bins.rig.kill(bins.rig.backend)  # the outage; the operator answers at the data centre meanwhile
    ilot("backend", "alerts", "ack", str(bins.rig.backend_dir), raised["alert"], "--by", "jeanne", "--json")
    assert bins.at_hub()["alerts"][0]["state"] == "raised"
    bins.rig.start_backend()
    acknowledged = bins.wait("acknowledged", 90)
    assert acknowledged["by"] == "backend:jeanne"
    [here] = bins.at_hub()["alerts"]
    assert (here["state"], here["by"]) == ("acknowledged", "backend:jeanne")

    bins.say(EMPTY)
    assert bins.wait("cleared")["alert"] == raised["alert"]
    assert bins.at_hub()["alerts"] == []
    assert [one["state"] for one in bins.at_hub("list", "--all")["alerts"]] == ["cleared"]
    until(lambda: bool(Hook.posts) and Hook.posts[-1][1]["state"] == "cleared", 30, bins.rig.logs)
    assert {body["alert"] for _, body in Hook.posts} == {raised["alert"]}
    keys = [key for key, _ in Hook.posts]
    assert len(keys) == len(set(keys))  # each change once, though the first post was refused
    assert Hook.posts[0][1]["text_fr"] == "Benne rue Haute\u00a0: plein (315\u202fmm)"


def test_an_alert_raised_before_a_kill_arrives_after_it_once(bins: Bins) -> None:
    bins.house.start()
    bins.join()
    bins.rig.kill(bins.rig.backend)
    bins.say(FULL)
    until(lambda: bool(bins.at_hub()["alerts"]), 30, bins.rig.logs)
    [here] = bins.at_hub()["alerts"]
    bins.house.kill()
    bins.rig.start_backend()
    bins.house.start()
    assert bins.wait("raised")["alert"] == here["id"]
    bins.say(FULL)  # it still holds: no second alert
    done = ilot("alerts", "ack", here["id"], "--config", str(bins.rig.config), "--json")
    assert done["state"] == "acknowledged"
    assert bins.wait("acknowledged")["alert"] == here["id"]
    assert len(bins.at_backend()) == 1
