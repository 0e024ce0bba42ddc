"""A crisis, judged from outside of the process: every packet that leaves its network, across a kill and a restart."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..faults.rig import run
from .netns_kit import BEYOND, HERE, NEAR, PREFIX, THERE, Capture, missing, namespace, second_network
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, network, processes")

NAME = f"{PREFIX}{os.getpid()}"
ILOT = [sys.executable, "-m", "hub"]
QUIET_S = 4.0
CONFIG = """\
hub: {{name: École, site: school, state_dir: state}}
sites: {{school: {{}}}}
zones: {{plant: {{site: school}}}}
places: {{machine: {{zone: plant}}}}
integrations:
  host: {{interval: 1s}}
devices:
  host:local: {{place: machine, integration: host}}
link: {{uplinks: {{https: {{url: '{url}'}}}}}}
exporters: {{prometheus: {{address: 0.0.0.0, port: 19090, allow: ['{here}/32']}}}}
web: {{address: 0.0.0.0, port: 18443}}
buffer: {{window: 200ms}}
"""
OPEN = {18443, 19090}
"""What that configuration says: the pages, the exporter."""


def until(true: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen")


class House:
    """A backend in one network, a hub in another."""

    def __init__(self, root: Path, inside: list[str]) -> None:
        self.root, self.inside = root, inside
        self.config = root / "config.yaml"
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        root, inside = self.root, self.inside
        self.ilot("backend", "init", str(root / "owner"), "--host-name", HERE, "--json")
        self.backend = self.start(
            [*ILOT, "backend", "run", str(root / "owner"), "--host", HERE, "--port", "0", "--json"]
        )
        self.url = json.loads(self.backend.stdout.readline())["url"]  # type: ignore[union-attr]
        self.config.write_text(CONFIG.format(here=HERE, url=self.url))
        token = self.ilot("backend", "token", str(root / "owner"), "--json")["token"]
        subprocess.run(
            [*inside, *ILOT, "enroll", token, "--config", str(self.config)],
            check=True, capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        self.hub = self.start_hub()

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        made = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.root)
        self.processes.append(made)
        return made

    def start_hub(self) -> subprocess.Popen[bytes]:
        self.hub = self.start([*self.inside, *ILOT, "run", "--config", str(self.config), "--json"])
        assert self.hub.stdout is not None
        assert json.loads(self.hub.stdout.readline())["hub"]
        return self.hub

    def ilot(self, *words: str, fine: tuple[int, ...] = (0,)) -> Any:
        done = run(*words, directory=self.root)
        assert done.returncode in fine, done.stderr.decode()
        return json.loads(done.stdout) if "--json" in words else done.stdout.decode()

    def asked(self, *words: str, fine: tuple[int, ...] = (0, 6)) -> Any:
        return self.ilot(*words, "--config", str(self.config), "--json", fine=fine)

    def acked(self) -> int:
        return int(self.asked("status")["link"]["acked"])

    def close(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                process.communicate()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    why = missing()
    if why:
        pytest.skip(why)
    with namespace(NAME) as inside:
        made = House(tmp_path_factory.mktemp("crisis"), inside)
        try:
            made.begin()
            yield made
        finally:
            made.close()


def heard(seconds: float) -> list[tuple[str, int, int]]:
    with Capture(NAME) as capture:
        time.sleep(seconds)
    return capture.packets


def test_a_hub_with_its_backend_alone_speaks_with_nobody_else(house: House) -> None:
    until(lambda: house.acked() > 10)
    port = int(house.url.rpartition(":")[2].strip("/"))
    packets = until(lambda: heard(QUIET_S))
    assert set(packets) == {(HERE, 6, port)}


def connected(hub: int) -> list[str]:
    """States of its TCP connections that may still cause a packet: neither LISTEN (0A) nor TIME_WAIT (06)."""
    tables = [Path(f"/proc/{hub}/net/{table}").read_text() for table in ("tcp", "tcp6")]
    states = [line.split()[3] for table in tables for line in table.splitlines()[1:]]
    return [state for state in states if state not in ("0A", "06")]


def answering(host: str) -> set[int]:
    """TCP ports that take a connection, all of them tried."""
    found = set()
    for port in range(1, 65_536):
        with socket.socket() as probe:
            probe.settimeout(2.0)
            if probe.connect_ex((host, port)) == 0:
                found.add(port)
    return found


def test_nothing_listens_but_what_the_configuration_names(house: House) -> None:
    until(lambda: house.acked() > 10)
    until(lambda: house.asked("status")["web"]["served"])
    assert answering(THERE) == OPEN
    for table in ("udp", "udp6"):  # nothing waits for datagrams either
        lines = (Path("/proc") / str(house.hub.pid) / "net" / table).read_text().splitlines()[1:]
        assert [line for line in lines if line.split()[3] == "07"] == []


def passes(sender: list[str], receiver: list[str], address: str, seconds: float = 2.0) -> bool:
    """Does a datagram from one network arrive in the other within `seconds`?"""
    hear = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 15005));"
        "print('ready', flush=True); print(s.recvfrom(99)[0], flush=True)"
    )
    say = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'knock', ('{address}', 15005))"
    waiting = subprocess.Popen(
        [*receiver, sys.executable, "-c", hear], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert waiting.stdout is not None
    try:
        assert waiting.stdout.readline() == "ready\n"
        subprocess.run([*sender, sys.executable, "-c", say], check=False, capture_output=True)
        return bool(select.select([waiting.stdout], [], [], seconds)[0]) and "knock" in waiting.stdout.readline()
    finally:
        waiting.kill()
        waiting.communicate()


def test_between_two_networks_that_the_hub_stands_in_nothing_passes_and_a_machine_that_lets_it_is_told(
    house: House,
) -> None:
    until(lambda: house.acked() > 10)
    with second_network(NAME) as far:
        there = ["ip", "netns", "exec", far]

        def doctor() -> dict[str, Any]:
            done = subprocess.run(
                [*house.inside, *ILOT, "doctor", "--no-probe", "--config", str(house.config), "--json"],
                capture_output=True,
                check=False,
                timeout=PATIENCE_S,
                cwd=house.root,
            )
            return next(one for one in json.loads(done.stdout) if one["what"] == "network")

        assert passes(there, house.inside, NEAR, PATIENCE_S), "the hub itself is reached in its second network"
        assert not passes([], there, BEYOND)
        assert not passes(there, [], HERE)
        assert doctor()["state"] == "ok"
        # the twin: a machine that passes packets on, seen by the same oracle
        for value in ("1", "0"):
            subprocess.run([*house.inside, "sysctl", "-q", "-w", f"net.ipv4.ip_forward={value}"], check=True)
            assert passes([], there, BEYOND, PATIENCE_S if value == "1" else 2.0) == (value == "1")
            assert ("passes packets on" in doctor()["says"]) == (value == "1")


def test_an_isolated_hub_sends_no_packet_keeps_reading_and_stays_so_across_a_kill(house: House) -> None:
    until(lambda: house.acked() > 10)
    assert house.asked("crisis", "isolate", "--why", "attaque")["isolated"]
    until(lambda: not connected(house.hub.pid))  # what was under way ends, also what a busy backend has yet to close
    until(lambda: not heard(1.0))
    assert heard(QUIET_S) == []
    before = house.asked("status")
    assert any("isolated" in sentence for sentence in before["degraded"])
    house.hub.send_signal(signal.SIGKILL)
    house.hub.communicate()
    with Capture(NAME) as capture:
        house.start_hub()
        until(lambda: house.asked("status")["readings"] > 5)
        time.sleep(QUIET_S)
    assert capture.packets == []
    assert house.asked("status")["buffer"]["readings"] > 0
    answer = house.asked("crisis", "end", "--why", "fin", fine=(0,))
    assert answer["same"]
    until(lambda: house.asked("status")["buffer"]["readings"] < 20 and house.acked() > 10)


def test_an_exporter_answers_nobody_while_the_hub_is_isolated(house: House) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{THERE}:19090/metrics", timeout=5) as reply:
                return b"ilot" in reply.read()
        except OSError:
            return False

    until(answers)
    house.asked("crisis", "isolate", "--why", "attaque")
    until(lambda: not answers())
    time.sleep(1.0)
    assert not answers()
    house.asked("crisis", "end", "--why", "fin")
    until(answers)


def test_a_read_only_hub_changes_nothing_and_says_why(house: House) -> None:
    house.asked("crisis", "readonly", "--why", "audit")
    refused = subprocess.run(
        [*ILOT, "device", "add", "host:other", "--place", "machine", "--config", str(house.config)],
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert refused.returncode != 0
    assert b"read-only" in refused.stderr
    assert [one["text"] for one in house.asked("alerts")["alerts"]] == []
    house.asked("crisis", "end", "--why", "fin")


def test_an_export_made_while_cut_off_proves_itself_on_another_machine(house: House) -> None:
    house.asked("crisis", "isolate", "--why", "attaque")
    folder = house.root / "stick"
    done = house.asked("crisis", "export", str(folder))
    hub = house.asked("status")["hub"]
    house.asked("crisis", "end", "--why", "fin")
    assert done["files"] > 5
    assert house.ilot("crisis", "verify", str(folder), "--hub", hub, "--json") == {"wrong": []}
    segment = next((folder / "buffer/readings").iterdir())
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    wrong = house.ilot("crisis", "verify", str(folder), "--hub", hub, "--json", fine=(7,))["wrong"]
    assert wrong == [f"buffer/readings/{segment.name} was changed"]
    sealed = b"".join(path.read_bytes() for path in (folder / "buffer").rglob("*") if path.is_file())
    assert b"host:local" not in sealed
