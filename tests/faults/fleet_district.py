"""A fleet of hubs on a district while processes and machines die at random: each acknowledged reading is there once.

Three machines as `deploy/district` sets them up, two ingest processes, API and compactor over them, and hubs of five
kinds, of whose messages a third is sent twice. Every few seconds something is killed: a part of the backend, all of it,
a process of PostgreSQL, a Patroni, an etcd, a balancer, or a whole machine, that of the primary too. What was killed is
started again, as systemd does. In the end the auditor asks the operator's API for each reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
from district import FAILOVER_S, District, district
from fleet_rows import audit_of, sailing, verdict
from rig import Rig, Verdict

from backend.storage.postgresql.migrations import migrate, opened

HUBS_A_MINUTE, MOST_HUBS = 10, 200
EVERY_S, DEVICES = 30.0, 2
WORKERS = ("--workers", "2")
DRAIN_S = 300.0
BETWEEN_S = 5.0, 35.0
"""Seconds between two kills."""
FALLEN_S = 30.0
"""Longest time that a machine is away."""
PARTS = ("ingest-1", "ingest-2", "api", "compact")


class Chaos:
    """Kills something, and starts it again. `done` counts what was killed, by its kind."""

    def __init__(self, rig: Rig, made: District, rng: random.Random) -> None:
        self._rig, self._made, self._rng = rig, made, rng
        self.done: Counter[str] = Counter()
        self._ways: tuple[tuple[Callable[[], str], int], ...] = (
            (self._part, 8),
            (self._backend, 2),
            (self._server_process, 3),
            (self._service, 3),
            (self._machine, 2),
        )

    def strike(self) -> str:
        """Kill something of a district that is whole; return what."""
        way = self._rng.choices([way for way, _ in self._ways], [weight for _, weight in self._ways])[0]
        self._made.until("", FAILOVER_S)
        what = way()
        self.done[what] += 1
        return what

    def _part(self) -> str:
        part = self._rng.choice(PARTS)
        self._rig.kill_part(part)
        return part

    def _backend(self) -> str:
        self._rig.kill(self._rig.backend)
        time.sleep(self._rng.uniform(0.0, 2.0))
        self._rig.start_backend(options=WORKERS)
        return "the whole backend"

    def _server_process(self) -> str:
        """One process of the primary's PostgreSQL: it ends all others, and recovers."""
        machine = self._made.machine("leader")
        pids = machine.postgres()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._rng.choice(pids), signal.SIGKILL)
        return "a process of PostgreSQL"

    def _service(self) -> str:
        name = self._rng.choice(("etcd", "patroni", "haproxy"))
        self._rng.choice(self._made.machines).restart(name)
        return name

    def _machine(self) -> str:
        roles = self._made.roles()
        machine = self._rng.choice(self._made.machines)
        machine.die()
        time.sleep(self._rng.uniform(0.0, FALLEN_S))
        machine.start()
        self._made.until(machine.name, FAILOVER_S)
        return f"a machine that was {roles.get(machine.name, 'starting')}"


def fleet_on_a_district(root: Path, minutes: int, seed: int) -> Verdict:
    """kill -9 of processes and machines of a district under a fleet, for so many minutes."""
    rng, hubs = random.Random(seed), min(MOST_HUBS, HUBS_A_MINUTE * minutes)
    with district(seed) as made, mock.patch.dict(os.environ, {"ILOT_DATABASE": made.url}):
        database = opened(made.url, "trial")
        migrate(database)
        database.close()
        rig = Rig(root)
        try:
            rig.stop(rig.backend)
            rig.start_backend(options=WORKERS)
            chaos = Chaos(rig, made, rng)
            told = _struck(rig, chaos, rng, hubs=hubs, seconds=60.0 * minutes, seed=seed)
            audit = asyncio.run(audit_of(rig))
            report = {"killed": chaos.done, "fleet": told, "audit": audit.counts, "findings": audit.findings}
            (root / "report.json").write_text(json.dumps(report))
            print(json.dumps(report), file=sys.stderr, flush=True)
            return verdict("processes and machines of a district killed", chaos.done.total(), told, audit)
        finally:
            rig.close()


def _struck(rig: Rig, chaos: Chaos, rng: random.Random, *, hubs: int, seconds: float, seed: int) -> dict[str, int]:
    """Let a fleet live for so many seconds under kills, and drain; return what it saw."""
    with (
        (rig.root / "kills.log").open("w") as kills,
        sailing(rig, hubs=hubs, every=EVERY_S, seed=seed, devices=DEVICES, drain=DRAIN_S) as finish,
    ):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, rng.uniform(*BETWEEN_S)))
            if time.monotonic() < end:
                what = chaos.strike()
                print(f"{end - time.monotonic():.0f} s left, killed {what}", file=kills, flush=True)
        return finish()
