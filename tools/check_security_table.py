"""Each requirement of docs/explanation/security.md is shown by a test that exists, or names the work that brings it.

A row is `| id | what must hold | shown by | state |`. In "shown by", a test is `path::name` in backticks and work to
come is `work: Name`. State `held` needs a test, `in part` a test and work to come, `to come` work to come.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/security.md"
ROWS = [
    *(f"S-{n}" for n in range(1, 8)),
    *(f"Q{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17)),
    *(f"T{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 15, 16, 20, 22)),
]
WORKS = {"City view", "District engine", "Fleet", "Package in the field", "Plugins"}
"""Works to come. One that no row names is done: it leaves this list, and the table of works on the page."""
ROW = re.compile(r"^\| *(?P<id>[STQ]-?\d+) *\|(?P<must>[^|]+)\|(?P<shown>[^|]*)\|(?P<state>[^|]*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")
WORK = re.compile(r"work: ([A-Z][\w ]*\w)")
LISTED = re.compile(r"^\| ([A-Z][a-z][\w ]*\w) \|[^|]*\|$", re.MULTILINE)
"""A row of the table of works: its name, and what it brings."""


def main() -> int:
    text = PAGE.read_text()
    rows = list(ROW.finditer(text))
    found = [row["id"] for row in rows]
    problems = [f"{wanted}: no row" for wanted in ROWS if wanted not in found]
    problems += [f"{one}: {found.count(one)} rows" for one in sorted(set(found)) if found.count(one) > 1]
    for row in rows:
        problems += [f"{row['id']}: {problem}" for problem in judge(row["shown"], row["state"].strip())]
    named = {work for row in rows for work in WORK.findall(row["shown"])}
    problems += [f"no row names the work {work!r}: it is done, or a row is missing" for work in sorted(WORKS - named)]
    listed = set(LISTED.findall(text))
    problems += [f"the table of works lacks {work!r}" for work in sorted(WORKS - listed)]
    problems += [f"the table of works names {work!r}, which is none" for work in sorted(listed - WORKS)]
    for problem in problems:
        print(f"docs/explanation/security.md: {problem}", file=sys.stderr)
    states = [row["state"].strip() for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("held", "in part", "to come"))
    print(f"security table: {len(rows)} rows: {counts}; {len(problems)} problems")
    return 1 if problems else 0


def judge(shown: str, state: str) -> Iterator[str]:
    """What is wrong with one row."""
    tests, works = TEST.findall(shown), WORK.findall(shown)
    yield from missing(tests)
    for work in works:
        if work not in WORKS:
            yield f"names unknown work {work!r}; known: {', '.join(sorted(WORKS))}"
    needs = {"held": (True, False), "in part": (True, True), "to come": (False, True)}.get(state)
    if needs is None:
        yield f"state {state!r} is none of: held, in part, to come"
    elif (bool(tests), bool(works)) != needs:
        yield f"state {state!r} with {len(tests)} tests and {len(works)} works to come"


def missing(tests: list[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with references to tests, `(path, name)`."""
    for path, test in tests:
        file = ROOT / path
        if not file.exists():
            yield f"names {path}, which does not exist"
        elif not re.search(rf"^ *(?:async )?def {test}\(", file.read_text(), re.MULTILINE):
            yield f"{path} has no test {test}"


if __name__ == "__main__":
    sys.exit(main())
