"""Workers of an integration that give way to nobody."""

from __future__ import annotations

from collections.abc import Sequence


def as_others(command: Sequence[str]) -> list[str]:
    """The command of a `SandboxedProcess` that does not lower its priority. It does so in favour of the hub; beside
    tests that take each processor whole it would get none for minutes."""
    *before, boot, path = command
    assert "import runpy;" in boot
    return [*before, boot.replace("import runpy;", "import runpy, os; os.nice = lambda _: 0;"), path]
