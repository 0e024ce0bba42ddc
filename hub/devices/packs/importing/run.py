"""Imports what a person gives: finds the codecs and makes a draft of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of
from hub.devices.codecs import Codecs
from hub.devices.packs.importing.discovery import codecs_of
from hub.devices.packs.importing.drafts import Draft, draft_of
from hub.devices.packs.importing.found import Example, Found, FoundCodec, payload_of, port_of
from hub.devices.packs.importing.pack_files import files_of
from hub.devices.packs.importing.sources import Limits, opened
from hub.devices.packs.loader import Pack, read


class Imported(NamedTuple):
    """The drafts, and why others could not be made, by the name of their codec or file."""

    drafts: list[Draft]
    left_out: dict[str, str]


async def import_codecs(
    source: Path,
    codecs: Codecs,
    *,
    only: str = "",
    vendor: str = "",
    payloads: Iterable[Example] = (),
    limits: Limits | None = None,
) -> Imported:
    """Import `source`. `only`: the codec of that name; `vendor`: who makes the devices; `payloads` are tried by every
    codec. Raises HubError: nothing there is a codec, or none has that name."""
    limits = limits or Limits()
    with ExitStack() as stack:
        held = await asyncio.to_thread(stack.enter_context, opened(source, limits))
        found = await asyncio.to_thread(lambda: list(codecs_of(held.root, limits)))
        made = Imported([], dict(held.left_out))
        wanted = [one for one in found if not only or _same(one[0], only)]
        if not wanted:
            raise HubError(
                phrase("import-no-such-codec", "there is no codec {name!r} in {directory}", name=only, directory=source)
            )
        for name, one in wanted:
            await _add(made, name, one, vendor, codecs, list(payloads))
    return made


def _same(name: str, other: str) -> bool:
    return name.removesuffix("-codec") == other.removesuffix("-codec")


async def _add(made: Imported, name: str, found: Found, vendor: str, codecs: Codecs, payloads: list[Example]) -> None:
    if not isinstance(found, FoundCodec):
        made.left_out[name] = found
        return
    try:
        found.vendor = vendor or found.vendor
        draft = await draft_of(found, codecs, payloads)
        draft.name = _free(draft.name, {one.name for one in made.drafts})
        await asyncio.to_thread(pack_of, draft)
        made.drafts.append(draft)
    except ConfigError as error:
        made.left_out[name] = error.problems[0].sentence
    except ValueError as error:
        made.left_out[name] = reason_of(error)


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while (free := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return free


def pack_of(draft: Draft) -> Pack:
    """Read the pack that a draft makes. Blocking. Raises ConfigError with its problems."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ilot-draft-") as scratch:
        for name, content in files_of(draft).items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        try:
            return read(Path(scratch), draft.name)
        except ConfigError as error:
            raise ConfigError(
                [replace(one, file=one.file.removeprefix(f"{scratch}/")) for one in error.problems]
            ) from error


def payload_given(text: str) -> Example:
    """Return the payload of `PORT:HEX` or `HEX`. Raises ValueError."""
    port, colon, content = text.rpartition(":")
    payload = payload_of(content)
    if payload is None or (colon and port_of(port) is None):
        raise ValueError(
            phrase("import-payload-form", "a payload is written PORT:HEX, as 2:00d7; this is {text!r}", text=text[:80])
        )
    return Example(payload, port_of(port))
