"""Memory of a process and its children, against what the children themselves took."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub.core.process_memory import FamilyMemory, family

pytestmark = pytest.mark.real("processes")

SIZE = 24
HOLDS = f"held = bytearray(b'x') * ({SIZE} << 20); print('there', flush=True); input()"
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1], 'integrations.acme.worker'],"
    " stdout=subprocess.PIPE, stdin=subprocess.PIPE); child.stdout.readline(); print('there', flush=True); input();"
    " child.communicate()"
)


@contextmanager
def running(*arguments: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    try:
        yield process.pid
    finally:
        process.communicate("\n")


def of(found: FamilyMemory, pid: int) -> float:
    return next(one.private_mib for one in found.processes if one.pid == pid)


def test_what_a_process_holds_is_its_own_and_what_its_children_hold_is_in_the_sum() -> None:
    with running(HOLDS) as child, running("print('there', flush=True); input()") as bare:
        found = family()
        assert found.processes[0].pid == os.getpid()
        assert found.processes[0].name == "hub"
        assert of(found, child) - of(found, bare) == pytest.approx(SIZE, abs=2)
        assert found.private_mib == pytest.approx(sum(one.private_mib for one in found.processes))
        for one in found.processes:
            assert 0 < one.private_mib <= one.pss_mib + 0.1 <= one.rss_mib + 0.2
    assert child not in {one.pid for one in family().processes}


def test_the_child_of_a_child_counts_too_and_bears_the_name_of_what_it_runs() -> None:
    with running(PARENT, HOLDS) as parent:
        found = family(parent, "first")
        assert [one.name for one in found.processes] == ["first", "acme"]
        assert found.private_mib > SIZE


def test_of_a_process_that_is_gone_there_is_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert family(gone.pid) == FamilyMemory([], 0, 0, 0)
