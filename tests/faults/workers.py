"""kill -9 of workers over one PostgreSQL, and of the server itself, under hubs of whose messages a third is sent twice.

Three workers, each a process of its own, take messages of six hubs as they come, by one connection each; every message
goes to whichever worker is free. Again and again one of them is killed while it has a batch, and each fifth time the
whole server, all its processes at once, as by a power cut. What was not answered is sent again, to anybody. In the end
each record is there once, each reading is read once, and no number of an acknowledgement was used twice.

Twin: a worker that answers before it commits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import socket
import sys
from collections import Counter, deque
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from needs import Missing
from rig import Verdict

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "backend"))
import postgres_kit as kit
from backend_kit import Sender, row
from worker_kit import Worker

from backend.ingest.core import RECORDS, Message
from backend.owner import directory as owners
from backend.queries.series_history import SeriesHistory
from backend.storage.opening import open_queries
from hub.core.errors import HubError
from hub.protocol.link_messages import read_ack, read_reply
from hub.protocol.ranges import Ranges

WORKERS, HUBS, BATCH, BETWEEN = 3, 6, 4, 25
"""`BETWEEN`: batches that are answered between two kills."""
SERVER_EACH = 5
NOW, FAR = 1_800_000_000_000, 1 << 52
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.decode
Batch = list[tuple[str, bytes]]


def _serve(owner: owners.Owner, url: str, mine: socket.socket, early: bool) -> None:
    """A worker: one batch, one list of replies (None: an error), until the other end is closed."""
    logging.disable()  # that the server was killed is no news
    execute = psycopg.Connection.execute

    def late(session: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        return execute(session, "select 1" if query == "commit" else query, *arguments, **more)

    if early:
        psycopg.Connection.execute = late  # type: ignore[method-assign]
    worker, stream = Worker(owner, url), mine.makefile("rwb")
    while size := stream.read(4):
        batch: Batch = _decode(stream.read(int.from_bytes(size, "big")))
        replies = worker.take(*(Message(hub, RECORDS, body) for hub, body in batch))
        packed = _encode([None if isinstance(one, HubError) else one for one in replies])
        stream.write(len(packed).to_bytes(4, "big") + packed)
        stream.flush()
        if early:
            with contextlib.suppress(HubError, psycopg.Error):
                execute(worker.storage.database.session(), "commit")


class _Crew:
    """The processes of the workers, each with its end of a connection and the batch that it has."""

    def __init__(self, owner: owners.Owner, url: str, early: bool) -> None:
        self._owner, self._url, self._early = owner, url, early
        self.ends: dict[socket.socket, int] = {}
        self.has: dict[socket.socket, Batch] = {}
        for _ in range(WORKERS):
            self.start()

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                for other in self.ends:
                    other.close()
                ours.close()
                _serve(self._owner, self._url, theirs, self._early)
            finally:
                os._exit(0)
        theirs.close()
        self.ends[ours] = child

    def send(self, end: socket.socket, batch: Batch) -> None:
        self.has[end] = batch
        packed = _encode(batch)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            end.sendall(len(packed).to_bytes(4, "big") + packed)

    def answer(self, end: socket.socket) -> list[bytes | None] | None:
        """Return the replies to a batch, None of a worker that is dead."""
        with contextlib.suppress(ConnectionResetError), end.makefile("rb") as stream:
            size = stream.read(4)
            packed = stream.read(int.from_bytes(size, "big"))
            if len(size) == 4 and len(packed) == int.from_bytes(size, "big"):
                return _decode(packed, type=list[bytes | None])
        return None

    def kill(self, end: socket.socket) -> None:
        os.kill(self.ends[end], signal.SIGKILL)

    def bury(self, end: socket.socket) -> Batch:
        """Replace a dead worker; return what it had."""
        os.waitpid(self.ends.pop(end), 0)
        end.close()
        self.start()
        return self.has.pop(end, [])

    def end(self) -> None:
        for end, child in self.ends.items():
            end.close()
            os.waitpid(child, 0)


class _Town:
    """What hubs send and were told."""

    def __init__(self, owner: owners.Owner, hubs: list[Sender], rng: random.Random) -> None:
        self._owner, self._rng = owner, rng
        self.hubs = {hub.hub: hub for hub in hubs}
        self._segments = {hub.hub: hub.segment() for hub in hubs}
        self.sent: Counter[tuple[str, int]] = Counter()
        self.acked: dict[str, Ranges] = {hub.hub: Ranges() for hub in hubs}
        self.numbers: Counter[tuple[str, int]] = Counter()
        self.waiting: deque[tuple[str, bytes]] = deque()

    def batch(self) -> Batch:
        while len(self.waiting) < 4 * BATCH:
            hub = self._rng.choice(list(self.hubs))
            segment = self._segments[hub]
            at = NOW + 1000 * segment.next_seq
            message = segment.message([segment.block([row(at)])])
            self.sent[hub, at] += 1
            for _ in range(2 if self._rng.random() < 0.3 else 1):
                self.waiting.insert(self._rng.randrange(len(self.waiting) + 1), (hub, message))
        return [self.waiting.popleft() for _ in range(BATCH)]

    def rest(self) -> Batch:
        return [self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))]

    def told(self, batch: Batch, replies: list[bytes | None]) -> None:
        for (hub, body), reply in zip(batch, replies, strict=True):
            if reply is None:
                self.waiting.append((hub, body))
                continue
            for ack in (read_ack(one, self._owner.trust)[0] for one in read_reply(reply).acks):
                self.numbers[hub, ack.n] += 1
                self.acked[hub].add_all([*(((1, ack.through),) if ack.through else ()), *ack.ranges])


def _killed(runs: int, seed: int, fault: str, root: Path, early: bool) -> Verdict:
    if not kit.available():
        raise Missing(kit.MISSING)
    rng = random.Random(seed)
    root.mkdir(exist_ok=True)
    with kit.cluster(shared_buffers="32MB") as server:
        owner, url = owners.init(root / "owner", owner="Ville"), kit.Shared(server).url
        first = Worker(owner, url)
        town = _Town(owner, [first.enrol() for _ in range(HUBS)], rng)
        first.close()  # what a child inherits is not its own
        crew = _Crew(owner, url, early)
        try:
            for n in range(runs):
                _some(crew, town, rng, town.batch)
                if n % SERVER_EACH == SERVER_EACH - 1:
                    server.kill()
                    server.start()
                else:
                    crew.kill(rng.choice(list(crew.ends)))
            while town.waiting or crew.has:
                _some(crew, town, rng, town.rest)
        finally:
            crew.end()
        return _judged(Worker(owner, url), url, town, fault, runs)


def _some(crew: _Crew, town: _Town, rng: random.Random, batch: Any) -> None:
    """Have some batches answered; dead workers are replaced, and what they had waits again."""
    for _ in range(BETWEEN):
        for end in list(crew.ends):
            if end not in crew.has and (given := batch()):
                crew.send(end, given)
        if not crew.has:
            return
        end = rng.choice(list(crew.has))
        replies = crew.answer(end)
        if replies is None:
            town.waiting.extend(crew.bury(end))
        else:
            town.told(crew.has.pop(end), replies)


def _judged(worker: Worker, url: str, town: _Town, fault: str, runs: int) -> Verdict:
    ask = worker.storage._writing.ask
    stored: dict[str, list[int]] = {hub: [] for hub in town.hubs}
    lines = "from records r join streams s on s.id = r.stream join hubs h on h.number = s.hub"
    for hub, seq in ask(f"select h.hub, r.seq {lines}"):
        stored[hub].append(seq)
    ((bodies, apart),) = ask("select count(*), count(distinct (hub, record)) from bodies")
    found: Counter[tuple[str, int]] = Counter()
    with open_queries(url).snapshot() as now:
        for hub in town.hubs:
            history = SeriesHistory(now.hub(hub), "ble:1", "temperature", "room-1")
            found.update((hub, one.time_ms) for one in history.between(-FAR, FAR))
    lost = sum(
        last - first + 1
        for hub, acked in town.acked.items()
        for span in acked
        for first, last in Ranges((seq, seq) for seq in sorted(stored[hub])).missing(*span)
    )
    worker.close()
    return Verdict(
        fault,
        runs,
        emitted=town.sent.total(),
        durable=sum(acked.count() for acked in town.acked.values()),
        stored=found.total(),
        lost=lost + (town.sent - found).total(),
        twice=(found - town.sent).total() + bodies - apart,
        wrong=sum(count - 1 for count in town.numbers.values()),
        declared=0,
    )


def workers_killed(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(runs, seed, "kill -9 of workers and of their server", root, early=False)


def twin_worker_answers_before_commit(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(runs, seed, "twin: a worker that answers before it commits", root, early=True)
