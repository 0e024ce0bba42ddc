"""The card is destroyed during an outage; the stick that was beside it survives, and another machine takes over.

Each run: the backend goes away at some moment, the hub is killed at another, and its next life copies what is closed
to the stick. Then the whole state directory is gone. `ilot restore` makes the hub again from the stick's backup, and
`ilot buffer send` delivers the stick's segments. What the last life promised was in its open segment alone: it is not
counted. Twin: the same without `buffer.mirror`, which must be seen to lose.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from pathlib import Path

from needs import Missing
from rig import Rig, Verdict, ilot, until


def _stick(root: Path) -> Path:
    """A directory on another file system. Raises Missing."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == root.stat().st_dev:
        raise Missing("needs a second file system: /dev/shm is not one")
    return Path(tempfile.mkdtemp(prefix="ilot-stick-", dir=memory))


def _destroyed(root: Path, runs: int, seed: int, fault: str, mirror: bool) -> Verdict:
    rng = random.Random(seed)
    stick = _stick(root)
    rig = Rig(root, buffer=f", mirror: {stick}" if mirror else "")
    with rig.config.open("a") as config:
        config.write(f"backup: {{directory: {stick}}}\n")
    config_text, uncounted = rig.config.read_text(), set[int]()
    try:
        for _ in range(runs):
            rig.start_hub()
            rig.wait_durable(rng.randint(1, 4))
            rig.kill(rig.backend)
            rig.wait_durable(3)
            time.sleep(rng.uniform(0.0, 0.5))
            rig.kill(rig.hub)
            before = rig.numbers(b"emit")
            rig.start_hub(per_second=0.01)
            until(lambda: _safe(rig, mirror), 120.0, lambda: f"the stick is not complete: {rig.logs()}")
            rig.kill(rig.hub)
            uncounted |= rig.numbers(b"emit") - before
            shutil.rmtree(rig.state)
            rig.config.unlink()
            rig.start_backend()
            ilot(
                "restore",
                str(stick),
                "--recovery-key-file",
                str(rig.backend_dir / "recovery.key"),
                "--config-dir",
                str(rig.root),
                "--json",
            )
            assert rig.config.read_text() == config_text, "the configuration came back"
            if mirror:
                sent = ilot("buffer", "send", str(stick), "--remove", "--config", str(rig.config), "--json")
                assert sent["damaged"] == 0, sent
                assert sent["left"] == 0, sent
        rig.settle()
        verdict = rig.verdict(fault, runs)
        statement = "SELECT r.value FROM readings r JOIN series s ON s.id = r.series WHERE s.metric = 'uptime'"
        seen = {int(value) for (value,) in rig.sql(statement)}
        verdict.lost = len(rig.promised() - uncounted - seen)
        return verdict
    finally:
        rig.close()
        shutil.rmtree(stick, ignore_errors=True)


def _safe(rig: Rig, mirror: bool) -> bool:
    status = rig.status()
    copied = status["mirror"]["state"] == "there" and status["mirror"]["waiting"] == 0
    return status["backup"]["directory"]["at"] is not None and (copied or not mirror)


def card_destroyed(root: Path, runs: int, seed: int) -> Verdict:
    return _destroyed(root, runs, seed, "card destroyed, restored from the stick", mirror=True)


def twin_without_mirror(root: Path, runs: int, seed: int) -> Verdict:
    return _destroyed(root, runs, seed, "twin: card destroyed, no mirror", mirror=False)
