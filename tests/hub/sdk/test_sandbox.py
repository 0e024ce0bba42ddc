"""The jail of workers: its filter, instruction by instruction, and what a worker inside can no longer do."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hub.sdk import sandbox


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_allows_what_it_lists_and_nothing_else(machine: str) -> None:
    """The program run by hand, instruction by instruction, as the kernel does (linux/filter.h)."""
    code = sandbox.program(machine)
    lines = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    arch, _, calls = sandbox._MACHINES[machine]

    def verdict(number: int, architecture: int) -> int:
        at = accumulator = 0
        while True:
            operation, true, false, constant = lines[at]
            at += 1
            if operation == 0x20:
                accumulator = {0: number, 4: architecture}[constant]
            elif operation == 0x15:
                at += true if accumulator == constant else false
            else:
                return constant

    allowed = {number for number in range(600) if verdict(number, arch) == 0x7FFF0000}
    assert allowed == set(calls.values())
    assert verdict(1, arch ^ 1) == 0x80000000
    assert verdict(calls["read"] | 0x40000000, arch) == 0x00050001, "another calling convention"


@pytest.mark.parametrize(("machine", "header"), [
    ("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h"),
])  # fmt: skip
def test_the_numbers_of_system_calls_are_the_kernels(machine: str, header: str) -> None:
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    known = dict(line.split()[1:3] for line in path.read_text().splitlines() if line.startswith("#define __NR"))
    for name, number in sandbox._MACHINES[machine][2].items():
        assert int(known.get(f"__NR3264_{name}") or known[f"__NR_{name}"]) == number, name


@pytest.mark.parametrize(("machine", "header"), [
    ("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h"),
])  # fmt: skip
def test_the_number_of_seccomp_is_the_kernels(machine: str, header: str) -> None:
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    known = dict(line.split()[1:3] for line in path.read_text().splitlines() if line.startswith("#define __NR"))
    assert int(known["__NR_seccomp"]) == sandbox._MACHINES[machine][1]


ATTACKS = {
    "open a file": "open('/etc/passwd')",
    "look at a directory": "os.listdir('/')",
    "open a socket": "socket.socket()",
    "start a process": "os.fork()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal another process": "os.kill(os.getppid(), 0)",
    "lift a limit": "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "take its memory": "bytearray(512 << 20)",
    "become another user": "os.setuid(0)",
    "write into the log": "os.write(2, b'12:00:00 INFO hub: all is well')",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("thread", [False, True])
def test_a_worker_that_is_shut_in_can_do_none_of_this_in_any_thread(attack: str, thread: bool) -> None:
    told = _attempt(ATTACKS[attack], thread=thread, shut="jail.shut(memory=32 << 20)")
    assert told in ("PermissionError", "MemoryError", "BlockingIOError", "OSError", "ValueError"), told


@pytest.mark.parametrize("attack", ["open a file", "write into the log"])
def test_the_twin_that_is_not_shut_in_does_it(attack: str) -> None:
    assert _attempt(ATTACKS[attack], thread=True, shut="None") == "done"


def _attempt(attack: str, *, thread: bool, shut: str) -> str:
    """What became of it: "done", or the name of the error. The thread is there before the jail is."""
    code = f"""
import os, resource, socket, sys, threading
from hub.sdk import sandbox as jail
go, told = threading.Event(), []
def attempt():
    go.wait()
    try:
        {attack}
        told.append("done")
    except BaseException as error:
        told.append(type(error).__name__)
worker = threading.Thread(target=attempt)
worker.start()
if not {thread}:
    go.set(); worker.join(); told.clear()
{shut}
if {thread}:
    go.set(); worker.join()
else:
    attempt()
os.write(1, told[-1].encode())
os._exit(0)
"""
    if not thread:  # the first attempt, before the jail, would do it
        code = code.replace("    go.set(); worker.join(); told.clear()\n", "    pass\n").replace(
            "worker.start()\n", "go.set()\n"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout or done.stderr.strip().splitlines()[-1]
