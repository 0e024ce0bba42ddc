"""Calls about commands to devices, for `ilot command` and the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hub.automation.commands import CommandService, Order, Record, WriteRefused
from hub.automation.commands.policy import ROLES, TEXT_LIMIT, read_value
from hub.core.actor import actor
from hub.core.calls import Call
from hub.core.errors import HubError
from hub.core.model import Metric
from hub.core.text import Phrase, phrase

LONGEST_WAIT_S = 25.0
"""Seconds; less than a client of the socket waits for an answer."""

SETTING_TTL_S = 86_400.0
"""Seconds that a setting may wait: a class A device listens only after its own uplinks."""


class CommandCalls:
    """Calls of the command service. `metric` returns the metric of a device."""

    def __init__(self, service: CommandService, metric: Callable[[str, str], Metric | None]) -> None:
        self._service, self._metric = service, metric

    def status(self) -> dict[str, Any]:
        """Return the state for `ilot status`."""
        stopped = self._service.stopped
        return {"open": self._service.under_way, "stopped": None if stopped is None else msgspec.to_builtins(stopped)}

    def complaints(self) -> list[str]:
        """Return sentences about what somebody should look at."""
        stopped = self._service.stopped
        if stopped is None:
            return []
        return [
            phrase(
                "writes-are-stopped",
                "all writes are stopped by {by} ({why}): `ilot command resume` allows them again",
                by=actor(stopped.by),
                why=stopped.why,
            )
        ]

    def calls(self) -> dict[str, Call]:
        return {
            "command.set": self._set, "command.wait": self._wait, "command.list": self._list,
            "command.stop": self._stop, "command.resume": self._resume,
        }  # fmt: skip

    async def _set(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, metric, value (text) | values | release: true, by, role, why, ttl_s} with the command."""
        device, metric = str(arguments.get("device", "")), str(arguments.get("metric", ""))
        values, text = arguments.get("values"), arguments.get("value")
        role = str(arguments.get("role", ""))
        if role not in ROLES:
            raise HubError(
                phrase("role-not-known", "{role!r} is no role; there are {roles}", role=role, roles=list(ROLES))
            )
        if values is not None:
            values = _numbers(values)
        elif text is None and not arguments.get("release"):
            raise WriteRefused("bad-value", phrase("command-without-value", "give a value, or say release"))
        order = Order(
            device=device,
            metric=metric,
            values=values,
            by=str(arguments.get("by", "")) or "?",
            role=role,
            value=None if text is None else read_value(str(text), self._metric(device, metric)),
            why=str(arguments.get("why", "")),
            ttl_s=float(arguments.get("ttl_s") or (SETTING_TTL_S if values is not None else 300.0)),
        )
        return _as_dict(await self._service.order(order))

    async def _wait(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, seconds} with the command when it has ended, or its state then."""
        name = str(arguments.get("id", ""))
        record = self._service.find(name)
        if record is None:
            known = [one for one in await self._service.last(1000) if one.id == name]
            if not known:
                raise HubError(
                    phrase(
                        "command-not-known",
                        "no command {name!r} is known; `ilot command list` shows the last ones",
                        name=name,
                    )
                )
            return _as_dict(known[0])
        seconds = min(LONGEST_WAIT_S, max(0.0, float(arguments.get("seconds", 5.0))))
        return _as_dict(await self._service.wait(record, seconds))

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {limit} with the newest commands first."""
        limit = min(1000, max(1, int(arguments.get("limit", 20))))
        return {"commands": [_as_dict(record) for record in await self._service.last(limit)], **self.status()}

    async def _stop(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by, why} with the commands that release the values written by this hub."""
        by, why = _reason(arguments)
        return {"released": [_as_dict(record) for record in await self._service.stop(by, why)]}

    async def _resume(self, arguments: dict[str, Any]) -> dict[str, Any]:
        by, why = _reason(arguments)
        await self._service.resume(by, why)
        return {"stopped": None}


def _as_dict(record: Record) -> dict[str, Any]:
    told = msgspec.to_builtins(record, builtin_types=(Phrase,))
    return {name: one for name, one in told.items() if name not in ("detail_text", "why_text")}


def _reason(arguments: dict[str, Any]) -> tuple[str, str]:
    by, why = str(arguments.get("by", "")) or "?", str(arguments.get("why", "")).strip()
    if not why or len(why) > TEXT_LIMIT:
        raise HubError(
            phrase(
                "say-why-in-characters",
                "say why, in 1 to {most} characters: it stands in the audit log",
                most=TEXT_LIMIT,
            )
        )
    return by, why


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, dict) or not all(
        isinstance(name, str) and isinstance(number, int | float) for name, number in values.items()
    ):
        raise WriteRefused(
            "bad-value", phrase("downlink-values-not-numbers", "the values of a downlink are numbers by name")
        )
    return dict(values)
