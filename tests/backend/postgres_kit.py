"""Private PostgreSQL clusters on loopback: each in a folder of its own, with a Unix socket, and TCP under TLS.

PostgreSQL does not run as root: there it is the user `postgres` of Debian's package, or `nobody`, who does, and the
cluster lies in a folder of `/tmp`, since only root may look into those of pytest.
"""

from __future__ import annotations

import os
import pwd
import runpy
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg import sql

from backend.owner import pki
from backend.storage.postgresql import migrations, partitions

free_port = runpy.run_path(str(Path(__file__).parents[1] / "ports.py"))["free_port"]

BIN = Path("/usr/lib/postgresql/17/bin")
MISSING = "PostgreSQL 17 is missing: apt-get install postgresql-17 (tools/setup.sh test does it)"
NAME = "database.test"
"""The name in the servers' certificates: with `hostaddr`, a client finds it on loopback."""
PASSWORD = "of-this-test-alone"
START_S, END_S = 180.0, 120.0
"""Longest time until a server answers, its log replayed; and until it has ended."""


def available() -> bool:
    return (BIN / "postgres").exists()


def as_who() -> dict[str, Any]:
    """Arguments of `subprocess` that make a process an unprivileged user; none where we are one."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name: one for one in pwd.getpwall()}
    who = names.get("postgres") or names["nobody"]
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def give(path: Path) -> None:
    """Give a file or folder to the user that the server runs as."""
    if who := as_who():
        os.chown(path, who["user"], who["group"])


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that this user may enter, gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="ilot-pg-", dir="/tmp"))
    give(made)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Authority:
    """A certificate authority, and the certificate and key of servers called NAME."""

    def __init__(self, where: Path) -> None:
        where.mkdir()
        give(where)
        self.root, self.certificate, self.key = where / "ca.pem", where / "server.pem", where / "server.key"
        ca_key, key = pki.new_key(), pki.new_key()
        ca = pki.make_ca(ca_key, "Base d'essai")
        own = pki.make_server_certificate(ca, ca_key, key.public_key(), [NAME, "127.0.0.1"])
        self.root.write_bytes(ca.public_bytes(Encoding.PEM))
        self.certificate.write_bytes(own.public_bytes(Encoding.PEM))
        self.key.touch(0o600)
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        for one in (self.root, self.certificate, self.key):
            give(one)


class Cluster:
    """One server. Its superuser and owner of databases is `ilot`."""

    def __init__(self, where: Path, authority: Authority) -> None:
        self.where, self.authority = where, authority
        self.data, self.log = where / "data", where / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        where.mkdir(exist_ok=True)
        give(where)

    def init(self) -> None:
        secret = self.where / "secret"
        secret.write_text(PASSWORD)
        give(secret)
        arguments = ("--username=ilot", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
        self._tool("initdb", "-D", self.data, "--encoding=UTF8", "--locale=C", *arguments)

    def copy_of(self, other: Cluster) -> None:
        """Become a standby of another one, which streams from it by a slot of its own."""
        source = f"host={other.where} port={other.port} user=ilot password={PASSWORD} application_name=standby"
        self._tool(
            "pg_basebackup", "-D", self.data, "-R", "-C", "-S", "standby", "-c", "fast", "--no-sync", "-d", source
        )

    def start(self, **settings: str) -> None:
        """Start with these settings beside the common ones, and wait until it answers."""
        common = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.where),
            "ssl": "on",
            "ssl_cert_file": str(self.authority.certificate),
            "ssl_key_file": str(self.authority.key),
            "ssl_ca_file": str(self.authority.root),
            "shared_buffers": "64MB",
            "wal_level": "replica",
            "wal_retrieve_retry_interval": "100ms",
        }
        words = [part for name, value in {**common, **settings}.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "postgres", "-D", self.data, *words], stdout=log, stderr=log, cwd="/", **as_who()
            )
        ask = [BIN / "pg_isready", "-q", "-h", self.where, "-p", str(self.port), "-t", "10"]
        end = time.monotonic() + START_S
        while subprocess.run(ask, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL does not start: {self._said()}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ended(self) -> bool:
        """Return whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def processes(self) -> list[int]:
        """Return the postmaster and all that it has started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def stop(self) -> None:
        """End it as its operator does."""
        self._end(signal.SIGINT)

    def end(self) -> None:
        """End it at once, without writing down what is still in memory: nobody starts it again."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """End it as a power cut does: the postmaster and all its processes at once, none of which can write more."""
        os.kill(self.pid, signal.SIGSTOP)  # or it would start others
        children = [os.pidfd_open(child) for child in self.processes()[1:]]
        for child in children:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        for child in children:  # or the next one finds its memory in use
            select.select([child], [], [])
            os.close(child)

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        self._tool("pg_ctl", "-D", self.data, "promote", "-w")

    def url(self, database: str, **more: str) -> str:
        """The URL over TCP, with the password in a file, for `--database`."""
        given = {"hostaddr": "127.0.0.1", "sslrootcert": str(self.authority.root), "passfile": str(self.pass_file())}
        words = "&".join(f"{name}={value}" for name, value in {**given, **more}.items())
        return f"postgresql://ilot@{NAME}:{self.port}/{database}?{words}"

    def socket_url(self, database: str) -> str:
        return f"postgresql://ilot@/{database}?host={self.where}&port={self.port}&passfile={self.pass_file()}"

    def pass_file(self) -> Path:
        path = self.where / "pass"
        if not path.exists():
            path.touch(0o600)
            path.write_text(f"*:*:*:*:{PASSWORD}\n")
        return path

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A session of the superuser, in autocommit."""
        return psycopg.connect(
            host=str(self.where), port=self.port, user="ilot", password=PASSWORD, dbname=database, autocommit=True
        )

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; return the rows of the last one."""
        with self.admin() as session:
            done = [session.execute(one) for one in statements][-1]  # type: ignore[call-overload]
            return done.fetchall() if done.description else []

    def create(self, database: str) -> str:
        """Make an empty database; return its name."""
        self.run(f'create database "{database}"')
        return database

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"PostgreSQL does not end within {END_S:.0f} s: {self._said()}") from None
        self._process = None

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def _tool(self, name: str, *arguments: object) -> None:
        done = subprocess.run(
            [BIN / name, *map(str, arguments)], capture_output=True, text=True, check=False, cwd="/", **as_who()
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """One running server, ended and removed afterwards."""
    with folder() as where:
        made = Cluster(where / "a", Authority(where / "tls"))
        made.init()
        made.start(**settings)
        try:
            yield made
        finally:
            made.end()


@contextmanager
def pair(**settings: str) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary and its synchronous standby: what is committed is on both."""
    strict = {"synchronous_standby_names": "standby", "wal_keep_size": "64MB", **settings}
    with folder() as where:
        authority = Authority(where / "tls")
        first, second = Cluster(where / "a", authority), Cluster(where / "b", authority)
        first.init()
        first.start(**strict)
        try:
            second.copy_of(first)
            second.start()
            yield first, second
        finally:
            second.end()
            first.end()


class Shared:
    """A running server with one database that has the backend's tables, emptied for each test."""

    def __init__(self, running: Cluster) -> None:
        self.server = running
        self.url = running.socket_url(running.create("shared"))
        database = migrations.opened(self.url, "migrate")
        migrations.migrate(database)
        database.close()

    def emptied(self) -> str:
        """Empty the database, but for what the first migration writes; return its URL."""
        with self.server.admin("shared") as session, session.transaction():
            session.execute("set local search_path = ilot")
            session.execute("set local session_replication_role = replica")  # no foreign key is looked at
            tables = session.execute(
                "select relname from pg_class where relnamespace = 'ilot'::regnamespace and relkind in ('r', 'p')"
                " and not relispartition and relname <> 'migrations'"
            ).fetchall()
            far = partitions.hour_of(time.time()) + 2 * partitions.HOURS_AHEAD
            for hour in partitions.hours(session):
                if hour > far:  # of a test whose clock was ahead
                    session.execute(sql.SQL("drop table {}").format(sql.Identifier(partitions.hour_name(hour))))
            for (table,) in tables:
                session.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))
            session.execute(
                "select setval(oid, 1, false) from pg_class where relnamespace = 'ilot'::regnamespace and relkind = 'S'"
            )
            migrations._first_facts(session)
        return self.url
