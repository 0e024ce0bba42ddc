"""A worker process shuts itself in, after its imports and before the first byte of a stranger.

    root                user and group 65534 (nobody)
    RLIMIT_AS           `memory` beyond what the imports took   RLIMIT_NOFILE 0 · NPROC 0 · FSIZE 0 · CORE 0
    PR_SET_PDEATHSIG    it dies with the hub
    oom_score_adj       where the machine runs out of memory, it is killed before the hub
    seccomp             only what computing and talking over the one socket needs; anything else is refused with EPERM:
                        no file, no socket, no process, no signal, no ptrace, no look at or limit on another process
    descriptor 2        closed in the end: whoever takes a worker over writes no lines into the hub's log

Nothing here is best effort: what cannot be done raises OSError, and the worker does not start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal

from hub.sdk import seccomp

NOBODY = 65534

PR_SET_PDEATHSIG = 1  # prctl(2)
ALLOWED = (
    *("read", "write", "close", "poll", "ppoll", "select", "pselect6", "sendto", "recvfrom"),
    *("mmap", "mprotect", "munmap", "brk", "mremap", "madvise"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "getitimer", "setitimer"),
    *("sched_yield", "nanosleep", "clock_nanosleep", "clock_gettime", "futex", "membarrier", "rseq"),
    *("getpid", "gettid", "getrusage", "getrandom", "exit", "exit_group"),
)
"""System calls of a worker."""


def shut(*, memory: int) -> None:
    """`memory` is bytes. Raises OSError when any of it is not possible here."""
    if not seccomp.supported():
        raise OSError(f"no list of system calls for {platform.machine()}")
    with open("/proc/self/oom_score_adj", "w") as first:
        first.write("1000")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NPROC: 0, resource.RLIMIT_NOFILE: 0}
    limits[resource.RLIMIT_AS] = address_space() + memory
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "malloc_trim"):  # of glibc: what the imports have freed again
        libc.malloc_trim(0)
    seccomp.must(libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "PR_SET_PDEATHSIG")
    seccomp.load(seccomp.program(platform.machine(), ALLOWED))
    with contextlib.suppress(OSError):  # it may have none; what cannot be done is told before
        os.close(2)


def address_space() -> int:
    """Bytes of address space this process has now."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
