"""What is built: a commit, its number and its time."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


def said(command: Sequence[str | Path], **options: object) -> str:
    """Run `command` and return what it said. Raises SystemExit with its errors."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"package: {' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return str(done.stdout)


def git(*arguments: str) -> str:
    return said(["git", "-C", ROOT, *arguments]).strip()


class Release(NamedTuple):
    """A commit as a release. Its counter is the number of commits up to it, and is the last part of its version."""

    commit: str
    counter: int
    at: int
    version: str

    @classmethod
    def of_head(cls) -> Release:
        if git("rev-parse", "--is-shallow-repository") != "false":
            raise SystemExit("package: a shallow clone cannot count its commits: git fetch --unshallow")
        if git("status", "--porcelain", "--untracked-files=no"):
            print("package: only what is committed is packed: this tree has changes that are not", flush=True)
        commit = git("rev-parse", "HEAD")
        project = tomllib.loads(git("show", f"{commit}:pyproject.toml"))["project"]
        counter = int(git("rev-list", "--count", commit))
        return cls(commit, counter, int(git("log", "-1", "--format=%ct", commit)), version(project["version"], counter))

    @property
    def debian(self) -> str:
        """Debian's version."""
        return f"{self.version}-1"


def version(base: str, counter: int) -> str:
    """The version of a build: that of the project with the counter for its last part, so that each build's is higher
    for pip, for dpkg and for people. Raises ValueError."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", base):
        raise ValueError(f"not three numbers: {base}")
    return f"{base.rpartition('.')[0]}.{counter}"
