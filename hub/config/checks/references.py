"""Checks of ids that must exist, and of secrets that must not be written in the file. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from hub.config.option_paths import is_secret, types_at
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import nearest, unknown_id
from hub.config.secrets import Secret
from hub.core.text import phrase

_REFERENCES = (
    # (section, option, section whose key it must be, what that is called)
    ("zones", "site", "sites", "site"),
    ("places", "zone", "zones", "zone"),
    ("devices", "place", "places", "place"),
    ("devices", "integration", "integrations", "integration"),
)


def references(data: Mapping[str, Any], broken: Iterable[Path] = ()) -> Iterator[Finding]:
    """Yield ids that name nothing. A section that could not be read is taken to contain every id."""
    unknown = {path[0] for path in broken if len(path) == 1}
    for section, option, target, noun in _REFERENCES:
        if target in unknown:
            continue
        for name, entry in _mapping(data.get(section)).items():
            wanted = _mapping(entry).get(option)
            if isinstance(wanted, str):
                yield from unknown_id(wanted, _mapping(data.get(target)), noun, target, (section, name, option))
    for name, entry in _mapping(data.get("integrations")).items():
        bus = _mapping(entry).get("bus")
        if isinstance(bus, str) and "buses" not in unknown:
            yield from unknown_id(bus, _mapping(data.get("buses")), "bus", "buses", ("integrations", name, "bus"))
    site = _mapping(data.get("hub")).get("site")
    if isinstance(site, str) and "sites" not in unknown:
        yield from unknown_id(site, _mapping(data.get("sites")), "site", "sites", ("hub", "site"))


def duplicate_devices(devices: Any) -> Iterator[Finding]:
    """Yield device ids that differ only in upper and lower case: one device written twice."""
    seen: dict[str, str] = {}
    for name in _mapping(devices):
        first = seen.setdefault(name.lower(), name)
        if first != name:
            message = phrase(
                "device-twice",
                "the device '{device}' differs from '{other}' only by capitals; one device has one id",
                device=clipped(name),
                other=clipped(first),
            )
            yield Finding(("devices", name), message, at_key=True)


def unknown_packs(devices: Any, packs: Collection[str]) -> Iterator[Finding]:
    """Yield devices whose pack is neither shipped nor installed."""
    for name, entry in _mapping(devices).items():
        pack = _mapping(entry).get("pack")
        if isinstance(pack, str) and pack not in packs:
            message = phrase(
                "pack-unknown",
                "there is no pack '{pack}'; `ilot pack list` shows those that are there",
                pack=clipped(pack),
            )
            yield Finding(("devices", name, "pack"), message, nearest(pack, packs))


def inline_secrets(model: type[BaseModel], data: Any, base: Path, inside: Path = ()) -> Iterator[Finding]:
    """Yield values of secret options of `model` that are written in the file, instead of by name."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from inline_secrets(model, value, base, (*inside, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from inline_secrets(model, value, base, (*inside, index))
    elif data is not None and not isinstance(data, Secret) and any(map(is_secret, types_at(model, inside))):
        name = inside[-1] if inside else "name"
        message = phrase(
            "secret-in-file",
            "a secret is never written in this file; put it in secrets.yaml and write: {option}: !secret NAME",
            option=name,
        )
        yield Finding((*base, *inside), message, hide=True)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
