"""Five hundred LoRaWAN sensors from one table, with mistakes in it and a power cut in the middle; and keys that come
sealed from the district."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..faults.rig import Rig, ilot, run, until
from ..integrations.lorawan.lorawan_peer import LoraPacket
from ..ports import free_port
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

GATEWAY = "0016c001ff10d3e5"
JOINING = 4
"""Sensors that join by themselves; all others are ABP, so that they speak at once."""
MANY, WRONG = 500, 7

CONFIG = """\
hub: {{name: onboarding, site: school, state_dir: {state}}}
sites: {{school: {{name: School, timezone: Europe/Paris}}}}
zones: {{rooms: {{site: school, name: Rooms}}, cellar: {{site: school, name: Cellar}}}}
integrations:
  lorawan: {{gateways: {gateways}, udp: {{port: {port}}}, status: 0s}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""
HEAD = "label;dev_eui;join_eui;app_key;dev_addr;nwk_s_key;app_s_key;emplacement;zone;pack;settings.codec"


def command(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command, whatever its exit code."""
    done = run(*arguments, stdin=stdin, timeout=120)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class School:
    """A hub with a LoRaWAN network and no device in its configuration."""

    def __init__(self, root: Path, *gateways: str) -> None:
        self.rig = Rig(root)
        self.port = free_port(kind=socket.SOCK_DGRAM)
        self.url = self.rig.config.read_text().partition('url: "')[2].partition('"')[0]
        self.configure(GATEWAY, *gateways)

    def configure(self, *gateways: str, more: str = "") -> None:
        known = json.dumps({gateway: {} for gateway in gateways})
        text = CONFIG.format(state=self.rig.state, url=self.url, gateways=known, port=self.port)
        self.rig.config.write_text(text + more)

    def start(self) -> None:
        run = [sys.executable, "-m", "hub", "run", "--config", str(self.rig.config)]
        self.rig.hub = self.rig._start(run, "hub")
        until(lambda: command("status", "-c", self.rig.config).returncode in (0, 6), PATIENCE_S, self.rig.logs)

    def kill(self) -> None:
        self.rig.kill(self.rig.hub)

    def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return command(*arguments, "--config", self.rig.config, stdin=stdin)

    def devices(self) -> dict[str, dict[str, Any]]:
        return {d["id"]: d for d in ilot("devices", "--config", str(self.rig.config), "--json")["devices"]}

    def hear(self, frames: list[bytes]) -> None:
        """A gateway of our own forwards these (PROTOCOL.TXT: PUSH_DATA). The hub has all of them then."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
            gateway.connect(("127.0.0.1", self.port))
            for start in range(0, len(frames), 5):
                packets = [
                    {
                        "tmst": time.monotonic_ns() // 1000 & 0xFFFFFFFF,
                        "freq": 868.1,
                        "stat": 1,
                        "modu": "LORA",
                        "datr": "SF7BW125",
                        "codr": "4/5",
                        "rssi": -70,
                        "lsnr": 6.5,
                        "size": len(frame),
                        "data": base64.b64encode(frame).decode(),
                    }
                    for frame in frames[start : start + 5]
                ]
                body = json.dumps({"rxpk": packets}).encode()
                self._push(gateway, struct.pack(">BHB", 2, start & 0xFFFF, 0) + bytes.fromhex(GATEWAY) + body)

    def _push(self, gateway: socket.socket, datagram: bytes) -> None:
        """Until the hub says that it has it (PUSH_ACK, with the token): a busy machine throws datagrams away."""
        end = time.monotonic() + PATIENCE_S
        gateway.settimeout(15.0)
        while time.monotonic() < end:
            try:
                gateway.send(datagram)
                while gateway.recv(64) != datagram[:3] + b"\x01":
                    pass  # of one before, sent twice
            except ConnectionRefusedError:
                time.sleep(0.05)  # it does not listen yet
            except TimeoutError:
                continue
            else:
                return
        raise RuntimeError(f"the hub does not hear this gateway: {self.rig.logs()}")


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    yield made
    made.rig.close()


@pytest.fixture
def peer() -> Iterator[LoraPacket]:
    made = LoraPacket()
    yield made
    made.close()


class Sensor:
    """An ABP sensor, as its maker delivers it."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.eui = f"70b3d5e75f{number:06x}"
        self.address = 0x01000000 + number
        self.nwk, self.app = rng.randbytes(16), rng.randbytes(16)
        self.place = f"room-{number}"

    def row(self) -> str:
        keys = f"{self.address:08X};{self.nwk.hex()};{self.app.hex()}"
        return f";{self.eui.upper()};;;{keys};{self.place};rooms;cayenne-lpp;"

    def frame(self, peer: LoraPacket, fcnt: int = 0) -> bytes:
        return peer.data(
            uplink=True,
            address=self.address,
            fcnt=fcnt,
            nwk=self.nwk,
            app=self.app,
            fport=2,
            payload=b"\x01\x67\x00\xd7",
        )


@contextlib.contextmanager
def simulator(port: int) -> Iterator[dict[str, Any]]:
    """A second gateway with sensors that join, in a process of its own; always the same ones."""
    line = [sys.executable, "-m", "integrations.lorawan.sim", "--port", str(port), "--devices", str(JOINING)]
    with subprocess.Popen([*line, "--interval", "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def test_five_hundred_sensors_of_one_table_with_seven_mistakes_and_a_power_cut(
    school: School, peer: LoraPacket, tmp_path: Path
) -> None:
    rng = random.Random(5)
    sensors = [Sensor(number, rng) for number in range(MANY - WRONG - JOINING)]
    rows = [sensor.row() for sensor in sensors]
    with simulator(school.port) as world:
        pass  # who they are; they will speak later
    school.configure(GATEWAY, world["gateway"])
    for number, (name, device) in enumerate(world["devices"].items()):
        eui = name.partition(":")[2]
        rows.append(
            f";{'-'.join(eui[i : i + 2] for i in range(0, 16, 2))};;{device['key']};;;;hall-{number};cellar;;cayenne"
        )
    mistakes = {  # after so many rows: the row, the column, what is said of it
        3: (";70B3D5E75F00AAA;;" + "0" * 32 + ";;;;x-1;rooms;;", "dev_eui", "16 hexadecimal digits"),
        60: (";7,0312E+15;;" + "0" * 32 + ";;;;x-2;rooms;;", "dev_eui", "spreadsheet"),
        120: (";70B3D5E75FFFFF03;;" + "0" * 32 + ";;;;x-3;room;;", "zone", "did you mean rooms?"),
        180: (sensors[0].row(), "device", "stands in line 2 already"),
        240: (";70B3D5E75FFFFF05;;;;;;x-5;rooms;;", "app_key", "no label and no inventory has it"),
        300: ("LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:CAF2D;;;;;;;x-6;rooms;;", "label", "checksum"),
        450: (";70B3D5E75FFFFF07;;" + "0" * 32 + ";;;;x-7;rooms;cayene-lpp;", "pack", "did you mean cayenne-lpp?"),
    }  # fmt: skip
    for after, (row, _, _) in sorted(mistakes.items()):
        rows.insert(after, row)
    assert len(rows) == MANY
    table = tmp_path / "sensors.csv"
    table.write_text("\n".join([HEAD, *rows, ""]), encoding="utf-8-sig")
    wrong = {after + 2: (column, says) for after, (_, column, says) in mistakes.items()}
    school.start()

    # a dry run says all of it, and changes nothing
    began = time.monotonic()
    dry = school.run("device", "import", table, "--dry-run", "--json")
    print(f"dry run of {MANY} rows: {time.monotonic() - began:.1f} s")
    assert dry.returncode == 3, dry.stderr
    answer = json.loads(dry.stdout)
    assert [row["line"] for row in answer["rows"]] == list(range(2, MANY + 2))
    assert answer["summary"] == {"added": MANY - WRONG, "wrong": WRONG}
    told = {row["line"]: row for row in answer["rows"] if row["state"] == "wrong"}
    assert {line: row["column"] for line, row in told.items()} == {line: column for line, (column, _) in wrong.items()}
    assert all(says in told[line]["en"] and told[line]["fr"] for line, (_, says) in wrong.items()), told
    assert school.devices() == {}

    # the hub dies in the middle of it
    line = [sys.executable, "-m", "hub", "device", "import", str(table), "--config", str(school.rig.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as importing:
        assert importing.stderr is not None
        assert any(progress.startswith("100 of") for progress in importing.stderr)
        school.kill()
        _, rest = importing.communicate(timeout=PATIENCE_S)
    assert importing.returncode == 4
    assert "import the file again" in rest
    school.start()
    kept = school.devices()
    assert 100 <= len(kept) < MANY - WRONG, "whole rows, and none that was not answered for"
    assert {device["state"] for device in kept.values()} == {"waiting"}

    # once more: what is there is said to be, the rest is added
    began = time.monotonic()
    again = school.run("device", "import", table, "--json")
    print(f"import of {MANY - WRONG - len(kept)} devices: {time.monotonic() - began:.1f} s")
    assert again.returncode == 3
    answer = json.loads(again.stdout)
    assert answer["summary"] == {"added": MANY - WRONG - len(kept), "already": len(kept), "wrong": WRONG}
    assert {row["line"] for row in answer["rows"] if row["state"] == "wrong"} == set(wrong)

    # each is green once its first valid report is in
    states = dict[str, int]()

    def green() -> bool:
        states.clear()
        for device in school.devices().values():
            states[device["state"]] = states.get(device["state"], 0) + 1
        return states == {"green": MANY - WRONG}

    with simulator(school.port):
        twice = json.loads(school.run("device", "import", table, "--json").stdout)
        assert twice["summary"] == {"already": MANY - WRONG, "wrong": WRONG}
        school.hear([sensor.frame(peer) for sensor in sensors])
        until(green, PATIENCE_S, lambda: f"{states}: {school.rig.logs()}")
    one = school.devices()[f"lorawan:{sensors[7].eui}"]
    assert (one["place"], one["zone"], one["fr"], one["adopted"]) == ("room-7", "rooms", "remonte", True)
    assert abs(one["first_heard"] - time.time()) < 300

    # it is remembered; and a removed device is admitted no longer
    removed = school.run("device", "remove", f"lorawan:{sensors[7].eui}", "--json")
    assert json.loads(removed.stdout) == {"device": f"lorawan:{sensors[7].eui}", "place": "room-7"}
    assert school.rig.stop(school.rig.hub) == 0
    school.start()
    left = school.devices()
    assert len(left) == MANY - WRONG - 1
    assert {device["state"] for device in left.values()} == {"green"}

    # no key was written anywhere in clear
    secrets = [sensor.app.hex() for sensor in sensors[:50]] + [sensor.app for sensor in sensors[:50]]
    for path in [*school.rig.state.rglob("*"), *school.rig.root.glob("*.log")]:
        data = path.read_bytes() if path.is_file() else b""
        assert not any((key.encode() if isinstance(key, str) else key) in data for key in secrets), path


def test_keys_come_sealed_from_the_district_and_a_wrong_one_is_named(
    school: School, peer: LoraPacket, tmp_path: Path
) -> None:
    rng = random.Random(7)
    right, wrong = rng.randbytes(16), rng.randbytes(16)
    table = tmp_path / "keys.csv"
    table.write_text(
        f"dev_eui;app_key;place;zone;pack\n70B3D5E75F000001;{right.hex()};;;\n"
        f"70B3D5E75F000002;{wrong.hex()};cellar-2;cellar;cayenne-lpp\n"
    )
    school.start()
    card, sealed = tmp_path / "hub.card", tmp_path / "hub.ilot-inventory"
    assert school.run("inventory", "card", "--out", card).returncode == 0
    backend = ("backend", "inventory", school.rig.backend_dir, table, "--card", card, "--out", sealed)
    made = command(*backend, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["devices"] == 2
    assert right not in sealed.read_bytes()
    assert right.hex().encode() not in sealed.read_bytes()

    loaded = school.run("device", "import", sealed, "--json")
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["summary"] == {"kept": 1, "added": 1}
    again = json.loads(school.run("device", "import", sealed, "--json").stdout)
    assert again["summary"] == {"already": 2}

    # the QR code holds no key: it comes from the inventory
    label = "LW:D0:1122334455667788:70B3D5E75F000001:01280013:S1234"
    added = school.run("device", "add", "--label", label, "--place", "room-1", "--zone", "rooms", "--json")
    assert added.returncode == 0, added.stderr
    row = json.loads(added.stdout)
    assert (row["state"], row["pack"], row["key_from"], row["place"]) == ("added", "nke-th", "inventory", "room-1")
    shown = json.loads(school.run("inventory", "show", "--json").stdout)["devices"]
    assert [(one["device"], one["added"]) for one in shown] == [("lorawan:70b3d5e75f000001", True)]

    # the one whose key is wrong says so when it asks to join; the other joins
    def join(eui: str, key: bytes) -> bytes:
        return bytes.fromhex(peer("joinRequest", joinEui="1122334455667788", devEui=eui, devNonce=1, appKey=key.hex()))

    school.hear([join("70b3d5e75f000001", right), join("70b3d5e75f000002", right)])
    until(
        lambda: (
            [one["why"] for one in school.devices().values()] == ["bad-mic", "joined"]
            or [one["why"] for one in school.devices().values()] == ["joined", "bad-mic"]
        ),
        PATIENCE_S,
        lambda: f"{school.devices()}",
    )
    troubled = school.devices()["lorawan:70b3d5e75f000002"]
    assert (troubled["state"], troubled["fr"][:10]) == ("trouble", "clé fausse")

    # what the configuration names is its own, and said where
    school.rig.stop(school.rig.hub)
    school.configure(
        GATEWAY,
        more="places: {hall: {zone: rooms}}\ndevices:\n  lorawan:70b3d5e75f000001:\n"
        "    {integration: lorawan, place: hall, key: !secret k}\n",
    )
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"k: {right.hex()}\n")
    secrets.chmod(0o600)
    school.start()
    assert school.devices()["lorawan:70b3d5e75f000001"]["place"] == "hall"
    (said,) = [one for one in school.rig.status()["degraded"] if "70b3d5e75f000001" in one]
    assert "config.yaml:9" in said
    assert "the configuration counts" in said
    refused = school.run("device", "add", "lorawan:70b3d5e75f000001", "--place", "room-1")
    assert refused.returncode == 3
    assert "stands in the configuration with another place" in refused.stderr
    assert school.run("device", "remove", "lorawan:70b3d5e75f000001").returncode == 0
    assert not [one for one in school.rig.status()["degraded"] if "70b3d5e75f000001" in one]
    kept = school.run("device", "remove", "lorawan:70b3d5e75f000001")
    assert kept.returncode == 2
    assert "stands in the configuration: remove it there (config.yaml:9)" in kept.stderr


def test_a_hub_from_its_backup_knows_the_devices_and_opens_what_was_sealed_to_it(
    school: School, tmp_path: Path
) -> None:
    school.start()
    key = bytes(range(16)).hex()
    said = f"DEV EUI 70-B3-D5-E7-5F-00-00-01\nAPP KEY {key}\n"
    refused = school.run("device", "add", "--label", said, "--place", "room-1", "--zone", "rooms")
    assert refused.returncode == 2
    assert "--label-file" in refused.stderr
    added = school.run(
        "device", "add", "--label-file", "-", "--place", "room-1", "--zone", "rooms", "--json", stdin=said
    )
    assert added.returncode == 0, added.stderr
    card, table, sealed = tmp_path / "card", tmp_path / "k.csv", tmp_path / "k.ilot-inventory"
    table.write_text(f"dev_eui;app_key\n70B3D5E75F000009;{key}\n")
    school.run("inventory", "card", "--out", card)
    command("backend", "inventory", school.rig.backend_dir, table, "--card", card, "--out", sealed)
    backup = tmp_path / "hub.ilot-backup"
    assert school.run("backup", "--out", backup).returncode == 0
    school.rig.stop(school.rig.hub)

    moved = tmp_path / "new"
    moved.mkdir()
    restored = command(
        "restore",
        backup,
        "--recovery-key-file",
        school.rig.backend_dir / "recovery.key",
        "--config-dir",
        moved,
        "--state-dir",
        moved / "state",
        "--json",
    )
    assert restored.returncode == 0, restored.stderr
    school.rig.config = moved / "config.yaml"
    text = school.rig.config.read_text()
    school.rig.config.write_text(text.replace(str(school.rig.state), str(moved / "state")))
    school.start()
    (device,) = school.devices().values()
    assert (device["id"], device["place"], device["keyed"]) == ("lorawan:70b3d5e75f000001", "room-1", True)
    loaded = school.run("device", "import", sealed, "--json")
    assert json.loads(loaded.stdout)["summary"] == {"kept": 1}, loaded.stderr
