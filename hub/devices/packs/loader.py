"""Reads a pack's folder: a Pack, or every problem with file, line and column. Blocking: never on the event loop."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel

from hub.config.field_types import Section
from hub.config.positions import Finding, Path, Positions, by_place, quoted
from hub.config.pydantic_findings import nearest
from hub.config.validate import validate
from hub.core.errors import ConfigError, Problem
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.core.text import phrase, reason_of, system_error
from hub.devices.codecs.mapping import Field
from hub.devices.codecs.messages import Codec
from hub.devices.packs.consistency import contradictions, own_metrics, unknown_names
from hub.devices.packs.expectations import vain_expectations
from hub.devices.packs.format import RADIO, PackKeys
from hub.devices.packs.lines import What, lines_of
from hub.devices.packs.maps import MAPS, PLAIN
from hub.devices.packs.naming import NAME, PACK
from hub.devices.packs.vectors import VectorKeys
from hub.sdk.sigfox.grammar import Grammar

VECTORS = "vectors"
MAX_FILE = 512 * 1024
MAX_FILES = 64
MAX_DEPTH = 4
"""Folders within each other, of a codec's files."""
MAX_VECTORS = 1000
"""Maximum number of vectors: each may cost a call of the codec and all of its time."""

M = TypeVar("M", bound=Section)


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector and its location: `vectors/periodic.yaml:12`."""

    where: str
    keys: VectorKeys


@dataclass(frozen=True, slots=True, repr=False)
class Pack:
    """A valid pack, tested or not.

    `files` are its files by name relative to its folder; `digest` is SHA-256 over all of them, in hex; `grammar`
    replaces the codec where the pack has one; `fields` (by path) is None where they are proposed from names; `metrics`
    are the catalogue's and its own, by key; `part` is its map in the integration's model, None without a map or without
    a model; `lines` are those of `hub.devices.packs.lines`.
    """

    name: str
    digest: str
    files: Mapping[str, bytes]
    keys: PackKeys
    codec: Codec
    fields: Mapping[str, Field] | None
    metrics: Mapping[str, Metric]
    vectors: tuple[Vector, ...]
    grammar: Grammar | None = None
    part: Any = None
    lines: Mapping[What, int] = field(default_factory=dict)

    def place_of(self, *what: str) -> str:
        """Return where `pack.yaml` says this, as `pack.yaml:21`; without a line where it is not there."""
        line = self.lines.get(what)
        return f"{PACK}:{line}" if line else PACK

    @property
    def title(self) -> str:
        """Display name of the device: vendor and first model."""
        return f"{self.keys.vendor} {self.keys.models[0]}"

    @property
    def undecided(self) -> tuple[str, ...]:
        """Paths that an import proposed and on which no person has decided."""
        return tuple(one.path for one in self.keys.proposed if one.decision == "ask")

    def ignores(self, path: str) -> bool:
        """Return whether a person left this leaf out."""
        left = any(one.path == path and one.decision == "leave" for one in self.keys.proposed)
        return left or any(fnmatchcase(path, pattern) for pattern in self.keys.ignore)

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        """Metrics that are not in the catalogue."""
        return tuple(self.metrics[key] for key in self.keys.metrics)

    def __repr__(self) -> str:
        return f"<Pack {self.name} {self.keys.version}, {len(self.vectors)} vectors>"


Parts = Callable[[str], type[BaseModel] | None]
"""Protocol → model of its packs' maps (`hub.sdk.hookspecs.PackPart`), None when no installed integration reads them."""


def read(folder: FilePath, name: str = "", parts: Parts | None = None) -> Pack:
    """Read and check `folder`; `name` defaults to the folder's. A map is checked where `parts` has its model.

    Raises ConfigError with all problems.
    """
    name = name or folder.name
    reader = _Reader(folder)
    if not NAME.fullmatch(name):
        reader.say(
            phrase(
                "pack-name-invalid",
                "a pack is named vendor-model: small letters, digits and '-'; this is {given}",
                given=quoted(name),
            )
        )
    keys = reader.pack()
    wanted = keys is None or (keys.protocol not in PLAIN and not keys.untested)
    vectors = [one for file in reader.vector_files(needed=wanted) for one in reader.vectors(file, keys)]
    if len(vectors) > MAX_VECTORS:
        reader.say(phrase("pack-too-many-vectors", "a pack has at most {limit} vectors", limit=MAX_VECTORS), VECTORS)
    part = reader.part(keys, parts) if keys is not None and parts is not None else None
    grammar = Grammar(keys.codec.format) if keys is not None and keys.codec.format is not None else None
    coded = keys is not None and keys.protocol in RADIO
    if keys is not None and coded and grammar is None and keys.codec.file not in reader.files:
        reader.no_codec(keys.codec.file)
    problems = reader.problems()
    if problems or keys is None:
        raise ConfigError(problems)
    code = {file: text.decode() for file, text in reader.files.items() if file.endswith((".js", ".json"))}
    source = code.pop(keys.codec.file) if coded and grammar is None else ""
    return Pack(
        name=name,
        digest=digest(reader.files),
        files=reader.files,
        keys=keys,
        codec=Codec(source, code, name=keys.codec.file),
        fields=_fields(keys),
        metrics={**METRICS, **own_metrics(keys)},
        vectors=tuple(vectors),
        grammar=grammar,
        part=part,
        lines=lines_of(keys, reader.positions(PACK)),
    )


def digest(files: Mapping[str, bytes]) -> str:
    """Return SHA-256, in hex, over names and contents."""
    whole = hashlib.sha256()
    for file, content in sorted(files.items()):
        whole.update(f"{len(file.encode())}:{file}:{len(content)}:".encode() + content)
    return whole.hexdigest()


class _Reader:
    """Reads the files of one folder and collects the problems of each."""

    def __init__(self, folder: FilePath) -> None:
        self._folder = folder
        self._positions: dict[str, Positions] = {}
        self._findings: dict[str, list[Finding]] = {}
        self._broken: dict[str, set[Path]] = {}
        self._problems: list[Problem] = []
        self.files: dict[str, bytes] = {}
        for file in self._names():
            try:
                self.files[file] = content_of(folder / file)
            except ValueError as error:
                self.say(reason_of(error), file)

    def _names(self) -> list[str]:
        try:
            top = [entry.name for entry in self._folder.iterdir() if entry.suffix in (".js", ".json", ".md")]
            top += _code_below(self._folder)
            below = self._folder / VECTORS
            vectors = [f"{VECTORS}/{entry.name}" for entry in below.iterdir()] if below.is_dir() else []
        except OSError as error:
            self.say(phrase("pack-folder-unreadable", "the pack cannot be read: {reason}", reason=system_error(error)))
            return []
        names = [PACK, *sorted(top), *sorted(name for name in vectors if name.endswith(".yaml"))]
        if len(names) > MAX_FILES:
            self.say(phrase("pack-too-many-files", "a pack has at most {limit} files", limit=MAX_FILES))
        return names[:MAX_FILES]

    def say(self, message: str, file: str = "") -> None:
        self._problems.append(Problem(message, file=str(self._folder / file)))

    def found(self, file: str, *findings: Finding) -> None:
        self._findings.setdefault(file, []).extend(findings)

    def positions(self, file: str) -> Positions:
        return self._positions.get(file, Positions())

    def no_codec(self, file: str) -> None:
        """Say that the codec's file is not there, where `codec.file` names it, else of the whole pack."""
        there = [name for name in self.files if name.endswith(".js")]
        message = phrase(
            "pack-codec-missing",
            "there is no file {file} beside {pack}: put the codec there, or name its file in `codec: {{file: …}}`",
            file=quoted(file),
            pack=PACK,
        )
        near = nearest(file, there) or (there[0] if len(there) == 1 else "")
        if ("codec", "file") in self.positions(PACK).keys:
            self.found(PACK, Finding(("codec", "file"), message, near))
        else:
            self._problems.append(Problem(message, file=str(self._folder / PACK), suggestion=near))

    def pack(self) -> PackKeys | None:
        data = self._data(PACK)
        if data is None:
            if not self._problems and PACK in self.files:
                self.say(phrase("pack-file-empty", "this file is empty"), PACK)
            return None
        found: list[Finding] = []
        keys = validate(PackKeys, data, (), phrase("this-pack", "this pack"), found)
        if keys is not None:
            found += contradictions(keys)
        self.found(PACK, *found)
        return keys

    def part(self, keys: PackKeys, parts: Parts) -> BaseModel | None:
        """Validate the map by its integration's model."""
        model = parts(keys.protocol) if keys.part is not None else None
        if model is None:
            return None
        found: list[Finding] = []
        what = phrase("map-of-pack", "the map of a pack of {protocol}", protocol=keys.protocol)
        signs = {"signs": keys.signs} if keys.signs else {}
        read = validate(model, {MAPS[keys.protocol].key: keys.part, **signs}, (), what, found)
        self.found(PACK, *found)
        return read

    def vector_files(self, *, needed: bool = True) -> list[str]:
        files = [file for file in self.files if file.startswith(f"{VECTORS}/")]
        if not files and needed:
            self.say(
                phrase(
                    "pack-without-vectors",
                    "a pack has vectors: payloads with their meaning, from an independent source",
                ),
                VECTORS,
            )
        return files

    def vectors(self, file: str, keys: PackKeys | None) -> Iterator[Vector]:
        data = self._data(file)
        if data is None and self._is_told(file):
            return
        if data in (None, []):
            self.say(
                phrase(
                    "vectors-file-empty",
                    "this file is empty: write a vector for each payload that a source explains, or delete it",
                ),
                file,
            )
            return
        if not isinstance(data, list):
            self.found(
                file,
                Finding((), phrase("vectors-not-a-list", "expected a list of vectors: entries that start with '- '")),
            )
            return
        for number, entry in enumerate(data):
            found: list[Finding] = []
            vector = validate(VectorKeys, entry, (number,), phrase("a-vector", "a vector"), found)
            if vector is not None and keys is not None:
                found += unknown_names(vector, keys, (number,))
                found += vain_expectations(vector, keys, (number,))
            self.found(file, *found)
            if vector is not None:
                spot = self._positions[file].spot((number,))
                yield Vector(f"{file}:{spot.line if spot else 0}", vector)

    def _data(self, file: str) -> Any:
        from hub.config.document import Document

        if file not in self.files:
            return None
        positions, findings, broken = Positions(), self._findings.setdefault(file, []), set[Path]()
        self._positions[file], self._broken[file] = positions, broken
        try:
            text = self.files[file].decode("utf-8-sig")
            return Document(positions, findings, broken).read(text, str(self._folder / file))
        except UnicodeDecodeError as error:
            self._say_not_utf8(file, error)
        except ConfigError as error:
            self._problems.extend(error.problems)
        return None

    def _is_told(self, file: str) -> bool:
        """Return whether a file that gave no data has its problem already."""
        path = str(self._folder / file)
        return bool(self._findings.get(file)) or any(problem.file == path for problem in self._problems)

    def _say_not_utf8(self, file: str, error: UnicodeDecodeError) -> None:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        message = phrase("pack-file-not-utf8", "this is not UTF-8 text: save the file as UTF-8")
        self._problems.append(Problem(message, file=str(self._folder / file), line=line, column=column))

    def problems(self) -> list[Problem]:
        for file, content in self.files.items():
            if file.endswith((".js", ".json")):
                try:
                    content.decode()
                except UnicodeDecodeError as error:
                    self._say_not_utf8(file, error)
        placed = list(self._problems)
        for file, findings in self._findings.items():
            broken = self._broken.get(file, set())
            kept = [one for one in findings if one.path in broken or not _below(one.path, broken)]
            placed += self._positions.get(file, Positions()).problems(kept)
        return sorted(placed, key=by_place)


def _code_below(folder: FilePath) -> list[str]:
    """Return the code in folders of a pack, which a codec of several files requires by its path. Raises OSError."""
    found: list[str] = []
    waiting = [(folder, 0)]
    while waiting:
        at, depth = waiting.pop()
        for entry in os.scandir(at):
            path = FilePath(entry.path)
            if entry.is_dir(follow_symlinks=False) and depth < MAX_DEPTH and path != folder / VECTORS:
                waiting.append((path, depth + 1))
            elif depth and path.suffix in (".js", ".json"):
                found.append(path.relative_to(folder).as_posix())
            if len(found) > MAX_FILES:
                return found
    return found


def _below(path: Path, broken: set[Path]) -> bool:
    return any(path[: len(part)] == part for part in broken)


def content_of(path: FilePath) -> bytes:
    """Read a regular file without following links. Raises ValueError with a sentence."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(phrase("this-not-regular-file", "this is not a regular file"))
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ValueError(
            phrase("this-file-unreadable", "this file cannot be read: {reason}", reason=system_error(error))
        ) from None
    if len(content) > MAX_FILE:
        raise ValueError(phrase("pack-file-too-large", "this file is larger than {limit} KB", limit=MAX_FILE // 1024))
    return content


def _fields(keys: PackKeys) -> dict[str, Field] | None:
    if keys.fields == "automatic":
        return None
    if keys.fields is None:
        return {}
    listed = {
        f.path: Field(
            path=f.path,
            metric=f.metric,
            scale=f.scale,
            offset=f.offset,
            invalid=f.invalid,
            values=None if f.values is None else dict(f.values),
        )
        for f in keys.fields
    }
    taken = {
        p.path: Field(
            path=p.path,
            metric=p.metric,
            scale=p.scale,
            offset=p.offset,
            values=None if p.values is None else dict(p.values),
        )
        for p in keys.proposed
        if p.decision == "take" and p.metric is not None
    }
    return {**listed, **taken}
