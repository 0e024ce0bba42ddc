"""Request to add a device: one row of a table, or one call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hub.core.text import phrase
from hub.protocol.device_labels import kinds, meters, pairs
from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels.label import Label, Unreadable

LIMITS = {"integration": 32, "place": 64, "zone": 64, "role": 100, "pack": 64, "name": 100, "model": 100}
MAX_KEY = 64
"""Bytes of a key; the radios know 16."""
_NAMED = tuple(name.key for name in pairs.NAMES)


class DeviceRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device to add; an empty field is not given. `label` is the text of its label, `key` hexadecimal, `zone` that of
    a place to be created, `settings` options for its integration; `line` is its line in the table, 0 where it comes
    from none."""

    line: int = 0
    label: str = ""
    device: str = ""
    key: str = ""
    integration: str = ""
    place: str = ""
    zone: str = ""
    role: str = ""
    pack: str = ""
    name: str = ""
    model: str = ""
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<DeviceRequest {self.device or 'by its label'} at {self.place!r}>"


def of_label(label: Label, line: int = 0) -> DeviceRequest:
    """The device of a label that was read."""
    return DeviceRequest(
        line=line,
        device=label.device,
        key=label.key.hex() if label.key else "",
        settings=dict(label.settings),
        name=label.name[: LIMITS["name"]],
        model=label.model[: LIMITS["model"]],
    )


def of_columns(cells: Mapping[str, str], line: int = 0) -> DeviceRequest:
    """The device that a row names, by the columns of `hub.protocol.device_labels.table`. Raises Unreadable with the
    column."""
    told = {name: cell.strip() for name, cell in cells.items() if cell.strip()}
    for name, cell in told.items():
        _bounded(name, cell)
    found: dict[str, Label] = {}
    if any(name in told for name in _NAMED):
        found["dev_eui" if "dev_eui" in told else "mac"] = _named(told)
    if "meter_id" in told:
        meter = [told.get(name, "") for name in ("manufacturer", "meter_id", "version", "medium")]
        found["meter_id"] = Label(form="table", device=meters.named(*meter))
    if "device" in told:
        found["device"] = Label(form="table", device=kinds.device_id(told["device"]))
    device = _one(found)
    settings = {name.removeprefix("settings."): cell for name, cell in told.items() if name.startswith("settings.")}
    for label in found.values():
        settings = {**label.settings, **settings}
    key = next((label.key for label in found.values() if label.key), None)
    if "key" in told:
        kind = kinds.kind_of(device)
        given = parts.key(told["key"], (kind.keys if kind else ()) or range(1, MAX_KEY + 1), "key")
        if key is not None and key != given:
            raise Unreadable(
                "two-keys",
                phrase("row-with-two-keys", "this row holds two different keys"),
                column="key",
            )
        key = given
    return DeviceRequest(
        line=line,
        label=told.get("label", ""),
        device=device,
        key=key.hex() if key else "",
        settings=settings,
        **{name: told.get(name, "") for name in LIMITS},
    )


def checked(wish: DeviceRequest) -> DeviceRequest:
    """Return the request with bounded fields and a hexadecimal key, whoever made it. Raises Unreadable with the
    column."""
    for name in LIMITS:
        _bounded(name, getattr(wish, name))
    for name, value in wish.settings.items():
        if isinstance(value, str):
            _bounded(f"settings.{name}", value)
    if not wish.key:
        return wish
    return msgspec.structs.replace(wish, key=parts.key(wish.key, range(1, MAX_KEY + 1), "key").hex())


def _named(told: Mapping[str, str]) -> Label:
    """Return the columns that `pairs` name; the device is "" where another column names it."""
    named = {name: told.get(name, "") for name in _NAMED}
    if named["dev_eui"] or named["mac"] or not ("label" in told or "device" in told):
        return pairs.of(named)
    stand_in = {"mac": "0" * 12} if named["bind_key"] else {"dev_eui": "0" * 16}
    return msgspec.structs.replace(pairs.of({**named, **stand_in}), device="")


def _one(found: Mapping[str, Label]) -> str:
    """The device that all of them name; "" when none does."""
    devices = {label.device for label in found.values() if label.device}
    if len(devices) > 1:
        raise Unreadable(
            "two-devices",
            phrase("row-names-several-devices", "this row names two devices: {devices}", devices=sorted(devices)),
            column=next(iter(found)),
        )
    return devices.pop() if devices else ""


def _bounded(name: str, cell: str) -> None:
    most = LIMITS.get(name, parts.MAX_TEXT if name == "label" else 256)
    if len(cell) > most:
        raise Unreadable(
            "too-long",
            phrase("field-too-long", "takes at most {limit} characters; this has {count}", limit=most, count=len(cell)),
            column=name,
        )
    if cell and not cell.isprintable() and name != "label":
        raise Unreadable(
            "unprintable",
            phrase("field-unprintable", "holds characters that cannot be printed: enter it again"),
            column=name,
        )
