"""Makes a script of a device pack: its vectors, as messages that a device says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hub.core.errors import HubError
from hub.core.model import Metric
from hub.core.text import phrase
from hub.sdk.simulation import Message

if TYPE_CHECKING:
    from hub.devices.packs.library import Library
    from hub.devices.packs.loader import Pack


def opened(library: Library, named: str) -> tuple[Pack, Path | None]:
    """Return the pack of this name, or in this folder, and its folder where one was meant. Raises ConfigError."""
    from hub.devices.packs.loader import read

    folder = Path(named)
    if (folder / "pack.yaml").is_file():
        return read(folder.resolve(), parts=library.parts), folder.resolve()
    return library.get(named), None


def messages_of(pack: Pack) -> list[Message]:
    """Return what a device of the pack says, in the order of the vectors. Raises HubError where nothing is to be said.

    Left out: downlinks, payloads that the codec refuses, and vectors that give the codec's answer in the place of
    readings, or no reading at all."""
    found = [
        Message(
            where=vector.where,
            readings=dict(keys.readings),
            payload=bytes.fromhex(keys.bytes or ""),
            port=keys.port,
            heard=dict(keys.heard or {}),
            time=None if keys.time is None else float(keys.time),
        )
        for vector in pack.vectors
        if (keys := vector.keys).readings
    ]
    if not found:
        raise HubError(
            phrase(
                "pack-says-nothing",
                "pack {pack} has no vector with readings, so there is nothing that a device of it could say",
                pack=pack.name,
            )
        )
    return found


def personal(pack: Pack, messages: list[Message], more: dict[str, Metric]) -> set[str]:
    """Return the metrics of the messages that may say something of people."""
    known = {**more, **pack.metrics}
    named = {metric for message in messages for metric in message.readings}
    return {metric for metric in named if metric in known and known[metric].privacy != "technical"}
