"""The same work beside those who do it today, in one run: thingsboard-gateway, NATS JetStream, mosquitto's bridge.

    python bench/peers.py [--turns 3] [--at build/peers] [--peers thingsboard,nats,mosquitto] [--no-kill]

Installs thingsboard-gateway and the client of NATS from PyPI into an environment of their own under `--at`; the
servers are Debian's nats-server and mosquitto. Then `turns` times: ours, and each peer, one after the other. Printed
are medians and the ratios of medians. No ratio is given where the peer's own repetitions are more than a factor 2
apart: the machine was not quiet. What each one counts is not the same, and ours does more:

    ours          durable (fdatasync), sealed to the owner's keys, signed, over TLS 1.3 with certificates on both
                  sides, up to a signed ack of `ilot backend run`; the source is a plugin in the hub
    thingsboard   in its SQLite storage, then at a stub of its server by MQTT in the clear; source in its process
    nats          acknowledged by the local server after a sync of each write, in the clear; goes no further
    mosquitto     at a second broker by its bridge, QoS 1, in the clear; on disk once a second only

A report is four readings everywhere. `drain` begins with the first arrival after an outage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import cpu
import drain
import pipeline
import victim
from house import House
from measure import Spread, figure, remark
from peer import mosquitto, thingsboard
from rooms import reports

ROOT = Path(__file__).parents[1]
NEEDS = ("thingsboard-gateway==3.8.5", "nats-py==2.16.0")
SERVERS = {"thingsboard": "mosquitto", "nats": "nats-server", "mosquitto": "mosquitto"}
"""The Debian package, and program, that each peer needs."""
SPREAD = 2.0
QUIET_S = 20.0
KILL_RATE, KILL_S = 250.0, 12.0

Figures = dict[str, float]
UNITS = {
    "end to end": "readings/s", "end to end unsynced": "readings/s", "drain": "readings/s", "cpu": "ms/1,000",
    "cpu quiet": "% of a core", "rss idle": "MiB", "rss loaded": "MiB",
}  # fmt: skip


def environment(at: Path) -> Path:
    """The Python of the peers' environment, made if it is not there."""
    python, done = at / "venv/bin/python", at / "venv/installed"
    if not done.exists() or done.read_text() != " ".join(NEEDS):
        venv.create(at / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *NEEDS], check=True)
        done.write_text(" ".join(NEEDS))
    return python


def servers(peers: list[str]) -> list[str]:
    """Those whose servers are here, after an attempt to install what lacks."""
    lacking = sorted({SERVERS[peer] for peer in peers if not _there(SERVERS[peer])})
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *lacking]
        subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False, stdout=2)
    for peer in peers:
        if not _there(SERVERS[peer]):
            remark(f"ours / {peer}", f"{SERVERS[peer]} is not installed; as root: apt-get install {SERVERS[peer]}")
    return [peer for peer in peers if _there(SERVERS[peer])]


def _there(server: str) -> bool:
    return bool(shutil.which(server) or shutil.which(server, path="/usr/sbin"))


def ours(floods: int, backlog: int) -> Figures:
    """Our side: the figures of the other benchmarks, under the peers' names."""
    with House(devices=cpu.DEVICES) as house:
        flood = asyncio.run(pipeline.run(house, reports=floods))
        used, _ = asyncio.run(cpu.watch(house, cpu.quiet(house.names), QUIET_S, say=False))
    with House(devices=cpu.DEVICES) as house:
        readings, _ = house.backlog(reports(seconds=backlog / 4 / cpu.DEVICES * 60), drain.QUIET)
        rate, _, _ = asyncio.run(drain.drain(house, readings, settle=False))
    return {"end to end": flood["acked"], "cpu": flood["hub"], "cpu quiet": used * 100, "drain": rate}


def nats(python: Path, count: int) -> Figures:
    script = Path(__file__).parent / "peer/jetstream.py"
    done = subprocess.run([python, script, str(count), str(4 * count)], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def compare(own: list[Figures], other: list[Figures], peer: str) -> None:
    """Medians of a peer and, where they may be believed, ratios."""
    for name in other[0]:
        theirs = Spread.of([figures[name] for figures in other])
        figure(f"{peer}: {name}", theirs.median, UNITS[name], f"{len(other)} times, spread {theirs.factor:.2f}")
        if name not in own[0]:
            continue
        mine = Spread.of([figures[name] for figures in own])
        if theirs.factor > SPREAD:
            remark(f"ours / {peer}: {name}", f"its own repetitions are a factor {theirs.factor:.1f} apart")
        else:
            figure(f"ours / {peer}: {name}", mine.median / theirs.median, "x", f"ours spread {mine.factor:.2f}")


def kill(python: Path) -> None:
    """kill -9 while the server is away, then everything is started again."""
    reading = f"reports lost of those accepted, kill -9 in an outage at {KILL_RATE:.0f} reports/s"
    lost, accepted = thingsboard.lost_on_kill(python, KILL_RATE, KILL_S)
    figure(f"thingsboard: {reading}", lost, "reports", f"of {accepted}; {lost / KILL_RATE:.1f} s")
    for durable in (False, True):
        lost, accepted = victim.lost_on_kill(KILL_RATE, KILL_S, durable=durable)
        how = "emit(durable=True)" if durable else "emit(), commit window 5 s"
        figure(f"ours, {how}: {reading}", lost, "reports", f"of {accepted}; {lost / KILL_RATE:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--at", type=Path, default=ROOT / "build/peers")
    parser.add_argument("--peers", default="thingsboard,nats,mosquitto")
    parser.add_argument("--no-kill", action="store_true")
    options = parser.parse_args()
    python = environment(options.at)
    runs: dict[str, Callable[[], Figures]] = {
        "thingsboard": lambda: thingsboard.measure(python, 10_000, QUIET_S),
        "nats": lambda: nats(python, 5_000),
        "mosquitto": lambda: mosquitto.measure(20_000),
    }
    chosen = servers(options.peers.split(","))
    own: list[Figures] = []
    found: dict[str, list[Figures]] = {peer: [] for peer in chosen}
    began = time.monotonic()
    for _ in range(options.turns):
        own.append(ours(100_000, 2_000_000))
        for peer in chosen:
            found[peer].append(runs[peer]())
    for name in own[0]:
        mine = Spread.of([figures[name] for figures in own])
        figure(f"ours: {name}", mine.median, UNITS[name], f"{len(own)} times, spread {mine.factor:.2f}")
    for peer, figures in found.items():
        compare(own, figures, peer)
    if not options.no_kill and "thingsboard" in chosen:
        kill(python)
    figure("the whole comparison", (time.monotonic() - began) / 60, "min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
