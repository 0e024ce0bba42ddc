"""Three machines of a district, as `deploy/district` sets them up, each as processes on an address of 127.0.0.0/8.

Patroni, etcd, HAProxy and PostgreSQL are Debian's. A writer stores messages by the backend's normal path through the
balancers, and notes what it acknowledged. The machine of the primary dies, all its processes at once; what it had in
memory is gone, its disk is not. The standby is promoted, the writer goes on, and nothing acknowledged may be missing.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import runpy
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import needs
from rig import Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "backend"))
import postgres_kit as kit

from backend.storage.postgresql import connection
from backend.storage.postgresql.connection import Database
from backend.storage.postgresql.migrations import migrate, opened
from backend.storage.postgresql.normal_path import HubMessage, NewBlock, store
from hub.core.errors import StorageError

RENDER = runpy.run_path(str(Path(__file__).parents[2] / "deploy" / "district" / "render.py"))
NAME = "base.district.test"
SOON_S, FAILOVER_S = 120.0, 180.0
READINGS = 160


class Machine:
    """One of the three: its files under `root`, its processes as the user of PostgreSQL."""

    def __init__(self, name: str, address: str, root: Path) -> None:
        self.name, self.address, self.root = name, address, root
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def put(self, files: list[Any], shared: Path) -> None:
        """Lay the files of `deploy/district` down, for the one user that all of it runs as here."""
        for one in files:
            path = self.root / one.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.text)
            path.chmod(one.mode)
        for folder in ("run/postgresql", "var/log/pgbackrest", "var/spool/pgbackrest"):
            (self.root / folder).mkdir(parents=True)
        for folder in ("var/lib/postgresql/17", "var/lib/etcd"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "var/lib/pgbackrest").symlink_to(shared)
        (self.root / "var/lib/etcd/district").mkdir(mode=0o700)
        for path in (self.root, *self.root.rglob("*")):
            if not path.is_symlink():
                kit.give(path)

    def start(self) -> None:
        for service in ("etcd", "patroni", "haproxy"):
            self._serve(service)

    def restart(self, service: str) -> None:
        """kill -9 of etcd, patroni or haproxy, which starts again, as its unit says."""
        self._started[service].kill()
        self._started[service].wait()
        self._serve(service)

    def _serve(self, service: str) -> None:
        if service == "etcd":
            self._run("etcd", "etcd", env=self._of_etcd())
        elif service == "patroni":
            self._run("patroni", "patroni", self.root / "etc/patroni/config.yml")
        else:
            config = self.root / "etc/haproxy/haproxy.cfg"
            self._run("haproxy", "/usr/sbin/haproxy", "-W", "-f", config, privileged=True)

    def _of_etcd(self) -> dict[str, str]:
        env = dict(
            line.split("=", 1)
            for line in (self.root / "etc/default/etcd").read_text().splitlines()
            if line and not line.startswith("#")
        )
        if any((self.root / "var/lib/etcd/district").iterdir()):
            env["ETCD_INITIAL_CLUSTER_STATE"] = "existing"
        return {**os.environ, **env}

    def die(self) -> None:
        """End every process of this machine at once, as a power cut does."""
        pids = self._pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)  # none of them starts or says anything more
        for pid in {*pids, *self._pids()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for one in self._started.values():
            one.wait()
        for pid in pids:  # where this process inherits orphans, as that of tests does, none stays a zombie
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._started.clear()
        (self.root / "var/lib/postgresql/17/district/postmaster.pid").unlink(missing_ok=True)

    def ended(self) -> bool:
        """Whether a process of this machine has ended by itself."""
        return any(one.poll() is not None for one in self._started.values())

    def _run(self, log: str, *command: object, env: dict[str, str] | None = None, privileged: bool = False) -> None:
        home = str(self.root / "var/lib/postgresql")
        env = {**(env or os.environ), "HOME": home, "PATH": f"{kit.BIN}:{os.environ['PATH']}"}
        with (self.root / f"{log}.log").open("ab") as out:
            who = {} if privileged else kit.as_who()
            words = [str(one) for one in command]
            self._started[log] = subprocess.Popen(words, stdout=out, stderr=out, env=env, cwd="/", **who)

    def postgres(self) -> list[int]:
        """Return the processes of this machine's PostgreSQL, none while it is down."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            pid = int((self.root / "var/lib/postgresql/17/district/postmaster.pid").read_text().splitlines()[0])
            return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        return []

    def _pids(self) -> list[int]:
        """What was started and all below it; PostgreSQL by its own file, since it outlives its Patroni."""
        found = [one.pid for one in self._started.values()]
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            found.append(int((self.root / "var/lib/postgresql/17/district/postmaster.pid").read_text().splitlines()[0]))
        for pid in found:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found


class District:
    """Three machines, and what their workers need: the authority and the password."""

    def __init__(self, where: Path, seed: int) -> None:
        any_of = random.Random(seed + os.getpid())
        net = f"127.{any_of.randrange(16, 250)}.{any_of.randrange(250)}"
        addresses = [f"{net}.{n}" for n in (11, 12, 13)]
        self.machines = [Machine(f"pg{n}", address, where / f"pg{n}") for n, address in enumerate(addresses, 1)]
        self.where, shared = where, where / "shared"
        shared.mkdir()
        kit.give(shared)
        told = {
            "scope": "trial",
            "database": NAME,
            "machines": [{"name": one.name, "address": one.address} for one in self.machines],
            "backup": {"repository": "/var/lib/pgbackrest"},
        }
        roots = [str(one.root) for one in self.machines]
        quick = {"ttl": "20", "loop_wait": "2", "retry_timeout": "4", "shared_buffers": "64MB"}
        for machine, (_, files) in zip(
            [*self.machines, None], RENDER["render"](told, roots=roots, **quick), strict=True
        ):
            if machine is None:
                for one in files:
                    (where / one.path).touch(0o600)
                    (where / one.path).write_text(one.text)
            else:
                self._own_balancer(machine, files)
                machine.put(files, shared)
        self._tls = ssl.create_default_context(cafile=str(where / "ca.pem"))

    def _own_balancer(self, machine: Machine, files: list[Any]) -> None:
        """Each machine has the balancer on its loopback: here that is one address for all three."""
        for n, one in enumerate(files):
            if one.path.endswith("haproxy.cfg"):
                files[n] = one._replace(text=one.text.replace("bind 127.0.0.1:", f"bind {machine.address}:"))

    @property
    def url(self) -> str:
        """The primary by any of the balancers."""
        hosts = ",".join(f"{NAME}:5000" for _ in self.machines)
        addresses = ",".join(one.address for one in self.machines)
        more = f"hostaddr={addresses}&sslrootcert={self.where / 'ca.pem'}&passfile={self.where / 'database.pass'}"
        return f"postgresql://ilot@{hosts}/ilot?{more}"

    def roles(self) -> dict[str, str]:
        """Name → role of each member that Patroni counts as running; empty where nobody answers."""
        for machine in self.machines:
            with contextlib.suppress(OSError, ValueError):
                with urllib.request.urlopen(
                    f"https://{machine.address}:8008/cluster", timeout=2, context=self._tls
                ) as answer:
                    members = json.load(answer)["members"]
                return {one["name"]: one["role"] for one in members if one["state"] in ("running", "streaming")}
        return {}

    def until(self, what: str, within: float = SOON_S) -> dict[str, str]:
        """Wait until there is a leader and a synchronous standby; `what` names who must be in one of these roles, if
        anybody."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            roles = self.roles()
            if {"leader", "sync_standby"} <= set(roles.values()) and (not what or what in roles):
                return roles
            if any(one.ended() for one in self.machines):
                break
            time.sleep(0.5)
        raise RuntimeError(f"{what or 'a leader and a synchronous standby'} awaited in vain: {self.said()}")

    def said(self) -> str:
        """Return who is what, and what each Patroni said last: a pg_rewind that is begun again and again, say."""
        logs = "".join(path.read_text(errors="replace")[-1500:] for path in self.where.glob("pg*/patroni.log"))
        return f"the district is {self.roles()}:\n{logs}"

    def machine(self, role: str) -> Machine:
        names = {role: name for name, role in self.roles().items()}
        return next(one for one in self.machines if one.name == names[role])


@contextlib.contextmanager
def district(seed: int) -> Iterator[District]:
    """A district in service."""
    needs.root()
    for tool, package in (("patroni", "patroni"), ("etcd", "etcd-server"), ("haproxy", "haproxy")):
        needs.tool(tool, package, goal="faults")
    needs.tool("pgbackrest", "pgbackrest", goal="faults")
    if not kit.available():
        raise needs.Missing(kit.MISSING)
    with kit.folder() as where:
        where.chmod(0o711)
        made = District(where, seed)
        try:
            for one in made.machines:
                one.start()
            made.until("")
            yield made
        finally:
            for one in made.machines:
                one.die()


class Writer(threading.Thread):
    """A worker that stores blocks of one hub, one by one, each until it is acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(name="writer")
        self.acknowledged: list[tuple[int, int]] = []  # (record number, number of its acknowledgement)
        self.tried = self.failed = 0
        self.ending = threading.Event()
        self._database = Database(url, name="trial")
        self._version = 0

    def run(self) -> None:
        seq = 0
        while not self.ending.is_set():
            seq += 1
            self.tried = seq
            number = None
            while number is None and not self.ending.is_set():
                try:
                    number = self._store(seq)
                except StorageError:
                    self.failed += 1
                    self.ending.wait(0.1)
            if number is not None:
                self.acknowledged.append((seq, number))
        self._database.close()

    def _store(self, seq: int) -> int | None:
        """Return the number of the acknowledgement; None after a miss, when the hub was read anew."""
        block = NewBlock(1, seq, seq.to_bytes(32, "big"), 1, 1, READINGS, b"", os.urandom(2 * READINGS))
        with self._database.transaction() as session:
            (drawn,) = store(session, [HubMessage(1, self._version, 1, [block])], time.time())
        if drawn is not None:
            self._version += 1
            return drawn.ack
        with self._database.transaction() as session:
            row = session.execute("select version from hubs where number = 1 for update").fetchone()
            assert row is not None
            known = session.execute("select digest from records where stream = 1 and seq = %s", [seq]).fetchone()
            (again,) = store(session, [HubMessage(1, row[0], 1, [])], time.time()) if known else (None,)
        self._version = row[0] + (again is not None)
        return None if again is None else again.ack


def prepare(url: str) -> None:
    """Make the tables, and one hub with one stream."""
    database = opened(url, "trial")
    migrate(database)
    with database.transaction() as session:
        session.execute("insert into hubs (hub, identity, name, enrolled_at) values ('hub-1', '1', '', 0)")
        session.execute("insert into streams (hub, run, stream, started_at) values (1, 'run', 'readings', 0)")
    database.close()


def stored(url: str) -> list[int]:
    database = Database(url, name="oracle")
    with database.transaction() as session:
        rows = session.execute("select r.seq from records r join bodies b on b.record = r.id and b.hub = 1").fetchall()
    database.close()
    return sorted(int(seq) for (seq,) in rows)


def _written(made: District, writer: Writer, more: int, within: float) -> None:
    """Wait until so many messages more are acknowledged."""
    goal, end = len(writer.acknowledged) + more, time.monotonic() + within
    while len(writer.acknowledged) < goal:
        if time.monotonic() > end:
            counts = f"{len(writer.acknowledged)} acknowledged, {goal} awaited, {writer.failed} failed"
            raise RuntimeError(f"{counts}: {made.said()}")
        time.sleep(0.05)


def district_primary_dies(root: Path, runs: int, seed: int) -> Verdict:
    """The machine of the primary dies under a writer, `runs` times; each time it comes back as a standby."""
    del root
    return _primary_dies(runs, seed, "machine of the primary dies, standby promoted")


def _primary_dies(runs: int, seed: int, fault: str, *, last_returns: bool = True) -> Verdict:
    with district(seed) as made:
        made.until("")
        prepare(made.url)
        writer = Writer(made.url)
        writer.start()
        try:
            for n in range(runs):
                _written(made, writer, 200, SOON_S)
                dead = made.machine("leader")
                dead.die()
                _written(made, writer, 200, FAILOVER_S)
                if last_returns or n < runs - 1:
                    dead.start()
                    made.until(dead.name, FAILOVER_S)
        finally:
            writer.ending.set()
            writer.join(FAILOVER_S)
        if writer.is_alive():
            raise RuntimeError(f"the writer's statement or connection does not end: {made.said()}")
        there = stored(made.url)
        acknowledged = [seq for seq, _ in writer.acknowledged]
        numbers = [number for _, number in writer.acknowledged]
        return Verdict(
            fault,
            runs,
            emitted=writer.tried,
            durable=len(acknowledged),
            stored=len(there),
            lost=len(set(acknowledged) - set(there)),
            twice=len(there) - len(set(there)),
            wrong=sum(b <= a for a, b in itertools.pairwise(numbers)),
            declared=0,
        )


def twin_without_synchronous_commit(root: Path, runs: int, seed: int) -> Verdict:
    """The writer's sessions do not wait for a disk or the standby: what was acknowledged last is gone. That is decided
    once another machine is primary: the last one that died need not come back, whose way back is by pg_rewind."""
    del root
    with mock.patch.dict(connection.WRITING, {"synchronous_commit": "off"}):
        return _primary_dies(runs, seed, "twin: the writer waits for no disk and no standby", last_returns=False)
