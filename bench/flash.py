"""What a reading costs a flash: bytes that reach the device at the quiet site, the file system's journal included.

    python bench/flash.py [--minutes 5] [--windows 5,30]

The hub's state lies on an ext4 of its own in a loop device, whose block statistics tell what was written to it and by
how many requests; nothing else writes there. Needs root, mkfs.ext4 and loop devices; without them the figure is what
the kernel charges to the process (`write_bytes` of /proc/self/io), the journal not included, and is named so.
A flush is one commit of the buffer. The small state (acks, counters) rides on it: it has no sync of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from cpu import DEVICES, quiet
from house import House
from measure import device_of, figure, remark, written_by, written_to

GATES = {5: 60.0, 30: 13.0}
FLUSH_KIB = 10.0
SETTLE_S = 75.0
DISK_MB = 256


class NoLoop(Exception):
    """This machine gives no loop device."""


@contextmanager
def loop_ext4() -> Iterator[Path]:
    """A mounted, empty ext4 of its own, journal in its default mode. Raises NoLoop."""
    with tempfile.TemporaryDirectory(prefix="ilot-flash-") as scratch:
        image, mount = Path(scratch) / "disk", Path(scratch) / "mount"
        with image.open("wb") as out:
            out.truncate(DISK_MB << 20)
        mount.mkdir()
        try:
            _tool("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
            _tool("mount", "-o", "loop,noatime", str(image), str(mount))
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoLoop(getattr(error, "stderr", "") or str(error)) from error
        try:
            yield mount
        finally:
            _tool("umount", str(mount))


def _tool(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


async def watch(house: House, seconds: float, written: Callable[[], tuple[int, int]]) -> dict[str, float]:
    """What `seconds` at the quiet site wrote."""
    async with house.hub(quiet(house.names)) as running:
        await asyncio.sleep(SETTLE_S)  # until every device has spoken and its TABLE is on the disk
        overview: Any = running.ui.overview
        commits, listeners = 0, running.base.buffer._commits._listeners

        def durable(event: Any) -> None:
            nonlocal commits
            commits += 1

        listeners.insert(0, durable)
        size, requests = written()
        readings, own = overview.written_readings, overview.written_bytes
        await asyncio.sleep(seconds)
        after, more = written()
        readings, own = overview.written_readings - readings, overview.written_bytes - own
    return {
        "reading": (after - size) / readings,
        "flush": (after - size) / commits / 1024,
        "requests": (more - requests) / commits,
        "sealed": own / readings,
        "commits": commits,
    }


def measure(window_s: int, minutes: float) -> None:
    buffer = f"  window: {window_s}s"
    how = "device bytes"
    try:
        with loop_ext4() as mount, House(devices=DEVICES, buffer=buffer, at=mount / "state") as house:
            device = device_of(mount)
            found = asyncio.run(watch(house, minutes * 60, lambda: written_to(device)))
    except NoLoop as error:
        remark("device bytes by a loop device", f"no loop device here: {error}")
        how = "bytes charged to the process, without the journal's,"
        with House(devices=DEVICES, buffer=buffer) as house:
            found = asyncio.run(watch(house, minutes * 60, lambda: (written_by(os.getpid()), 0)))
    figure(f"{how} a reading, {window_s} s window", found["reading"], "B/reading", f"gate {GATES.get(window_s, '')}")
    figure(f"{how} a flush, {window_s} s window", found["flush"], "KiB", f"gate {FLUSH_KIB:.0f}")
    figure(f"write requests a flush, {window_s} s window", found["requests"], "")
    figure(
        f"sealed bytes of these, {window_s} s window", found["sealed"], "B/reading", f"{found['commits']:.0f} flushes"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="for each window")
    parser.add_argument("--windows", default="5,30", help="commit windows in seconds")
    options = parser.parse_args()
    for window_s in map(int, options.windows.split(",")):
        measure(window_s, options.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
