"""The last good configuration, compiled: the hub starts from it when the file has not changed, or is wrong.

    state_dir/config/last-good.msgpack (0600) = magic (8 bytes) · nonce (12 bytes) ·
        AES-256-GCM(key = HMAC-SHA256(store key, "ilot/config/1\0"), msgpack, aad = magic)

It names devices and places, unlike the buffer beside it, so it is sealed under the hub's store key. The msgpack map is
a `Compiled`. A secret is an extension of type 1 that holds its name: its value is looked up again at every start.
Written to a temporary file, synced and renamed; a damaged or foreign file counts as none. Blocking: never on the event
loop.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.config import reader_process, source
from hub.config.build import build
from hub.config.instances import Models
from hub.config.load import Loaded, as_loaded, load
from hub.config.positions import Finding, Path, Positions
from hub.config.pydantic_findings import all_of
from hub.config.sealed import decode, encode
from hub.config.secrets import Vault, reveal
from hub.core.disk.atomic_files import make_directory, write_atomically
from hub.core.errors import ConfigError, Problem, StorageError
from hub.core.text import phrase, system_error

NAME = "last-good.msgpack"

_MAGIC = b"ilotcfg2"
_MAX_BYTES = 64 << 20
_LABEL = b"ilot/config/1\0"
_NONCE = 12
_HEAD = len(_MAGIC) + _NONCE
_PROXY = ("link", "proxy")


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the file. `path`: the first file. `files`: each file read → SHA-256 in hex. `data`: their data.
    `asked`: their includes, as in `source.Source`; a file of an earlier version has none."""

    path: str
    files: dict[str, str]
    data: Any
    asked: dict[str, str] = {}

    def is_unchanged(self, path: FilePath) -> bool:
        """Return whether the files still have this content."""
        same = self.path == str(path.absolute()) and source.unchanged(path, self.files)
        return same and source.includes_unchanged(path, self.asked)


@dataclass(frozen=True, slots=True)
class LastGoodStore:
    """Location of the last good configuration: the hub's state directory, and the store key (32 bytes) that seals
    it."""

    state_dir: FilePath
    store_key: bytes = field(repr=False)

    @property
    def path(self) -> FilePath:
        return self.state_dir / "config" / NAME

    @property
    def aead(self) -> AESGCM:
        return AESGCM(hmac.digest(self.store_key, _LABEL, "sha256"))


@dataclass(frozen=True, slots=True)
class Started:
    """The configuration to run. With `problems`, the file is wrong and `loaded` is the last good configuration: exact,
    but for `left_out`, the parts of it that cannot run today (a plugin or a secret is gone)."""

    loaded: Loaded
    problems: list[Problem] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)


def start(
    path: FilePath, models: Models, *, kept: LastGoodStore | None = None, environ: Mapping[str, str] | None = None
) -> Started:
    """Return the configuration to start with. While nothing is wrong no YAML parser is imported: unchanged files need
    none, and changed ones are read in a child process. A file that is wrong leaves the last good one running. Raises
    ConfigError when there is nothing that can run.

    `kept` None: there is no last good one.
    """
    compiled = _read(kept) if kept else None
    if compiled is not None and compiled.is_unchanged(path):
        loaded, _ = _build(compiled, path, models, environ)
        if loaded is not None:
            return Started(loaded)
    if (said := reader_process.read(path)) is not None:
        fresh = Compiled(path=str(path.absolute()), files=said[0], data=said[1], asked=said[2])
        loaded, _ = _build(fresh, path, models, environ)
        if loaded is not None:
            return Started(loaded)
    try:
        return Started(load(path, models, environ=environ))
    except ConfigError as error:
        problems = error.problems
    recalled = recall(kept, models, environ=environ) if kept else None
    if recalled is None:
        raise ConfigError(problems)
    return Started(recalled.loaded, problems, recalled.left_out)


def load_sections(path: FilePath, models: Models, *sections: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """Load only these sections of the file, whatever is wrong in the others. Raises ConfigError when they cannot be
    used."""
    data = source.read(path).data
    data = {name: data[name] for name in sections if name in data} if isinstance(data, dict) else {}
    loaded, _ = _build(Compiled(path=str(path.absolute()), files={}, data=data), path, models, environ)
    if loaded is None:
        raise ConfigError(
            phrase(
                "sections-wrong",
                "{file}: something is wrong in {sections}; `ilot check` shows where",
                file=path,
                sections=all_of(sections),
            )
        )
    return loaded


def remember(kept: LastGoodStore, loaded: Loaded) -> None:
    """Make `loaded` the last good configuration, durably. Does nothing when it is already. Raises StorageError."""
    compiled = Compiled(
        path=str(loaded.path.absolute()), files=dict(loaded.files), data=loaded.data, asked=dict(loaded.asked)
    )
    if _read(kept) == compiled:
        return
    nonce, body = os.urandom(_NONCE), msgspec.msgpack.encode(compiled, enc_hook=encode)
    target = kept.path
    try:
        make_directory(target.parent)
        write_atomically(target, _MAGIC + nonce + kept.aead.encrypt(nonce, body, _MAGIC))
    except OSError as error:
        raise StorageError(
            phrase(
                "last-good-not-kept",
                "the last good configuration cannot be kept in {directory}: {reason}",
                directory=target.parent,
                reason=system_error(error),
            )
        ) from error


def recall(kept: LastGoodStore, models: Models, *, environ: Mapping[str, str] | None = None) -> Started | None:
    """Return the last good configuration, without the parts that cannot run today; None when there is none."""
    compiled = _read(kept)
    if compiled is None:
        return None
    loaded, left_out = _build(compiled, FilePath(compiled.path), models, environ, partly=True)
    return Started(loaded, [], left_out) if loaded is not None else None


def _build(
    compiled: Compiled, path: FilePath, models: Models, environ: Mapping[str, str] | None, *, partly: bool = False
) -> tuple[Loaded | None, list[Problem]]:
    """Build the compiled data. With `partly`, instances, uplinks, exporters and devices that cannot run are left out,
    and reported."""
    left_out: list[Finding] = []
    vault = Vault(path.parent, environ)
    data = compiled.data
    while True:
        found: list[Finding] = []
        broken: set[Path] = set()
        revealed = reveal(data, vault, found, broken)
        built, wrong = build(revealed, models, set())
        found = [*found, *wrong] if not broken else [*found, *(Finding(path, "") for path in broken)]
        if not found and built is not None:
            problems = [*vault.problems, *Positions().problems(one for one in left_out if one.message)]
            return as_loaded(path, built, compiled.files, compiled.data, compiled.asked), problems
        rest = _pruned(data, found) if partly else data
        if rest == data:
            return None, []
        data = rest
        left_out.extend(found)


def _pruned(data: Any, found: list[Finding]) -> Any:
    """Return `data` without the wrong instances (and their devices), uplinks, exporters, notifiers, rules, devices and
    proxy; all of it when something else is wrong."""
    parts = {_part(one.path) for one in found}
    if () in parts:
        return data
    gone = {path[1] for path in parts if path[0] == "integrations"}
    data = {section: dict(value) if isinstance(value, dict) else value for section, value in data.items()}
    for path in parts:
        section = data[path[0]]
        if path == _PROXY:
            data["link"] = {key: value for key, value in section.items() if not key.startswith("proxy")}
        elif path[0] == "link":
            section["uplinks"] = {name: value for name, value in section["uplinks"].items() if name != path[2]}
        else:
            section.pop(path[1], None)
    if isinstance(data.get("devices"), dict):
        data["devices"] = {k: v for k, v in data["devices"].items() if v.get("integration") not in gone}
    return data


def _part(path: Path) -> tuple[str, ...]:
    """Return the path of the instance, uplink, exporter, notifier, rule, device or proxy around `path`; () when there
    is none."""
    if path[:1] in (("integrations",), ("exporters",), ("notifiers",), ("rules",), ("devices",)) and len(path) > 1:
        return str(path[0]), str(path[1])
    if path[:2] == ("link", "uplinks") and len(path) > 2:
        return "link", "uplinks", str(path[2])
    if path[:1] == ("link",) and len(path) > 1 and str(path[1]).startswith("proxy"):
        return _PROXY
    return ()


def _read(kept: LastGoodStore) -> Compiled | None:
    try:
        with kept.path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError:
        return None
    if len(content) > _MAX_BYTES or not content.startswith(_MAGIC):
        return None
    try:
        body = kept.aead.decrypt(content[len(_MAGIC) : _HEAD], content[_HEAD:], _MAGIC)
        return msgspec.msgpack.decode(body, type=Compiled, ext_hook=decode)
    except (InvalidTag, msgspec.DecodeError, ValueError, RecursionError):
        return None
