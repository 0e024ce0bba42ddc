"""A machine is lost, and another one takes its place: the same hub, no sensor touched, nothing accepted twice."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.disk.atomic_files import write_into
from hub.core.errors import StorageError
from hub.operations.backups.restore import Restoration
from hub.protocol.documents.recovery_key_file import read_recovery_key
from hub.rpc.control_socket import call
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import Climate, Counter, Sensor, bthome_encrypted

from ..faults.needs import faketime
from ..faults.rig import Rig, ilot, run, until
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, network, processes")

REAL_TIMERS = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def stick(tmp_path) -> Iterator[Path]:
    """A directory on another file system than the hub's state."""
    path = Path(tempfile.mkdtemp(prefix="ilot-stick-", dir="/dev/shm"))
    assert path.stat().st_dev != tmp_path.stat().st_dev, "this machine has no second file system to play the stick"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def backup_of(rig: Rig) -> Path:
    """The newest at the backend."""
    ((hub,),) = rig.sql("SELECT hub FROM hubs")
    out = rig.root / "fetched.ilot-backup"
    ilot("backend", "backups", str(rig.backend_dir), hub, "--out", str(out), "--json")
    return out


def stored(rig: Rig) -> set[int]:
    """The generator's numbers that are in the backend's database."""
    statement = "SELECT r.value FROM readings r JOIN series s ON s.id = r.series WHERE s.metric = 'uptime'"
    return {int(value) for (value,) in rig.sql(statement)}


def recovery(rig: Rig) -> tuple[object, ...]:
    return "--recovery-key-file", rig.backend_dir / "recovery.key", "--config-dir", rig.root, "--json"


# -- no sensor is touched --------------------------------------------------------------------------------------------

BUILDING = """\
hub: {{site: school, state_dir: {state}}}
sites: {{school: {{name: School}}}}
zones: {{rooms: {{site: school, name: Rooms}}}}
places: {{one: {{zone: rooms, name: One}}, two: {{zone: rooms, name: Two}}}}
integrations: {{bluetooth: {{repeat: 1s}}}}
devices:
  "ble:7C:C6:B6:02:00:01": {{integration: bluetooth, place: one, key: !secret one}}
  "ble:7C:C6:B6:02:00:02": {{integration: bluetooth, place: two}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


class Building:
    """A hub that hears encrypted Bluetooth sensors, and what the backend has of each place."""

    def __init__(self, rig: Rig, radio: FakeBluez, bus: str) -> None:
        self.rig, self.radio, self.bus = rig, radio, bus

    def configure(self, key: bytes) -> None:
        text = self.rig.config.read_text()
        url = text[text.index('{url: "') + 7 :].partition('"')[0]
        self.rig.config.write_text(BUILDING.format(state=self.rig.state, url=url))
        secrets = self.rig.root / "secrets.yaml"
        secrets.touch(mode=0o600)
        secrets.write_text(f'one: "{key.hex()}"\n')

    async def start(self, config: Path | None = None) -> None:
        rig = self.rig
        command = [sys.executable, "-m", "hub", "run", "--config", str(config or rig.config), "--json"]
        rig.hub = rig._start(command, "hub", {"DBUS_SYSTEM_BUS_ADDRESS": self.bus})
        await self.wait(lambda: self.radio.heard)

    async def stop(self) -> None:
        await asyncio.to_thread(self.rig.stop, self.rig.hub)
        await self.wait(lambda: not self.radio.heard)

    async def say(self, sensor: Sensor, frames: list[Any]) -> None:
        """Each once the hub has read the one before: a frame that is heard only with the next is not read at all."""
        for frame in frames:
            before = await asyncio.to_thread(self.taken)
            self.radio.say(sensor, frame)
            end = time.monotonic() + PATIENCE_S
            while (taken := await asyncio.to_thread(self.taken)) <= before:
                assert time.monotonic() < end, f"{sensor.id} was not heard: {self.rig.logs()}"
                await asyncio.sleep(0.002)
            assert taken == before + 1

    def taken(self) -> int:
        """Frames that this life of the hub has read: reports, and what was refused and counted."""
        status = call(self.rig.state / "hub.sock", "status")
        return int(status["reports"]) + sum(sum(counts.values()) for counts in status["counts"].values())

    async def ilot(self, *arguments: object) -> dict[str, Any]:
        return await asyncio.to_thread(ilot, *map(str, arguments), "--json")

    async def counts(self, device: str) -> dict[str, int]:
        status = await self.ilot("status", "--config", self.rig.config)
        return dict(status["counts"].get(device, {}))

    def rows(self) -> dict[str, int]:
        """Temperatures of each place at the backend."""
        statement = (
            "SELECT s.place, count(*) FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.metric = 'temperature' GROUP BY s.place"
        )
        return dict(self.rig.sql(statement))

    async def wait(self, what: Any, seconds: float = PATIENCE_S) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not (result := what()) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.05)
        assert result, f"it did not happen: {self.rows()}, {self.rig.logs()}"


def sensor(number: int) -> tuple[Sensor, bytes]:
    rng = random.Random(number)
    key = rng.randbytes(16)
    return bthome_encrypted(f"7C:C6:B6:02:00:0{number}", Climate(rng), key, Counter()), key


async def test_frames_of_before_the_loss_are_refused_the_next_one_counts_and_a_replaced_device_stays_replaced(
    rig, tmp_path
):
    (one, key), (three, new_key) = sensor(1), sensor(3)
    ones, threes = [one.advertise() for _ in range(30)], [three.advertise() for _ in range(30)]
    async with private_bus() as bus, fake_bluez([one, three], bus) as radio:
        building = Building(rig, radio, bus)
        building.configure(key)
        await building.start()
        # The second sensor broke: the third, with a key of its own, takes its place. The file does not know of it.
        replaced = ("device", "replace", "ble:7C:C6:B6:02:00:02", three.id, "--key-file", tmp_path / "key")
        (tmp_path / "key").write_text(new_key.hex())
        await building.ilot(*replaced, "--config", rig.config)
        await building.say(one, ones[:20])
        await building.say(three, threes[:20])
        await building.wait(lambda: building.rows() == {"one": 20, "two": 20})
        made = await building.ilot("backup", "--config", rig.config)
        assert made["backend"]["generation"] == made["generation"] > 0, made
        await building.stop()
        shutil.rmtree(rig.state)
        (tmp_path / "config.yaml").unlink()
        (tmp_path / "secrets.yaml").unlink()

        found = await asyncio.to_thread(run, "restore", backup_of(rig), *recovery(rig))
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["windows"] == 2
        await building.start()
        await building.say(one, ones[:20])
        await building.say(three, threes[:20])
        for device in (one.id, three.id):  # every frame was heard, and every one refused
            assert await building.counts(device) == {"replay": 19, "repeat": 1}
        assert building.rows() == {"one": 20, "two": 20}
        await building.say(one, ones[20:])
        await building.say(three, threes[20:])
        await building.wait(lambda: building.rows() == {"one": 30, "two": 30})
        devices = await building.ilot("devices", "--config", rig.config)
        assert {d["place"]: d["id"] for d in devices["devices"]} == {"one": one.id, "two": three.id}
        await building.stop()
    assert rig.sql("SELECT count(DISTINCT run) FROM streams WHERE stream = 'readings'") == [(2,)]


# -- the loss, and what may come after it ----------------------------------------------------------------------------


def test_a_lost_hub_goes_on_in_a_new_run_and_its_old_card_is_told_apart_when_it_comes_back(rig, tmp_path):
    rig.start_hub(per_second=50)
    rig.wait_durable(3)
    older = tmp_path / "older.ilot-backup"
    ilot("backup", "--out", str(older), "--config", str(rig.config), "--json")
    made = ilot("backup", "--config", str(rig.config), "--json")
    assert made["backend"]["generation"] == made["generation"], made
    rig.drain()
    rig.stop(rig.hub)
    rig.state.rename(tmp_path / "old-card")
    # The newest is what an operator takes; also an older one than the backend saw makes a hub that it goes on with.
    refused = run("restore", older, *recovery(rig), "--at-least", made["generation"])
    assert (refused.returncode, b"take the newest" in refused.stderr) == (5, True), refused.stderr
    assert ilot("restore", str(older), *map(str, recovery(rig)))["restored"] is True
    rig.start_hub(per_second=50)
    rig.wait_durable(3)
    assert rig.sql("SELECT kind FROM alarms WHERE kind IN ('restored', 'set-back')") == [("restored",)]
    again = ilot("backup", "--config", str(rig.config), "--json")
    assert again["generation"] > made["generation"] + 1000, "sent counters have jumped, and the generation with them"
    assert again["backend"]["generation"] == again["generation"], again
    rig.drain()
    rig.stop(rig.hub)

    rig.state.rename(tmp_path / "new-card")
    (tmp_path / "old-card").rename(rig.state)
    rig.start_hub(per_second=50)
    until(
        lambda: bool(rig.sql("SELECT kind FROM alarms WHERE kind IN ('old-state', 'set-back')")),
        PATIENCE_S,
        lambda: f"no alarm: {rig.logs()}",
    )
    rig.wait_durable(3)
    refused = ilot("backup", "--config", str(rig.config), "--json")
    assert "a newer backup" in refused["backend"]["error"], "an old card must not replace the newest backup"
    rig.drain()
    rig.stop(rig.hub)
    shutil.rmtree(rig.state)
    (tmp_path / "new-card").rename(rig.state)
    rig.settle()
    verdict = rig.verdict("restored", 1)
    assert verdict.held, verdict
    assert verdict.durable > 50
    assert rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs") == [(0,)]


def test_a_card_destroyed_during_an_outage_loses_nothing_that_the_stick_had(tmp_path, stick):
    rig = Rig(tmp_path, buffer=f", mirror: {stick}")
    with rig.config.open("a") as config:
        config.write(f"backup: {{directory: {stick}}}\n")
    try:
        rig.kill(rig.backend)
        rig.start_hub(per_second=100)
        rig.wait_durable(20)
        rig.stop(rig.hub)  # its segment is closed now
        promised = rig.promised()
        rig.start_hub(per_second=0.01)
        until(
            lambda: rig.status()["mirror"]["copies"] >= 1 and rig.status()["backup"]["directory"]["at"] is not None,
            PATIENCE_S,
            lambda: f"nothing reaches the stick: {rig.logs()}",
        )
        told = run("status", "--config", rig.config)
        assert f"in {stick}" in told.stdout.decode()
        rig.kill(rig.hub)
        on_it = b"".join(path.read_bytes() for path in stick.rglob("*") if path.is_file())
        assert not [word for word in (b"faults:", b"generator", b"Bench") if word in on_it], "it names a device"
        shutil.rmtree(rig.state)
        rig.config.unlink()

        rig.start_backend()
        assert not rig.sql("SELECT 1 FROM readings"), "it was never delivered"
        assert ilot("restore", str(stick), *map(str, recovery(rig)))["restored"] is True
        sent = ilot("buffer", "send", str(stick), "--remove", "--config", str(rig.config), "--json")
        assert (sent["left"], sent["damaged"], sent["skipped"]) == (0, 0, [])
        assert sent["acked"] == sent["records"] > 0
        assert list(stick.rglob("*.seg")) == []
        rig.settle()
        verdict = rig.verdict("card destroyed", 1)
        assert (verdict.twice, verdict.wrong, verdict.declared) == (0, 0, 0), verdict
        # What the second life had promised by then was in its open segment: that one went with the card.
        assert promised <= stored(rig)
        assert len(promised) > 100
    finally:
        rig.close()


def test_what_is_sent_twice_is_stored_once(tmp_path, stick):
    """The stick's copies are delivered although the hub itself delivers the same: a late stick does no harm."""
    rig = Rig(tmp_path, buffer=f", mirror: {stick}")
    try:
        rig.kill(rig.backend)
        rig.start_hub(per_second=100)
        rig.wait_durable(5)
        rig.stop(rig.hub)
        rig.start_hub(per_second=0.01)
        until(lambda: rig.status()["mirror"]["copies"] >= 1, PATIENCE_S, lambda: f"no copy: {rig.logs()}")
        running = run("buffer", "send", stick, "--config", rig.config)
        assert running.returncode == 7
        assert b"another hub" in running.stderr
        rig.stop(rig.hub)
        away = run("buffer", "send", stick, "--config", rig.config)
        assert away.returncode == 4
        assert b"are not delivered" in away.stderr
        rig.start_backend()
        for _ in range(2):
            assert ilot("buffer", "send", str(stick), "--config", str(rig.config), "--json")["left"] == 0
        rig.start_hub(per_second=0.01)
        rig.drain()
        until(lambda: rig.status()["mirror"]["copies"] == 0, PATIENCE_S, lambda: "an acked copy stays")
        rig.stop(rig.hub)
        rig.stop(rig.backend)
        verdict = rig.verdict("sent twice", 1)
        assert verdict.held, verdict
        assert verdict.durable >= 50
    finally:
        rig.close()


def test_the_first_start_and_a_night_later_put_a_backup_on_the_stick(rig, stick):
    with rig.config.open("a") as config:
        config.write(f"backup: {{directory: {stick}}}\n")
    for day in (0, 1):
        before, began = len(list(stick.iterdir())), time.time() + day * 86400
        rig.start_hub(per_second=20, environment={"LD_PRELOAD": str(faketime()), "FAKETIME": f"+{day}d", **REAL_TIMERS})
        until(lambda had=before: len(list(stick.iterdir())) > had, PATIENCE_S, lambda: f"no backup comes: {rig.logs()}")
        until(lambda began=began: (rig.status()["backup"]["made"] or 0.0) > began - 2, PATIENCE_S, rig.logs)
        assert rig.status()["backup"]["made"] < time.time() + day * 86400 + 2, "by its own clock, which is ahead"
        rig.stop(rig.hub)


# -- mistakes --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory) -> Iterator[tuple[Rig, Path]]:
    """A hub that was enrolled and never ran, and its backup, made while it is stopped."""
    rig = Rig(tmp_path_factory.mktemp("enrolled"))
    rig.kill(rig.backend)
    out = rig.root / "stopped.ilot-backup"
    ilot("backup", "--out", str(out), "--config", str(rig.config), "--json")
    yield rig, out
    rig.close()


def restore(rig: Rig, file: Path, at: Path, *more: object, key: Path | None = None) -> tuple[int, str]:
    at.mkdir(exist_ok=True)
    done = run(
        "restore",
        file,
        "--recovery-key-file",
        key or rig.backend_dir / "recovery.key",
        "--config-dir",
        at,
        "--state-dir",
        at / "state",
        *more,
    )
    return done.returncode, (done.stderr + done.stdout).decode()


def test_a_stopped_hub_is_backed_up_to_a_file_and_told_how(enrolled, tmp_path):
    rig, _ = enrolled
    done = run("backup", "--config", rig.config)
    assert done.returncode == 4
    assert b"`ilot backup --out FILE`" in done.stderr


def test_a_dry_run_checks_everything_and_changes_nothing(enrolled, tmp_path):
    rig, file = enrolled
    code, said = restore(rig, file, tmp_path / "new", "--dry-run")
    assert (code, "would restore hub-" in said) == (0, True), said
    assert list((tmp_path / "new").iterdir()) == []


def test_another_path_will_do_and_an_older_generation_than_asked_for_will_not(enrolled, tmp_path):
    rig, file = enrolled
    code, said = restore(rig, file, tmp_path / "new", "--at-least", 10_000)
    assert (code, "older than the 10000" in said) == (5, True), said
    assert list((tmp_path / "new").iterdir()) == []
    code, said = restore(rig, file, tmp_path / "new")
    assert code == 0, said
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"config.yaml", "secrets.yaml", "state"}
    assert (tmp_path / "new" / "state" / "enrolment.json").read_bytes() == (rig.state / "enrolment.json").read_bytes()


@pytest.mark.parametrize("key", ["ingest", "stranger", "none"])
def test_only_the_owners_recovery_key_restores(enrolled, tmp_path, key):
    rig, file = enrolled
    if key == "ingest":
        (path,), expected, exit_code = (rig.backend_dir / "recipients").glob("*.key"), "recovery key alone", 3
    elif key == "stranger":
        ilot("backend", "init", str(tmp_path / "stranger"), "--json")
        path, expected, exit_code = tmp_path / "stranger" / "recovery.key", "only the owner's recovery key opens it", 5
    else:
        path, expected, exit_code = rig.config, "not a recipient key file", 3
    code, said = restore(rig, file, tmp_path / "new", key=path)
    assert (code, expected in said) == (exit_code, True), said
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_a_backup_that_is_not_whole_restores_nothing(enrolled, tmp_path, damage):
    rig, file = enrolled
    data = bytearray(file.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    bad = {"cut": data[: len(data) // 2], "flipped": data, "other": b"PK\x03\x04" + data, "empty": b""}[damage]
    (tmp_path / "bad").write_bytes(bad)
    code, said = restore(rig, tmp_path / "bad", tmp_path / "new")
    assert code in (5, 7), said
    assert "Traceback" not in said
    assert "backup" in said
    assert list((tmp_path / "new").iterdir()) == []


def test_a_state_directory_in_use_is_refused_and_set_aside_only_when_asked(enrolled, tmp_path):
    rig, file = enrolled
    new = tmp_path / "new"
    assert restore(rig, file, new)[0] == 0
    identity = (new / "state" / "keys" / "identity.pem").read_bytes()
    (new / "config.yaml").write_text("hub: {}\n")
    code, said = restore(rig, file, new)
    assert (code, "never overwritten" in said) == (3, True), said
    assert (new / "config.yaml").read_text() == "hub: {}\n"
    code, said = restore(rig, file, new, "--set-aside")
    assert code == 0, said
    (former,) = (new / "state").glob("former-*")
    assert (former / "keys" / "identity.pem").read_bytes() == identity
    (config,) = new.glob("former-*/config.yaml")
    assert config.read_text() == "hub: {}\n"
    assert (new / "config.yaml").read_bytes() == rig.config.read_bytes()


def test_a_stick_of_several_hubs_wants_the_hub_named(enrolled, tmp_path):
    rig, file = enrolled
    hub = json.loads((rig.state / "enrolment.json").read_bytes())["hub"]
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.copy(file, stick / f"{hub}-000000000007.ilot-backup")
    (stick / "hub-aaaaaaaaaaaaaaaa-000000000009.ilot-backup").write_bytes(b"another's")
    code, said = restore(rig, stick, tmp_path / "new")
    assert (code, "name one with --hub" in said) == (3, True), said
    assert restore(rig, stick, tmp_path / "new", "--hub", hub)[0] == 0


def test_the_recovery_key_may_come_by_stdin(enrolled, tmp_path):
    rig, file = enrolled
    command = [sys.executable, "-m", "hub", "restore", str(file), "--recovery-key-file", "-", "--dry-run"]
    done = subprocess.run(
        [*command, "--config-dir", str(tmp_path), "--state-dir", str(tmp_path / "state")],
        input=(rig.backend_dir / "recovery.key").read_bytes(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("failing", range(1, 11))
def test_a_restoration_that_fails_half_way_leaves_everything_as_it_was(enrolled, tmp_path, monkeypatch, failing):
    rig, file = enrolled
    (tmp_path / "state" / "keys").mkdir(parents=True)
    (tmp_path / "state" / "keys" / "identity.pem").write_text("another hub's")
    (tmp_path / "config.yaml").write_text("hub: {}\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = Restoration(
        file.read_bytes(),
        read_recovery_key((rig.backend_dir / "recovery.key").read_bytes()),
        config_dir=tmp_path,
        state_dir=tmp_path / "state",
        set_aside=True,
    )
    names = []

    def write(directory: int, name: str, *more: Any) -> None:
        names.append(name)
        if len(names) == failing:
            raise OSError(28, "No space left on device")
        write_into(directory, name, *more)

    for module in ("hub.core.disk.atomic_files", "hub.core.disk.safe_paths"):
        monkeypatch.setattr(f"{module}.write_into", write)
    if failing == 10:  # configuration, its secrets, three keys, trust, certificate, note, enrolment: there is no tenth
        found.apply()
        assert (tmp_path / "state" / "enrolment.json").exists()
        return
    with pytest.raises(StorageError, match="No space left"):
        found.apply()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"}
    assert after == before


def test_a_hubs_own_buffer_and_a_directory_without_segments_are_not_sent(enrolled, tmp_path):
    rig, _ = enrolled
    (rig.state / "buffer" / "readings").mkdir(parents=True, exist_ok=True)
    own = run("buffer", "send", rig.state, "--config", rig.config)
    assert (own.returncode, b"own buffer" in own.stderr) == (3, True), own.stderr
    empty = run("buffer", "send", tmp_path, "--config", rig.config)
    assert (empty.returncode, b"holds no segments" in empty.stderr) == (3, True), empty.stderr
