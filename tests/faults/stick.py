"""The stick of `buffer.mirror` loses its power: ext4 on a loop device, whose image is copied while the hub is stopped.

What the page cache held is not in the image. Every segment that the hub counted as copied must be there under its own
name, byte for byte, and nothing else may bear such a name. Twin: a hub whose fsync and fdatasync do nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

from power import Card, freeze, without_sync
from rig import Rig, Verdict, until


def _lives(root: Path, runs: int, seed: int, fault: str, environment: Mapping[str, str] | None = None) -> Verdict:
    rng = random.Random(seed)
    card = Card(root)
    rig, lost, wrong = None, 0, 0
    try:
        rig = Rig(root, buffer=f", mirror: {card.where}")
        rig.kill(rig.backend)
        for _ in range(runs):
            rig.start_hub()
            rig.wait_durable(rng.randint(1, 4))
            rig.kill(rig.hub)
            hub = rig.start_hub(environment=environment)
            until(lambda: _complete(rig), 120.0, lambda: f"not all is copied: {rig.logs()}")
            time.sleep(rng.uniform(0.0, 0.3))
            freeze(hub.pid)
            copy = card.copy()
            rig.kill(hub)
            card.become(copy)
            closed = _closed(rig)
            copies = {path.name: path.read_bytes() for path in card.where.rglob("[0-9]*.seg")}
            lost += len(closed.keys() - copies.keys())
            wrong += sum(data != closed.get(name) for name, data in copies.items())
        rig.start_backend()
        rig.settle()
        verdict = rig.verdict(fault, runs)
        verdict.lost += lost
        verdict.wrong += wrong
        return verdict
    finally:
        if rig is not None:
            rig.close()
        card.eject()


def _complete(rig: Rig) -> bool:
    mirror = rig.status()["mirror"]
    return mirror["state"] == "there" and mirror["waiting"] == 0 and mirror["copies"] > 0


def _closed(rig: Rig) -> dict[str, bytes]:
    """The segments that were closed when the hub ended: all but the newest of each stream."""
    streams = [sorted(folder.glob("*.seg")) for folder in (rig.state / "buffer").iterdir() if folder.is_dir()]
    return {path.name: path.read_bytes() for paths in streams for path in paths[:-1]}


def stick_loses_power(root: Path, runs: int, seed: int) -> Verdict:
    return _lives(root, runs, seed, "the mirror's stick loses its power")


def twin_stick_without_sync(root: Path, runs: int, seed: int) -> Verdict:
    return _lives(root, runs, seed, "twin: the stick's copies without fsync", without_sync(root))
