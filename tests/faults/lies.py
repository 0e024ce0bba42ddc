"""Acks that lie, and a backend that lost what it had acknowledged.

A backend that stores nothing and claims everything, in ways that its signature, its key, its ranges, its hub, its run
or its database give away: the hub must refuse each, count it, and delete nothing. Then the honest one takes over, and
everything must still be there. Twin: a hub that believes.

A backend whose database was put back to an older copy, alone or with all that lies beside it: what it had acknowledged
since then arrives again, from the segments that the hub keeps.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

from bent import LIES
from rig import Rig, Verdict, until


def _refused(rig: Rig) -> bool:
    return sum(rig.status()["link"]["refused"].values()) > 0


def _lie(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root, buffer=", keep_after_ack: 0s")
    try:
        rig.start_hub()  # one life with the honest one: from now on its database is known
        rig.wait_durable(3)
        rig.stop(rig.hub)
        rig.kill(rig.backend)
        for n in range(runs):
            kind = LIES[n % len(LIES)]
            rig.start_backend(bent=["--lie", kind])
            rig.start_hub(options=options)
            rig.wait_durable(3)
            if options:
                until(lambda: rig.status()["link"]["acked"] > 0, 60.0, lambda: f"nothing acked: {rig.logs()}")
                rig.wait_durable(2)  # what it believes is on its disk
            else:
                until(lambda: _refused(rig), 60.0, lambda kind=kind: f"{kind} was not refused: {rig.logs()}")
                acked = rig.status()["link"]["acked"]
                assert acked == 0, f"{kind}: {acked} readings count as acknowledged"
            time.sleep(rng.uniform(0.0, 0.4))
            rig.kill(rig.hub)
            rig.kill(rig.backend)
        rig.start_backend()
        rig.settle()
        return rig.verdict(fault, runs)
    finally:
        rig.close()


def lying_acks(root: Path, runs: int, seed: int) -> Verdict:
    """So many lies, each in one life of a hub."""
    return _lie(root, runs, seed, "acks that lie")


def twin_believes_acks(root: Path, runs: int, seed: int) -> Verdict:
    return _lie(root, runs, seed, "twin: acks that lie, believed", ("--believe",))


def rolled_back_backend(root: Path, runs: int, seed: int) -> Verdict:
    """So many times put back, behind one to three lives of the hub. Prints how long the slowest took to be whole."""
    rng = random.Random(seed)
    rig = Rig(root, generator=["--quick"])
    copy = root / "older"
    slowest = 0.0
    try:
        rig.kill(rig.backend)
        rig.start_backend(bent=["--quick"])
        rig.start_hub(200.0)
        for n in range(runs):
            rig.wait_durable(3)
            rig.drain()
            rig.stop(rig.backend)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(rig.backend_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
            rig.start_backend(bent=["--quick"])
            for _ in range(rng.randint(1, 3)):
                rig.wait_durable(rng.randint(2, 6))
                rig.drain()
                rig.kill(rig.hub)
                rig.start_hub(200.0)
            rig.wait_durable(3)
            rig.drain()
            rig.kill(rig.backend)
            before = _stored(rig)
            _put_back(rig, copy, whole=n % 2 == 1)
            assert not before <= _stored(rig), "putting it back must have lost something"
            rig.start_backend(bent=["--quick"])
            began = time.monotonic()
            until(lambda before=before: before <= _stored(rig), 180.0, lambda: f"it does not come again: {rig.logs()}")
            slowest = max(slowest, time.monotonic() - began)
        rig.stop(rig.hub)
        rig.settle()
        return rig.verdict(f"backend put back to an older copy (whole again in {slowest:.1f} s at most)", runs)
    finally:
        rig.close()


def _stored(rig: Rig) -> set[int]:
    rows = rig.sql(
        "SELECT value FROM readings r JOIN series s ON s.id = r.series"
        " WHERE s.metric = 'uptime' AND s.place = 'generator'"
    )
    return {int(value) for (value,) in rows}


def _put_back(rig: Rig, copy: Path, *, whole: bool) -> None:
    """The database alone, as from a nightly dump; or everything, as from a snapshot of the machine."""
    if whole:
        shutil.rmtree(rig.backend_dir)
        shutil.copytree(copy, rig.backend_dir)
        return
    for path in rig.backend_dir.glob("backend.db*"):
        path.unlink()
    for path in copy.glob("backend.db*"):
        shutil.copy(path, rig.backend_dir)
