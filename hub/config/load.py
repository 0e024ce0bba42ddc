"""Loader: the file → a typed configuration, or every problem in it at once. Blocking: never on the event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from hub.config.build import build
from hub.config.instances import Built, ExporterInstance, Instance, Models, NotifierInstance, UplinkInstance
from hub.config.model import Core
from hub.config.positions import Finding, by_place
from hub.config.secrets import Vault, reveal
from hub.config.source import Source, digest, read
from hub.core.errors import ConfigError
from hub.core.model import Device, Place


@dataclass(frozen=True, slots=True, repr=False)
class Loaded:
    """A complete, valid configuration.

    `data` is the data of the files, with references in the place of secrets; `files` maps each file read, relative to
    the directory of `path`, to its SHA-256 in hex; `asked` lists their includes (`Source.asked`), empty where unknown.
    `digest` is one hash of them all. Two Loaded with the same digest may still differ in the values of their secrets:
    compare `devices` and the config objects for that.
    """

    path: FilePath
    config: Core
    integrations: list[Instance]
    uplinks: list[UplinkInstance]
    exporters: list[ExporterInstance]
    devices: list[Device]
    places: list[Place]
    digest: str
    files: Mapping[str, str]
    data: Any
    notifiers: Sequence[NotifierInstance] = ()
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def state_dir(self) -> FilePath:
        """Return the directory of keys, buffer and store."""
        return self.path.parent / self.config.hub.state_dir

    def __repr__(self) -> str:
        counts = f"{len(self.integrations)} integrations, {len(self.devices)} devices, {len(self.places)} places"
        return f"<Loaded {self.path}: {counts}, {self.digest[:12]}>"


def load(
    path: FilePath,
    models: Models,
    *,
    environ: Mapping[str, str] | None = None,
    texts: Mapping[str, bytes] | None = None,
) -> Loaded:
    """Read, parse and validate `path`. Raises ConfigError with all problems, in the order of the files.

    `environ` is where ILOT_SECRET_… are looked up, by default the process's environment. `texts` replace files that are
    not written yet, by their name relative to the directory of `path`.
    """
    return validated(read(path, texts), models, environ=environ)


def validated(source: Source, models: Models, *, environ: Mapping[str, str] | None = None) -> Loaded:
    """Validate a source. Raises ConfigError with all problems."""
    path = source.path
    findings: list[Finding] = []
    broken = set(source.broken)
    vault = Vault(path.parent, environ)
    data = reveal(source.data, vault, findings, broken)
    built, found = build(data, models, broken)
    problems = [*source.problems, *source.positions.problems([*findings, *found]), *vault.problems]
    if problems or built is None:
        raise ConfigError(sorted(problems, key=by_place))
    return as_loaded(path, built, source.files, source.data, source.asked)


def as_loaded(path: FilePath, built: Built, files: Mapping[str, str], data: Any, asked: Mapping[str, str]) -> Loaded:
    return Loaded(
        path=path,
        config=built.config,
        integrations=built.integrations,
        uplinks=built.uplinks,
        exporters=built.exporters,
        notifiers=built.notifiers,
        devices=built.devices,
        places=built.places,
        digest=digest(files),
        files=dict(files),
        data=data,
        asked=dict(asked),
    )


__all__ = ["ExporterInstance", "Instance", "Loaded", "Models", "UplinkInstance", "as_loaded", "load", "validated"]
