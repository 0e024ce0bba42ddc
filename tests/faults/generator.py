"""A hub process whose only source is a generator that writes down what it says before it says it.

    python generator.py CONFIG JOURNAL [REPORTS_PER_S] [--undated] [--burst N] [--per-durable N] [--bulky]
                                                       [--quick] [--hasty] [--same-run] [--believe]
                                                       [--forgetful] [--unlocked] [--credulous] [--trusting]
                                                       [--counted] [--slow-sync FILE] [--unmarked] [--silent]
                                                       [--timed] [--start-alone] [--keeps-each]
                                                       [--remembers-in-memory] [--spends]

The journal is the oracle:

    life N       this process begins, numbers go on behind N
    emit N       before emit(); with --undated "emit N M", M the monotonic ms of that moment; with --timed its Unix ms
    dated N M    with --undated, after emit(): the hub has dated N by now
    durable N    emit(durable=True) returned
    refused N    emit(durable=True) raised: not durable, kept in memory, tried again
    sent N       with --spends: counter N was used, as in a downlink; no other life may use it

Written with one call each to an O_APPEND descriptor, it survives kill -9 of this process. writev, so that a fault on
"the nth write" hits the hub and not its oracle. --burst: so many reports first, as fast as they are taken, then each is
durable; --per-durable: every nth is emitted durable (10); --bulky: each has a text that does not compress; --counted:
each is a frame under a counter, its number, and a life first says again what its device said last (AGAIN frames);
--spends: with each durable report it uses the next number of a counter that it keeps in its state.

Everything else is the real hub, except that --slow-sync lets each sync of its readings begin SYNC_S late, while FILE
is there, that --quick lets it tell its state every second instead of 30, that --hasty
lets it wait 3 seconds instead of 120 for an exchange that makes its time exact, and unless an
option says how it is broken, as a hub must not be: --same-run keeps the run id of the last segment found, --believe
takes every ack for true, --forgetful does not look for the segments that it once closed, --unlocked takes a directory
that another hub holds, --credulous believes any wall clock, --trusting takes what the backend says for the time at
which it hears it, --silent gives up its oldest readings without declaring them, --start-alone declares them lost in the
second in which their segment began, --unmarked keeps what is intact of a commit that never finished, --keeps-each
recognises no webhook that comes again, --remembers-in-memory none after a restart.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import os
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from rig import BASE  # a script: its own folder is on the path

import hub
from hub.app.hub import Settings, serve
from hub.core.clock import SystemClock
from hub.core.errors import StorageError
from hub.plugin_host.registry import Plugin, Registry
from hub.protocol.length_prefix import unlp
from hub.protocol.link_messages import Ack
from hub.protocol.records import framing
from hub.protocol.records.bodies import Gap
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import SegmentName
from integrations.http_json.intake import Intake
from integrations.http_json.messages import Memory

DEVICE = "faults:generator"
PER_DURABLE = 10
AGAIN = 20
SYNC_S = 0.2
FAREWELL_S = 60.0
"""For the last acks, `ilot run --drain`: what a busy machine delivers later than after the usual 10 s is not lost."""


def last_number(journal: Path) -> int:
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return max((int(line.split()[1]) for line in lines if line.startswith(b"emit ") and len(line) > 5), default=0)


def plugin(options: argparse.Namespace) -> types.ModuleType:
    journal, per_second, undated = options.journal, options.per_second, options.undated
    burst, per_durable = options.burst, options.per_durable

    class Generator(hub.Config):
        pass

    async def run(config: Generator, session: hub.Session) -> None:
        n = last_number(journal)
        fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def note(word: str, *numbers: int) -> None:
            os.writev(fd, [" ".join([word, *map(str, numbers)]).encode() + b"\n"])

        note("life", n)
        if options.counted:
            n = max(0, n - AGAIN)
        spent = counter_to_spend(session) if options.spends else 0
        start, first, began = n, n + burst, time.monotonic()
        while True:
            n += 1
            moment = [int(time.time() * 1000)] if options.timed else []
            note("emit", n, *([round(time.monotonic() * 1000)] if undated else moment))
            durable = n % per_durable == 0 or n > first > start
            at = None if undated else BASE + n
            values: dict[str, int | str] = {"uptime": n, "duration": n % 1000}
            if options.bulky:
                values["firmware"] = os.urandom(200).hex()
            proof = hub.Proof("rig", counter=n, authenticated=True) if options.counted else None
            report = hub.Report(device=DEVICE, values=values, time=at, proof=proof)
            spent += options.spends and durable
            keep = partial(session.state.put, "spent", spent) if options.spends else None
            try:
                await session.emit(report, durable=durable, note=keep)
            except StorageError:
                note("refused", n)
            else:
                if durable:
                    note("durable", n)
                    if options.spends:
                        note("sent", spent)
            if undated:
                note("dated", n, round(time.monotonic() * 1000))
            if n == first:
                began = time.monotonic()
            ahead = (n - first) / per_second - (time.monotonic() - began)
            if n > first and ahead > 0:
                await asyncio.sleep(ahead)

    module = types.ModuleType("faults_generator")

    @hub.hookimpl
    def register_integrations(register: hub.Register) -> None:
        register("faults", Generator, run)

    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    return module


def counter_to_spend(session: hub.Session) -> int:
    """The last number that may have been used, as an integration keeps it that counts for itself."""
    spent: int = session.state.get("spent", 0)
    if session.state.get("restored") is True:
        spent += session.state.get("skip")
        session.state.put("spent", spent)
        session.state.put("restored", False)
        session.state.put("skip", 0)
    return spent


def found_run(config: Path) -> bytes | None:
    """The run id that the newest segment on disk names."""
    folder = config.parent / "state" / "buffer" / "readings"
    names = [name for path in folder.glob("*.seg") if (name := SegmentName.parse(path.name))]
    return max(names).run if names else None


def sync_late(mark: Path) -> None:
    """From now on a written commit waits before its sync, so that the power can be cut between the two."""
    real = SystemDisk.sync

    def sync(disk: SystemDisk, fd: int) -> None:
        if "/readings/" in os.readlink(f"/proc/self/fd/{fd}"):
            mark.touch()
            time.sleep(SYNC_S)
            mark.unlink()
        real(disk, fd)

    mock.patch.object(SystemDisk, "sync", sync).start()


def unmarked(scan: Scan) -> int:
    """Where the torn record begins, whatever those before it say."""
    return scan.end if framing.torn(scan.data, scan.end) else len(scan.data)


def start_alone(given_up: Callable[..., Gap]) -> Callable[..., Gap]:
    """A gap that ends when it begins."""

    def told(*about: Any) -> Gap:
        gap = given_up(*about)
        return msgspec.structs.replace(gap, to_s=gap.from_s)

    return told


def believe(blob: bytes, trust: object) -> tuple[Ack, bytes]:
    """An ack's content, whoever signed it."""
    _, payload, kid, _ = unlp(blob)
    return msgspec.msgpack.decode(payload, type=Ack), kid


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("per_second", type=float, nargs="?", default=500.0)
    parser.add_argument("--undated", action="store_true")
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--per-durable", type=int, default=PER_DURABLE)
    parser.add_argument("--bulky", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--hasty", action="store_true")
    parser.add_argument("--same-run", action="store_true")
    parser.add_argument("--believe", action="store_true")
    parser.add_argument("--forgetful", action="store_true")
    parser.add_argument("--unlocked", action="store_true")
    parser.add_argument("--credulous", action="store_true")
    parser.add_argument("--trusting", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--start-alone", action="store_true")
    parser.add_argument("--timed", action="store_true")
    parser.add_argument("--counted", action="store_true")
    parser.add_argument("--slow-sync", type=Path)
    parser.add_argument("--unmarked", action="store_true")
    parser.add_argument("--keeps-each", action="store_true")
    parser.add_argument("--remembers-in-memory", action="store_true")
    parser.add_argument("--spends", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    module = plugin(options)
    sys.modules[module.__name__] = module
    registry = Registry.discover()
    entry = importlib.metadata.EntryPoint("faults", module.__name__, "hub.plugins")
    registry.plugins["faults"] = Plugin("faults", "ilot", "0", entry)
    if options.same_run and (run := found_run(options.config)) is not None:
        mock.patch(
            "hub.store_and_forward.buffer.buffer.Journal", lambda *a, **more: Journal(*a, **{**more, "run": run})
        ).start()
    if options.quick:
        mock.patch("hub.store_and_forward.link.core.STATE_S", 1.0).start()
    if options.forgetful:
        mock.patch("hub.store_and_forward.buffer.manifest.Manifest.check", return_value=[]).start()
    if options.silent:
        mock.patch("hub.store_and_forward.buffer.journal.unsettled", return_value=[]).start()
    if options.start_alone:
        mock.patch.object(Journal, "_given_up", start_alone(Journal._given_up)).start()
    if options.unlocked:
        mock.patch("hub.core.state_dir.fcntl.flock").start()
    if options.credulous:
        mock.patch("hub.core.clock.SystemClock.date", lambda clock: clock.now()).start()
    if options.hasty:
        mock.patch("hub.core.clock.PATIENCE_S", 3.0).start()
    if options.trusting:
        told = SystemClock.told
        mock.patch(
            "hub.core.clock.SystemClock.told", lambda clock, s, after, before: told(clock, s, before, before)
        ).start()
    if options.slow_sync:
        sync_late(options.slow_sync)
    if options.unmarked:
        mock.patch("hub.store_and_forward.buffer.recovery.Scan.finished", property(unmarked)).start()
    if options.keeps_each:
        mock.patch.object(Memory, "__contains__", return_value=False).start()
    if options.remembers_in_memory:
        mock.patch.object(Intake, "_remember").start()
    if options.believe:
        mock.patch("hub.store_and_forward.delivery.acceptance.read_ack", believe).start()
        mock.patch("hub.store_and_forward.delivery.acceptance.Acceptance.judge", return_value=None).start()
    settings = Settings(config=options.config, drain_s=FAREWELL_S)
    asyncio.run(serve(settings, registry, ready=lambda facts: print("ready", flush=True)))


if __name__ == "__main__":
    main()
