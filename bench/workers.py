"""What a worker takes for a message over PostgreSQL, and what it costs that hubs come to another worker by turns.

    python bench/workers.py [--rounds N]

A private server on this machine with its disk's real syncs, no standby; two workers (`backend.ingest.core` over
`backend.storage.postgresql`) in this process, without TLS and HTTP before them. 20 hubs of 80 devices send records of
160 readings. In turn 1 and 10 messages make a transaction, and the messages of a hub come to one worker, or to both by
turns: then each finds that the other one wrote. Every acknowledgement must come. Processor time is that of this
process, which verifies each acknowledgement as a hub does, and of all processes of the server.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))
import postgres_kit as kit
from measure import figure, remark
from postgresql import SETTINGS, processor_s
from worker_kit import Worker

from backend.ingest.core import RECORDS, Message
from backend.owner import directory as owners
from hub.core.errors import HubError
from hub.protocol.records.rows import Column, Row, Shape, Subject

HUBS, DEVICES, BATCHES = 20, 80, (1, 10)
SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("humidity", "%", "0.1")))
SUBJECTS = [Subject(f"ble:{n}", f"room-{n}", "school", "floor") for n in range(DEVICES)]


def rows(turn: int) -> list[Row]:
    at = 1_800_000_000_000 + turn * 60_000
    return [Row(one, SHAPE, at + n, True, (20 + n / 7 + turn % 9, 40 + n / 3), 0, 1) for n, one in enumerate(SUBJECTS)]


def fleet(worker: Worker) -> Iterator[list[Message]]:
    """Enrol hubs, and yield a message of each, again and again."""
    hubs = [worker.enrol() for _ in range(HUBS)]
    segments = [hub.segment() for hub in hubs]
    turn = 0
    while True:
        blocks = [(hub, segment, segment.block(rows(turn))) for hub, segment in zip(hubs, segments, strict=True)]
        yield [Message(hub.hub, RECORDS, one.message([block], context=turn == 0)) for hub, one, block in blocks]
        turn += 1


def post(worker: Worker, messages: list[Message], batch: int) -> None:
    for first in range(0, len(messages), batch):
        for reply in worker.take(*messages[first : first + batch]):
            if isinstance(reply, HubError) or not worker.acks(reply):
                raise SystemExit(f"a message was not acknowledged: {reply!r}")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=20, help="messages of a hub in each of three turns")
    told = ask.parse_args()
    if not kit.available():
        remark("worker, processor a message", kit.MISSING)
        return
    with kit.cluster(**SETTINGS) as server, tempfile.TemporaryDirectory() as folder:
        owner, url = owners.init(Path(folder) / "owner", owner="bench"), kit.Shared(server).url
        workers = Worker(owner, url), Worker(owner, url)
        sent = fleet(workers[0])
        ways = [(batch, by_turns) for batch in BATCHES for by_turns in (False, True)]
        spent = {one: [0.0, 0.0] for one in ways}
        for worker in workers:
            post(worker, next(sent), 1)
        for _ in range(3):
            for batch, by_turns in ways:
                rounds = [next(sent) for _ in range(told.rounds)]
                post(workers[0], next(sent), batch)
                before, own = processor_s(server.processes()), time.process_time()
                for n, messages in enumerate(rounds):
                    post(workers[n % 2 if by_turns else 0], messages, batch)
                took = time.process_time() - own, processor_s(server.processes()) - before
                spent[batch, by_turns] = [a + b for a, b in zip(spent[batch, by_turns], took, strict=True)]
        count = 3 * told.rounds * HUBS
        for (batch, by_turns), (own_s, server_s) in spent.items():
            how = f"{batch} a transaction" + (", two workers by turns" if by_turns else "")
            figure(f"worker, processor a message, {how}", own_s / count * 1e6, "us")
            figure(f"worker, processor of PostgreSQL a message, {how}", server_s / count * 1e6, "us")
        for batch in BATCHES:
            alone, both = sum(spent[batch, False]), sum(spent[batch, True])
            figure(f"worker, two by turns against one, {batch} a transaction", both / alone, "times")
        for worker in workers:
            worker.close()


if __name__ == "__main__":
    main()
