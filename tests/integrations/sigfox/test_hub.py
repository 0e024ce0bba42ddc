"""A whole hub, killed again and again under an operator that tries again: each message is at the backend once. And the
other way in: by way of the backend."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sigfox_operator import Operator, message, results

from ...faults.rig import Rig, ilot, until
from ...ports import free_port

pytestmark = [
    pytest.mark.real("clock, network, processes"),
    pytest.mark.long("starts whole hubs", of="tests/integrations"),
]

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = """\
hub: {{name: sigfox, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{bin: {{zone: bench, name: Bin}}, room: {{zone: bench, name: Room}}}}
integrations:
  sigfox: {integration}
devices:
  sigfox:1D2F3:
    integration: sigfox
    place: bin
    settings: {{format: "level::uint:16", values: {{distance: {{field: level}}}}}}
  sigfox:77: {{integration: sigfox, place: room, pack: sensit-discovery-v3}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""


class House:
    """The hub's and the backend's processes; levels that were sent are n + 1 for the n-th message."""

    def __init__(self, root: Path, *, by_backend: bool = False) -> None:
        self.rig = Rig(root)
        url = self.rig.config.read_text().partition('url: "')[2].partition('"')[0]
        self.port = free_port()
        integration = (
            f"{{backend: {url!r}, interval: 1s}}"
            if by_backend
            else f"{{listen: {{port: {self.port}, secret: !secret sigfox}}}}"
        )
        self.rig.config.write_text(CONFIG.format(state=self.rig.state, url=url, integration=integration))
        secrets = root / "secrets.yaml"
        secrets.write_text(f"sigfox: {SECRET}\n")
        secrets.chmod(0o600)
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.rig.hub = self.rig._start([sys.executable, "-m", "hub", "run", "--config", str(self.rig.config)], "hub")

    def listening(self) -> None:
        def there() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        until(there, 60, self.rig.logs)

    def kill(self) -> None:
        self.rig.kill(self.rig.hub)

    def stored(self, metric: str = "distance", place: str = "bin") -> list[float]:
        return [
            value
            for (value,) in self.rig.sql(
                "SELECT r.value FROM readings r JOIN series s ON s.id = r.series"
                f" WHERE s.place = '{place}' AND s.metric = '{metric}' ORDER BY r.time"
            )
        ]

    def arrived(self, wanted: list[float], metric: str = "distance", place: str = "bin") -> None:
        until(lambda: len(self.stored(metric, place)) >= len(wanted), 60, self.rig.logs)
        assert self.stored(metric, place) == wanted


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.rig.close()


def level(n: int) -> dict[str, Any]:
    return message(n, data=f"{n + 1:04x}")


def deliver(house: House, operator: Operator, numbers: list[int]) -> None:
    """As the operator does, but sooner: until it is answered 200."""
    waiting = list(numbers)
    end = time.monotonic() + 60
    while waiting:
        assert time.monotonic() < end, house.rig.logs()
        answers = results(operator.call(house.url, "uplink", SECRET, level(n)) for n in waiting)
        waiting = [n for n, (status, _) in zip(waiting, answers, strict=True) if status != 200]
        if waiting:
            time.sleep(0.05)


def test_what_was_answered_is_at_the_backend_once_over_kills_at_any_moment(house: House, operator: Operator) -> None:
    rng = random.Random(5)
    sent = 0
    house.start()
    house.listening()
    for _ in range(4):
        numbers = list(range(sent, sent + 12))
        sent += 12
        begun = [operator.call(house.url, "uplink", SECRET, level(n)) for n in numbers]
        time.sleep(rng.uniform(0.0, 0.12))  # a commit comes 50 ms after the first of them
        house.kill()
        results(begun)
        house.start()
        house.listening()
        deliver(house, operator, numbers)
    house.kill()  # at once after the last 200
    house.start()
    house.listening()
    deliver(house, operator, list(range(sent)))  # a replay of all of it
    house.arrived([float(n + 1) for n in range(sent)])


def test_a_hub_killed_between_its_commit_and_its_answer_keeps_the_next_try_off(
    house: House, operator: Operator
) -> None:
    house.start()
    house.listening()
    with socket.create_server(("127.0.0.1", 0)) as gate:  # passes requests on, and never an answer back
        port = gate.getsockname()[1]
        begun = operator.call(f"http://127.0.0.1:{port}", "uplink", SECRET, level(0), 60.0)
        inside, _ = gate.accept()
        with inside, socket.create_connection(("127.0.0.1", house.port)) as outside:
            request = b""
            while not request.endswith(b"}\n"):
                request += inside.recv(65536)
            outside.sendall(request)
            house.arrived([1.0])  # committed, and even delivered
            house.kill()
    assert begun.result(60)[0] == 0, "the operator had no answer"
    house.start()
    house.listening()
    deliver(house, operator, [0, 1])
    house.arrived([1.0, 2.0])


def state(house: House) -> str:
    """Of the command that was ordered last."""
    listed = ilot("command", "list", "--config", str(house.rig.config), "--json")
    return str(listed.get("state") or listed["commands"][0]["state"])


def test_a_pack_of_the_hub_reads_and_a_device_that_asks_is_told_what_was_ordered(
    house: House, operator: Operator
) -> None:
    house.start()
    house.listening()
    said = message(0, device="77", data="f609744f", ack=True)
    assert results([operator.call(house.url, "bidir", SECRET, said)]) == [(204, "")]
    house.arrived([21.5], "temperature", "room")
    fields = {
        "period": 1, "periodic": 6, "temperature_low": -9, "temperature_high": 54, "humidity_low": 30,
        "humidity_high": 90, "illuminance": 1, "vibration": 2, "vibration_delay": 2, "door": 1,
    }  # fmt: skip
    given = [f"{name}={value}" for name, value in fields.items()]
    config = ["--config", str(house.rig.config), "--json"]
    ilot("command", "set", "sigfox:77", "configure", *given, "--why", "test", "--wait", "0", *config)
    until(lambda: state(house) == "queued", 90, house.rig.logs)
    answers = results([operator.call(house.url, "bidir", SECRET, message(1, device="77", data="f609744f", ack=True))])
    assert [(status, json.loads(body)) for status, body in answers] == [
        (200, {"77": {"downlinkData": "46003f0f8004223c"}})
    ]


def test_a_device_that_is_not_configured_waits_as_a_candidate_and_goes_nowhere(
    house: House, operator: Operator
) -> None:
    house.start()
    house.listening()
    assert results([operator.call(house.url, "uplink", SECRET, message(0, device="BAD"))]) == [(200, "")]
    deliver(house, operator, [0])
    house.arrived([1.0])
    seen = ilot("devices", "--config", str(house.rig.config), "--json")
    assert "sigfox:BAD" in json.dumps(seen)
    assert house.rig.sql("SELECT count(*) FROM series WHERE device = 'sigfox:BAD'") == [(0,)]


def test_callbacks_that_reach_the_backend_are_fetched_and_come_back_sealed_once(
    tmp_path: Path, operator: Operator
) -> None:
    house = House(tmp_path, by_backend=True)
    try:
        rig = house.rig
        rig.kill(rig.backend)
        port = free_port()
        where = ["--port", str(rig._port), "--callbacks", f"127.0.0.1:{port}"]
        rig.backend = rig._start(
            [sys.executable, "-m", "hub", "backend", "run", str(rig.backend_dir), *where, "--json"], "backend"
        )
        url = json.loads(rig._line(rig.backend))["callbacks"]
        hub = rig.sql("SELECT hub FROM hubs")[0][0]
        secret = ilot("backend", "sigfox", "token", str(rig.backend_dir), hub, "--json")["authorization"].removeprefix(
            "Bearer "
        )
        early = results(operator.call(url, "uplink", secret, level(n)) for n in range(40))
        assert {status for status, _ in early} == {200}
        assert house.stored() == [], "no hub runs: they wait"
        house.start()
        house.arrived([float(n + 1) for n in range(40)])
        house.kill()
        results(operator.call(url, "uplink", secret, level(n)) for n in range(60))  # a replay, and twenty more
        house.start()
        house.arrived([float(n + 1) for n in range(60)])
        until(lambda: rig.sql("SELECT count(*) FROM callbacks WHERE fields IS NOT NULL") == [(0,)], 90, rig.logs)
    finally:
        house.rig.close()
