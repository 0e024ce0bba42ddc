"""Files of a configuration: the first one, its includes, their digests.

An included file is in the directory of the first file or below it, also after symbolic links are followed; it takes the
place of a value: `devices: !include devices.yaml`. Blocking: never on the event loop.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Any

from hub.config.positions import Finding, Path, Positions, by_place
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase, reason_of, system_error

MISSING = phrase(
    "configuration-missing",
    "there is no such file; --config or ILOT_CONFIG names another, and `ilot new config` writes a first one",
)
"""Message for a missing first file."""
MAX_BYTES = 256 * 1024
"""Maximum size of one file."""
MAX_FILES = 100
"""Inclusions in one configuration, counting a file as often as it is included."""

SECRETS = "secrets.yaml"


@dataclass(slots=True)
class Source:
    """Data of the files, before validation.

    `data` holds dict, list, str, int, float, bool, None and SecretRef. `files` maps each file read, relative to the
    directory of the first, to the SHA-256 of its bytes in hex. `broken` are paths whose value was refused. `asked`:
    each name that the files include, "" the first file, with its `fingerprint`: while these are equal the data is.
    `fatal`: the first file itself cannot be read.
    """

    path: FilePath
    data: Any = None
    positions: Positions = field(default_factory=Positions)
    files: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    fatal: bool = False
    broken: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return digest(self.files)


def parse(text: str, file: str = "config.yaml") -> Any:
    """Return the plain data of one text without includes. Raises ConfigError with all problems. Pure."""
    from hub.config.document import Document

    positions, findings = Positions(), list[Finding]()
    data = Document(positions, findings, set()).read(text, file)
    if findings:
        raise ConfigError(positions.problems(findings))
    return data


def read(path: FilePath, texts: Mapping[str, bytes] | None = None) -> Source:
    """Read `path` and all it includes. Problems that leave the rest readable are in the Source's `problems`; raises
    ConfigError, with every problem found until then, when the first file itself cannot be read.

    `texts` replace files that are not written yet: by their name relative to the directory of `path`.
    """
    source = read_all(path, texts)
    if source.fatal:
        raise ConfigError(source.problems)
    return source


def read_all(path: FilePath, texts: Mapping[str, bytes] | None = None) -> Source:
    """Read like `read`, but put every error into the Source's `problems` and raise nothing."""
    source = Source(path)
    findings: list[Finding] = []
    fatal: list[Problem] = []
    try:
        source.data = _Reader(source, findings, texts or {}).first()
    except ConfigError as error:
        fatal = error.problems
    problems = [*source.problems, *source.positions.problems(findings), *fatal]
    source.problems, source.fatal = sorted(problems, key=by_place), bool(fatal)
    return source


class _Reader:
    """Reader of files into one Source; `_open` are the files being read, outermost first."""

    def __init__(self, source: Source, findings: list[Finding], texts: Mapping[str, bytes]) -> None:
        self._source = source
        self._texts = texts
        self._findings = findings
        self._root = source.path.parent
        self._open: list[str] = []
        self._count = 0

    def first(self) -> Any:
        self._source.asked[""] = fingerprint(self._source.path, texts=self._texts)
        try:
            return self._document(self._bytes(self._source.path.name), self._source.path.name, (), 0)
        except ValueError as error:
            raise ConfigError([_unread(self._source.path, self._source.path.name, error)]) from None

    def include(self, name: str, at: Path, depth: int) -> Any:
        self._source.asked[name] = fingerprint(self._source.path, name, texts=self._texts)
        relative = contained(self._root, name)
        if relative in self._open:
            raise ValueError(
                phrase(
                    "file-includes-itself",
                    "{file} includes itself, by way of {way}",
                    file=relative,
                    way=" → ".join([*self._open, relative]),
                )
            )
        if PurePosixPath(relative).name == SECRETS:
            raise ValueError(
                phrase(
                    "secrets-never-included",
                    "{file} is never included; name one of its entries with !secret",
                    file=SECRETS,
                )
            )
        self._count += 1
        if self._count > MAX_FILES:
            raise ValueError(phrase("too-many-includes", "more than {most} files are included", most=MAX_FILES))
        content = self._bytes(relative)
        try:
            return self._document(content, relative, at, depth)
        except ConfigError as error:
            self._source.problems.extend(error.problems)
            self._source.broken.add(at)
            return None

    def _bytes(self, name: str) -> bytes:
        given = self._texts.get(name)
        if given is None:
            return load_bytes(self._root / name)
        if len(given) > MAX_BYTES:
            raise ValueError(
                phrase(
                    "file-would-be-too-large",
                    "{file} would be larger than {size} KB; split it with !include",
                    file=name,
                    size=MAX_BYTES // 1024,
                )
            )
        return given

    def _document(self, content: bytes, relative: str, at: Path, depth: int) -> Any:
        from hub.config.document import Document

        source = self._source
        source.files[relative] = hashlib.sha256(content).hexdigest()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                phrase(
                    "file-not-utf8",
                    "{file} is not UTF-8 text (byte {byte})",
                    file=relative,
                    byte=error.start,
                )
            ) from None
        self._open.append(relative)
        document = Document(source.positions, self._findings, source.broken, include=self.include)
        try:
            return document.read(text, str(self._root / relative), at, depth)
        finally:
            self._open.pop()


def contained(root: FilePath, name: str) -> str:
    """Return the path of `name` relative to `root`, links followed. Raises ValueError when it is not below `root`."""
    if not name or "\0" in name or PurePosixPath(name).is_absolute():
        raise ValueError(
            phrase("include-without-file", "!include is followed by a file name relative to the first file's directory")
        )
    base = root.resolve()
    try:
        target = (base / name).resolve()
    except (OSError, RuntimeError):
        raise ValueError(
            phrase("file-link-broken", "{file} cannot be found: its links lead nowhere", file=name)
        ) from None
    if not target.is_relative_to(base):
        raise ValueError(
            phrase(
                "include-outside-directory",
                "{file} is outside {directory}; only files of this directory tree can be included",
                file=name,
                directory=base,
            )
        )
    return target.relative_to(base).as_posix()


def load_bytes(path: FilePath, *, private: bool = False) -> bytes:
    """Return the bytes of a regular file of at most MAX_BYTES. With `private`, others must have no right on it. Raises
    ValueError with a sentence."""
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )  # O_NONBLOCK: never wait for the writer of a named pipe
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(phrase("file-not-regular", "{file} is not a regular file", file=path))
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(
            phrase("file-not-readable", "{path} cannot be read: {reason}", path=path, reason=system_error(error))
        ) from None
    if private and status.st_mode & 0o007:
        raise ValueError(
            phrase(
                "file-open-to-everybody",
                "everybody on this machine may use {file} (mode {mode}); run: chmod 600 {file}",
                file=path,
                mode=f"{stat.S_IMODE(status.st_mode):04o}",
            )
        )
    if len(content) > MAX_BYTES:
        raise ValueError(
            phrase(
                "file-too-large",
                "{file} is larger than {size} KB; split it with !include",
                file=path,
                size=MAX_BYTES // 1024,
            )
        )
    return content


def fingerprint(path: FilePath, name: str = "", *, texts: Mapping[str, bytes] | None = None) -> str:
    """Return the path and SHA-256 in hex of the file included by `name`, or of the first file, or why it cannot be
    read. `texts` as in `read`."""
    try:
        where = contained(path.parent, name) if name else path.name
        given = (texts or {}).get(where)
        content = load_bytes(path.parent / where) if given is None else given
    except ValueError as error:
        return str(error)
    return f"{where} {hashlib.sha256(content).hexdigest()}"


def includes_unchanged(path: FilePath, asked: Mapping[str, str]) -> bool:
    """Return whether all fingerprints are as they were."""
    return all(fingerprint(path, name) == found for name, found in asked.items())


def contents(path: FilePath, files: Iterable[str], texts: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return the bytes of these files of the configuration that starts at `path`. Raises ConfigError."""
    found = {}
    for name in files:
        try:
            given = (texts or {}).get(name)
            found[name] = load_bytes(path.parent / name) if given is None else given
        except ValueError as error:
            raise ConfigError([_unread(path, name, error)]) from None
    return found


def _unread(first: FilePath, name: str, error: ValueError) -> Problem:
    """Return the problem of a file that cannot be read, in the configuration that starts at `first`."""
    gone = name == first.name and not first.exists()
    return Problem(MISSING if gone else reason_of(error), file=str(first.parent / name))


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return name → SHA-256 in hex, as in `Source.files`."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def digest(files: Mapping[str, str]) -> str:
    """Return one digest of all files: SHA-256 in hex over their names and digests. It excludes secrets.yaml."""
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{len(name.encode())}:{name}{content}".encode())
    return whole.hexdigest()


def unchanged(path: FilePath, files: Mapping[str, str]) -> bool:
    """Return whether all these files still have the same content. The first is `path`."""
    try:
        return path.name in files and all(
            hashlib.sha256(load_bytes(path.parent / name)).hexdigest() == content
            for name, content in files.items()
            if name == path.name or contained(path.parent, name) == name
        )
    except ValueError:
        return False
