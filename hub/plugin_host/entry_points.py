"""Which plugins are installed, as the entry points of installed distributions say: without importing any of them.

Format: "Entry points specification" and "Recording installed projects" of packaging.python.org: a directory
`<name>-<version>.dist-info` (or `.egg-info`) on `sys.path` holds METADATA (or PKG-INFO) and may hold entry_points.txt.
`importlib.metadata` reads the same, but all METADATA of all distributions, with a parser of e-mail: six times as long,
20 ms of a PC's core at each start. What lies in a zip file on `sys.path` is not found.
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
    """One entry point: its name, `module` or `module:attribute`, and the distribution that has it."""

    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import it. Raises what that raises; AttributeError where the module has no such attribute."""
        module, _, path = self.value.partition("[")[0].replace(" ", "").partition(":")
        found: Any = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
        return found


def installed(group: str, directories: list[str] | None = None) -> list[Entry]:
    """The entry points of a group, in the order of `sys.path`: what is there twice counts where it is first."""
    seen: set[str] = set()
    found = []
    for directory in sys.path if directories is None else directories:
        for record in _records(directory or "."):
            name, version = _named(record)
            if (key := _key(name)) in seen:
                continue
            seen.add(key)
            said = _read(os.path.join(record, "entry_points.txt"))
            if group in said:  # most distributions have no plugin
                found += [Entry(*one, *_exactly(record, name, version)) for one in _section(said, group)]
    return found


def _records(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith(_RECORDS)]
    return []


def _named(record: str) -> tuple[str, str]:
    """Name and version, as the directory is called."""
    name, _, version = os.path.basename(record).rpartition(".")[0].partition("-")
    return name, version.partition("-")[0]


def _exactly(record: str, name: str, version: str) -> tuple[str, str]:
    """Name and version, as METADATA spells them; another name than that of the directory is none."""
    said = {"Name": name, "Version": version}
    for line in (_read(os.path.join(record, "METADATA")) or _read(os.path.join(record, "PKG-INFO"))).splitlines():
        if not line:
            break
        key, _, value = line.partition(": ")
        if key in said:
            said[key] = value.strip()
    return (said["Name"] if _key(said["Name"]) == _key(name) else name), said["Version"]


def _key(name: str) -> str:
    """A distribution's name as names are compared (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _section(said: str, group: str) -> Iterator[tuple[str, str]]:
    """Name and value of each entry point of a group."""
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
