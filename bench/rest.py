"""A hub at rest: the memory of it and its workers, and what it writes to its card in a minute.

    python bench/rest.py [--settle 240] [--minutes 5]

Three hubs, one after the other, with the default commit window, each with its pages on: before and after somebody calls
one of them, and after somebody looked at every page of the menu in French. The hubs: this machine alone; that and
Modbus; the demo's school, which has KNX, Bluetooth and LoRaWAN too, and a codec. Memory is what the kernel says of each
process (`hub.core.process_memory`); private is what no other process shares. The state lies on an ext4 of its own, as
in `bench/flash.py`: the file system's journal is counted. The demo's events are over after the time to settle, but its
lamp, its frames and its strangers go on.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from flash import NoLoop, loop_ext4
from measure import as_installed, device_of, figure, remark, written_to
from memory import without
from web import NAME, PASSWORD, Browser

from hub.cli.demo.scene import Scene
from hub.cli.demo.showcase import Showcase
from hub.core import tls
from hub.core.memory_tuning import SETTLED_S
from hub.core.process_memory import family
from hub.web.areas import MENU

QUIET_S = 45.0
"""Until every device has spoken, and the garbage of the start is collected."""
SETTLE_S = 360.0
"""Time to settle of the hubs in which nothing happens: what is written once after a start is written by then."""


class Small(Scene):
    """The scene with the host's own interval, of this machine and of `modbus`."""

    modbus_too = False

    def _configuration(self) -> str:
        text = super()._configuration().replace("  host: {interval: 5s}", "  host: {}")
        return without(text, ("bluetooth",) if self.modbus_too else ("bluetooth", "modbus"))


class SmallModbus(Small):
    modbus_too = True


def at_rest(scene: Scene, name: str, settle_s: float, minutes: float, mount: Path) -> None:
    """Start the hub of a scene, let it settle, and print what it takes and writes."""
    try:
        scene.prepare()
        scene.config.write_text(scene.config.read_text().replace("buffer:\n  window: 1s\n", ""))
        scene.start_hub()
        label = scene.label()
        url = label["url"]
        if isinstance(scene, Showcase):
            scene.furnish()
        time.sleep(QUIET_S)
        held(scene, f"{name}, nobody at the pages")
        call(url)
        time.sleep(settle_s)
        device, began = device_of(mount), time.monotonic()
        before, requests = written_to(device)
        time.sleep(minutes * 60)
        after, more = written_to(device)
        spent = (time.monotonic() - began) / 60
        figure(f"device bytes a minute at rest, {name}", (after - before) / 1024 / spent, "KiB/min")
        figure(f"write requests a minute at rest, {name}", (more - requests) / spent, "1/min")
        held(scene, f"{name}, with pages")
        asyncio.run(look_at_all(url, label["code"]))
        time.sleep(2 * SETTLED_S)
        held(scene, f"{name}, with every page seen")
    finally:
        scene.close()


def held(scene: Scene, name: str) -> None:
    """Print the memory of a scene's hub and its workers."""
    memory = family(scene.processes["hub"].pid)
    for one in memory.processes if len(memory.processes) > 1 else ():
        figure(f"private memory, {name}: {one.name}", one.private_mib, "MiB", f"{one.pss_mib:.1f} MiB PSS")
    figure(f"private memory, {name}, all together", memory.private_mib, "MiB", f"{memory.pss_mib:.1f} MiB PSS")


def call(url: str) -> None:
    """Have the hub load its pages, which it does for the first caller."""
    with urllib.request.urlopen(f"{url}claim", timeout=30, context=tls.unverified()) as reply:
        reply.read()


async def look_at_all(url: str, code: str) -> None:
    """Claim the hub, and open every page that the menu has."""
    browser = Browser(url.rstrip("/"))
    try:
        await browser.post("/claim", code=code, name=NAME, password=PASSWORD, again=PASSWORD)
        for entry in MENU:
            await browser.get(f"{entry.href}?lang=fr")
    finally:
        await browser.session.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=240.0, help="seconds before the demo is at rest")
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    as_installed()
    kinds: list[tuple[type[Scene], str, float]] = [
        (Small, "host", SETTLE_S), (SmallModbus, "host, Modbus", SETTLE_S),
        (Showcase, "the demo's configuration", options.settle),
    ]  # fmt: skip
    for kind, name, settle_s in kinds:
        root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
        try:
            with loop_ext4() as mount:
                scene = kind(root, lambda text: None)
                scene.state = mount / "state"
                at_rest(scene, name, settle_s, options.minutes, mount)
        except NoLoop as error:
            remark(f"device bytes a minute at rest, {name}", f"no loop device here: {error}")
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
