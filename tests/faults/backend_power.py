"""Power cuts of the backend: its directory on ext4 on a loop device, as in `power.py`.

What the hub counts as acknowledged must be in the database when the power comes back, before the hub speaks again. It
lets go at once of what is acknowledged, and says much, so that its segments close and leave its disk: what the backend
does not have is gone. Twin: a backend whose fsync and fdatasync do
nothing.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from power import Card, freeze, without_sync
from rig import Rig, Verdict, until

_MORE = 20


def _cuts(root: Path, runs: int, seed: int, fault: str, environment: Mapping[str, str] | None = None) -> Verdict:
    rng = random.Random(seed)
    card = Card(root)
    rig, lost = None, 0
    try:
        rig = Rig(root, backend=card.where / "backend", buffer=", keep_after_ack: 0s", generator=["--bulky"])
        hub = rig.start_hub(200.0)
        for _ in range(runs):
            rig.kill(rig.backend)
            rig.start_backend(environment=environment)
            for _ in range(2):
                acked = _acked(rig)
                until(lambda acked=acked: _acked(rig) > acked + _MORE, 120.0, lambda: f"nothing is acked: {rig.logs()}")
            time.sleep(rng.uniform(0.0, 0.7))
            assert rig.backend is not None
            freeze(rig.backend.pid)
            time.sleep(0.3)  # the last ack is on its way
            acked = _acked(rig)
            freeze(hub.pid)
            copy = card.copy()
            rig.kill(rig.backend)
            card.become(copy)
            rig.start_backend()
            lost += max(0, acked - int(rig.sql("SELECT count(*) FROM readings")[0][0]))
            os.killpg(hub.pid, signal.SIGCONT)
        rig.wait_durable(3)
        rig.stop(hub)
        rig.settle()
        verdict = rig.verdict(fault, runs)
        verdict.lost += lost
        return verdict
    finally:
        if rig is not None:
            rig.close()
        card.eject()


def _acked(rig: Rig) -> int:
    return int(rig.status()["link"]["acked"])


def power_cut_of_backend(root: Path, runs: int, seed: int) -> Verdict:
    return _cuts(root, runs, seed, "power cut of the backend, ext4 on a loop device")


def twin_backend_without_sync(root: Path, runs: int, seed: int) -> Verdict:
    return _cuts(root, runs, seed, "twin: power cut of a backend without fsync", without_sync(root))
