"""Reads a pack's folder: a Pack, or every problem with file, line and column. Blocking: never on the event loop."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel

from hub.config.field_types import Section
from hub.config.positions import Finding, Path, Positions, by_place, quoted
from hub.config.pydantic_findings import list_of_known, nearest
from hub.config.validate import validate
from hub.core.errors import ConfigError, Problem
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.core.text import phrase, reason_of, system_error
from hub.devices.codecs.mapping import Field
from hub.devices.codecs.messages import Codec
from hub.devices.packs.format import RADIO, PackKeys
from hub.devices.packs.maps import MAPS, PLAIN
from hub.devices.packs.naming import NAME, PACK
from hub.devices.packs.vectors import VectorKeys
from hub.sdk.sigfox.grammar import Grammar

VECTORS = "vectors"
MAX_FILE = 512 * 1024
MAX_FILES = 64
MAX_VECTORS = 1000
"""Maximum number of vectors: each may cost a call of the codec and all of its time."""

_KINDS = {
    "number": phrase("kind-number", "number"),
    "flag": phrase("kind-flag", "flag"),
    "text": phrase("kind-text", "text"),
}
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
    a model.
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

    @property
    def title(self) -> str:
        """Display name of the device: vendor and first model."""
        return f"{self.keys.vendor} {self.keys.models[0]}"

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
    wanted = keys is None or keys.protocol not in PLAIN
    vectors = [one for file in reader.vector_files(needed=wanted) for one in reader.vectors(file, keys)]
    if len(vectors) > MAX_VECTORS:
        reader.say(phrase("pack-too-many-vectors", "a pack has at most {limit} vectors", limit=MAX_VECTORS), VECTORS)
    part = reader.part(keys, parts) if keys is not None and parts is not None else None
    grammar = Grammar(keys.codec.format) if keys is not None and keys.codec.format is not None else None
    coded = keys is not None and keys.protocol in RADIO
    if keys is not None and coded and grammar is None and keys.codec.file not in reader.files:
        reader.found(
            PACK,
            Finding(
                ("codec",),
                phrase(
                    "pack-file-missing",
                    "there is no file {file} beside {pack}",
                    file=quoted(keys.codec.file),
                    pack=PACK,
                ),
            ),
        )
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
        codec=Codec(source, code),
        fields=_fields(keys),
        metrics={**METRICS, **_own(keys)},
        vectors=tuple(vectors),
        grammar=grammar,
        part=part,
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

    def pack(self) -> PackKeys | None:
        data = self._data(PACK)
        if data is None:
            if not self._problems and PACK in self.files:
                self.say(phrase("pack-file-empty", "this file is empty"), PACK)
            return None
        found: list[Finding] = []
        keys = validate(PackKeys, data, (), phrase("this-pack", "this pack"), found)
        if keys is not None:
            found += _wrong(keys)
        self.found(PACK, *found)
        return keys

    def part(self, keys: PackKeys, parts: Parts) -> BaseModel | None:
        """Validate the map by its integration's model."""
        model = parts(keys.protocol) if keys.part is not None else None
        if model is None:
            return None
        found: list[Finding] = []
        what = phrase("map-of-pack", "the map of a pack of {protocol}", protocol=keys.protocol)
        read = validate(model, {MAPS[keys.protocol].key: keys.part}, (), what, found)
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
                found += _strange(vector, keys, (number,))
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
            self.say(phrase("not-utf8-text", "this is not UTF-8 text (byte {position})", position=error.start), file)
        except ConfigError as error:
            self._problems.extend(error.problems)
        return None

    def problems(self) -> list[Problem]:
        for file, content in self.files.items():
            if file.endswith((".js", ".json")):
                try:
                    content.decode()
                except UnicodeDecodeError as error:
                    self.say(
                        phrase("not-utf8-text", "this is not UTF-8 text (byte {position})", position=error.start), file
                    )
        placed = list(self._problems)
        for file, findings in self._findings.items():
            broken = self._broken.get(file, set())
            kept = [one for one in findings if one.path in broken or not _below(one.path, broken)]
            placed += self._positions.get(file, Positions()).problems(kept)
        return sorted(placed, key=by_place)


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


def _own(keys: PackKeys) -> dict[str, Metric]:
    return {
        key: Metric(
            key=key,
            unit=m.unit,
            resolution=m.resolution,
            kind=m.kind,
            low=m.low,
            high=m.high,
            device_class=m.device_class,
            state_class=m.state_class,
            privacy=m.privacy,
            fr=m.fr,
            en=m.en,
        )
        for key, m in keys.metrics.items()
    }


def _fields(keys: PackKeys) -> dict[str, Field] | None:
    if keys.fields == "automatic":
        return None
    if keys.fields is None:
        return {}
    return {
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


def _wrong(keys: PackKeys) -> Iterator[Finding]:
    """Yield problems that involve several parts of a pack."""
    for key in keys.metrics:
        if key in METRICS:
            message = phrase(
                "metric-in-catalogue",
                "the catalogue has {metric} already: use that, or another name",
                metric=quoted(key),
            )
            yield Finding(("metrics", key), message, at_key=True)
    known = {**METRICS, **_own(keys)}
    paths, metrics = set[str](), set[str]()
    for number, field in enumerate(keys.fields if isinstance(keys.fields, tuple) else ()):
        at: Path = ("fields", number)
        if field.metric not in known:
            message = phrase(
                "metric-not-defined",
                "{metric} is neither in the catalogue nor in `metrics`",
                metric=quoted(field.metric),
            )
            yield Finding((*at, "metric"), message, nearest(field.metric, known))
            continue
        if field.path in paths:
            yield Finding(
                (*at, "path"),
                phrase("listed-twice-here", "{name} stands here a second time", name=quoted(field.path)),
            )
        if field.metric in metrics:
            yield Finding(
                (*at, "metric"),
                phrase(
                    "metric-read-twice",
                    "{metric} is read twice: one device has one value of a metric",
                    metric=quoted(field.metric),
                ),
            )
        paths.add(field.path)
        metrics.add(field.metric)
        yield from _values(field.values or {}, known[field.metric], (*at, "values"))
    for number, default in enumerate(keys.default_credentials):
        if default.source not in keys.sources:
            wrong = _absent("source", default.source, keys.sources)
            yield Finding(("default_credentials", number, "source"), wrong, nearest(default.source, keys.sources))
    if keys.codec.message is None:
        yield from _ports(keys)


def _absent(option: str, name: str, known: Collection[str]) -> str:
    if not known:
        return phrase("pack-names-unknown", "there is no {option} {name}", option=option, name=quoted(name))
    return phrase(
        "pack-names-unknown-of",
        "there is no {option} {name}; {known}",
        option=option,
        name=quoted(name),
        known=list_of_known(known),
    )


def _values(values: Mapping[str, Any], metric: Metric, at: Path) -> Iterator[Finding]:
    for raw, value in values.items():
        kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        if kind != metric.kind:
            yield Finding(
                (*at, raw),
                phrase(
                    "vector-value-wrong-kind",
                    "{metric} is a {kind}; this is {given}",
                    metric=quoted(metric.key),
                    kind=_KINDS[metric.kind],
                    given=quoted(value),
                ),
            )


def _ports(keys: PackKeys) -> Iterator[Finding]:
    """Yield ambiguous ports: without a name in the codec's answer, the port identifies the message."""
    owners: dict[int, str] = {}
    for name, message in keys.messages.items():
        if not message.ports and len(keys.messages) > 1:
            yield Finding(
                ("messages", name),
                phrase(
                    "messages-need-ports",
                    "messages are told apart by their port here: give `ports`, or `codec.message`",
                ),
            )
        for port in message.ports:
            if owners.setdefault(port, name) != name:
                text = phrase(
                    "port-of-two-messages",
                    "port {port} is already that of {message}",
                    port=port,
                    message=quoted(owners[port]),
                )
                yield Finding(("messages", name, "ports"), text)


def _strange(vector: VectorKeys, keys: PackKeys, at: Path) -> Iterator[Finding]:
    """Yield names in a vector that the pack does not define."""
    if (vector.heard is not None) != (keys.part is not None):
        wanted = (
            phrase("vectors-of-map", "a pack with a map has vectors with `heard`")
            if keys.part is not None
            else phrase("vectors-of-codec", "a pack with a codec has vectors with `bytes`")
        )
        yield Finding((*at, "bytes" if vector.heard is None else "heard"), wanted)
    if keys.part is None and (vector.port is None) == (keys.protocol == "lorawan"):
        wanted = (
            phrase("vector-without-port", "a vector of lorawan names its port")
            if vector.port is None
            else phrase("sigfox-without-ports", "Sigfox has no ports")
        )
        yield Finding((*at, "port") if vector.port is not None else at, wanted)
    metrics = {**METRICS, **keys.metrics}
    for option, known in (("source", keys.sources), ("message", keys.messages), ("downlink", keys.downlinks)):
        name = getattr(vector, option)
        if name is not None and name not in known:
            yield Finding(
                (*at, option),
                _absent(option, name, known),
                nearest(name, known),
            )
    for key in (vector.readings or {}) if keys.part is None else ():
        if key not in metrics:
            yield Finding(
                (*at, "readings", key),
                phrase("pack-no-such-metric", "there is no metric {metric}", metric=quoted(key)),
                nearest(key, metrics),
                at_key=True,
            )
