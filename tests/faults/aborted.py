"""A sync that ext4 calls done, although its journal was aborted before: what it promised is not on the card.

Several threads write and sync through the hub's own disk, each its file, as the hub's streams and its store do beside
one another; then the journal is aborted, as the kernel does after a medium error. What a sync called done before that
must be on the card when it is mounted again. Twin: a sync that believes what the kernel says (ADR 0081).
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import needs
from needs import Missing
from power import Card
from rig import Verdict

from hub.store_and_forward.buffer.disk import SystemDisk

_WRITERS = 3
_COMMIT = b"x" * 700
_TRIES = 80
"""Of a twin: one in five or six shows it."""


def _abort(root: Path, rng: random.Random) -> tuple[int, int]:
    """One card, aborted while it is written to: (commits called done, how many of these are not on it)."""
    root.mkdir()
    card = Card(root)
    try:
        done, disk = [0] * _WRITERS, SystemDisk()

        def write(n: int) -> None:
            fd = disk.create(card.where / f"{n}")
            try:
                while disk.write(fd, _COMMIT) == len(_COMMIT):
                    disk.sync(fd)
                    done[n] += 1
            except OSError:
                pass
            finally:
                disk.close(fd)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(_WRITERS)]
        for thread in threads:
            thread.start()
        while min(done) < 10:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        needs.mount("-o", "remount,abort", str(card.image), str(card.where))
        for thread in threads:
            thread.join()
        card.become(card.copy())
        there = [os.stat(card.where / f"{n}").st_size // len(_COMMIT) for n in range(_WRITERS)]
        return sum(done), sum(max(0, said - is_) for said, is_ in zip(done, there, strict=True))
    finally:
        card.eject()
        shutil.rmtree(root)


def _aborted(root: Path, runs: int, seed: int, fault: str, enough: Callable[[int], bool]) -> Verdict:
    rng = random.Random(seed)
    promised = lost = n = 0
    while n < runs and not enough(lost):
        said, missing = _abort(root / f"card-{n}", rng)
        promised, lost, n = promised + said, lost + missing, n + 1
    return Verdict(fault, n, promised, promised, promised - lost, lost, 0, 0, 0)


def aborted_journal(root: Path, runs: int, seed: int) -> Verdict:
    return _aborted(root, runs, seed, "ext4's journal aborted during syncs", lambda lost: False)


def twin_believes_fdatasync(root: Path, runs: int, seed: int) -> Verdict:
    """Ends with the first loss; a kernel that shows none in so many tries does not lie."""
    with mock.patch("hub.core.disk.atomic_files.sync_data", os.fdatasync):
        verdict = _aborted(root, runs * _TRIES, seed, "twin: fdatasync is believed", lambda lost: lost > 0)
    if not verdict.lost:
        raise Missing(f"this kernel's fdatasync told the truth in {verdict.runs} tries: there is nothing to catch")
    return verdict
