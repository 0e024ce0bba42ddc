"""`ilot` with one integration more, whose devices say of people what privacy rules must not let through.

python people.py COMMAND…                       the command, as `ilot` runs it; minutes of windows last a second
PEOPLE_TWIN=unprotected python people.py …      the same, broken on purpose: no rule and no default protects anything
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import sys
import types
from typing import Any

import msgspec

import hub
from hub.app import reading_path
from hub.cli.main import main
from hub.plugin_host.registry import Plugin, Registry
from hub.privacy.rules_engine import Privacy, Treatment, windows
from hub.privacy.rules_engine.policy import PositionPolicy


class People(hub.Config):
    """Device → what it says of each metric; `positions`: device → latitude and longitude."""

    says: dict[str, dict[str, float]]
    positions: dict[str, list[float]]


async def run(config: People, session: hub.Session) -> None:
    while True:
        for device, values in config.says.items():
            where = config.positions.get(device)
            position = hub.Position(where[0], where[1]) if where else None
            await session.emit(hub.Report(device=device, values=dict(values), position=position))
        await asyncio.sleep(0.05)


METRICS = (
    hub.Metric(key="dropped_number", resolution="0.000001"),
    hub.Metric(key="coarse_number", resolution="0.000001"),
    hub.Metric(key="mean_number", resolution="0.000001", privacy="personal"),
    hub.Metric(key="counted_number", resolution="1", privacy="personal"),
    hub.Metric(key="tag_number", resolution="0.000001", privacy="personal"),
    hub.Metric(key="plain_number", resolution="0.000001"),
)
module = types.ModuleType("people_plugin")


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("people", People, run, metrics=METRICS)


def discover() -> Registry:
    registry = installed()
    entry = importlib.metadata.EntryPoint("people", module.__name__, "hub.plugins")
    registry.plugins["people"] = Plugin("people", "ilot", "0", entry)
    return registry


def quick(core: Any) -> Any:
    """The rules with windows of a second."""
    swap = msgspec.structs.replace
    return tuple(swap(r, window_spec=swap(r.window_spec, window_s=1.0)) if r.window_spec else r for r in compiled(core))


def unprotect() -> None:
    Privacy.treatment = lambda self, metric, zone: Treatment(metric=metric)  # type: ignore[method-assign]
    Privacy.position_policy = lambda self, zone: PositionPolicy(0.0, 0.0, keep_id=True)  # type: ignore[method-assign]
    Privacy.subject = lambda self, subject: subject  # type: ignore[method-assign]


if __name__ == "__main__":
    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    installed, Registry.discover = Registry.discover, discover  # type: ignore[method-assign, assignment]
    compiled, reading_path.compile_privacy = reading_path.compile_privacy, quick
    windows.GRACE_S = 0.0
    if os.environ.get("PEOPLE_TWIN") == "unprotected":
        unprotect()
    main(sys.argv[1:])
