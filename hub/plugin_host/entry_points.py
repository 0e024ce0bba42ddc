"""Finds the installed plugins by the entry points of distributions, without importing any.

Format: "Entry points specification" and "Recording installed projects" of packaging.python.org: a directory
`<name>-<version>.dist-info` (or `.egg-info`) on `sys.path` holds METADATA (or PKG-INFO) and may hold entry_points.txt.
`importlib.metadata` reads the same, but parses all METADATA of all distributions as e-mail, which takes six times as
long: 20 ms of a PC's core at each start. Distributions in a zip file on `sys.path` are not found.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

_RECORDS = (".dist-info", ".egg-info")


class Entry(NamedTuple):
    """An entry point: its name, `module` or `module:attribute`, and its distribution."""

    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import the entry point. Raises what the import raises, and AttributeError for a missing attribute."""
        module, _, path = self.value.partition("[")[0].replace(" ", "").partition(":")
        found: Any = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
        return found


def installed(group: str, directories: list[str] | None = None) -> list[Entry]:
    """Return the entry points of a group in the order of `sys.path`; the first of two equal distributions counts."""
    seen: set[str] = set()
    found = []
    for directory in sys.path if directories is None else directories:
        for record in _records(directory or "."):
            name, version = _named(record)
            if (key := _key(name)) in seen:
                continue
            seen.add(key)
            said = _read(os.path.join(record, "entry_points.txt"))
            if group in said:  # METADATA is read only for distributions with plugins
                found += [Entry(*one, *_exactly(record, name, version)) for one in _section(said, group)]
    return found


def release_of(distribution: str) -> str:
    """Return the version of an installed distribution, "" where none is found."""
    for directory in sys.path:
        for record in _records(directory or "."):
            name, version = _named(record)
            if _key(name) == _key(distribution):
                return _exactly(record, name, version)[1]
    return ""


def _records(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith(_RECORDS)]
    return []


def _named(record: str) -> tuple[str, str]:
    """Parse name and version from the directory's name."""
    name, _, version = os.path.basename(record).rpartition(".")[0].partition("-")
    return name, version.partition("-")[0]


def _exactly(record: str, name: str, version: str) -> tuple[str, str]:
    """Return name and version as METADATA spells them; a name that does not match the directory's is ignored."""
    said = {"Name": name, "Version": version}
    for line in (_read(os.path.join(record, "METADATA")) or _read(os.path.join(record, "PKG-INFO"))).splitlines():
        if not line:
            break
        key, _, value = line.partition(": ")
        if key in said:
            said[key] = value.strip()
    return (said["Name"] if _key(said["Name"]) == _key(name) else name), said["Version"]


def _key(name: str) -> str:
    """Normalise a distribution's name for comparison (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _section(said: str, group: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each entry point of a group."""
    here = False
    for line in map(str.strip, said.splitlines()):
        if line.startswith("["):
            here = line.strip("[] ") == group
        elif here and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""
