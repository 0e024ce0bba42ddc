"""Lines of `pack.yaml` that say what is read and told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.config.positions import Path, Positions
from hub.devices.packs.format import FieldKeys, PackKeys, ProposedKeys
from hub.devices.packs.maps import MAPS

What = tuple[str, ...]
"""("message", name), ("downlink", name), ("field", path), ("value", path, raw value), ("metric", key): of a map, or the
pack's own."""


def lines_of(keys: PackKeys, positions: Positions) -> dict[What, int]:
    """Return the line of each part."""
    lines: dict[What, int] = {}
    for what, at in (*_fields(keys), *_entries(keys), *_names(keys)):
        spot = positions.spot(at, at_key=True)
        if spot is not None:
            lines.setdefault(what, spot.line)
    return lines


def _fields(keys: PackKeys) -> Iterator[tuple[What, Path]]:
    fields: tuple[FieldKeys, ...] = keys.fields if isinstance(keys.fields, tuple) else ()
    parts: tuple[tuple[str, tuple[FieldKeys | ProposedKeys, ...]], ...] = (
        ("fields", fields),
        ("proposed", keys.proposed),
    )
    for part, entries in parts:
        for number, field in enumerate(entries):
            yield ("field", field.path), (part, number)
            for raw in field.values or {}:
                yield ("value", field.path, raw), (part, number, "values", raw)


def _entries(keys: PackKeys) -> Iterator[tuple[What, Path]]:
    part = keys.part
    entries = part.items() if isinstance(part, Mapping) else enumerate(part or ())
    for name, entry in entries:
        if isinstance(entry, Mapping) and isinstance(entry.get("metric"), str):
            yield ("metric", entry["metric"]), (MAPS[keys.protocol].key, name)


def _names(keys: PackKeys) -> Iterator[tuple[What, Path]]:
    for name in keys.messages:
        yield ("message", name), ("messages", name)
    for name in keys.metrics:
        yield ("metric", name), ("metrics", name)
    for name in keys.downlinks:
        yield ("downlink", name), ("downlinks", name)
