"""A fleet of hubs while the backend's processes are killed at random: each acknowledged reading is there once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from auditor import Audit, audited
from rig import Rig, Verdict

FLEET = Path(__file__).with_name("fleet.py")
TRUTH = "truth.json"
HUBS = 5
EVERY_S = 1.0
END_S = 120.0
"""Longest time that a fleet enrols, and that it writes down what is true once its hubs have drained."""
PARTS = ("ingest", "ingest", "api", "compact", None, None)
"""Who is killed; None: all of them."""
ROOT = Path(__file__).parents[2]


def fleet_over_kills(root: Path, kills: int, seed: int) -> Verdict:
    """kill -9 of the backend, or of one of its parts, under a fleet, of whose messages every third is sent twice."""
    return _over_kills(root, kills, seed)


def twin_acknowledges_early(root: Path, kills: int, seed: int) -> Verdict:
    """The same with a backend that acknowledges before it commits: it loses what it had said it had."""
    return _over_kills(root, kills, seed, bent=("--early",), parts=("ingest", None))


def _over_kills(
    root: Path, kills: int, seed: int, bent: Sequence[str] = (), parts: Sequence[str | None] = PARTS
) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root)
    try:
        with sailing(rig, hubs=HUBS, every=EVERY_S, seed=seed) as finish:
            for _ in range(kills):
                time.sleep(rng.uniform(0.5, 3.0))
                if (part := rng.choice(parts)) is not None:
                    rig.kill_part(part)
                    continue
                rig.kill(rig.backend)
                time.sleep(rng.uniform(0.0, 0.5))
                rig.start_backend(bent)
            rig.kill(rig.backend)
            rig.start_backend()
            told = finish()
        audit = asyncio.run(audit_of(rig))
        return verdict("kill -9 of the backend under a fleet", kills, told, audit)
    finally:
        rig.close()


def verdict(fault: str, runs: int, told: dict[str, int], audit: Audit) -> Verdict:
    """Return what an audit found. Acknowledgements that a hub refuses are wrong, and so are readings of nobody."""
    wrong = audit.counts["altered"] + audit.counts["of nobody"] + audit.counts["undeclared"]
    wrong += told["repeated"] + told["forged"] + told["rejected"]
    return Verdict(
        fault,
        runs,
        emitted=told["readings"],
        durable=audit.counts["due"],
        stored=audit.counts["readings"],
        lost=audit.counts["missing"],
        twice=audit.counts["doubled"],
        wrong=wrong,
        declared=0,
    )


@contextlib.contextmanager
def sailing(
    rig: Rig, *, hubs: int, every: float, seed: int, devices: int = 4, drain: float = 120.0, keeps: bool = False
) -> Iterator[Callable[[], dict[str, int]]]:
    """Let a fleet send to a backend, whose hubs drop at once what is acknowledged unless it `keeps`. Yields what ends
    their time, once, waits until all is acknowledged, and returns what they saw; their truth is in truth.json."""
    words = [
        rig.backend_dir, rig.root / TRUTH, "--url", rig.url, "--hubs", hubs, "--every", every, "--devices", devices,
        "--seconds", 86_400, "--seed", seed, "--drain", drain, "--stop-by-input",
        *(() if keeps else ("--keep-nothing",)),
    ]  # fmt: skip
    command = [sys.executable, str(FLEET), *map(str, words)]
    with (
        (rig.root / "fleet.log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT) as fleet,
    ):
        assert fleet.stdin is not None
        assert fleet.stdout is not None
        given, says = fleet.stdin, fleet.stdout

        def line(within: float, what: str) -> bytes:
            if not select.select([says], [], [], within)[0]:
                raise RuntimeError(f"{what} for {within:.0f} s: {rig.logs()}")
            return says.readline()

        def finish() -> dict[str, int]:
            given.close()
            told: dict[str, int] = json.loads(line(drain + END_S, "the fleet, told to end, has not ended") or "{}")
            if not told or told["waiting"]:
                raise RuntimeError(f"{told.get('waiting')} records do not come: {rig.logs()}")
            return told

        try:
            if not line(END_S, "hubs have been enrolling"):
                raise RuntimeError(f"no hub is enrolled: {rig.logs()}")
            yield finish
        finally:
            fleet.terminate()


async def audit_of(rig: Rig) -> Audit:
    """Compare what the fleet sealed with what the rig's backend answers."""
    token = (rig.backend_dir / "api.token").read_text().strip()
    return await audited(rig.root / TRUTH, rig.url, token, rig.backend_dir / "ca.pem")
