"""A disk that is full, or that turns read-only under a running hub.

Full: the state lies on a tmpfs of a few megabytes and the backend is away; the hub writes until nothing fits, says
so, keeps its configuration writable (`ilot device replace`), and takes up again when the backend does. What it gave
up it declares, and an incident tells of losses only where it declared any. Read-only: ext4 is aborted under the hub,
as the kernel does after a medium error; what was promised before is on the card, nothing is promised after.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import needs
from power import Card
from rig import Rig, Verdict, ilot, until


def _complains(rig: Rig) -> bool:
    return bool(rig.status()["buffer"]["error"])


def _told_losses(rig: Rig) -> int:
    """Losses of readings that this life of the hub tells of, once its vigil has looked again."""
    time.sleep(2.5)
    losses: int = rig.status()["security"]["counts"].get("gap", 0)
    return losses


def full_disk(root: Path, runs: int, seed: int) -> Verdict:
    """So many times full and freed again, on 2 to 64 MB."""
    rng = random.Random(seed)
    megabytes = rng.choice([2, 3, 4, 8, 16, 64])
    card = root / "card"
    card.mkdir()
    needs.mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "ilot-faults", str(card))
    rig = None
    try:
        rig = Rig(root, state=card / "state", buffer=", max_size: 64MB, pending: 2000")
        rig.start_hub(4000.0)
        for n in range(runs):
            rig.wait_durable(5)
            rig.kill(rig.backend)
            filler = _fill(card, keep=rng.randrange(32 << 10, 96 << 10))
            until(lambda: _complains(rig), 120.0, lambda: f"a full disk goes unnoticed: {rig.logs()}")
            assert rig.hub is not None
            assert rig.hub.poll() is None, f"the hub ended on a full disk: {rig.logs()}"
            time.sleep(rng.uniform(0.2, 1.5))
            if n % 2:
                rig.kill(rig.hub)
                rig.start_hub(4000.0)
            old, new = f"faults:spare-{n}", f"faults:spare-{n + 1}"
            ilot("device", "replace", old, new, "--config", str(rig.config), "--json")
            rig.start_backend()
            if rng.random() < 0.5:
                filler.unlink()
            until(lambda: not _complains(rig), 150.0, lambda: f"it does not recover: {rig.logs()}")
            filler.unlink(missing_ok=True)
        told = _told_losses(rig)
        rig.stop(rig.hub)
        rig.settle()
        declared = rig.sql("SELECT count(*) FROM gaps")[0][0]
        assert told <= declared, f"{told} losses are told as an incident, and {declared} gaps are declared"
        return rig.verdict(f"full disk, tmpfs of {megabytes} MB", runs, may_declare=True)
    finally:
        if rig is not None:
            rig.close()
        needs.unmount(card)


def _fill(card: Path, keep: int) -> Path:
    """Take all room but `keep` bytes, as another program on the same card does."""
    filler = card / "filler"
    stat = os.statvfs(card)
    filler.write_bytes(b"\1" * max(0, stat.f_bavail * stat.f_frsize - keep))
    return filler


def read_only(root: Path, runs: int, seed: int) -> Verdict:
    """So many times read-only under a running hub; each time the card is then mounted again and a new life starts."""
    rng = random.Random(seed)
    card = Card(root)
    rig = None
    try:
        rig = Rig(root, state=card.where / "state")
        for _ in range(runs):
            rig.start_hub()
            rig.wait_durable(3)
            rig.kill(rig.backend)
            time.sleep(rng.uniform(0.0, 0.4))
            needs.mount("-o", "remount,abort", str(card.image), str(card.where))
            until(lambda: _complains(rig), 60.0, lambda: f"a read-only disk goes unnoticed: {rig.logs()}")
            rig.status()  # one more turn of its loop: what became durable before the disk failed is written down by now
            before, refused = len(rig.numbers(b"durable")), len(rig.numbers(b"refused"))
            until(lambda refused=refused: len(rig.numbers(b"refused")) > refused, 60.0, lambda: "nothing more is said")
            time.sleep(0.7)
            assert rig.hub is not None
            assert rig.hub.poll() is None, f"the hub ended on a read-only disk: {rig.logs()}"
            assert len(rig.numbers(b"durable")) == before, "a report was called durable on a disk that takes nothing"
            rig.kill(rig.hub)
            card.become(card.copy())
            rig.start_backend()
        rig.settle()
        return rig.verdict("read-only remount, ext4", runs)
    finally:
        if rig is not None:
            rig.close()
        card.eject()
