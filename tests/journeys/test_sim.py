"""`ilot sim --pack`, as a vendor runs it: to a real hub and backend of its own, over the device's own protocol.

One end of each is somebody else's: pymodbus and bacpypes3 answer the hub, xknx and bleak hear for it; frames of LoRaWAN
and M-Bus are read by others' decoders in the tests of those integrations.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.cli.sim.lines import Lines

from ..faults.rig import Rig, until
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("processes")

PACKS = Path(__file__).parents[2] / "packs"


def ilot(*arguments: str, cwd: Path) -> tuple[int, list[dict[str, Any]], str]:
    command = [sys.executable, "-m", "hub", "sim", *arguments, "--json"]
    around = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKS.parent)}
    done = subprocess.run(command, capture_output=True, timeout=600, check=False, cwd=cwd, env=around)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_what_is_played_to_a_hub_is_what_it_shows(tmp_path: Path) -> None:
    folder = tmp_path / "acme-meter"  # a vendor's own, which no hub has
    shutil.copytree(PACKS / "abb-b23", folder)
    code, events, said = ilot("--pack", str(folder), "--demo", cwd=tmp_path)
    assert code == 0, said + json.dumps(events)
    assert events[0]["event"] == "expected"
    assert events[0]["vectors"][0]["readings"] == {"energy": 8567.2, "energy_exported": 2012.25}
    assert events[-1]["counts"] == {"said": 3, "right": 3, "withheld": 0}


@pytest.mark.long("a hub and a backend, ended twice")
@pytest.mark.parametrize("said", ["hub: enrolling", "What the hub must show"])
def test_whenever_it_is_told_to_end_it_leaves_no_process_and_no_file(said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hub", "sim", "--pack", "abb-b23", "--demo", "--rounds", "1000"]
    around = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKS.parent), "TMPDIR": str(tmp_path), "LANG": "C"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=around
    ) as process:
        assert process.stderr is not None
        assert any(said in line for line in process.stderr)
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(120) == 0
    assert not list(tmp_path.iterdir())
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


CONFIG = """\
hub: {{name: sim, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""


@pytest.mark.long("a hub and a backend, and a minute of radio")
def test_the_lines_that_are_printed_let_a_hub_in_service_hear_the_devices(tmp_path: Path) -> None:
    def lines(config: Path, *more: str) -> str:
        command = [sys.executable, "-m", "hub", "sim", "--pack", "cayenne-lpp", "-c", str(config), "--json", *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PACKS.parent) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
        return said

    rig = Rig(tmp_path)
    try:
        url = rig.config.read_text().partition('url: "')[2].partition('"')[0]
        base = CONFIG.format(state=rig.state, url=url)
        rig.config.write_text(base)
        said = json.loads(lines(rig.config))
        text = Lines(**{name: said[name] for name in Lines._fields}).text().replace("zone: ZONE", "zone: bench")
        rig.config.write_text(base + text)
        kept = tmp_path / "secrets.yaml"
        kept.write_text("".join(f'{name}: "{value}"\n' for name, value in said["secrets"].items()))
        kept.chmod(0o600)
        rig.hub = rig._start([sys.executable, "-m", "hub", "run", "--config", str(rig.config)], "hub")
        until((rig.state / "hub.sock").exists, PATIENCE_S, rig.logs)
        code, events, told = ilot("--pack", "cayenne-lpp", "--expect", "-c", str(rig.config), cwd=tmp_path)
        assert code == 0, told + json.dumps(events) + rig.logs()
        assert events[-1]["counts"]["right"] == len(events[1]["vectors"])
    finally:
        rig.close()


@pytest.mark.long("a hub and a backend for each protocol: two minutes")
@pytest.mark.parametrize(
    "pack",
    [
        "airthings-wave-plus", "cayenne-lpp", "ime-mbus-66", "vaisala-hmw95", "gira-co2-2104", "adeunis-sigfox-temp",
        "schneider-iem3155",
    ],
)  # fmt: skip
def test_a_pack_of_each_protocol_is_played_and_shown(pack: str, tmp_path: Path) -> None:
    if pack == "airthings-wave-plus" and shutil.which("dbus-daemon") is None:
        pytest.skip("the fake radio needs dbus-daemon")
    code, events, said = ilot("--pack", pack, "--demo", "--devices", "2", cwd=tmp_path)
    assert code == 0, said + json.dumps(events)
    assert events[-1]["counts"]["right"] >= 2


@pytest.mark.long("a hub and a backend, and a minute of radio")
def test_faults_are_counted_by_the_hub_and_nothing_wrong_is_shown(tmp_path: Path) -> None:
    code, events, said = ilot(
        "--pack", "cayenne-lpp", "--demo", "--devices", "5", "--rounds", "2", "--seed", "2",
        "--fault", "bad-mic:0.2", "--fault", "repeat:0.2", "--fault", "drop:0.2", cwd=tmp_path,
    )  # fmt: skip
    assert code == 0, said + json.dumps(events)
    counts, refused = events[-1]["counts"], events[-1]["refused"]
    assert counts["bad-mic"]
    assert counts["repeat"]
    assert counts.get("wrong", 0) == 0
    assert refused, "the hub says what it refused"
