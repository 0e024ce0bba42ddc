"""What the fault tests share: a real backend process, an enrolled hub directory, and the oracle that counts.

The oracle does not use the hub's code to judge: it reads the generator's journal and the backend's database file.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = 1_700_000_000
"""The generator dates report n at this Unix second + n."""

GENERATOR = Path(__file__).with_name("generator.py")

CONFIG = """\
hub: {{name: faults, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{generator: {{zone: bench, name: Generator}}}}
devices:
  "faults:generator": {{integration: faults, place: generator}}
integrations: {{faults: {{}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


@dataclass
class Verdict:
    """One line of the rig: what was promised, what arrived."""

    fault: str
    runs: int
    emitted: int
    durable: int
    stored: int
    lost: int
    twice: int
    wrong: int
    declared: int

    def __str__(self) -> str:
        return (
            f"{self.fault}: runs {self.runs}, emitted {self.emitted}, durable {self.durable}, stored {self.stored}, "
            f"lost {self.lost}, duplicated {self.twice}, wrong {self.wrong}, declared {self.declared}"
        )

    @property
    def held(self) -> bool:
        return self.lost == self.twice == self.wrong == 0


def ilot(*arguments: str, stdin: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments], input=stdin.encode(), capture_output=True, timeout=60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ilot {' '.join(arguments)}: {done.stderr.decode()}")
    return dict(json.loads(done.stdout.strip().rpartition(b"\n")[2]))


class Rig:
    """A backend and one hub's directory under `root`. `close()` ends every process."""

    def __init__(self, root: Path, *, backend_arguments: tuple[str, ...] = ()) -> None:
        self.root = root
        self.journal = root / "journal"
        self.config = root / "config.yaml"
        self.state = root / "state"
        self.backend_dir = root / "backend"
        self._arguments = backend_arguments
        self._port = 0
        self.hub: subprocess.Popen[bytes] | None = None
        self.backend: subprocess.Popen[bytes] | None = None
        ilot("backend", "init", str(self.backend_dir), "--json")
        self.url = self.start_backend()
        self.config.write_text(CONFIG.format(state=self.state, url=self.url))
        token = ilot("backend", "token", str(self.backend_dir), "--url", self.url, "--json")["token"]
        ilot("enroll", "--config", str(self.config), "--token-file", "-", "--json", stdin=token)

    def start_backend(self) -> str:
        command = [sys.executable, "-m", "hub", "backend", "run", str(self.backend_dir), "--port", str(self._port)]
        self.backend = self._start([*command, "--json", *self._arguments], "backend")
        url: str = json.loads(self._line(self.backend))["url"].rstrip("/")
        self._port = int(url.rpartition(":")[2])
        return url

    def start_hub(self, per_second: float = 500.0, *, wait: bool = True) -> subprocess.Popen[bytes]:
        self.hub = self._start(
            [sys.executable, str(GENERATOR), str(self.config), str(self.journal), str(per_second)], "hub"
        )
        if wait:
            self._line(self.hub)
        return self.hub

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()

    def stop(self, process: subprocess.Popen[bytes] | None, timeout: float = 60.0) -> int:
        """SIGTERM, and the exit code."""
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout)
        if process.stdout:
            process.stdout.close()
        return code

    def settle(self, timeout: float = 60.0) -> None:
        """Let a last life of the hub drain what former lives left, then stop everything in order."""
        self.start_hub(per_second=20.0)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            status = ilot("status", "--config", str(self.config), "--json")
            if status["buffer"]["readings"] <= 40:
                break
            time.sleep(0.2)
        self.stop(self.hub)
        self.stop(self.backend)
        self.hub = self.backend = None

    def numbers(self, word: bytes) -> set[int]:
        """The numbers that the journal holds behind `word`; a torn last line does not count."""
        lines = self.journal.read_bytes().splitlines() if self.journal.exists() else []
        return {int(n) for w, _, n in (line.partition(b" ") for line in lines) if w == word and n.isdigit()}

    def wait_durable(self, more: int, timeout: float = 30.0) -> None:
        """Wait until the running hub has acknowledged so many more durable reports."""
        before, end = len(self.numbers(b"durable")), time.monotonic() + timeout
        while len(self.numbers(b"durable")) < before + more:
            if time.monotonic() > end:
                raise RuntimeError(f"nothing becomes durable: {self.logs()}")
            time.sleep(0.05)

    def verdict(self, fault: str, runs: int) -> Verdict:
        """Count, from the journal and the database alone. `n` is told by both metrics of its report and by its
        time, so that a value that moved to another report is seen as wrong."""
        emitted, durable = self.numbers(b"emit"), self.numbers(b"durable")
        db = sqlite3.connect(f"file:{self.backend_dir / 'backend.db'}?mode=ro", uri=True)
        rows = db.execute(
            "SELECT s.metric, r.time, r.value FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.place = 'generator'"
        ).fetchall()
        declared = db.execute("SELECT coalesce(sum(readings), 0) FROM gaps").fetchone()[0]
        db.close()
        seen: dict[str, list[int]] = {"uptime": [], "duration": []}
        wrong = 0
        for metric, at, value in rows:
            n = round(at / 1000 - BASE)
            seen[metric].append(n)
            wrong += n not in emitted or value != (n if metric == "uptime" else n % 1000)
        lost = sum(len(durable - set(numbers)) for numbers in seen.values())
        twice = sum(len(numbers) - len(set(numbers)) for numbers in seen.values())
        return Verdict(fault, runs, len(emitted), len(durable), len(rows), lost, twice, wrong, declared)

    def close(self) -> None:
        self.kill(self.hub)
        self.kill(self.backend)

    def _start(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def _line(self, process: subprocess.Popen[bytes], timeout: float = 30.0) -> bytes:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], timeout)[0]:
            raise RuntimeError(f"not ready within {timeout} s: {self.logs()}")
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended at start: {self.logs()}")
        return line

    def logs(self) -> str:
        return "\n".join(f"{p.name}: {p.read_text(errors='replace')[-2000:]}" for p in self.root.glob("*.log"))
