"""Two hubs on one state directory, a directory set back to an older image of itself, one restored from its backup.

A second hub refuses to start. Twin: one that takes no notice of the lock, and runs beside the first.

A hub that was set back begins a new run: what it says from then on has numbers of its own, nothing is dropped, and no
key and nonce serves twice. Twin: one that keeps the run id of the image forks, and the backend must set its records
aside with an alarm instead of dropping them.

A state directory that is lost: the newest backup makes the hub again. The generation jumps ahead, so that the backend
sees it; runs and keys never come again. The stick and its mirror are in card.py; that no counter of a sensor is
accepted twice is in tests/journeys/test_restore.py, with a radio.
"""

from __future__ import annotations

import itertools
import random
import select
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
from rig import Rig, Verdict, ilot, until

from hub.protocol.length_prefix import unlp


def two_hubs(root: Path, runs: int, seed: int) -> Verdict:
    """So many attempts to start another hub on the directory of a running one, the first of them right after another
    was killed there. Wrong is a second one that did not refuse, and a first one that ended because of it."""
    return _two(root, runs, seed, "two hubs on one state directory")


def twin_unlocked(root: Path, runs: int, seed: int) -> Verdict:
    return _two(
        root,
        runs,
        seed,
        "twin: two hubs on one state directory, the second without a look at the lock",
        ("--unlocked",),
    )


def _two(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root)
    beside = 0
    first = second = None
    try:
        for _ in range(runs):
            first = rig.start_hub()
            time.sleep(rng.uniform(0.0, 0.3))
            second = rig.start_hub(wait=False, options=options)
            beside += not _refuses(second)
            rig.wait_durable(3)
            beside += first.poll() is not None
            rig.kill(second)
            rig.kill(first)
        if options:  # what two hubs wrote over one another may never be acked: the twin need not drain
            verdict = rig.verdict(fault, runs)
            verdict.lost = 0  # nor has anything of it to arrive: that it runs beside the first must give it away
        else:
            rig.settle()
            verdict = rig.verdict(fault, runs)
        verdict.wrong += beside
        return verdict
    finally:
        rig.kill(first)
        rig.kill(second)
        rig.close()


def _refuses(hub: subprocess.Popen[bytes]) -> bool:
    """Did it end by itself, with an error, before it was ready?"""
    assert hub.stdout is not None
    if not select.select([hub.stdout], [], [], 120.0)[0]:
        raise RuntimeError("the second hub neither ends nor is ready")
    return not hub.stdout.readline() and hub.wait(120.0) not in (0, -9)


def _set_back(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root)
    image = root / "image"
    try:
        rig.start_hub()
        for n in range(runs):
            rig.wait_durable(rng.randint(2, 6))
            rig.kill(rig.hub)
            shutil.rmtree(image, ignore_errors=True)
            shutil.copytree(rig.state, image, ignore=shutil.ignore_patterns("*.sock"))
            newest = max(rig.numbers(b"emit"))
            rig.start_hub(options=options)
            rig.wait_durable(rng.randint(2, 6))
            if options:
                if n == 0:  # what nobody heard cannot be told another time; later ones stand behind the first fork
                    until(lambda newest=newest: _heard(rig) > newest, 60.0, lambda: f"nothing arrives: {rig.logs()}")
                rig.kill(rig.hub)
            else:
                # Only what was delivered may be thrown away: what is durable here alone ends with the directory,
                # whatever the hub does. This row once waited for a short buffer and then killed: up to 40 readings,
                # and what became durable between that look and the kill, could be called lost. That is the rig's
                # doing: with that moment made long, what is missing is the end of the life thrown away, nothing else.
                rig.stop_delivered()
            shutil.rmtree(rig.state)
            shutil.copytree(image, rig.state)
            rig.start_hub(options=options)
        rig.wait_durable(3)
        if not options:
            rig.stop(rig.hub)
            rig.settle()
        else:  # what forks is never acked, so that the twin does not drain
            until(lambda: bool(rig.sql("SELECT 1 FROM forks")), 60.0, lambda: f"no fork is seen: {rig.logs()}")
            rig.kill(rig.hub)
        verdict = rig.verdict(fault, runs)
        if options:
            verdict.lost = 0  # what waits behind a fork is not lost: that it is `wrong` must give the twin away
        verdict.wrong += rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs")[0][0]
        return verdict
    finally:
        rig.close()


def _heard(rig: Rig) -> int:
    return max(rig.arrived(), default=0)


def restored_image(root: Path, runs: int, seed: int) -> Verdict:
    return _set_back(root, runs, seed, "state directory set back to an older image")


def twin_same_run(root: Path, runs: int, seed: int) -> Verdict:
    return _set_back(root, runs, seed, "twin: set back and keeping its run id", ("--same-run",))


def restored_backup(root: Path, runs: int, seed: int) -> Verdict:
    """So many cards destroyed, each behind a backup and a random while; the next one is made from that backup."""
    rng = random.Random(seed)
    rig = Rig(root)
    fetched, key = root / "fetched.ilot-backup", str(rig.backend_dir / "recovery.key")
    generations: list[int] = []
    try:
        ((hub,),) = rig.sql("SELECT hub FROM hubs")
        rig.start_hub()
        for _ in range(runs):
            rig.wait_durable(rng.randint(2, 6))
            made = ilot("backup", "--config", str(rig.config), "--json")
            assert made["backend"]["at"] is not None, made
            rig.wait_durable(rng.randint(1, 6))
            rig.stop_delivered()  # a card's undelivered readings end with the card
            generations.append(_generation(rig))
            shutil.rmtree(rig.state)
            fetched.unlink(missing_ok=True)
            ilot("backend", "backups", str(rig.backend_dir), hub, "--out", str(fetched), "--json")
            where = ["--config-dir", str(root), "--recovery-key-file", key]
            assert ilot("restore", str(fetched), *where, "--json")["hub"] == hub
            rig.start_hub()
        rig.wait_durable(3)
        rig.stop(rig.hub)
        generations.append(_generation(rig))
        rig.settle()
        verdict = rig.verdict("state lost, restored from the backup at the backend", runs)
        verdict.wrong += rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs")[0][0]
        verdict.wrong += sum(later <= earlier for earlier, later in itertools.pairwise(generations))
        return verdict
    finally:
        rig.close()


def _generation(rig: Rig) -> int:
    """The store's generation that the hub's last state told."""
    ((state,),) = rig.sql("SELECT state FROM hubs")
    _, payload, _, _ = unlp(state)
    return int(msgspec.msgpack.decode(payload)["generation"])
