"""Builds the part that hands releases over and says how the hub is: what a switch to another one is judged by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub.app.automation import AutomationServices
from hub.app.backend_link import BackendServices
from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.core.clock import Clock
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase
from hub.operations.config_changes.health_gate import PartStatuses, part_statuses
from hub.operations.releases.offers import Releases, Signs
from hub.operations.releases.trial import WINDOW_S
from hub.rpc.overview import Overview
from hub.web.web_part import Web

LONGEST_PERIOD_S = WINDOW_S / 1.5
"""Devices with a longer period may be silent for a whole trial, and say nothing about it."""


def build_releases(
    base: BaseServices,
    path: ReadingPath,
    field: FieldServices,
    backend: BackendServices,
    automation: AutomationServices,
    web: Web,
    overview: Overview,
) -> Releases:
    clock, link = base.clock, backend.link

    def parts() -> PartStatuses:
        up = not link.status().uplinks or link.up()
        away = "" if up else link.status().error or phrase("link-connects", "it connects")
        return part_statuses(field.plugins.health, {"link": away, "web": web.trouble()})

    def devices() -> tuple[int, int]:
        periods = {device.id: automation.alert_engine.period(device) for device in path.devices}
        expected = [name for name, period in periods.items() if period is not None and period <= LONGEST_PERIOD_S]
        since = clock.now() - WINDOW_S
        return sum((path.live.last_seen(name) or 0.0) >= since for name in expected), len(expected)

    def oldest_unsent_s() -> float:
        oldest = base.buffer.status().oldest_s
        return max(0.0, clock.now() - oldest) if oldest else 0.0

    signs = Signs(parts, devices, link.up, oldest_unsent_s, lambda: overview.written_readings, lambda: _pages(web))
    return Releases(base.state.path, signs, clock, _audit(base.store, clock))


def build_waiting_releases(state: StateDir, web: Web, store: Store, clock: Clock) -> Releases:
    """Return the part of a hub that is not enrolled: of it only the pages can be worse than before."""
    signs = Signs(
        lambda: part_statuses((), {"web": web.trouble()}),
        lambda: (0, 0),
        lambda: True,
        lambda: 0.0,
        lambda: 0,
        lambda: _pages(web),
    )
    return Releases(state.path, signs, clock, _audit(store, clock))


def _pages(web: Web) -> str:
    """Return where the pages answer on this machine, "" where there are none."""
    if web.options is None or web.opening is None:
        return ""
    address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(web.options.address, web.options.address)  # noqa: S104
    return f"{address}:{web.opening.port}"


def _audit(store: Store, clock: Clock) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    async def audit(who: str, what: dict[str, Any]) -> None:
        await store.audit(clock.now(), who, what)

    return audit
