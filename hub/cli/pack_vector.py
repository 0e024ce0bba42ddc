"""`ilot pack vector`: the frames of a support file become vectors of a pack."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    from hub.devices.packs.library import Library
    from hub.devices.packs.support_vectors import MadeVector, SupportFile
    from hub.devices.packs.vector_tests import Verdict

_HEAD = """\
# Payloads of a real device, from a support file. What is expected is what the pack reads today: compare each with what
# the device itself shows, correct it, and take the line `unconfirmed` away.
"""
_VERSION = re.compile(r"^version: *(\d+)", re.MULTILINE)


def vectors_of(
    library: Library, file: Path, folder: Path | None
) -> tuple[Path, SupportFile, list[MadeVector], Verdict]:
    """Write the vectors of a support file into the pack in `folder`, or in a copy of the hub's own pack here; return
    where, what was read and made, and the result of the pack's tests. Raises HubError."""
    from hub.devices.packs.support_vectors import MOST_BYTES, read_support

    try:
        with file.open("rb") as opened:
            found = read_support(opened.read(MOST_BYTES + 1))
    except OSError as error:
        raise ConfigError(
            phrase("file-cannot-be-read", "cannot read {path}: {reason}", path=file, reason=reason_of(error))
        ) from error
    if folder is None:
        folder = _copied(library, found)
    return folder, found, *asyncio.run(_made(library, folder.resolve(), found))


def _copied(library: Library, found: SupportFile) -> Path:
    """Copy the pack that the file names to a folder here, under the next version: what is installed stays."""
    if not found.pack:
        raise HubError(phrase("support-file-without-pack", "the device of this file has no pack: name a pack's folder"))
    pack, folder = library.get(found.pack), Path(found.pack)
    if folder.exists():
        raise HubError(
            phrase("pack-folder-there", "{folder} is there already: name it to add the vectors to it", folder=folder)
        )
    for name, data in pack.files.items():
        text = data
        if name == "pack.yaml":
            text = _VERSION.sub(f"version: {pack.keys.version + 1}", data.decode(), count=1).encode()
        _write(folder / name, text)
    return folder


async def _made(library: Library, folder: Path, found: SupportFile) -> tuple[list[MadeVector], Verdict]:
    from hub.devices.codecs import Codecs
    from hub.devices.packs.loader import read
    from hub.devices.packs.support_vectors import SOURCE, make_vectors, with_source
    from hub.devices.packs.vector_tests import run_vectors

    pack = read(folder, parts=library.parts)
    day = datetime.fromtimestamp(found.made, UTC).strftime("%Y-%m-%d")
    async with Codecs() as codecs:
        made = await make_vectors(pack, codecs, found.payloads, f"payloads of {day}")
        if any(one.text for one in made):
            text = with_source(pack.files["pack.yaml"].decode(), "payloads of a device in use", day)
            if text is None:
                raise HubError(
                    phrase(
                        "pack-sources-not-found",
                        "add a source `{source}` of kind `device` to {file} first",
                        source=SOURCE,
                        file=folder / "pack.yaml",
                    )
                )
            _write(folder / "pack.yaml", text.encode())
            vectors = folder / "vectors" / f"{SOURCE}.yaml"
            before = vectors.read_text() if vectors.exists() else _HEAD
            _write(vectors, (before + "".join(one.text for one in made)).encode())
        return made, await run_vectors(read(folder, parts=library.parts), codecs)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, 0o644)
    except OSError as error:
        raise HubError(file_not_written(path, error)) from error


def tell(folder: Path, found: SupportFile, made: list[MadeVector]) -> None:
    """Print what was made, on stdout, and what was left out, on stderr."""
    written = sum(bool(one.text) for one in made)
    output.echo(
        phrase(
            "vectors-written",
            "{count} [vector|vectors] in {folder}, as the pack reads them today: confirm each",
            count=written,
            folder=folder / "vectors",
        )
    )
    for reason in sorted({one.reason for one in made if one.reason}):
        count = sum(one.reason == reason for one in made)
        output.say(
            phrase(
                "vectors-without-reading",
                "{count} [payload|payloads] that the pack cannot read: {reason}",
                count=count,
                reason=reason,
            )
        )
    if found.left_out:
        output.say(
            phrase(
                "frames-left-out",
                "{count} [frame|frames] left out: without bytes, or none that a codec reads",
                count=found.left_out,
            )
        )


def as_data(folder: Path, found: SupportFile, made: list[MadeVector]) -> dict[str, Any]:
    """Return the same for JSON."""
    return {
        "folder": str(folder), "written": sum(bool(one.text) for one in made), "left_out": found.left_out,
        "unread": [one.reason for one in made if one.reason],
    }  # fmt: skip


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True), required=False)
@output.with_hub
def vector(file: Path, directory: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Make vectors of the frames in FILE, which `ilot support` wrote, and run the tests of the pack.

    They go into the pack in DIRECTORY; without it, into a copy here of the pack that the file names. What is expected
    is what the pack reads today, so each is marked `unconfirmed`: compare it with what the device itself shows, and
    take the mark away. Exit code 6 as in `ilot pack test`: the pack passes once all are confirmed.
    """
    from hub.cli.pack import library_of, show_problems, tell_verdict

    try:
        folder, found, made, verdict = vectors_of(library_of(config, state_dir), file, directory)
    except ConfigError as error:
        raise show_problems(error) from error
    if json:
        output.data({**as_data(folder, found, made), "test": verdict.as_data()})
    else:
        tell(folder, found, made)
        tell_verdict(verdict)
    if not verdict.ok:
        raise click.exceptions.Exit(6)
