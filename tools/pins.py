"""Lines of constraints.txt, hashes included, of named packages and of all that these need in turn.

    python tools/pins.py demo setuptools        an extra of pyproject.toml, with what every hub has; and a package
    python tools/pins.py dev                    all of them

Who needs whom is what the file says after "via". Run by any Python from 3.11 on, with nothing installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
SELF = "ilot"


def normal(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement: str) -> str:
    """The distribution that a requirement such as `bleak>=3,<4` asks for. Raises ValueError."""
    found = NAME.match(requirement)
    if found is None:
        raise ValueError(f"no requirement: {requirement}")
    return normal(found[0])


def blocks(text: str) -> list[str]:
    """One text for each pin: its line, its hashes, and who asks for it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    starts = [n for n, line in enumerate(lines) if not line.startswith(" ")]
    return ["\n".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def roots(project: dict[str, object], names: Iterable[str]) -> set[str]:
    """The distributions that extras and packages of these names ask for by themselves. Every extra is the hub's: what
    each hub has comes with it."""
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    base: list[str] = project["dependencies"]  # type: ignore[assignment]
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in extras:
            found.add(normal(name))
            continue
        for requirement in [*base, *extras[name]]:
            if named(requirement) == SELF:
                waiting += re.findall(NAME, requirement.partition("[")[2])
            else:
                found.add(named(requirement))
    return found


def pins(text: str, wanted: set[str]) -> list[str]:
    """The blocks of `wanted`, and of what these need in turn, in the file's order. Raises KeyError for a stranger."""
    needs: dict[str, set[str]] = {}
    known = [(named(block), block) for block in blocks(text)]
    for name, block in known:
        for asking in re.findall(r"^    #(?: via)? +(\S+)(?: \(.*\))?$", block, re.MULTILINE):
            needs.setdefault(normal(asking), set()).add(name)
    if unknown := wanted - {name for name, _ in known}:
        raise KeyError(", ".join(sorted(unknown)))
    taken: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken.add(name)
            waiting += needs.get(name, ())
    return [block for name, block in known if name in taken]


def main(names: list[str]) -> int:
    if not names:
        print(__doc__, file=sys.stderr)
        return 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    try:
        found = pins((ROOT / "constraints.txt").read_text(), roots(project, names))
    except KeyError as error:
        print(f"pins: not in constraints.txt: {error.args[0]}", file=sys.stderr)
        return 1
    print(*found, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
