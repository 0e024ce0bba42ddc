"""A hub that is killed: how many accepted reports are gone.

    python bench/victim.py [--rate 250] [--seconds 12]

The hub is a process of its own, its backend is away; it accepts `rate` reports/s for `seconds` and is killed (-9).
Another hub then starts on the same state, the backend returns, and its database is asked what arrived. `emit()` says
"accepted", `emit(durable=True)` says "on the disk": what is lost of each is a different promise, so both are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
from house import House, hub_of, until, walks
from measure import figure

import hub
from tests.stored import count

DEVICES = 500


async def live(config: Path, sent: Path, rate: float, *, durable: bool) -> None:
    """The victim: counts what it has accepted in the file `sent` until it is killed."""
    names = House.device_names(DEVICES)
    emits = walks(names, 600.0)

    async def work(session: hub.Session) -> None:
        began, at, waiting = time.monotonic(), 0, set()
        accepted = 0

        async def emit(report: hub.Report) -> None:
            nonlocal accepted
            await session.emit(report, durable=durable)
            accepted += 1

        with sent.open("w") as out:
            while True:
                task = asyncio.create_task(emit(emits[at % len(emits)]))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                at += 1
                await asyncio.sleep(max(0.0, began + at / rate - time.monotonic()))
                out.seek(0)
                out.write(f"{accepted:012d}")
                out.flush()

    async with hub_of(config, work):
        await asyncio.Event().wait()


def lost_on_kill(rate: float, seconds: float, *, durable: bool) -> tuple[int, int]:
    """Reports lost and accepted."""
    with House(devices=DEVICES) as house:
        house.scene.stop("backend")
        sent = house.root / "sent"
        command = [sys.executable, __file__, "--victim", str(house.scene.config), str(sent), "--rate", str(rate)]
        with subprocess.Popen([*command, *(["--durable"] if durable else [])]) as process:
            limit = time.monotonic() + 30
            while not sent.exists() or not sent.read_text():
                if process.poll() is not None or time.monotonic() > limit:
                    raise SystemExit("the victim did not start")
                time.sleep(0.05)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        accepted = int(sent.read_text())
        house.scene.start_backend()
        arrived = asyncio.run(_deliver(house))
    return max(0, accepted - arrived), accepted


async def _deliver(house: House) -> int:
    """Reports in the backend's database once the hub has nothing more to send."""

    async def nothing(session: hub.Session) -> None:
        return

    async with house.hub(nothing) as running:
        link = running.backend.link
        await until(lambda: link.delivery.acked_records and not link._owing(), 60, "the ack of what the victim left")
    return count(house.root / "backend" / "backend.db") // 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--durable", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--victim", nargs=2, type=Path, metavar=("CONFIG", "SENT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.victim:
        config, sent = options.victim
        asyncio.run(live(config, sent, options.rate, durable=options.durable))
    for durable in (False, True):
        lost, accepted = lost_on_kill(options.rate, options.seconds, durable=durable)
        how = "emit(durable=True)" if durable else "emit(), commit window 5 s"
        figure(f"reports lost on kill -9, {how}", lost, "reports", f"of {accepted} accepted at {options.rate:.0f}/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
