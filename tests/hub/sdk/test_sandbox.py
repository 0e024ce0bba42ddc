"""The jail of workers: what a worker inside can no longer do. Its filter: test_seccomp.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.real("processes")

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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    return done.stdout or done.stderr.strip().splitlines()[-1]
