"""The user of each plugin instance: a number of RANGE, the same at every start, that nobody else on the machine has."""

from __future__ import annotations

import contextlib
import os
import pwd
import re

RANGE = range(69_632, 70_144)
"""Between the users that a system names (up to 65,535) and those that containers take (from 100,000)."""
_LINE = re.compile(r"([1-9][0-9]{4}) ([a-z][a-z0-9_.-]{0,63})")
LARGEST = 65_536


class OwnUsers:
    """Numbers by instance, kept in a file of root's. A plugin owns nothing that outlives it, so a number that is given
    to another instance, or a file that is lost, hands nothing over."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._by_instance: dict[str, int] = {}
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, "rb") as file:
            for line in file.read(LARGEST).decode("ascii").splitlines():
                found = _LINE.fullmatch(line)
                if found and int(found[1]) in RANGE and int(found[1]) not in self._by_instance.values():
                    self._by_instance[found[2]] = int(found[1])

    def of(self, instance: str, in_use: set[str]) -> int:
        """Return the number of an instance. With all taken, the one that was asked for longest ago gives way, unless it
        is `in_use`. Raises OSError where it cannot be written."""
        number = self._by_instance.pop(instance, 0)
        if not number or _is_named(number):
            number = self._free(in_use)
        self._by_instance[instance] = number  # the last of them: in the order in which they were asked for
        self._write()
        return number

    def _free(self, in_use: set[str]) -> int:
        taken = set(self._by_instance.values())
        for number in RANGE:
            if number not in taken and not _is_named(number):
                return number
        for instance, number in self._by_instance.items():
            if instance not in in_use and not _is_named(number):
                del self._by_instance[instance]
                return number
        raise OSError("every user of the range is in use")

    def _write(self) -> None:
        text = "".join(f"{number} {instance}\n" for instance, number in self._by_instance.items())
        with open(f"{self._path}.new", "w") as file:
            file.write(text)
        os.replace(f"{self._path}.new", self._path)


def _is_named(number: int) -> bool:
    """Return whether the machine knows a user by this number."""
    try:
        pwd.getpwuid(number)
    except KeyError:
        return False
    return True
