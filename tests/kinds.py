"""Tell small tests from real ones, and hold the small ones to it.

    @pytest.mark.real("what it needs")

A small test needs its own process alone: an event loop, streams in memory, `socketpair`, files below `tmp_path`. One
that starts a process, uses a network socket or sleeps by the clock is real, and says so by the mark; a `long` one is no
small one either. What a small test does of these makes it fail, by name. What a fixture of a wider scope does counts
for each test that uses it. How long an event loop waits is not seen.

With ILOT_KINDS=folder nothing fails: a line of JSON for each test (`test`, `needs`, `marked`) is written there, to mark
tests by. See docs/adr/0168-small-tests-and-real-ones.md.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PROCESSES, NETWORK, CLOCK = "processes", "network", "clock"
SLEEP_S = 0.01
"""A shorter sleep gives way to other threads: no result depends on how long it takes."""
STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn")
SENDS = ("socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg")
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def need(event: str, args: tuple[Any, ...]) -> str:
    """What a test needs that causes this event of the interpreter (`sys.audit`); "" for all others."""
    if event in STARTS:
        return PROCESSES
    if event in SENDS and args[0].family in FAMILIES:
        return NETWORK
    if event == "time.sleep" and args[0] > SLEEP_S and threading.current_thread() is threading.main_thread():
        return CLOCK
    return ""


class Kinds:
    """The plugin: watches what each test does, and fails a small one that does what only real ones may."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []
        """What was done: of the test, and above it of the fixtures that are being set up, the innermost last."""
        self._wide: dict[tuple[str, str], set[str]] = {}
        """What fixtures of a wider scope did, by their name and by where they count."""
        self._report = Path(folder) if (folder := os.environ.get("ILOT_KINDS")) else None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._seen and (found := need(event, args)):
            self._seen[-1].add(found)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        self._seen.append(self._wide.setdefault((fixturedef.argname, fixturedef.baseid), set()))
        try:
            return (yield)
        finally:
            self._seen.pop()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._seen = [set()]
        try:
            return (yield)
        finally:
            self._seen = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        needs = self._seen[0] | self._of_fixtures(item)
        marked = any(item.iter_markers("real")) or any(item.iter_markers("long"))
        if self._report is not None:
            self._write(item, needs, marked)
        elif needs and not marked:
            pytest.fail(
                f"this test is small and needs {', '.join(sorted(needs))}: do without, or mark it "
                f'@pytest.mark.real("{", ".join(sorted(needs))}")',
                pytrace=False,
            )

    def _of_fixtures(self, item: pytest.Item) -> set[str]:
        names = set(getattr(item, "fixturenames", ()))
        found = set[str]()
        for (name, base), needs in self._wide.items():
            if name in names and item.nodeid.startswith(base):
                found |= needs
        return found

    def _write(self, item: pytest.Item, needs: set[str], marked: bool) -> None:
        assert self._report is not None
        self._report.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"test": item.nodeid, "needs": sorted(needs), "marked": marked})
        with (self._report / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(line + "\n")
