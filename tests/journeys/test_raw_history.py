"""Raw history on disk at a whole hub: over a restart and a kill, erased, and given up.

The files are opened by a reader of their specification, with every key that lies on the machine: what it does not find
nobody finds. Before each erasure the same reader finds it.
"""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.disk.sqlite import connect
from hub.core.store import SCHEMA
from hub.history.archive import keys as roots
from hub.identity import keys
from hub.identity.keys import tpm
from tests.hub.history.archive.reader import read
from tests.hub.identity.keys.chip import chip

from . import test_privacy
from .ending import end_all
from .patience import PATIENCE_S
from .test_privacy import PEOPLE, Home

pytestmark = [pytest.mark.real("clock, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

DEVICE = "people:door"
SAYS = {DEVICE: {"count": 3.0, "temperature": 21.5}}
CONFIG = {
    "sites": {"s": {}}, "zones": {"z": {"site": "s", "personal": {"count": "Horaires"}}},
    "places": {"salle": {"zone": "z"}},
    "devices": {DEVICE: {"integration": "people", "place": "salle"}},
    "integrations": {"people": {"says": SAYS, "positions": {}}}, "buffer": {"window": "200ms"},
    "history": {"raw_on_disk": "key-file", "raw_personal": True},
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(test_privacy, "CONFIG", CONFIG)
    made = Home(tmp_path, "")
    try:
        yield made
        made.stop()
    finally:
        end_all(made.processes)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory with a short name: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tpm") as made:
        yield Path(made)


def again(home: Home, how: signal.Signals = signal.SIGTERM) -> None:
    """The hub ends and starts."""
    end(home, how)
    home.hub, _ = home.start("run", "--config", str(home.config), "--drain", "1")


def end(home: Home, how: signal.Signals = signal.SIGTERM) -> None:
    home.hub.send_signal(how)
    home.hub.communicate(timeout=PATIENCE_S)


def readings(home: Home, metric: str) -> list[list[float]]:
    found: list[list[float]] = home.ask("history.raw", series=f"salle/{metric}", limit=5000)["readings"]
    return found


def lying(home: Home, root: bytes = b"") -> dict[str, list[tuple[int, int]]]:
    """What the files give to whoever has the machine, while no hub runs: metric → readings."""
    root = root or (home.state / "keys" / "raw.key").read_bytes()
    db = connect(home.state / "store.db", keys.load(home.state / "keys").store_key, SCHEMA, reserve=False)
    known = {n: (metric, bytes(secret)) for n, metric, secret in db.execute("SELECT n, metric, secret FROM raw_series")}
    db.close()
    found: dict[str, list[tuple[int, int]]] = {}
    for path in sorted((home.state / "raw").iterdir()):
        for n, said in read(path.read_bytes(), root, {n: secret for n, (_, secret) in known.items()}).items():
            found.setdefault(known[n][0], []).extend(said)
    return found


def test_raw_history_outlives_a_restart_and_a_kill_is_erased_with_its_device_and_goes_when_unwanted(home: Home) -> None:
    home.until("readings", lambda: home.ask("history.list")["series"] and len(readings(home, "count")) > 2)
    end(home)
    found = lying(home)
    assert found.keys() == {"count", "temperature"}
    stopped = max(when for said in found.values() for when, _ in said)  # what was held is told a second late at most
    time.sleep(max(0.0, stopped + 1 - time.time()))
    assert {value for _, value in found["count"]} == {3}
    assert {value for _, value in found["temperature"]} == {4300}  # steps of 0.005 °C

    home.hub, _ = home.start("run", "--config", str(home.config), "--drain", "1")
    before = [one for one in readings(home, "count") if one[0] <= stopped]
    assert [when for when, _ in before] == [when for when, _ in found["count"]]
    status = home.ask("status")["raw-history"]
    assert (status["files"], status["sealed_by"], status["damaged"]) == (1, "key-file", 0)
    table = raw_of_the_command(home)
    assert table[0] == ["time", "Cel"]
    assert {row[1] for row in table[1:]} == {"21.5"}
    home.until("more", lambda: readings(home, "count")[-1][0] > stopped + 1)
    again(home, signal.SIGKILL)  # it loses what it had not written, and nothing else
    assert [one for one in readings(home, "count") if one[0] <= stopped] == before
    register = home.ask("privacy.document", what="register")["text"]
    assert "relevés bruts chiffrés sur disque 30 jours au plus" in register
    assert "un vol de la carte les livre" in register

    erased = int(time.time())
    assert home.ilot("device", "erase", DEVICE, "--yes", "--config", str(home.config))
    assert [one for one in readings(home, "count") if one[0] < erased] == []
    assert [one for one in readings(home, "temperature") if one[0] <= stopped]
    end(home)
    found = lying(home)
    assert [time for time, _ in found.get("count", ()) if time < erased] == []
    assert [time for time, _ in found["temperature"] if time <= stopped]

    home.config.write_text(home.config.read_text().replace('"raw_on_disk": "key-file"', '"raw_on_disk": "none"'))
    home.hub, _ = home.start("run", "--config", str(home.config), "--drain", "1")
    assert "raw-history" not in home.ask("status")
    assert not (home.state / "raw").exists()
    assert not (home.state / "keys" / "raw.key").exists()
    register = home.ask("privacy.document", what="register")["text"]
    assert "aucun relevé brut personnel sur disque" in register


def raw_of_the_command(home: Home) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, str(PEOPLE), "history", "salle/temperature", "--raw", "--config", str(home.config)],
        capture_output=True,
        env=home.env,
        cwd=home.machine,
        timeout=PATIENCE_S,
        check=True,
    )
    return [*csv.reader(io.StringIO(done.stdout.decode()))]


def test_a_hub_with_a_tpm_reads_its_history_again_and_its_card_in_another_machine_does_not(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_privacy, "CONFIG", {**CONFIG, "history": {"raw_on_disk": "tpm"}})
    with chip(short_path / "a", monkeypatch):
        home = Home(tmp_path, "")
        try:
            home.until(
                "readings", lambda: home.ask("history.list")["series"] and len(readings(home, "temperature")) > 2
            )
            home.until("its key", (home.state / "keys" / "raw.tpm").exists)
            end(home)
            stopped = time.time()
            root = tpm.unseal((home.state / "keys" / "raw.tpm").read_bytes(), roots.LABEL)
            found = lying(home, root)
            assert found.keys() == {"temperature"}, "people are counted in RAM alone unless that is declared too"
            for path in home.machine.rglob("*"):
                assert not (path.is_file() and root in path.read_bytes())
            home.hub, _ = home.start("run", "--config", str(home.config), "--drain", "1")
            home.until("the history before", lambda: [at for at, _ in readings(home, "temperature") if at < stopped])
            assert home.ask("status")["raw-history"]["sealed_by"] == "tpm"
            end(home)
        except BaseException:
            end_all(home.processes)
            raise
    with chip(short_path / "b", monkeypatch):
        home.env["TPM2TOOLS_TCTI"] = os.environ["TPM2TOOLS_TCTI"]
        try:
            home.hub, _ = home.start("run", "--config", str(home.config), "--drain", "1")
            said = home.until("what is wrong", lambda: [one for one in home.ask("status")["degraded"] if "TPM" in one])
            assert "raw history cannot be kept on disk" in said[0]
            assert "remove" in said[0]
            home.until("readings all the same", lambda: readings(home, "temperature"))
            assert [at for at, _ in readings(home, "temperature") if at < stopped] == []
            assert not (home.state / "keys" / "raw.key").exists()
            home.stop()
        finally:
            end_all(home.processes)
