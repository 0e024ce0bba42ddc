"""Files and commands of a machine, read within bounds.

Everything goes through a `Machine`, so that a recorded tree can be looked at as a running machine is. What a driver or
a USB stick puts under /sys is not trusted: only regular files are read, without waiting, 4 KiB of them at most, without
control characters.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

MOST_BYTES = 4096
MOST_TABLE = 1 << 20
"""Bytes of a table of the kernel, such as /proc/self/mountinfo."""
MOST_NAMES = 256
MOST_SHOWN = 80
"""Characters of a name from outside that are shown."""
COMMAND_S = 2.0
_LARGEST = 1 << 63


class Machine:
    """`root` is /, or the tree of a machine that was recorded or is mounted elsewhere; its commands lie in the tree."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.here = root == Path("/")

    def path(self, name: str) -> Path:
        """Return where an absolute name of that machine lies."""
        return self.root / name.lstrip("/")

    def text(self, name: str | Path, most: int = MOST_BYTES) -> str:
        """Return the text of a file without control characters but line feeds, "" where there is none to read."""
        try:
            descriptor = os.open(
                self.path(name) if isinstance(name, str) else name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except (OSError, ValueError):
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            pieces, left = [], most
            while left > 0 and (piece := os.read(descriptor, min(left, 1 << 16))):
                pieces.append(piece)
                left -= len(piece)
        except OSError:  # a driver answers with one
            return ""
        finally:
            os.close(descriptor)
        said = b"".join(pieces).decode(errors="replace")
        return "".join(one if one.isprintable() or one == "\n" else " " for one in said).strip()

    def word(self, name: str | Path) -> str:
        """Return the first line of a file, as much of it as is fit to be shown."""
        return self.text(name).partition("\n")[0].strip()[:MOST_SHOWN]

    def number(self, name: str | Path) -> int | None:
        """Return the whole number in a file, decimal or 0x…; None where there is none."""
        return whole_number(self.word(name))

    def names(self, pattern: str) -> list[Path]:
        """Return the paths that match, sorted; no more than MOST_NAMES are looked at."""
        try:
            return sorted(islice(self.root.glob(pattern.lstrip("/")), MOST_NAMES))
        except (OSError, ValueError):
            return []

    def command(self, name: str) -> str | None:
        """Return the path of a command, None where it is not installed."""
        if self.here:
            return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        found = self.path(f"/usr/bin/{name}")
        return str(found) if os.access(found, os.X_OK) else None

    def ask(self, *arguments: str, seconds: float = COMMAND_S) -> str | None:
        """Return what a command prints; None where it is not installed, fails, or takes longer."""
        found = self.command(arguments[0])
        return None if found is None else _output([found, *arguments[1:]], seconds)


def whole_number(word: str) -> int | None:
    """Return the whole number that a word is, decimal or 0x…, within 63 bits; else None."""
    try:
        found = int(word, 0) if word.lower().startswith("0x") else int(word)
    except ValueError:
        return None
    return found if -_LARGEST < found < _LARGEST else None


def _output(command: Sequence[str], seconds: float) -> str | None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": ""},
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout[:MOST_TABLE].decode(errors="replace")
