"""Starts a program, waits for its first line, and tries to read it: its memory, and the core of its abort.

    python peek.py NEEDLE COMMAND…        prints {"read": bool, "found": bool, "dumped": bool, "why": text}

The reader is the program's parent and the same user, without CAP_SYS_PTRACE (see `peek` in the test): the most that
any process but root's may ever do to another, whatever Yama says. Knows nothing of the hub.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys


def regions(pid: int) -> list[tuple[int, int]]:
    with open(f"/proc/{pid}/maps") as maps:
        lines = [line.split() for line in maps]
    return [
        tuple(int(end, 16) for end in line[0].split("-"))  # type: ignore[misc]
        for line in lines
        if line[1].startswith("rw") and "[vv" not in line[-1]
    ]


def search(pid: int, needle: bytes) -> bool:
    """Raises PermissionError when the kernel refuses."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in regions(pid):
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError as error:
                if isinstance(error, PermissionError):
                    raise
    return False


def main() -> None:
    needle, command = sys.argv[1].encode(), sys.argv[2:]
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    try:  # whoever wants a core gets one: a test before this one may have closed its own process, hence this one
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 1)
        os.close(out)
        os.execv(command[0], command)
    os.close(into)
    with os.fdopen(out, "rb") as lines:
        ready = bool(lines.readline())
        verdict = {"ready": ready, "read": False, "found": False, "why": ""}
        try:
            verdict["found"] = search(pid, needle)
            verdict["read"] = True
        except OSError as error:
            verdict["why"] = str(error)
        os.kill(pid, signal.SIGABRT)
        _, status = os.waitpid(pid, 0)
    verdict["aborted"] = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    verdict["dumped"] = os.WCOREDUMP(status)
    print(json.dumps(verdict))


if __name__ == "__main__":
    main()
