"""Packages of this commit, built once for all tests. Each build is a fixture of its own: a test's limit is for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .machine import NATIVE, OTHER, ROOT, needs
from .packages import Files, build, clone, kept

LATER = ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "Later"]
THEN = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="session")
def commit() -> str:
    """What is built: the last commit."""
    needs("dpkg-deb", "git")
    if sys.version_info[:2] != (3, 13):
        pytest.skip("packages are built by CPython 3.13")
    return subprocess.check_output(["git", "-C", ROOT, "rev-parse", "HEAD"], text=True).strip()


@pytest.fixture(scope="session")
def first(commit: str, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """For this machine."""
    place = tmp_path_factory.mktemp("first") / "clone"
    return kept(commit, "first", lambda out: build(clone(place, commit), out, NATIVE))


@pytest.fixture(scope="session")
def foreign(commit: str, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """For the other architecture."""
    place = tmp_path_factory.mktemp("foreign") / "clone"
    return kept(commit, "foreign", lambda out: build(clone(place, commit), out, OTHER))


@pytest.fixture(scope="session")
def later(commit: str, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """For this machine, of a commit that follows."""
    place = tmp_path_factory.mktemp("later") / "clone"

    def make(out: Path) -> None:
        subprocess.run(["git", "-C", clone(place, commit), *LATER], check=True, env=os.environ | THEN)
        build(place, out, NATIVE)

    return kept(commit, "later", make)
