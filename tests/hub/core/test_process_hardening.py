"""What cannot be done is said; what was done is what the kernel shows. Reading another process: tests/journeys."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from hub.core import process_hardening
from hub.core.process_hardening import harden

LOOK = """
import ctypes, resource, subprocess
from hub.core.process_hardening import harden
said = harden()
assert harden() == said
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
print(subprocess.run(["sh", "-c", "ulimit -Hc"], capture_output=True, text=True).stdout.strip())
"""


@pytest.mark.real("processes")
def test_it_is_closed_and_a_child_has_no_core_either() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0", "0"]


class Libc:
    """A kernel that refuses or agrees; counts."""

    def __init__(self, answer: int) -> None:
        self.answer, self.locked = answer, 0

    def prctl(self, *_: int) -> int:
        return self.answer

    def mlockall(self, flags: int) -> int:
        self.locked = flags
        return self.answer


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """The limits of a process that is not this one."""
    known = {resource.RLIMIT_MEMLOCK: (8 << 20, 8 << 20)}
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: known.update({which: both}))
    monkeypatch.setattr(resource, "getrlimit", known.__getitem__)
    monkeypatch.setattr(process_hardening, "_may_lock", lambda: False)
    return known


def swapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    file = tmp_path / "swaps"
    file.write_text("Filename Type Size Used Priority\n" + "".join(f"{name} partition 1 0 -2\n" for name in devices))
    monkeypatch.setattr(process_hardening, "_SWAPS", file)


def kernel(monkeypatch: pytest.MonkeyPatch, answer: int) -> Libc:
    libc = Libc(answer)
    monkeypatch.setattr(process_hardening.ctypes, "CDLL", lambda *_, **__: libc)
    monkeypatch.setattr(process_hardening.ctypes, "get_errno", lambda: 1)
    return libc


def test_without_swap_nothing_is_locked_and_nothing_is_missing(
    limits: dict[int, tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libc = kernel(monkeypatch, 0)
    for devices in ((), ("/dev/zram0",)):
        swapping(tmp_path, monkeypatch, *devices)
        assert harden() == []
    assert libc.locked == 0
    assert limits[resource.RLIMIT_CORE] == (0, 0)


def test_with_swap_memory_is_locked_only_where_the_limit_cannot_be_hit(
    limits: dict[int, tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libc = kernel(monkeypatch, 0)
    swapping(tmp_path, monkeypatch, "/dev/mmcblk0p3")
    (sentence,) = harden()
    assert "LimitMEMLOCK=infinity" in sentence
    assert libc.locked == 0
    limits[resource.RLIMIT_MEMLOCK] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert harden() == []
    assert libc.locked == process_hardening.MCL_CURRENT | process_hardening.MCL_FUTURE | process_hardening.MCL_ONFAULT


def test_a_kernel_that_refuses_stops_nothing_and_is_told(
    limits: dict[int, tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(monkeypatch, -1)
    swapping(tmp_path, monkeypatch, "/swapfile")
    limits[resource.RLIMIT_MEMLOCK] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def refuse(which: int, both: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    memory, core, swap = harden()
    assert "read the memory" in memory
    assert "core dump" in core
    assert swap == "keys in memory may be written to swap: Operation not permitted"


def test_a_machine_that_hides_its_swap_is_taken_to_have_some(
    limits: dict[int, tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(monkeypatch, 0)
    monkeypatch.setattr(process_hardening, "_SWAPS", tmp_path / "none")
    assert len(harden()) == 1
