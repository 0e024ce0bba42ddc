"""A hub process whose only source is a generator that writes down what it says before it says it.

    python generator.py CONFIG JOURNAL [READINGS_PER_S]

The journal is the oracle: "emit N" before emit(), "durable N" after emit(durable=True) returned. Written with
one write() each to an O_APPEND descriptor, it survives kill -9 of this process. Numbers go on from the journal's
last one, across restarts. Everything else is the real hub.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import sys
import time
import types
from pathlib import Path

from rig import BASE  # a script: its own folder is on the path

import hub
from hub.app import Settings, serve
from hub.registry import Plugin, Registry

DEVICE = "faults:generator"
PER_DURABLE = 10


def last_number(journal: Path) -> int:
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return max((int(line.split()[1]) for line in lines if line.startswith(b"emit ") and line[5:].isdigit()), default=0)


def plugin(journal: Path, per_second: float) -> types.ModuleType:
    class Generator(hub.Config):
        pass

    async def run(config: Generator, session: hub.Session) -> None:
        n = last_number(journal)
        fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        began, first = time.monotonic(), n
        while True:
            n += 1
            os.write(fd, b"emit %d\n" % n)
            durable = n % PER_DURABLE == 0
            report = hub.Report(device=DEVICE, values={"uptime": n, "duration": n % 1000}, time=BASE + n)
            await session.emit(report, durable=durable)
            if durable:
                os.write(fd, b"durable %d\n" % n)
            ahead = (n - first) / per_second - (time.monotonic() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)

    module = types.ModuleType("faults_generator")

    @hub.hookimpl
    def register_integrations(register: hub.Register) -> None:
        register("faults", Generator, run)

    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    return module


def main() -> None:
    config, journal = Path(sys.argv[1]), Path(sys.argv[2])
    per_second = float(sys.argv[3]) if len(sys.argv) > 3 else 500.0
    module = plugin(journal, per_second)
    sys.modules[module.__name__] = module
    registry = Registry.discover()
    entry = importlib.metadata.EntryPoint("faults", module.__name__, "hub.plugins")
    registry.plugins["faults"] = Plugin("faults", "ilot", "0", entry)
    asyncio.run(serve(Settings(config=config), registry, ready=lambda facts: print("ready", flush=True)))


if __name__ == "__main__":
    main()
