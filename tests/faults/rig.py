"""What the fault tests share: a real backend process, an enrolled hub directory, and the oracle that counts.

The oracle does not use the hub's code to judge: it reads the generator's journal and the backend's database file, in
which bodies and chunks are decoded to rows (tests/stored.py).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_stored = runpy.run_path(str(Path(__file__).parents[1] / "stored.py"))
asked, newest = _stored["asked"], _stored["newest"]
free_port = runpy.run_path(str(Path(__file__).parents[1] / "ports.py"))["free_port"]
"""All of the tests, whose folder is on no path: its `hub` and `plugins` would stand before the real ones."""

BASE = 1_700_000_000
"""The generator dates report n at this Unix second + n."""

BEHIND = "127.0.0.2"
"""Where the backend listens when a proxy stands before it."""

GENERATOR = Path(__file__).with_name("generator.py")
BENT = Path(__file__).with_name("bent.py")
COMMANDS = Path(__file__).with_name("commands.py")

CONFIG = """\
hub: {{name: faults, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{generator: {{zone: bench, name: Generator}}, spare: {{zone: bench, name: Spare}}}}
devices:
  "faults:generator": {{integration: faults, place: generator, key: !secret generator}}
  "faults:spare-0": {{integration: faults, place: spare}}
integrations: {{faults: {{}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms, segment_size: 64KB{buffer}}}
"""


@dataclass
class Verdict:
    """One line of the rig: what was promised, what arrived. `may_declare`: this fault destroys, so that what is
    missing may be declared instead; otherwise a declared loss is a loss."""

    fault: str
    runs: int
    emitted: int
    durable: int
    stored: int
    lost: int
    twice: int
    wrong: int
    declared: int
    may_declare: bool = False

    def __str__(self) -> str:
        return (
            f"{self.fault}: runs {self.runs}, emitted {self.emitted}, durable {self.durable}, stored {self.stored}, "
            f"lost {self.lost}, duplicated {self.twice}, wrong {self.wrong}, declared {self.declared}"
        )

    @property
    def held(self) -> bool:
        return self.lost == self.twice == self.wrong == 0 and (self.may_declare or not self.declared)


@functools.cache
def _commander() -> socket.socket:
    """Where commands are asked for: see commands.py, whose process ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, str(COMMANDS), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def run(
    *arguments: object, stdin: str = "", directory: Path | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[bytes]:
    """`python -m hub` with these arguments in a process of its own, whatever its exit code, without the half second
    that its imports take. Raises TimeoutError after `timeout` seconds and ends it."""
    words = [str(argument) for argument in arguments]
    request = {"arguments": words, "environment": dict(os.environ), "directory": str(directory or Path.cwd())}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryFile() as taken, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        taken.write(stdin.encode())
        taken.seek(0)
        with theirs:
            socket.send_fds(_commander(), [b"1"], [theirs.fileno()])
        socket.send_fds(ours, [json.dumps(request).encode()], [taken.fileno(), out.fileno(), err.fileno()])
        said = ours.recv(32)
        if not said:
            raise RuntimeError(f"{COMMANDS.name} has ended: its own words are on stderr")
        ours.settimeout(timeout)
        try:
            code = int(ours.recv(32))
        except TimeoutError:
            os.kill(int(said), signal.SIGKILL)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["ilot", *words], code, out.read(), err.read())


def ilot(*arguments: str, stdin: str = "") -> dict[str, Any]:
    """One command, and the JSON it ends with. Raises RuntimeError when it fails; 6 is no failure: it works, and says
    that something is wrong."""
    try:
        done = run(*arguments, stdin=stdin)
    except TimeoutError:
        raise RuntimeError(f"ilot {arguments[0]} hangs, or this machine is too busy: 120 s are over") from None
    if done.returncode not in (0, 6):
        raise RuntimeError(f"ilot {' '.join(arguments)}: {done.stderr.decode()}")
    return dict(json.loads(done.stdout.strip().rpartition(b"\n")[2]))


def until(what: Callable[[], bool], timeout: float, complaint: Callable[[], str]) -> None:
    """Wait for something to be true. Raises RuntimeError with `complaint()`."""
    end = time.monotonic() + timeout
    while not what():
        if time.monotonic() > end:
            raise RuntimeError(complaint())
        time.sleep(0.05)


class Rig:
    """A backend and one hub's directory under `root`. `close()` ends every process.

    `state` is where the hub keeps its state, `backend` the owner's directory (default: under `root`), `proxy` takes
    127.0.0.1 at the backend's port, which then listens at BEHIND; `buffer` is more options of the buffer,
    `generator` of every life.
    """

    def __init__(
        self,
        root: Path,
        *,
        state: Path | None = None,
        backend: Path | None = None,
        proxy: Callable[[int], None] | None = None,
        buffer: str = "",
        generator: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.journal = root / "journal"
        self.config = root / "config.yaml"
        self.state = state or root / "state"
        self.backend_dir = backend or root / "backend"
        self.generator = generator
        self.started_s = 0.0  # how long the last start took
        self._port = free_port()  # for good: while the backend is away, no connection on its way out may take it
        self._host = BEHIND if proxy is not None else "127.0.0.1"
        self.hub: subprocess.Popen[bytes] | None = None
        self.backend: subprocess.Popen[bytes] | None = None
        try:
            ilot("backend", "init", str(self.backend_dir), "--json")
            url = self.start_backend()
            if proxy is not None:
                proxy(self._port)
            secrets = self.config.with_name("secrets.yaml")  # its counters count for a device whose key is known
            secrets.touch(mode=0o600)
            secrets.write_text("generator: 00112233445566778899aabbccddeeff\n")
            self.config.write_text(CONFIG.format(state=self.state, url=url, buffer=buffer))
            token = ilot("backend", "token", str(self.backend_dir), "--url", url, "--json")["token"]
            ilot("enroll", "--config", str(self.config), "--token-file", "-", "--json", stdin=token)
        except BaseException:  # nobody has it yet who would close it
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where the backend answers."""
        return f"https://{self._host}:{self._port}"

    # -- processes --------------------------------------------------------------------------------------------------

    def start_backend(
        self, bent: Sequence[str] = (), *, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> str:
        """`bent`: what of it is bent in this process, see bent.py. `options` of `ilot backend run`."""
        where = ["--host", self._host, "--port", str(self._port)]
        program = [str(BENT), *bent, "--"] if bent else ["-m", "hub"]
        command = [sys.executable, *program, "backend", "run", str(self.backend_dir), *where, *options, "--json"]
        self.backend = self._start(command, "backend", environment)
        url: str = json.loads(self._line(self.backend))["url"].rstrip("/")
        self._port = int(url.rpartition(":")[2])
        return url

    def start_hub(
        self,
        per_second: float = 500.0,
        *,
        wait: bool = True,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """One life of the hub; `prefix` is a command that runs it, strace for instance."""
        command = [sys.executable, str(GENERATOR), str(self.config), str(self.journal), str(per_second)]
        began = time.monotonic()
        self.hub = self._start([*prefix, *command, *self.generator, *options], "hub", environment)
        if wait:
            self._line(self.hub)
            self.started_s = time.monotonic() - began
        return self.hub

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        """kill -9 of a process and of what runs it."""
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()

    def kill_part(self, name: str) -> None:
        """kill -9 of one part of the running backend: ingest, api or compact. It comes back by itself."""
        assert self.backend is not None
        pid = self.backend.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text() == f"ilot-{name}\n":
                    os.kill(int(child), signal.SIGKILL)

    def stop(self, process: subprocess.Popen[bytes] | None, timeout: float = 120.0) -> int:
        """SIGTERM, and the exit code."""
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout)
        if process.stdout:
            process.stdout.close()
        return code

    def settle(self, timeout: float = 120.0) -> None:
        """Let a last life of the hub drain what former lives left, then stop everything in order."""
        self.start_hub(per_second=20.0)
        self.drain(timeout)
        self.stop(self.hub)
        self.stop(self.backend)
        self.hub = self.backend = None

    def drain(self, timeout: float = 120.0) -> None:
        """Wait until the running hub has next to nothing left to deliver."""
        until(lambda: self.status()["buffer"]["readings"] <= 40, timeout, lambda: f"not delivered: {self.logs()}")

    def status(self) -> dict[str, Any]:
        return ilot("status", "--config", str(self.config), "--json")

    def close(self) -> None:
        self.kill(self.hub)
        self.kill(self.backend)

    def _start(
        self, command: Sequence[str], name: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                bufsize=0,  # else a second line that came with the first is read with it, where select does not see it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            )

    def _line(self, process: subprocess.Popen[bytes], timeout: float = 120.0) -> bytes:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], timeout)[0]:
            raise RuntimeError(f"not ready within {timeout} s: {self.logs()}")
        line = process.stdout.readline()
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            raise RuntimeError(f"a process ended at start with {process.returncode}: {self.logs()}")
        return line

    def logs(self) -> str:
        return "\n".join(f"{p.name}: {p.read_text(errors='replace')[-2000:]}" for p in self.root.glob("*.log"))

    # -- the oracle -------------------------------------------------------------------------------------------------

    def told(self) -> list[tuple[bytes, int]]:
        """The journal, in order: word and number; a torn last line does not count."""
        raw = self.journal.read_bytes() if self.journal.exists() else b""
        lines = [line.split() for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
        return [(line[0], int(line[1])) for line in lines]

    def numbers(self, word: bytes) -> set[int]:
        return {n for w, n in self.told() if w == word}

    def moments(self) -> dict[int, float]:
        """Of a generator with --timed: when each report was made, in Unix seconds."""
        lines = [line.split() for line in self.journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        return {int(line[1]): int(line[2]) / 1000 for line in lines if line[0] == b"emit"}

    def promised(self) -> set[int]:
        """What a life said up to its last durable report: that one covers all before it."""
        promised: set[int] = set()
        life: list[int] = []
        for word, n in self.told():
            if word == b"emit":
                life.append(n)
            elif word not in (b"dated", b"sent"):
                if word == b"durable":
                    promised.update(life)
                if word != b"refused":
                    life = []
        return promised

    def wait_durable(self, more: int, timeout: float = 90.0) -> None:
        """Wait until the running hub has acknowledged so many more durable reports."""
        end = len(self.numbers(b"durable")) + more
        until(lambda: len(self.numbers(b"durable")) >= end, timeout, lambda: f"nothing becomes durable: {self.logs()}")

    def stop_delivered(self) -> None:
        """Stop the hub with nothing left on it. Its farewell waits FAREWELL_S of generator.py for acks, and not at all
        for a link that is away: what is left then leaves with another life. What no life delivers stays missing, and is
        counted."""
        for life in range(3):
            if life:
                self.start_hub(per_second=20.0)
            self.stop(self.hub)
            if self.promised() <= self.arrived():
                return

    def arrived(self) -> set[int]:
        """The reports that the backend has."""
        rows = self.rows(
            "SELECT s.metric, r.time, r.value FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.place = 'generator' AND s.metric = 'uptime'"
        )
        return {self.number(*row) for row in rows}

    def wait_whole(self, timeout: float = 180.0) -> None:
        """Wait until all that is promised by now is at the backend, while the hub lives: a life that began anew would
        send whatever the one before it forgot."""
        goal = self.promised()
        until(
            lambda: goal <= self.arrived(), timeout, lambda: f"{len(goal - self.arrived())} do not come: {self.logs()}"
        )

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the backend's database, by SQLite itself, in which each reading is a row."""
        return list(self.rows(statement))

    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """The same, row by row: a week is five million of them."""
        with asked(self.backend_dir / "backend.db") as db:
            yield from db.execute(statement)

    def verdict(self, fault: str, runs: int, *, may_declare: bool = False, noticed: bool = False) -> Verdict:
        """Count, from the journal and the database alone. `n` is told by both metrics of its report and by its
        time, so that a value that moved to another report is seen as wrong; so are forks, forgeries, records that
        cannot be read, and numbers that do not rise within a run. `noticed`: somebody forges, and that the backend says
        so is right."""
        emitted, promised = self.numbers(b"emit"), self.promised()
        rows = self.rows(
            "SELECT s.metric, r.time, r.value, c.stream FROM readings r JOIN series s ON s.id = r.series"
            " JOIN records c ON c.id = r.origin / 4096 WHERE s.place = 'generator'"
            " AND s.metric IN ('uptime', 'duration') ORDER BY c.stream, c.seq, r.origin"
        )
        declared = self.sql("SELECT coalesce(sum(readings), 0) FROM gaps")[0][0]
        wrong = self.sql("SELECT (SELECT count(*) FROM forks) + (SELECT count(*) FROM quarantine)")[0][0]
        if not noticed:
            wrong += self.sql("SELECT count(*) FROM alarms WHERE kind IN ('forged', 'unreadable')")[0][0]
        seen: dict[str, list[int]] = {"uptime": [], "duration": []}
        last: dict[tuple[str, int], int] = {}
        for metric, at, value, stream in rows:
            n = self.number(metric, at, value)
            seen[metric].append(n)
            wrong += n not in emitted or value != (n if metric == "uptime" else n % 1000)
            wrong += last.get((metric, stream), 0) >= n
            last[metric, stream] = n
        lost = sum(len(promised - set(numbers)) for numbers in seen.values())
        stored = sum(len(numbers) for numbers in seen.values())
        twice = sum(len(numbers) - len(set(numbers)) for numbers in seen.values())
        if may_declare:
            declared -= self._came_all_the_same()
            lost = max(0, lost - declared)
        return Verdict(fault, runs, len(emitted), len(promised), stored, lost, twice, wrong, declared, may_declare)

    def _came_all_the_same(self) -> int:
        """Readings that are declared lost, and stored: of a record that was on its way when its hub gave it up. The
        data wins, and what is declared of them excuses nothing else."""
        found: int = self.sql(
            "SELECT coalesce(sum(r.readings), 0) FROM records r JOIN streams s ON s.id = r.stream WHERE EXISTS"
            " (SELECT 1 FROM gaps g WHERE g.hub = s.hub AND g.run = s.run AND g.stream = s.stream"
            " AND r.seq BETWEEN g.first AND g.last)"
        )[0][0]
        return found

    def number(self, metric: str, at: int, value: float) -> int:
        """Which report a row belongs to, by its time."""
        return round(at / 1000 - BASE)
