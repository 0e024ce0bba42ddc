"""How long a lost hub takes to be one again, on another machine.

    python bench/restore.py [--devices 500] [--counters 10000] [--audit 5000] [--runs 5]

The state is that of a large hub: devices with radio keys, replaced devices, receive windows, an audit chain. Measured
with the commands an operator uses, each a process of its own: from the shell to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure

from hub.cli.demo.scene import Scene
from hub.core.clock import SystemClock
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.store import audit as add_entry
from hub.identity import enrolment, keys
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer

CONFIG = """\
hub: {{site: block, state_dir: {state}}}
sites: {{block: {{name: Block}}}}
zones: {{rooms: {{site: block, name: Rooms}}}}
integrations: {{bluetooth: {{}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
places:
{places}
devices:
{devices}
"""


def configure(scene: Scene, devices: int) -> None:
    places = [f"  p{n}: {{zone: rooms, name: Place {n}}}" for n in range(devices)]
    lines = [
        f"  ble:A4:C1:38:00:{n >> 8:02X}:{n & 255:02X}: {{integration: bluetooth, place: p{n}, key: !secret k{n}}}"
        for n in range(devices)
    ]
    (scene.root / "secrets.yaml").touch(mode=0o600)
    (scene.root / "secrets.yaml").write_text("".join(f'k{n}: "{secrets.token_hex(16)}"\n' for n in range(devices)))
    scene.config.write_text(
        CONFIG.format(
            state=scene.state, url=scene.backend["url"].rstrip("/"), places="\n".join(places), devices="\n".join(lines)
        )
    )


async def fill(state: StateDir, counters: int, audit: int) -> None:
    """Receive windows and audit entries, as years of running leave them."""
    hub_keys, (enrolled, trust) = keys.load(state.keys), enrolment.load(state.path)
    store = await Store.open(state.store, hub_keys.store_key)

    def entries(db: Any) -> None:
        with db:
            for n in range(audit):
                add_entry(db, 1.8e9 + n, "cli", {"device": "replace", "old": f"ble:{n}", "new": f"ble:{n + 1}"})

    await store.call(entries)
    for n in range(50):
        await store.replace(f"ble:old-{n}", f"ble:new-{n}", secrets.token_bytes(16), 1.8e9, "cli")
    await store.close()
    buffer = Buffer.open(
        state.buffer,
        keys=SealingKeys(enrolled.hub, hub_keys.identity, hub_keys.store_key),
        trust=trust,
        clock=SystemClock(),
    )
    buffer.start(asyncio.get_running_loop())
    for n in range(counters):
        buffer.put_local(f"counter/ble:A4:C1:38:01:{n >> 8 & 255:02X}:{n & 255:02X}/{n:08x}", 1000 + n)
    await buffer.close()


def timed(*arguments: object) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "hub", *map(str, arguments)], check=True, capture_output=True)
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--counters", type=int, default=10_000)
    parser.add_argument("--audit", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    scene.radio = {"bus_address": "unix:path=/nonexistent"}
    try:
        scene.found()
        configure(scene, options.devices)
        scene.enrol()
        asyncio.run(fill(StateDir(scene.state), options.counters, options.audit))
        scene.start_hub()  # the first start sends the first backup
        deadline = time.monotonic() + 60
        while not list(root.glob("backend/backups/*")) and time.monotonic() < deadline:
            time.sleep(0.2)
        scene.stop("hub")
        (document,) = root.glob("backend/backups/*")
        hub = document.name[:20]
        file = root / "fetched.ilot-backup"
        fetch = timed("backend", "backups", root / "backend", hub, "--out", file)
        again = [timed("backup", "--config", scene.config, "--out", root / f"{n}.out") for n in range(options.runs)]
        key = ("--recovery-key-file", root / "backend" / "recovery.key")
        times = []
        for n in range(options.runs):
            new = root / f"new-{n}"
            new.mkdir()
            times.append(timed("restore", file, *key, "--config-dir", new, "--state-dir", new / "state"))
        scene.config, scene.state = new / "config.yaml", new / "state"
        scene.config.write_text(scene.config.read_text().replace(str(root / "hub"), str(scene.state)))
        began = time.monotonic()
        ready = scene.start_hub()
        start = time.monotonic() - began
        size = file.stat().st_size
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    of = f"{options.devices} devices with keys, {options.counters} windows, {options.audit} audit entries"
    figure("size of a state backup", size / 1000, "kB", of)
    figure("make a state backup of a stopped hub, median", statistics.median(again), "s", f"max {max(again):.2f}")
    figure("fetch it at the backend", fetch, "s")
    figure("restore it, median", statistics.median(times), "s", f"max {max(times):.2f}")
    figure("first start of the restored hub to ready", start, "s", f"as it says itself {ready['start_s']:.2f}")
    figure("fetch, restore, start: all that the machine does", fetch + statistics.median(times) + start, "s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
