"""Finds the codecs in a folder or a file, in whatever layout each lies. Blocking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.devices.packs.importing import actility, chirpstack, milesight, plain, things
from hub.devices.packs.importing.found import Found
from hub.devices.packs.importing.sources import CODE, Limits, folders

LAYOUTS: tuple[ModuleType, ...] = (chirpstack, things, actility, milesight)
"""Each has `is_layout` and `codecs_in`, of a folder and the names of its files; the first that fits reads it."""
WHOLE = (chirpstack, actility)
"""Layouts whose folders below belong to them."""


def codecs_of(source: Path, limits: Limits) -> Iterator[tuple[str, Found]]:
    """Yield each codec by its name, or why it cannot be imported. Raises HubError when there is none at all."""
    count = 0
    for one in _in_file(source) if source.is_file() else _in_folder(source, limits):
        count += 1
        if count > limits.codecs:
            raise HubError(phrase("import-too-many-codecs", "there are more than {limit} codecs", limit=limits.codecs))
        yield one
    if not count:
        raise HubError(
            phrase(
                "import-nothing-found",
                "{source} holds no codec: no folder of ChirpStack, The Things Network, ThingPark or Milesight, no "
                "exported device profile, no JavaScript with a decoder",
                source=source,
            )
        )


def _in_file(path: Path) -> Iterator[tuple[str, Found]]:
    if path.suffix.lower() in CODE:
        yield path.stem, plain.codec_at(path)
    elif path.suffix.lower() == ".json" and chirpstack.is_exported(path):
        yield from chirpstack.exported(path)


def _in_folder(root: Path, limits: Limits) -> Iterator[tuple[str, Found]]:
    owned: list[Path] = []
    for folder, names in folders(root, limits):
        if any(folder.is_relative_to(one) for one in owned):
            continue
        layout = next((one for one in LAYOUTS if one.is_layout(folder, names)), None)
        if layout is None:
            for name in names:
                if name.endswith(".json") and chirpstack.is_exported(folder / name):
                    yield from chirpstack.exported(folder / name)
            yield from plain.codecs_in(folder, names)
            continue
        if layout in WHOLE:
            owned.append(folder)
        yield from layout.codecs_in(folder, names)
