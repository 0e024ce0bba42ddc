"""Both engines of the backend under many hubs, by turns in one run: processor time, workers, a herd.

    python bench/district.py [--hubs N] [--rounds N] [--herd N]

`ilot backend run` over SQLite and over a private PostgreSQL of this machine, without a standby, its disk's real syncs.
Hubs send sealed messages of 160 readings over TLS, each by a connection of its own; every acknowledgement is verified.
Processor time of ingest is that of its processes, that of the server of all that works for ingest. Compaction is
measured by `compaction.py` and `postgresql_reading.py`.

Two workers: over PostgreSQL, one and two ingest processes, each held to 0.4 of a core by its control group, take the
messages of `CROWD` hubs. They are counted for some seconds while all hubs send, since the kernel gives one of the two
more hubs than the other, and that one would end later.

A herd: hubs come at once, each with `HERD_RECORDS` records of an epoch that is new, while one hub sends a record each
second. First hubs that nobody has seen, whose devices are listed then; afterwards the same ones, that were away and
connect anew. Processor time is that of ingest and of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "faults"))
import aiohttp
import postgres_kit as kit
from fleet import enrolled
from measure import cpu_s, figure, quantile, remark
from postgresql import SETTINGS, processor_s
from workers import rows

from backend.conformance.probe import Probe

READINGS = 160
IN_FLIGHT = 16
TURNS = 3
HERD_RECORDS = 24
"""Records of a hub that was away: an hour each, in one message."""
SHARE = 0.4
CROWD, CROWD_WARM_S, CROWD_S, CROWD_ROUNDS = 500, 1.0, 4.0, 40
"""Hubs that two workers share; seconds until their messages are counted, and while they are; messages of each that are
ready."""
CGROUPS = Path("/sys/fs/cgroup")


class Hub:
    """A hub with its connection and what it sealed."""

    def __init__(self, probe: Probe) -> None:
        self.probe, self.segment, tls = probe, probe.segment(), probe.tls()
        probe.tls = lambda **_: tls  # type: ignore[method-assign]  # one context, so that connections stay open
        self._told = False

    def begin_again(self, url: str = "") -> None:
        """Begin an epoch, as after a start; `url`: of a backend that was started anew."""
        self.segment, self._told = self.probe.segment(), False
        self.probe.url = url or self.probe.url

    def message(self, turn: int, records: int = 1) -> bytes:
        blocks = [self.segment.block(rows(turn + n)) for n in range(records)]
        made, self._told = self.segment.message(blocks, context=not self._told), True
        return made

    async def post(self, session: aiohttp.ClientSession, body: bytes) -> None:
        """Send until it is acknowledged."""
        self.probe.session = session
        last = self.segment.next_seq - 1
        while True:
            answer = await self.probe.post(body)
            if answer.status == 200 and answer.taken(self.segment).last() >= min(last, 1):
                return
            if answer.status != 503:
                raise SystemExit(f"refused: {answer.status} {answer.need}")
            await asyncio.sleep(0.2)


class Backend:
    """`ilot backend run` over an engine, while the block lasts."""

    def __init__(self, directory: Path, url: str, workers: int = 1) -> None:
        self.directory, self._url = directory, url
        command = [sys.executable, "-m", "hub", "backend", "run", str(directory), "--port", "0", "--json"]
        command += ["--workers", str(workers)] if url else []
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(url), start_new_session=True
        )
        assert self._process.stdout is not None
        self.url = str(json.loads(self._process.stdout.readline())["url"]).rstrip("/")

    def parts(self, name: str) -> list[int]:
        pid = self._process.pid
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return [one for one in children if Path(f"/proc/{one}/comm").read_text().startswith(f"ilot-{name}")]

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


def environment(url: str) -> dict[str, str]:
    return {**os.environ, **({"ILOT_DATABASE": url} if url else {})}


@contextlib.contextmanager
def backend(directory: Path, url: str, workers: int = 1) -> Iterator[Backend]:
    made = Backend(directory, url, workers)
    try:
        yield made
    finally:
        made.end()


def owner(directory: Path) -> Path:
    """Make an owner whose token leads to a port of this machine, which the run may change."""
    command = [sys.executable, "-m", "hub", "backend", "init", str(directory), "--host-name", "127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return directory


async def newcomers(running: Backend, url: str, scratch: Path, count: int, session: aiohttp.ClientSession) -> list[Hub]:
    with mock.patch.dict(os.environ, _place(scratch, url)):
        probes = await enrolled(running.directory, scratch, count, session, running.url)
    return [Hub(one) for one in probes]


def _place(scratch: Path, url: str) -> dict[str, str]:
    """Make a folder for hubs; return what names the database to the commands that make their tokens."""
    scratch.mkdir(exist_ok=True)
    return {"ILOT_DATABASE": url} if url else {}


async def post_all(
    session: aiohttp.ClientSession, work: Sequence[tuple[Hub, bytes]], at_once: int = IN_FLIGHT
) -> float:
    """Post all, a hub's in their order; return the seconds until everything is acknowledged."""
    gate = asyncio.Semaphore(at_once)
    queues: dict[int, list[tuple[Hub, bytes]]] = {}
    for hub, body in work:
        queues.setdefault(id(hub), []).append((hub, body))

    async def one(queue: list[tuple[Hub, bytes]]) -> None:
        for hub, body in queue:
            async with gate:
                await hub.post(session, body)

    began = time.perf_counter()
    await asyncio.gather(*map(one, queues.values()))
    return time.perf_counter() - began


@contextlib.asynccontextmanager
async def posting(
    session: aiohttp.ClientSession, work: Sequence[Sequence[tuple[Hub, bytes]]]
) -> AsyncIterator[Callable[[], int]]:
    """Post what each hub has, one at a time, while the block lasts; the yielded function tells how many were
    acknowledged so far."""
    taken = 0

    async def one(queue: Sequence[tuple[Hub, bytes]]) -> None:
        nonlocal taken
        for hub, body in queue:
            await hub.post(session, body)
            taken += 1
        raise SystemExit("a hub has sent all that was ready: CROWD_ROUNDS is too small")

    under_way = [asyncio.ensure_future(one(queue)) for queue in work]
    try:
        yield lambda: taken
    finally:
        ended = [one for one in under_way if one.done()]
        for each in under_way:
            each.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for each in ended:
            each.result()


def connector() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=300)


async def messages(options: argparse.Namespace, root: Path, server: kit.Cluster) -> None:
    """A message over TLS on either engine, by turns."""
    urls = {"SQLite": "", "PostgreSQL": server.url(_tables(server, "messages"))}
    spent = {name: [0.0] * 3 for name in urls}
    with contextlib.ExitStack() as stack:
        async with aiohttp.ClientSession(connector=connector()) as session:
            running, hubs = {}, {}
            for name, url in urls.items():
                running[name] = stack.enter_context(backend(owner(root / f"of-{name}"), url))
                hubs[name] = await newcomers(running[name], url, root / f"hubs-{name}", options.hubs, session)
                await post_all(session, [(hub, hub.message(0)) for hub in hubs[name]])
            for turn in range(TURNS):
                for name, url in urls.items():
                    work = [
                        (hub, hub.message(1 + turn * options.rounds + n))
                        for n in range(options.rounds)
                        for hub in hubs[name]
                    ]
                    parts = running[name].parts("ingest")
                    before = sum(map(cpu_s, parts)), _server_s(server, url)
                    seconds = await post_all(session, work)
                    took = (
                        sum(map(cpu_s, parts)) - before[0],
                        _server_s(server, url) - before[1],
                        seconds,
                    )
                    spent[name] = [a + b for a, b in zip(spent[name], took, strict=True)]
    count = TURNS * options.rounds * options.hubs
    for name, (ingest, database, seconds) in spent.items():
        figure(f"{name}, ingest, processor a message over TLS", ingest / count * 1e3, "ms")
        if urls[name]:
            figure(f"{name}, server, processor a message", database / count * 1e3, "ms")
        figure(f"{name}, messages", count / seconds, "1/s", f"{options.hubs} hubs, {IN_FLIGHT} at once")


async def two_workers(options: argparse.Namespace, root: Path, server: kit.Cluster) -> None:
    """One ingest process and two, each held to a share of a core."""
    name = "two workers held to 0.4 of a core each, against one"
    try:
        groups = [_group(f"ilot-bench-{os.getpid()}-{n}") for n in range(2)]
    except OSError as error:
        remark(name, f"no control group can be made here: {error}")
        return
    url = server.url(_tables(server, "workers"))
    rate: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    sender: dict[int, list[float]] = {1: [], 2: []}
    made, hubs = owner(root / "of-workers"), list[Hub]()
    try:
        for _ in range(TURNS):
            for workers in (1, 2):
                with backend(made, url, workers) as running:
                    async with aiohttp.ClientSession(connector=connector()) as session:
                        if not hubs:
                            hubs = await newcomers(running, url, root / "crowd", CROWD, session)
                        for hub in hubs:
                            hub.begin_again(running.url)
                        await post_all(session, [(hub, hub.message(0)) for hub in hubs])
                        work = [[(hub, hub.message(1 + n)) for n in range(CROWD_ROUNDS)] for hub in hubs]
                        parts = running.parts("ingest")
                        for group, pid in zip(groups, parts, strict=False):
                            (group / "cgroup.procs").write_text(str(pid))
                        async with posting(session, work) as taken:
                            await asyncio.sleep(CROWD_WARM_S)
                            before = taken(), sum(map(cpu_s, parts)), time.process_time(), time.perf_counter()
                            await asyncio.sleep(CROWD_S)
                            after = taken(), sum(map(cpu_s, parts)), time.process_time(), time.perf_counter()
                        count, used, own, seconds = (b - a for a, b in zip(before, after, strict=True))
                        sender[workers].append(own / seconds)
                        rate[workers].append(count / seconds)
                        cpu[workers].append(used / count)
    finally:
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
    figure("one worker held to 0.4 of a core, messages", sum(rate[1]) / TURNS, "1/s")
    figure("two workers held to 0.4 of a core each, messages", sum(rate[2]) / TURNS, "1/s")
    figure(name, sum(rate[2]) / sum(rate[1]), "times")
    for workers, shares in sender.items():
        used = sum(a * b for a, b in zip(rate[workers], cpu[workers], strict=True))
        note = f"of {SHARE * workers:.1f}; the sender {sum(shares) / TURNS:.2f}: where that nears 1, it ends first"
        figure(f"{workers} held to 0.4 of a core each, processor that they had", used / TURNS, "cores", note)
    figure(
        "two workers, processor a message, against one",
        sum(cpu[2]) / sum(cpu[1]),
        "times",
        f"{CROWD} hubs, at either",
    )


def _group(name: str) -> Path:
    """Make a control group that has a share of a core."""
    first = CGROUPS / "cpu"
    group = (first if first.is_dir() else CGROUPS) / name
    group.mkdir()
    if first.is_dir():
        (group / "cpu.cfs_period_us").write_text("50000")
        (group / "cpu.cfs_quota_us").write_text(str(int(50_000 * SHARE)))
    else:
        (group / "cpu.max").write_text(f"{int(50_000 * SHARE)} 50000")
    return group


async def herd(options: argparse.Namespace, root: Path, server: kit.Cluster) -> None:
    """Hubs come with a day's records, all at once, beside one that sends each second: at first, and again."""
    for name, url in (("SQLite", ""), ("PostgreSQL", server.url(_tables(server, "herd")))):
        with backend(owner(root / f"herd-{name}"), url) as running:
            async with aiohttp.ClientSession(connector=connector()) as session:
                live, *hubs = await newcomers(running, url, root / f"back-{name}", options.herd + 1, session)
                await live.post(session, live.message(0))
                for what in (f"{options.herd} new hubs come", f"{options.herd} hubs return"):
                    work = [(hub, hub.message(0, HERD_RECORDS)) for hub in hubs]
                    parts = running.parts("ingest")
                    before, waits = sum(map(cpu_s, parts)) + _server_s(server, url), []
                    async with aiohttp.ClientSession(connector=connector()) as theirs:
                        coming = asyncio.create_task(post_all(theirs, work))
                        while not coming.done():
                            began = time.perf_counter()
                            await live.post(session, live.message(len(waits) + 1))
                            waits.append(time.perf_counter() - began)
                            await asyncio.wait([coming], timeout=1.0)
                        seconds = await coming
                    used = sum(map(cpu_s, parts)) + _server_s(server, url) - before
                    note = f"{HERD_RECORDS} records of {READINGS} readings each"
                    figure(f"{name}, {what}, until all is acknowledged", seconds, "s", note)
                    figure(f"{name}, {what}, processor a hub", used / options.herd * 1e3, "ms", note)
                    figure(f"{name}, {what}, a live message waits at most", quantile(waits, 1.0), "s")
                    for hub in hubs:
                        hub.begin_again()


def _server_s(server: kit.Cluster, url: str) -> float:
    """Return processor time of the server, without sessions of the compactor and of readers."""
    if not url:
        return 0.0
    with server.admin() as session:
        others = session.execute("select pid from pg_stat_activity where application_name not in ('', 'ilot backend')")
        apart = {int(pid) for (pid,) in others}
    return processor_s([pid for pid in server.processes() if pid not in apart])


def _tables(server: kit.Cluster, name: str) -> str:
    from backend.storage.postgresql.migrations import migrate, opened

    database = opened(server.socket_url(server.create(name)), "bench")
    migrate(database)
    database.close()
    return name


async def measure(options: argparse.Namespace, root: Path) -> None:
    with kit.cluster(**SETTINGS) as server:
        await messages(options, root, server)
        await two_workers(options, root, server)
        await herd(options, root, server)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--hubs", type=int, default=20)
    ask.add_argument("--rounds", type=int, default=20, help="messages of a hub in each of three turns")
    ask.add_argument("--herd", type=int, default=200, help="hubs that return")
    told = ask.parse_args()
    if not kit.available():
        remark("PostgreSQL, ingest, processor a message over TLS", kit.MISSING)
        return
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as folder:
        asyncio.run(measure(told, Path(folder)))


if __name__ == "__main__":
    main()
