"""What the hub asks of the starter, as bytes: read by a program of root, so each of them is checked. One message, of
lines in this order, `path` once for each folder:

    ilot-plugin 1
    instance modbus_2
    path /usr/lib/ilot/lib/python3.13/site-packages
    memory 100663296
    processor 50
    tasks 16
    files 64
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

VERSION = "ilot-plugin 1"
LARGEST = 8192
MOST_PATHS = 16
BOUNDS = {"memory": (1 << 20, 1 << 30), "processor": (1, 100), "tasks": (1, 64), "files": (16, 256)}
MALFORMED, PATH, MACHINE, FULL, BUSY = "malformed", "path", "machine", "full", "busy"
"""Words of a refusal: not a request · a folder that is not there or not allowed · a limit that cannot be applied · too
many plugins · its former process has not ended yet."""
_INSTANCE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_PATH = re.compile(r"(/[A-Za-z0-9._+@=,~!-]{1,255}){1,32}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}")


class Request(NamedTuple):
    """`memory`: bytes, `processor`: per cent of one."""

    instance: str
    paths: tuple[str, ...]
    memory: int
    processor: int
    tasks: int
    files: int

    def encoded(self) -> bytes:
        """Return it as its message. Raises ValueError for what the starter would not read."""
        lines = [VERSION, f"instance {self.instance}", *(f"path {one}" for one in self.paths)]
        lines += [f"{name} {getattr(self, name)}" for name in BOUNDS]
        message = ("\n".join(lines) + "\n").encode("ascii")
        read(message)
        return message


def read(message: bytes) -> Request:
    """Read a message. Raises ValueError that says what is wrong with it, in ASCII."""
    if len(message) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    try:
        lines = message.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ValueError("not ASCII") from None
    if lines[0] != VERSION:
        raise ValueError(f"not {VERSION!r}")
    if len(lines) < len(BOUNDS) + 3 or lines[-1]:
        raise ValueError("cut short")
    instance = _value(lines[1], "instance", _INSTANCE)
    paths = [_value(line, "path", _PATH) for line in lines[2 : -1 - len(BOUNDS)]]
    if not 1 <= len(paths) <= MOST_PATHS:
        raise ValueError(f"not 1 to {MOST_PATHS} paths")
    if any(part in (".", "..") for one in paths for part in one.split("/")):
        raise ValueError("a path with . or ..")
    numbers = _numbers(lines[-1 - len(BOUNDS) : -1])
    return Request(instance, tuple(paths), *numbers)


def _numbers(lines: Sequence[str]) -> list[int]:
    found = []
    for line, (name, (least, most)) in zip(lines, BOUNDS.items(), strict=True):
        number = int(_value(line, name, _NUMBER))
        if not least <= number <= most:
            raise ValueError(f"{name} is not {least} to {most}")
        found.append(number)
    return found


def _value(line: str, name: str, pattern: re.Pattern[str]) -> str:
    word, _, value = line.partition(" ")
    if word != name or not pattern.fullmatch(value):
        raise ValueError(f"no {name} where one belongs")
    return value
