"""Ask Modbus units whether they know SunSpec, and propose devices that read the announced values.

Only the units named with --unit are asked, nothing is written, at the rate of the file's `max_rate` (10 requests a
second by default): a unit takes some ten to twenty requests.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase, reason_of
from integrations.modbus.decode import Value
from integrations.modbus.faults import Silent
from integrations.modbus.link import Link
from integrations.modbus.once import values_now
from integrations.modbus.plan import Request
from integrations.modbus.settings import MOST_REGISTERS, Config
from integrations.modbus.sunspec import Points, discover
from integrations.modbus.sunspec.models import SHAPES
from integrations.modbus.sunspec.walk import Part

LINE = 100
"""Characters of a comment line with metrics and values."""


def arguments(parser: Any) -> None:
    """Add the arguments of `ilot import modbus`."""
    parser.add_argument("--host", default="", help="the Modbus TCP server, when the file has no such integration yet")
    parser.add_argument("--port", type=int, default=502, help="its TCP port (default: %(default)s)")
    parser.add_argument(
        "--unit", action="append", type=int, default=[], metavar="N", help="a unit to ask, repeatable (default: 1)"
    )
    parser.add_argument(
        "--address", type=int, default=None, help="where the mark stands (default: 40000, 50000 and 0 are tried)"
    )
    parser.add_argument(
        "--max-registers",
        type=int,
        default=MOST_REGISTERS,
        metavar="N",
        help="registers that a unit gives in one answer (default: %(default)s)",
    )


async def propose(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the units' announced devices as a proposal for `ilot import`. Raises NotReady when no unit answers with a
    map."""
    config = _config(asked)
    notes: list[str] = []
    devices: dict[str, Any] = {}
    silent: Exception | None = None
    async with Link(config) as link:
        for unit in dict.fromkeys(asked.unit or [1]):
            try:
                devices |= await _unit(link, unit, asked, notes)
            except (Silent, hub.DecodeError) as error:
                why = error.detail if isinstance(error, hub.DecodeError) else reason_of(error)
                notes.append(phrase("modbus.unit-left-out", "unit {unit} is left out: {reason}", unit=unit, reason=why))
                silent = error
    if not devices and silent is not None:
        raise hub.NotReady(
            phrase(
                "modbus.no-unit-answers",
                "no unit of {peer} answers with a SunSpec map: {notes}",
                peer=link.peer,
                notes=notes,
            )
        ) from silent
    return {"integrations": _instance(asked, config), "devices": devices, "notes": notes}


def _config(asked: argparse.Namespace) -> Config:
    config: Config | None = asked.config
    if config is not None and config.bus:
        raise hub.NotReady(
            phrase(
                "modbus.serial-line-of-hub",
                "{instance} is a serial line, which the running hub owns: set `sunspec: true` in a device's settings",
                instance=asked.instance,
            )
        )
    if config is not None and asked.host not in ("", config.host):
        raise hub.NotReady(
            phrase(
                "modbus.other-host-in-file",
                "{instance} is {host} in the file: name another integration with --instance",
                instance=asked.instance,
                host=config.host,
            )
        )
    if config is None and not asked.host:
        raise hub.NotReady(
            phrase("modbus.no-host-given", "say whom to ask: --host; the file has no modbus integration yet")
        )
    try:
        return config or Config(host=asked.host, port=asked.port)
    except ValidationError as error:
        raise hub.NotReady(
            phrase("modbus.host-or-port-wrong", "--host, --port: {reason}", reason=wrong_option(error))
        ) from error


def _instance(asked: argparse.Namespace, config: Config) -> dict[str, Any]:
    """Return the integration to propose when the file has none."""
    if asked.config is not None:
        return {}
    kind: dict[str, Any] = {} if asked.instance == "modbus" else {"type": "modbus"}
    return {asked.instance: {**kind, "host": config.host, **({"port": config.port} if config.port != 502 else {})}}


async def _unit(link: Link, unit: int, asked: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    async def read(request: Request) -> list[int]:
        return await link.read(unit, request, attempts=2)

    found = await discover(read, asked.address)
    notes += [phrase("modbus.note-of-unit", "unit {unit}: {note}", unit=unit, note=note) for note in found.notes]
    devices: dict[str, Any] = {}
    for number, part in enumerate(found.parts, 1):
        points = Points(part)
        if points.left_out:
            notes.append(
                phrase(
                    "modbus.models-not-read",
                    "unit {unit}, {part}: models {models} are not read",
                    unit=unit,
                    part=part.title,
                    models=points.left_out,
                )
            )
        if not points.models:
            continue
        values = await _values(link, unit, points, asked.max_registers)
        settings = {"unit": unit, "sunspec": True, **({"sunspec_part": number} if number > 1 else {})}
        if asked.address is not None:
            settings["sunspec_address"] = found.base
        if asked.max_registers != MOST_REGISTERS:
            settings["max_registers"] = asked.max_registers
        name = _known(asked.devices, settings) or _name(part, asked.instance, unit, number)
        devices[name] = {
            "#": f"{part.title}, serial {part.serial or 'not told'}, version {part.version or 'not told'}",
            "integration": asked.instance,
            **({"name": part.title} if part.title else {}),
            "settings": settings,
            **_said(points, values),
        }
    if not devices:
        notes.append(
            phrase("modbus.nothing-to-read", "unit {unit} has no inverter and no meter that is read", unit=unit)
        )
    return devices


async def _values(link: Link, unit: int, points: Points, most: int) -> dict[str, Value]:
    """Read the values once, for the person who confirms the proposal."""

    async def read(request: Request) -> list[int]:
        return await link.read(unit, request, attempts=2)

    raw, _ = await values_now(read, points.registers, max_gap=MOST_REGISTERS, max_registers=most)
    return points.values(raw, lambda _error: None)


def _said(points: Points, values: Mapping[str, Value]) -> dict[str, str]:
    """Return comment lines: the models, then each metric with its present value."""
    units = {metric.key: metric.unit for metric in (*hub.METRICS.values(), *points.metrics)}
    models = ", ".join(f"{model.id} ({SHAPES[model.id].about})" for model in points.models)
    lines = {"# models": models}
    text = ""
    for key, value in values.items():
        unit = "" if units[key] == "1" else f" {units[key]}"
        piece = f"{key} {value:.6g}{unit}" if isinstance(value, float) else f"{key} {value}"
        if text and len(text) + len(piece) > LINE:
            lines[f"# reads {len(lines)}"] = text
            text = ""
        text = f"{text}, {piece}" if text else piece
    return {**lines, f"# reads {len(lines)}": text} if text else lines


def _known(devices: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """Return the device that the file already has for this unit and part."""

    def same(there: Mapping[str, Any]) -> bool:
        return bool(there.get("sunspec")) and all(
            there.get(key, 1) == settings.get(key, 1) for key in ("unit", "sunspec_part")
        )

    return next((name for name, there in devices.items() if same(there)), "")


def _name(part: Part, instance: str, unit: int, number: int) -> str:
    """Return an id: from the serial number, where there is one, so that it stays when the address changes."""
    text = f"{part.model} {part.serial}" if part.serial else f"{instance} {unit} {number}"
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-")
    return f"modbus:{slug or f'unit-{unit}-{number}'}"
