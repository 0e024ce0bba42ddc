"""Manifests and lists of an archive: which files belong to it, with their digests. Pure.

    manifests/TIME-DIGEST.json          one state of the archive; the greatest name is the newest
    lists/GROUP/DIGEST.jsonl.zst        the files of a month, or of everything else (`rest`)

Every file is named by the first 16 hex digits of its SHA-256, so that none is ever written over, and a name tells
whether its content is the one that was meant.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO

import msgspec

from hub.core.errors import ConfigError, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
MANIFESTS, LISTS = "manifests/", "lists/"
REST = "rest"
"""Group of the files that are not of a month."""
MAX_MANIFEST = 4 << 20
MAX_LIST = 1 << 30
"""Bytes of a list, compressed."""
MAX_LINES = 1 << 40
"""Bytes of lines, expanded: they are read one by one."""
MAX_LINE = 64 << 20
_PIECE = 1 << 20
_LEVEL = 6
_NAME = re.compile(r"manifests/\d{8}T\d{9}Z-([0-9a-f]{16})\.json", re.ASCII)


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the archive. `part` names what it holds, `key` the state of the database from which it was made: while
    both stay, so does the file. `rows` counts readings or lines; `version` is the storage's name of what was put,
    `locked_until` Unix seconds; `hub` is "" for all."""

    path: str
    part: str
    key: str
    hub: str
    sha256: str
    bytes: int
    rows: int
    version: str = ""
    locked_until: float = 0.0


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list, as its manifest names it."""

    group: str
    path: str
    sha256: str
    files: int
    bytes: int
    rows: int
    version: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state of the archive. `everything`: it holds more than readings; `complete`: all that there was; without it, an
    export was interrupted or still runs. `by_hub`: records are numbered by hub. `damaged` parts of the database could
    not be read."""

    format: int
    made_at: float
    owner: str
    root: str
    everything: bool
    complete: bool
    by_hub: bool
    hubs: int
    damaged: int = 0
    lists: list[Listed]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def encode_manifest(manifest: Manifest) -> tuple[str, bytes]:
    """Return name and content of a manifest."""
    data = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    at = datetime.fromtimestamp(manifest.made_at, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
    return f"{MANIFESTS}{at}Z-{digest_of(data)[:16]}.json", data


def is_manifest(path: str) -> bool:
    return _NAME.fullmatch(path) is not None


def decode_manifest(path: str, data: bytes) -> Manifest:
    """Return a manifest. Raises DecodeError for one that is not what its name says, ConfigError for another format."""
    named = _NAME.fullmatch(path)
    if named is None or named[1] != digest_of(data)[:16]:
        raise DecodeError("archive-manifest", _altered(path))
    try:
        about = msgspec.json.decode(shallow_json(data))
        if isinstance(about, dict) and about.get("format") != FORMAT:
            raise ConfigError(
                phrase(
                    "archive-of-other-format",
                    "{file} has format {format}, this release reads {known}: use the release that wrote it",
                    file=path,
                    format=str(about.get("format"))[:20],
                    known=FORMAT,
                )
            )
        return msgspec.convert(about, Manifest)
    except (ValueError, msgspec.DecodeError) as error:
        raise DecodeError("archive-manifest", _unreadable(path, error)) from error


def encode_list(files: Iterable[File]) -> bytes:
    """Return the content of a list: files by their paths."""
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in sorted(files, key=lambda one: one.path))
    return zstd.compress(lines)


def decode_list(path: str, sha256: str, data: bytes) -> Iterator[File]:
    """Yield the files of a list. Raises DecodeError for one that is not what its manifest says."""
    if digest_of(data) != sha256:
        raise DecodeError("archive-list", _altered(path))
    for line in expanded_lines(path, [data]):
        try:
            file = msgspec.json.decode(shallow_json(line), type=File)
        except (ValueError, msgspec.DecodeError) as error:
            raise DecodeError("archive-list", _unreadable(path, error)) from error
        if not plain(file.path):
            raise DecodeError("archive-list", phrase("archive-path-strange", "{file} names strange files", file=path))
        yield file


def write_lines(file: IO[bytes], lines: Iterable[bytes]) -> int:
    """Write lines of JSON under zstd; return how many."""
    compressor, count = zstd.ZstdCompressor(_LEVEL), 0
    for line in lines:
        file.write(compressor.compress(line + b"\n"))
        count += 1
    file.write(compressor.flush())
    return count


def plain(path: str) -> bool:
    """Return whether a path of an archive stays inside it."""
    parts = path.split("/")
    return bool(path) and not path.startswith("/") and "\\" not in path and not any(
        part in ("", ".", "..") or "\0" in part for part in parts
    )  # fmt: skip


def expanded_lines(path: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of JSON lines under zstd. Raises DecodeError for what is neither, and beyond the bounds."""
    rest, total = b"", 0
    expander = zstd.ZstdDecompressor()
    try:
        for piece in pieces:
            given = piece
            while given or not expander.needs_input:
                if expander.eof:
                    raise DecodeError("archive-lines", _altered(path))
                some = expander.decompress(given, max_length=_PIECE)
                given = b""
                total += len(some)
                *lines, rest = (rest + some).split(b"\n")
                yield from lines
                if len(rest) > MAX_LINE or total > MAX_LINES:
                    raise DecodeError(
                        "archive-lines", phrase("archive-lines-too-long", "{file} is longer than any", file=path)
                    )
                if expander.eof:
                    break
    except zstd.ZstdError as error:
        raise DecodeError("archive-lines", _unreadable(path, error)) from error
    if rest or not expander.eof:
        raise DecodeError("archive-lines", phrase("archive-lines-cut", "{file} ends too early", file=path))


def missing_library(name: str) -> ConfigError:
    """Return the error where the library is missing that the archive needs."""
    return ConfigError(phrase("archive-library-missing", "{name} is not installed: install ilot[archive]", name=name))


def _altered(path: str) -> str:
    return phrase("archive-file-altered", "{file} is not what was archived", file=path)


def _unreadable(path: str, error: Exception) -> str:
    return phrase("archive-file-unreadable", "{file} cannot be read: {reason}", file=path, reason=reason_of(error))
