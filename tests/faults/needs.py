"""What a fault needs of the machine. Without it the fault is not run, says so, and is not called a pass."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path


class Missing(RuntimeError):
    """This machine cannot make that fault. The message says what is missing and how to get it."""


def root() -> None:
    if os.geteuid() != 0:
        raise Missing("needs root (mounts): run as root, for instance in a virtual machine")


def tool(name: str, package: str, goal: str = "test") -> str:
    """The path of a command. Raises Missing with the package that brings it, and the goal whose set-up has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is missing: apt-get install {package} (tools/setup.sh {goal} does it)")
    return found


def strace() -> str:
    """The path of strace, which was seen to trace. Raises Missing."""
    found = tool("strace", "strace")
    done = subprocess.run([found, "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"strace cannot trace here ({done.stderr.strip()}): run as root, with ptrace allowed")
    return found


def mount(*arguments: str) -> None:
    """Mount something. Raises Missing with what mount said: the machine has no loop device, no ext4, no right."""
    root()
    done = subprocess.run([tool("mount", "mount"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"mount {' '.join(arguments[:-2])}: {done.stderr.strip()} (root, and loop devices, are needed)")


def unmount(where: Path) -> None:
    subprocess.run([tool("umount", "mount"), "--lazy", str(where)], capture_output=True, check=True)


def faketime() -> Path:
    """The library that fakes the clock of a process. Raises Missing."""
    found = next(Path("/usr/lib").glob(f"{platform.machine()}-*/faketime/libfaketime.so.1"), None)
    if found is None:
        raise Missing("libfaketime is missing: apt-get install libfaketime (tools/setup.sh test does it)")
    return found
