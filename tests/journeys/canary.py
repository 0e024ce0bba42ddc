"""`ilot` with one integration more, whose devices say only what can be searched for afterwards.

python canary.py COMMAND…                          the command, as `ilot` runs it
CANARY_TWIN=dumpable python canary.py COMMAND…     the same, broken on purpose: the process is not closed
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import sys
import types

from pydantic import SecretStr

import hub
from hub.cli.main import main
from hub.core import process_hardening
from hub.plugin_host.registry import Plugin, Registry


class Canary(hub.Config):
    devices: list[str]
    stranger: str
    word: str
    number: float
    password: SecretStr


async def run(config: Canary, session: hub.Session) -> None:
    n = 0
    while True:
        n += 1
        values = {"canary_word": f"{config.word}-{n}", "canary_number": config.number}
        for device in config.devices:
            await session.emit(hub.Report(device=device, values=values), durable=n % 5 == 0)
        if n % 10 == 0:  # nobody knows this one; and a value that is refused
            await session.emit(hub.Report(device=config.stranger, values=values))
            await session.emit(hub.Report(device=config.devices[0], values={"temperature": 8.8e5}))
        await asyncio.sleep(0.02)


METRICS = (
    hub.Metric(key="canary_word", kind="text", privacy="technical"),
    hub.Metric(key="canary_number", resolution="0.000001", privacy="technical"),
)
module = types.ModuleType("canary_plugin")


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("canary", Canary, run, metrics=METRICS)


def discover() -> Registry:
    registry = installed()
    entry = importlib.metadata.EntryPoint("canary", module.__name__, "hub.plugins")
    registry.plugins["canary"] = Plugin("canary", "ilot", "0", entry)
    return registry


if __name__ == "__main__":
    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    installed, Registry.discover = Registry.discover, discover  # type: ignore[method-assign, assignment]
    if os.environ.get("CANARY_TWIN") == "dumpable":
        process_hardening.harden = list
    main(sys.argv[1:])
