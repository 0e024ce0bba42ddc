"""Memory of this process and of all that it started, as Linux counts it (proc(5), smaps_rollup).

    RSS        what is mapped; what two processes share counts twice
    PSS        the same, with what is shared divided among those who share it
    private    what nobody else has: it would come free with the process

Those of a hub are itself, the codecs' process, and each that reads a stranger's bytes for an integration.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_NAMES = {b"hub.devices.codecs.worker": "codecs"}
_MIB = 1024
"""Smaps counts in KiB."""


class Memory(msgspec.Struct, frozen=True):
    """Memory of one process, in MiB."""

    pid: int
    name: str
    rss_mib: float
    pss_mib: float
    private_mib: float


class FamilyMemory(msgspec.Struct, frozen=True):
    """Memory of a process and of all that it started, and the sums. Empty where the kernel does not tell."""

    processes: list[Memory]
    rss_mib: float
    pss_mib: float
    private_mib: float


def family(pid: int | None = None, name: str = "hub") -> FamilyMemory:
    """Return the memory of a process, by default this one, and of its descendants; it comes first, under this `name`.
    Whoever ends meanwhile is left out."""
    first = os.getpid() if pid is None else pid
    found = [
        memory for one in (first, *_descendants(first)) if (memory := _memory_of(one, name if one == first else ""))
    ]
    return FamilyMemory(
        found,
        sum(one.rss_mib for one in found),
        sum(one.pss_mib for one in found),
        sum(one.private_mib for one in found),
    )


def _descendants(pid: int) -> Iterator[int]:
    """Yield children, then theirs. By the parent that each process names: the list of children that the kernel keeps
    (/proc/PID/task/TID/children) is by thread, not in every kernel, and may leave some out."""
    children = defaultdict(list)
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and (parent := _parent(entry.name)):
            children[parent].append(int(entry.name))
    waiting = [pid]
    while waiting:
        for child in children.pop(waiting.pop(), ()):
            yield child
            waiting.append(child)


def _parent(pid: str) -> int:
    """Return the parent of a process, 0 of one that is gone."""
    try:
        return int((_PROC / pid / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _memory_of(pid: int, name: str) -> Memory | None:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:  # gone, or of a kernel without
        return None
    size = {key: int(rest.split()[0]) / _MIB for key, _, rest in (line.partition(":") for line in lines)}
    if "Rss" not in size:
        return None
    private = size.get("Private_Clean", 0.0) + size.get("Private_Dirty", 0.0)
    return Memory(pid, name or _name(command), size["Rss"], size.get("Pss", size["Rss"]), private)


def _name(command: bytes) -> str:
    """Return what a worker is for, by the module it runs; else the name of its program."""
    words = command.split(b"\0")
    for module, name in _NAMES.items():
        if module in command:
            return name
    for word in words:
        for package in (b"integrations.", b"plugins."):
            if package in word:
                return word.partition(package)[2].partition(b".")[0].decode("ascii", "replace")[:40]
    return os.path.basename(words[0]).decode(errors="replace")[:40] or "?"
