"""The processes of `ilot backend run`: each comes back alone, all end together, and what they share is one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from backend_kit import NOW, row

from backend.conformance.probe import Probe
from backend.owner import directory as owners
from backend.owner.lock import held
from backend.processes import compactor_process as compactors
from backend.processes.compactor_process import compacting
from backend.storage.engine import Storage
from backend.storage.opening import open_storage
from backend.storage.process_lines import FORGET_S, GONE_S, ProcessTeller, facts_of, summed
from backend.storage.processes import ProcessLine
from hub.core.errors import ConfigError
from hub.identity.enrolment import enrol
from tests.journeys.patience import PATIENCE_S

COMMAND = [sys.executable, "-m", "hub", "backend"]
PARTS = {"ilot-ingest", "ilot-api", "ilot-compact"}


def until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)


class Backend:
    """`ilot backend run` in processes of its own, with a service manager that listens."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.said: list[str] = []
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(f"\0ilot-test-{os.getpid()}-{id(self)}")
        self._manager.setblocking(False)
        self.log = directory.parent / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", str(directory), "--port", "0", "--json", *options],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": f"@ilot-test-{os.getpid()}-{id(self)}", "LC_ALL": "C"},
            )
        assert self.process.stdout is not None
        self.facts = json.loads(self.process.stdout.readline())

    def parts(self) -> dict[str, int]:
        """The names of the parts that run, with their process ids."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for child in children:
            with suppress(OSError):
                found[Path(f"/proc/{child}/comm").read_text().strip()] = int(child)
        return found

    def told(self) -> list[str]:
        """What the service manager was told so far."""
        with suppress(BlockingIOError):
            while True:
                self.said.append(self._manager.recv(4096).decode())
        return self.said

    def logged(self, sentence: str) -> bool:
        """Whether the log has a sentence; meanwhile the service manager listens, for whom few messages wait."""
        self.told()
        return sentence in self.log.read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._manager.close()


@contextmanager
def backend(directory: Path, *options: str) -> Iterator[Backend]:
    owners.init(directory, owner="Ville")
    made = Backend(directory, *options)
    try:
        yield made
    finally:
        made.close()


def gone(process: int) -> bool:
    """Whether a process has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.real("network, processes")
async def test_each_part_that_is_killed_comes_back_alone_and_all_end_in_order(tmp_path: Path) -> None:
    with backend(tmp_path / "owner") as made:
        first = made.parts()
        assert first.keys() == PARTS
        await asyncio.to_thread(until, lambda: any("READY=1" in one for one in made.told()))
        token = subprocess.run(
            [*COMMAND, "token", str(tmp_path / "owner")], check=True, capture_output=True, text=True
        ).stdout
        await enrol(token, tmp_path / "hub")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            probe = Probe(made.facts["url"], token, tmp_path / "hub", session)
            segment = probe.segment()
            before = first
            for number, name in enumerate(sorted(PARTS), 1):
                os.kill(before[name], signal.SIGKILL)
                await asyncio.to_thread(until, partial(made.logged, f"{name.partition('-')[2]} works again"))
                after = made.parts()
                assert {one for one in PARTS if after[one] != before[one]} == {name}
                before = after
                assert number in (await probe.post(segment.message([segment.block([row(NOW, number)])]))).taken(segment)
                headers = {"Authorization": f"Bearer {owners.load(tmp_path / 'owner').api_token}"}
                url = f"{probe.url}/v1/stats"
                async with session.get(url, headers=headers, ssl=probe.tls(certificate=False)) as reply:
                    stats = await reply.json()
                assert stats["records"] == number
        assert any("STATUS=ingest ended with code 137" in one for one in made.told())
        made.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(made.process.wait, PATIENCE_S) == 0
        assert all(gone(process) for process in before.values())
        assert any("STOPPING=1" in one for one in made.told())
    with closing(open_storage(tmp_path / "owner" / "backend.db")) as storage:
        left = {int(line.name.split()[-1]) for line in storage.processes.told()}
    assert left == set(first.values()), "who was killed cannot take its line away, who ends in order does"


@pytest.mark.real("clock, processes")
def test_no_part_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    with backend(tmp_path / "owner") as made:
        parts = made.parts()
        made.process.kill()
        until(lambda: all(gone(process) for process in parts.values()))


@pytest.mark.real("network, processes")
def test_a_part_that_cannot_begin_ends_the_command_with_its_code_and_reason(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = ["--port", "0", "--api", f"127.0.0.1:{taken.getsockname()[1]}"]
        done = subprocess.run(
            [*COMMAND, "run", str(tmp_path / "owner"), *where],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    assert (done.returncode, done.stdout) == (3, "")
    assert "another program listens there" in done.stderr


SUPERVISED = """
import os, signal, sys, time
from backend.processes import supervisor
from backend.processes.supervisor import Part, Supervisor
from hub.core.service_manager import ServiceManager

supervisor.HUNG_S, supervisor.TURN_S, supervisor.STOP_S = 5.0, 0.05, 1.0

def hangs_once(former, pipe):
    if former:
        os.write(pipe, b'{"ready": {"life": 2}}\\n')
        while True:
            time.sleep(0.05)
            os.write(pipe, b"\\n")
    os.write(pipe, b'{"ready": {"life": 1}}\\n')
    time.sleep(3600)

def deaf(former, pipe):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(pipe, b'{"ready": {}}\\n')
    while True:
        time.sleep(0.05)
        os.write(pipe, b"\\n")

parts = [Part("hanging", hangs_once), Part("deaf", deaf)]
code = Supervisor(parts, lambda made: print("all work", flush=True) or "all", ServiceManager({})).run()
print(parts[0].facts, code)
"""


@pytest.mark.real("clock, processes")
def test_a_part_that_hangs_is_killed_and_started_again_and_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", SUPERVISED], stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "all work\n"
            until(lambda: "hanging ended with code 137" in log.read_text())
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
    assert out.endswith(" 0\n")
    assert "hanging has hung" in log.read_text()
    assert "deaf does not end, it is killed" in log.read_text()


# -- what they share ---------------------------------------------------------------------------------------------


@pytest.mark.real("processes")
def test_a_second_ingest_over_sqlite_is_refused(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    with held(tmp_path / "owner" / "ingesting", "taken"):
        with pytest.raises(ConfigError, match="taken"), held(tmp_path / "owner" / "ingesting", "taken", wait_s=0.0):
            pass
        command = [*COMMAND, "ingest", str(tmp_path / "owner"), "--port", "0"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 3
    assert "another process answers hubs" in done.stderr
    with held(tmp_path / "owner" / "ingesting", "taken", wait_s=0.0):
        pass


async def test_of_two_compactors_one_waits_until_the_other_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compactors, "LOOK_S", 0.02)
    owners.init(tmp_path / "owner", owner="Ville")
    async with compacting(tmp_path / "owner") as first:
        await asyncio.to_thread(first.compacting.began.wait, PATIENCE_S)
        async with compacting(tmp_path / "owner") as second:
            await asyncio.to_thread(until, lambda: "this one waits" in caplog.text)
            assert not second.compacting.alone
            await asyncio.to_thread(first.compacting.stop)
            await asyncio.to_thread(second.compacting.began.wait, PATIENCE_S)
            assert second.compacting.alone


def line(name: str, kind: str, seen_at: float, facts: bytes = b"\x80") -> ProcessLine:
    return ProcessLine(name, kind, "0.0.9", 0.0, seen_at, facts)


async def test_a_process_of_another_release_is_named_and_works_beside(
    opened: Callable[[], Storage], caplog: pytest.LogCaptureFixture
) -> None:
    storage, now = opened(), time.time()
    with storage.transaction():
        storage.processes.tell(line("ingest forgotten 3", "ingest", now - 2 * FORGET_S), 0.0)
        storage.processes.tell(line("ingest old 1", "ingest", now), 0.0)
        storage.processes.tell(line("ingest gone 2", "ingest", now - GONE_S - 1), 0.0)

    async def call(work: Callable[[Storage], Any]) -> Any:
        return work(storage)

    async def facts() -> dict[str, int]:
        return {"messages": 3}

    teller = ProcessTeller("ingest", call, facts)
    await teller.begin()
    await teller.tell()
    assert "ingest old 1 of release 0.0.9" in caplog.text
    assert "gone 2" not in caplog.text
    told = {one.name: one for one in opened().processes.told()}
    assert told.keys() == {"ingest gone 2", "ingest old 1", teller.name}
    assert facts_of(told[teller.name]) == {"messages": 3}
    await teller.end()
    assert [one.name for one in storage.processes.told()] == ["ingest gone 2", "ingest old 1"]


def test_counts_of_several_processes_are_added_whatever_one_of_another_release_tells() -> None:
    import msgspec

    told = [{"a": 1, "by": {"x": 2}, "s": "text"}, {"a": 2, "by": {"x": 1, "y": 5}}, {"by": {"x": "much"}, "a": [1]}]
    lines = [line(str(n), "ingest", 0.0, msgspec.msgpack.encode(one)) for n, one in enumerate(told)]
    lines += [line("broken", "ingest", 0.0, b"\xc1"), line("list", "ingest", 0.0, b"\x90")]
    assert summed(lines) == {"a": 3, "by": {"y": 5, "x": 3}}
