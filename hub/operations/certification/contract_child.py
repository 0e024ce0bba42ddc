"""`python -m hub.operations.certification.contract_child ROOT TESTS MODULE TEST…`: makes contract tests of each World
in TESTS, a directory or a file, whose module is MODULE or a part of it, and prints what came of each as a line of JSON.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import msgspec

from hub.sdk.testing.contract import Verdict, World, examine


def worlds(root: Path, tests: Path, module: str) -> list[type[World]]:
    """Return the worlds of an integration that files below `tests` define."""
    found: list[type[World]] = []
    for file in [tests] if tests.is_file() else sorted(tests.rglob("*.py")):
        text = file.read_text("utf-8", "replace")
        if "World" in text and module in text:
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            defined = vars(importlib.import_module(name)).values()
            found += [one for one in defined if _is_world(one, name) and f"{one.module}.".startswith(f"{module}.")]
    return found


def _is_world(one: object, module: str) -> bool:
    return isinstance(one, type) and issubclass(one, World) and one.__module__ == module


def main(arguments: list[str]) -> int:
    root, tests, module, *names = arguments
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed at import must not mix with the answer
    folder = tests if Path(tests).is_dir() else str(Path(tests).parent)
    sys.path[:0] = [root, folder]
    found = worlds(Path(root), Path(tests), module)
    if not found:
        print(
            f"{tests} defines no class of hub.sdk.testing.contract.World with module = {module!r}: write one, which "
            "describes the integration and its device; of a notifier it is a NotifierWorld",
            file=sys.stderr,
        )
        return 2
    with answer:
        for name in names:
            verdicts = {one.__name__: examine(one(), [name]).verdicts[0] for one in found}
            answer.write(msgspec.json.encode(together(name, verdicts)) + b"\n")
            answer.flush()
    return 0


def together(test: str, verdicts: dict[str, Verdict]) -> Verdict:
    """Return what came of a contract test in all worlds of a plugin: it passes where each does."""
    if len(verdicts) == 1:
        return next(iter(verdicts.values()))
    outcomes = {one.outcome for one in verdicts.values()}
    return Verdict(
        test=test,
        outcome="failed" if "failed" in outcomes else "passed" if "passed" in outcomes else "exempt",
        problems=tuple(f"{name}: {problem}" for name, one in verdicts.items() for problem in one.problems),
        why="; ".join(f"{name}: {one.why}" for name, one in verdicts.items() if one.why),
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
