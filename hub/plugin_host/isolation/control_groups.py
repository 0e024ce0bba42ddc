"""A control group for each plugin process, where the machine has them: an addition to its other limits. Nothing relies
on it: Raspberry Pi OS has none for memory by default.

`Groups` is empty where the starter's own control group is not its to divide (`Delegate=` of its unit); what a kernel
does not have is left out.
"""

from __future__ import annotations

import contextlib
import os

FOLDER = "/sys/fs/cgroup"
INTERPRETER = 64 << 20
"""Bytes for Python, the hub's part of the process and files that it has read, beside a plugin's own."""
SPARE_TASKS = 4


class Groups:
    """The control groups below that of this process."""

    def __init__(self, own: str) -> None:
        """`own` is the folder of this process's control group; "" for none."""
        self._own = own
        self.controllers: tuple[str, ...] = ()

    @classmethod
    def here(cls, folder: str = FOLDER) -> Groups:
        """Move this process out of the way, as a group that has groups below it may hold no process of its own."""
        try:
            with open("/proc/self/cgroup") as file:
                lines = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
            own = folder + lines[""].rstrip("/")
            with open(f"{own}/cgroup.controllers") as file:
                offered = file.read().split()
            if own == folder:  # of the whole machine: nobody gave it to this program
                return cls("")
            os.makedirs(f"{own}/starter", exist_ok=True)
            _write(f"{own}/starter/cgroup.procs", str(os.getpid()))
        except (OSError, KeyError):
            return cls("")
        groups = cls(own)
        groups._take(offered)
        groups._clear()
        return groups

    def _take(self, offered: list[str]) -> None:
        for name in ("memory", "pids", "cpu"):
            if name in offered:
                with contextlib.suppress(OSError):
                    _write(f"{self._own}/cgroup.subtree_control", f"+{name}")
                    self.controllers += (name,)

    def _clear(self) -> None:
        """Remove what an earlier run left."""
        for name in os.listdir(self._own):
            if name.startswith("plugin-"):
                self.remove(f"{self._own}/{name}")

    def make(self, user: int, memory: int, processor: int, tasks: int) -> str:
        """Make the group of one plugin and return its folder; "" where there is none. `processor` is a percentage."""
        if not self._own:
            return ""
        made = f"{self._own}/plugin-{user}"
        try:
            os.makedirs(made, exist_ok=True)
        except OSError:
            return ""
        limits = {
            "memory.max": str(memory + INTERPRETER),
            "memory.swap.max": "0",
            "memory.oom.group": "1",
            "pids.max": str(tasks + SPARE_TASKS),
            "cpu.max": f"{processor * 1000} 100000",
            "cpu.weight": "20",
        }
        for name, value in limits.items():
            with contextlib.suppress(OSError):  # a kernel that has not this one
                _write(f"{made}/{name}", value)
        return made

    def remove(self, made: str) -> None:
        """Remove a group, with whatever is left in it."""
        if made:
            with contextlib.suppress(OSError):
                _write(f"{made}/cgroup.kill", "1")
            with contextlib.suppress(OSError):
                os.rmdir(made)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
