"""PostgreSQL that cannot store: a full disk, a database set to read only, a standby that is gone.

A fleet sends to a real backend over a private server. What is broken is mended after some seconds. Meanwhile the
operator is told: `ilot backend doctor` names what is wrong, but for a full disk, of which only a writer knows; the
metrics of ingest count what failed, or say that it does not answer. In the end the auditor asks for each reading.

Without its standby, PostgreSQL stores what it is told to and calls it a success as soon as somebody ends the wait. The
row ends each wait, then destroys the primary and promotes the standby, which lacks all of that. Twins: a backend that
takes PostgreSQL by its word, and one that takes what was refused for stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import needs
from district import kit
from fleet_rows import audit_of, sailing, verdict
from rig import Rig, Verdict, free_port, run, until

from backend.storage.postgresql.migrations import migrate, opened

HUBS, EVERY_S = 4, 1.0
BROKEN_S = 5.0
"""Most seconds that it stays so, once the operator was told."""
MEGABYTES = 220
BOASTS = ("--boast",)
SOME = 2 * HUBS
"""Messages that fail before it is mended: more than those that found no room by chance."""
WARM = 3 * HUBS
"""Records that are stored first: then hubs have told their names, and send records alone."""


class Broken:
    """A backend over a server that is broken again and again."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.rng, self.rig = rng, Rig(root)
        self.metrics = f"http://127.0.0.1:{(port := free_port(count=3))}/metrics"  # one for each part
        self.options = ("--metrics", str(port))
        self.again()

    def again(self, bent: Sequence[str] = ()) -> None:
        """Start the backend again, with metrics."""
        self.rig.kill(self.rig.backend)
        self.rig.start_backend(bent, options=self.options)

    def around(self, break_it: Callable[[], object], mend: Callable[[], object], finding: str) -> None:
        """Break, see that the operator is told and that nothing is acknowledged, mend, and see that it goes on."""
        before = self.stored()
        failed = self.values().get("ilot_backend_failed_total", 0.0)
        until(lambda: self.stored() >= before + WARM, 60.0, lambda: f"little is stored: {self.rig.logs()}")
        break_it()
        if finding:
            until(lambda: self.finding(finding) == "wrong", 60.0, lambda: f"the doctor sees nothing: {self.rig.logs()}")
        until(lambda: self.told(failed), 90.0, lambda: f"metrics say nothing: {self.rig.logs()}")
        time.sleep(self.rng.uniform(1.0, BROKEN_S))
        mend()
        if finding:
            until(lambda: self.finding(finding) == "ok", 60.0, lambda: f"the doctor says no end: {self.rig.logs()}")
        after = self.stored()
        until(lambda: self.stored() > after, 90.0, lambda: f"it does not go on: {self.rig.logs()}")

    def finding(self, what: str) -> str:
        """Return the state of a finding of `ilot backend doctor`, the worst of its name."""
        done = run("backend", "doctor", self.rig.backend_dir, "--json")
        states = [one["state"] for one in json.loads(done.stdout) if one["what"] == what]
        return "wrong" if "wrong" in states else states[0] if states else "absent"

    def told(self, failed: float) -> bool:
        """Return whether metrics say that messages failed, some more than so many, or that ingest does not answer."""
        values = self.values()
        return (
            values.get("ilot_backend_ingest_up") == 0.0 or values.get("ilot_backend_failed_total", 0.0) >= failed + SOME
        )

    def stored(self) -> float:
        """Return how many records ingest has taken since it began; −1 while it does not answer."""
        return self.values().get("ilot_backend_records_total", -1.0)

    def values(self) -> dict[str, float]:
        with urllib.request.urlopen(self.metrics, timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in pairs}


def _tables(url: str) -> None:
    database = opened(url, "trial")
    migrate(database)
    database.close()


@contextlib.contextmanager
def over(url: str, root: Path, seed: int) -> Iterator[Broken]:
    """A backend over the database at a URL."""
    with mock.patch.dict(os.environ, {"ILOT_DATABASE": url}):
        _tables(url)
        broken = Broken(root, random.Random(seed))
        try:
            yield broken
        finally:
            broken.rig.close()


def _judged(broken: Broken, seed: int, runs: int, fault: str, work: Callable[[], object]) -> Verdict:
    with sailing(broken.rig, hubs=HUBS, every=EVERY_S, seed=seed) as finish:
        for _ in range(runs):
            work()
        told = finish()
    return verdict(fault, runs, told, asyncio.run(audit_of(broken.rig)))


def _available() -> None:
    if not kit.available():
        raise needs.Missing(kit.MISSING)


def database_read_only(root: Path, runs: int, seed: int) -> Verdict:
    """So many times PostgreSQL is set to read only under a fleet, and set back."""
    return _read_only(root, runs, seed, "PostgreSQL set to read only")


def twin_boasts_over_a_read_only_database(root: Path, runs: int, seed: int) -> Verdict:
    """The same with a backend that takes for stored what PostgreSQL refused."""
    return _read_only(root, runs, seed, "twin: what a read-only database refuses is acknowledged", bent=BOASTS)


def _read_only(root: Path, runs: int, seed: int, fault: str, bent: Sequence[str] = ()) -> Verdict:
    _available()
    with kit.cluster() as server, over(server.url(server.create("town")), root, seed) as broken:
        broken.again(bent)

        def set_to(value: str) -> None:
            server.run(
                "set default_transaction_read_only = off",
                f"alter system set default_transaction_read_only = {value}",
                "select pg_reload_conf()",
            )

        return _judged(
            broken,
            seed,
            runs,
            fault,
            lambda: broken.around(lambda: set_to("on"), lambda: set_to("off"), "database"),
        )


def database_disk_full(root: Path, runs: int, seed: int) -> Verdict:
    """So many times the disk of PostgreSQL is full under a fleet, and freed; a server that ended starts again."""
    return _disk_full(root, runs, seed, "full disk of PostgreSQL")


def twin_boasts_over_a_full_disk(root: Path, runs: int, seed: int) -> Verdict:
    """The same with a backend that takes for stored what found no room."""
    return _disk_full(root, runs, seed, "twin: what found no room is acknowledged", bent=BOASTS)


def _disk_full(root: Path, runs: int, seed: int, fault: str, bent: Sequence[str] = ()) -> Verdict:
    _available()
    with _on_tmpfs() as server, over(server.url(server.create("town")), root, seed) as broken:
        broken.again(bent)

        def fill() -> None:
            stat = os.statvfs(server.where)
            with contextlib.suppress(OSError):  # the server has taken some of it meanwhile: full it is
                filler.write_bytes(b"\1" * max(0, stat.f_bavail * stat.f_frsize - broken.rng.randrange(64 << 10)))
            with contextlib.suppress(Exception):  # takes the room that files have beyond what is in them
                server.run("checkpoint", "select pg_switch_wal()")

        def free() -> None:
            filler.unlink()
            if server.ended():
                server.start(**SMALL)

        filler = server.where / "filler"
        return _judged(broken, seed, runs, fault, lambda: broken.around(fill, free, ""))


SMALL = {"max_wal_size": "32MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}


@contextlib.contextmanager
def _on_tmpfs() -> Iterator[kit.Cluster]:
    with kit.folder() as where:
        made = kit.Cluster(where / "a", kit.Authority(where / "tls"))
        needs.mount("-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "ilot-faults", str(made.where))
        try:
            kit.give(made.where)
            made.init()
            made.start(**SMALL)
            yield made
        finally:
            made.end()
            needs.unmount(made.where)


def standby_gone(root: Path, runs: int, seed: int) -> Verdict:
    """So many times the standby goes and comes back under a fleet; each wait for it is ended by somebody. At last the
    primary is destroyed and the standby, which lacks what was stored without it, is promoted."""
    return _without_standby(root, runs, seed, "standby gone, waits for it ended, then promoted")


def twin_believes_a_commit_without_standby(root: Path, runs: int, seed: int) -> Verdict:
    """The same with a backend that takes for stored what PostgreSQL calls so."""
    return _without_standby(root, runs, seed, "twin: a commit without its standby is believed", bent=("--deaf",))


def _without_standby(root: Path, runs: int, seed: int, fault: str, bent: Sequence[str] = ()) -> Verdict:
    _available()
    with kit.pair() as (first, second):
        name = first.create("town")
        both = (
            first.url(name)
            .replace(f":{first.port}/", f":{first.port},{kit.NAME}:{second.port}/")
            .replace("hostaddr=127.0.0.1", "hostaddr=127.0.0.1,127.0.0.1")
        )
        with over(both, root, seed) as broken:
            broken.again(bent)

            def end_waits() -> None:
                end = time.monotonic() + BROKEN_S
                while time.monotonic() < end:
                    first.run("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
                    time.sleep(0.1)

            def work() -> None:
                if bent:
                    second.stop()
                    end_waits()
                    second.start()
                else:
                    broken.around(second.stop, lambda: (end_waits(), second.start()), "standby")

            def last() -> None:
                second.stop()
                end_waits()
                first.end()
                second.start()
                second.promote()
                broken.again()

            steps = iter([*[work] * (runs - 1), last])

            def step() -> None:
                next(steps)()

            return _judged(broken, seed, runs, fault, step)
