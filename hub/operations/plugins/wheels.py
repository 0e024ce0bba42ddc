"""Wheels of a stranger, read as data: what a wheel says, whether it fits this machine, and its files into a directory.

Format: "Binary distribution format" and "Recording installed projects" of packaging.python.org. Nothing of it is run or
imported. Each name, size and hash is checked before anything counts: a wheel can hold no link, no path that leads out,
no `.pth`, no file that its RECORD does not name with its hash.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of
from hub.operations.plugins.machine_tags import expect_native, expect_tags

MAX_ENTRIES = 10_000
MAX_UNPACKED = 256 << 20
"""Bytes of all files of one plugin, unpacked."""
MAX_PATH, MAX_TEXT = 240, 1 << 20
_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)-(?P<version>[0-9][A-Za-z0-9.!+_]*)"
    r"(?:-(?P<build>[0-9][A-Za-z0-9_.]*))?-(?P<python>[a-z0-9_.]+)-(?P<abi>[a-z0-9_.]+)-(?P<platform>[a-z0-9_.]+)\.whl"
)
_PART = re.compile(r"[A-Za-z0-9_.+@~=,()\[\]{}!#$%&' -]{1,128}")
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 18
_RESERVED = frozenset({"hub", "backend", "integrations", "plugins", "sitecustomize", "usercustomize", "__main__"})
"""Top names that only the hub has, or that Python would run by itself."""


class Said(NamedTuple):
    """What a wheel says of itself. `requires`: names of distributions, normalised; `entry_points`: of the hub's group;
    `modules`: the modules and packages at its top."""

    name: str
    version: str
    requires: frozenset[str]
    entry_points: dict[str, str]
    modules: frozenset[str]


class Entry(NamedTuple):
    """A file of a wheel, and where it goes below the import path; "" for what is not taken (scripts, headers)."""

    info: zipfile.ZipInfo
    target: str


class Wheel:
    """An open wheel. Making one checks its names; `unpack` its contents. Raises ConfigError, naming the wheel."""

    def __init__(self, source: BinaryIO, filename: str, group: str) -> None:
        self.filename = filename
        match = _NAME.fullmatch(filename)
        if match is None:
            raise self.wrong(phrase("wheel-name-wrong", "that is no name of a wheel"))
        expect_tags(filename, match["python"], match["abi"], match["platform"])
        self._pure = match["platform"] == "any"
        try:
            self._archive = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError, OSError) as error:
            raise self.wrong(phrase("wheel-no-zip", "it cannot be read as a ZIP archive")) from error
        self._info = self._dist_info(match["name"], match["version"])
        self._data = self._info.removesuffix(".dist-info") + ".data"
        self.entries = self._entries()
        self._hashes = self._record()
        self.said = self._says(match["name"], match["version"], group)

    def wrong(self, why: str) -> ConfigError:
        return ConfigError(phrase("wheel-refused", "{wheel}: {reason}", wheel=self.filename[:200], reason=why))

    def unpack(self, lib: int, taken: set[str], room: int) -> int:
        """Write its files below an open directory and return their bytes. `taken` holds the paths (in small letters) of
        the wheels before, and gets its own; `room` bytes may be written. Raises ConfigError, OSError."""
        done = 0
        for entry in self.entries:
            if not entry.target:
                self._read_through(entry.info, room - done)
                continue
            key = entry.target.lower()
            if key in taken:
                raise self.wrong(phrase("wheel-file-twice", "{file} is there twice", file=entry.target))
            taken.add(key)
            done += self._write(entry, lib, room - done)
        return done

    def read(self, name: str) -> bytes | None:
        """Return a small file below the import path, None where there is none."""
        for entry in self.entries:
            if entry.target == name:
                return b"".join(self._pieces(entry.info, MAX_TEXT))
        return None

    def _dist_info(self, name: str, version: str) -> str:
        tops = {one.filename.partition("/")[0] for one in self._archive.infolist()}
        found = [one for one in tops if one.endswith(".dist-info")]
        if len(found) != 1:
            raise self.wrong(phrase("wheel-no-dist-info", "it has not one folder *.dist-info"))
        said_name, _, said_version = found[0].removesuffix(".dist-info").partition("-")
        if (normal(said_name), said_version) != (normal(name), version):
            raise self.wrong(
                phrase("wheel-other-dist-info", "its folder {folder} is another one's", folder=found[0][:100])
            )
        return found[0]

    def _entries(self) -> list[Entry]:
        infos = self._archive.infolist()
        if len(infos) > MAX_ENTRIES:
            raise self.wrong(phrase("wheel-too-many-files", "it has more than {most} files", most=MAX_ENTRIES))
        if sum(one.file_size for one in infos) > MAX_UNPACKED:
            raise self.too_large()
        found, seen = list[Entry](), set[str]()
        for info in infos:
            if self._strange(info):
                raise self.wrong(
                    phrase("wheel-strange-file", "it holds {file!r}: links, devices, and paths that lead elsewhere are "
                           "not unpacked", file=info.filename[:120])
                )  # fmt: skip
            if info.is_dir():
                continue
            if info.filename.lower() in seen:
                raise self.wrong(phrase("wheel-file-twice", "{file} is there twice", file=info.filename))
            seen.add(info.filename.lower())
            found.append(Entry(info, self._target(info.filename)))
        return found

    def _strange(self, info: zipfile.ZipInfo) -> bool:
        name = info.filename
        mode = info.external_attr >> 16
        kinds = (0, stat.S_IFREG, stat.S_IFDIR)
        parts = name.removesuffix("/").split("/")
        odd = any(part in (".", "..") or not _PART.fullmatch(part) for part in parts) or len(name) > MAX_PATH
        odd = odd or info.orig_filename != name  # a NUL, or another separator, which `zipfile` has taken out
        return odd or stat.S_IFMT(mode) not in kinds or info.compress_type not in _PLAIN or bool(info.flag_bits & 1)

    def _target(self, name: str) -> str:
        """Return where a file goes. Raises ConfigError for one that Python or the hub would run by itself."""
        if name.startswith(self._data + "/"):
            kind, _, name = name.removeprefix(self._data + "/").partition("/")
            if kind not in ("purelib", "platlib"):
                return ""  # scripts, headers and data have no place in a process of its own
        top = name.partition("/")[0]
        module = top.partition(".")[0]
        if name == top and top.endswith((".pth", ".egg-link")):
            raise self.wrong(phrase("wheel-pth", "{file} would run code in other programs: no plugin has such a file",
                                    file=name))  # fmt: skip
        if module in _RESERVED or (module in sys.stdlib_module_names and not top.endswith(".dist-info")):
            raise self.wrong(
                phrase("wheel-takes-module", "{file} takes the place of a module of the hub or of Python", file=name)
            )
        if top.endswith(".dist-info") and top != self._info:
            raise self.wrong(phrase("wheel-no-dist-info", "it has not one folder *.dist-info"))
        return name

    def _record(self) -> dict[str, tuple[bytes, int]]:
        """Return path → SHA-256 and size, of every file but RECORD itself and its signatures."""
        name = f"{self._info}/RECORD"
        text = self._text(name)
        exempt = {name, name + ".jws", name + ".p7s"}
        found = dict[str, tuple[bytes, int]]()
        try:
            for path, digest, size in csv.reader(io.StringIO(text)):
                if path in exempt:
                    continue
                kind, _, value = digest.partition("=")
                raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
                if kind != "sha256" or len(raw) != 32 or path in found:
                    raise ValueError(path)
                found[path] = (raw, int(size))
        except (ValueError, csv.Error) as error:
            raise self.wrong(
                phrase("wheel-record-wrong", "its RECORD cannot be read ({reason})", reason=str(error)[:100])
            ) from error
        there = {entry.info.filename for entry in self.entries} - exempt
        if there != found.keys():
            odd = sorted(there ^ found.keys())[0]
            raise self.wrong(
                phrase("wheel-record-other", "its RECORD and its files differ: {file}", file=odd[:MAX_PATH])
            )
        return found

    def _says(self, name: str, version: str, group: str) -> Said:
        head = dict[str, str]()
        requires = set[str]()
        for line in self._text(f"{self._info}/METADATA").split("\n\n", 1)[0].splitlines():
            key, _, value = line.partition(": ")
            head.setdefault(key, value.strip())
            if key == "Requires-Dist" and "extra" not in value.partition(";")[2]:
                requires.add(normal(re.match(r"[A-Za-z0-9._-]*", value.strip())[0]))  # type: ignore[index]
        if normal(head.get("Name", "")) != normal(name) or head.get("Version", "") != version.replace("_", "+"):
            raise self.wrong(phrase("wheel-other-metadata", "its METADATA is another one's than its name says"))
        tops = {entry.target.partition("/")[0] for entry in self.entries if entry.target}
        modules = {top.partition(".")[0] for top in tops if not top.endswith(".dist-info")}
        points = dict(_section(self._text(f"{self._info}/entry_points.txt", missing=""), group))
        return Said(head["Name"], head["Version"], frozenset(requires), points, frozenset(modules))

    def _text(self, name: str, missing: str | None = None) -> str:
        for entry in self.entries:
            if entry.info.filename == name:
                try:
                    return b"".join(self._pieces(entry.info, MAX_TEXT)).decode()
                except UnicodeDecodeError as error:
                    raise self.wrong(phrase("wheel-not-utf8", "{file} is not UTF-8 text", file=name)) from error
        if missing is None:
            raise self.wrong(phrase("wheel-lacks", "it has no {file}", file=name))
        return missing

    def _write(self, entry: Entry, lib: int, room: int) -> int:
        make_folders(entry.target, lib)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(entry.target, flags, 0o644, dir_fd=lib), "wb", buffering=0) as file:
            size = self._through(entry.info, room, file)
            os.fchmod(file.fileno(), 0o644)  # whatever this process masks: the plugin's own user reads it
            os.fsync(file.fileno())
        return size

    def _read_through(self, info: zipfile.ZipInfo, room: int) -> None:
        self._through(info, room, None)

    def _through(self, info: zipfile.ZipInfo, room: int, file: io.FileIO | None) -> int:
        """Read a file to its end, compare it with its RECORD, and return its bytes."""
        found, size, head = hashlib.sha256(), 0, b""
        for piece in self._pieces(info, room):
            head = head or piece[:64]
            found.update(piece)
            size += len(piece)
            while file is not None and piece:
                piece = piece[file.write(piece) or 0 :]  # noqa: PLW2901
        if self._hashes.get(info.filename, (found.digest(), size)) != (found.digest(), size):
            raise self.wrong(phrase("wheel-hash-wrong", "{file} is not what its RECORD says", file=info.filename))
        expect_native(self.filename, info.filename, head, pure=self._pure)
        return size

    def _pieces(self, info: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
        """Yield the content, whatever its header says of its size. Raises ConfigError."""
        left = room
        try:
            with self._archive.open(info) as source:
                while piece := source.read(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise self.too_large()
                    yield piece
        except HubError:
            raise
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
            raise self.wrong(
                phrase("wheel-file-broken", "{file} cannot be read: {reason}", file=info.filename[:MAX_PATH],
                       reason=reason_of(error))
            ) from error  # fmt: skip

    def too_large(self) -> ConfigError:
        return self.wrong(
            phrase("wheel-too-large", "unpacked, it is larger than the {most} MiB that a plugin may have",
                   most=MAX_UNPACKED >> 20)
        )  # fmt: skip


def normal(name: str) -> str:
    """Return a distribution's name for comparison (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make_folders(path: str, top: int) -> None:
    """Make the folders of a path below an open directory."""
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        try:
            os.mkdir("/".join(parts[:end]), 0o755, dir_fd=top)
            os.chmod("/".join(parts[:end]), 0o755, dir_fd=top)  # noqa: S103 - for the plugin's own user
        except FileExistsError:
            if not stat.S_ISDIR(os.stat("/".join(parts[:end]), dir_fd=top, follow_symlinks=False).st_mode):
                raise


def sync_folders(lib: Path) -> None:
    """Sync every directory below, the last ones first. Raises OSError."""
    for at, _, _ in os.walk(lib, topdown=False):
        descriptor = os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    here = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            here = line.strip("[] ") == group
        elif here and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()
