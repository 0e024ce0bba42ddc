"""A plugin process shuts itself in, before it imports the plugin: `confine(limits)`, called by its main.

    user                never root: as root of the hub (a test, a container) it becomes user 65534
    RLIMIT_AS           `memory` beyond what the process has by then, in few heaps   RLIMIT_CORE 0
    RLIMIT_NOFILE       `files`   RLIMIT_NPROC `tasks` beyond what its user has now; no other process at all (seccomp)
    RLIMIT_FSIZE        LARGEST_FILE in its own working directory, 0 where it has none
    PR_SET_PDEATHSIG    it dies with who started it
    oom_score_adj       where the machine runs out of memory, it is killed before the hub
    seccomp             what asyncio, threads and imports need. Refused, with EPERM: execve, another process, a signal
                        to another, ptrace and the like, socket, connect, bind, mount, keys, bpf, io_uring, ioctls that
                        are not of terminals, memory that is written and executed, opening for writing outside its
                        own root directory

A socket that is handed to the plugin can be used as it is, and leads nowhere else: no connect, no address in `sendto`,
no TCP Fast Open. `listen` is allowed, which asyncio calls again on a socket that listens: no other has an address.
`sendmsg` takes an address out of sight of a filter, so a UDP socket must never be handed over.

Nothing here is best effort: what cannot be done raises OSError, and the plugin is not imported.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import platform
import resource
import signal
import sys
from collections.abc import Sequence

from hub.plugin_host.isolation.limits import LARGEST_FILE, Limits, given
from hub.sdk import seccomp
from hub.sdk.sandbox import ALLOWED, NOBODY, PR_SET_PDEATHSIG, address_space
from hub.sdk.seccomp import Is, nothing

__all__ = ["Limits", "confine", "given_here"]

PLAIN = (
    *ALLOWED,
    *("readv", "writev", "pread64", "preadv", "lseek", "close_range", "dup", "dup2", "dup3", "pipe2"),
    *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2"),
    *("timerfd_create", "timerfd_settime", "timerfd_gettime", "alarm", "msync"),
    *("sched_getaffinity", "getcpu", "clock_getres", "gettimeofday", "time", "times", "set_robust_list"),
    *("getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid"),
    *("uname", "sysinfo", "umask"),
    *("fstat", "newfstatat", "statx", "stat", "lstat", "access", "faccessat", "faccessat2", "readlink", "readlinkat"),
    *("getdents64", "getcwd", "statfs", "fstatfs", "fadvise64"),
    *("accept", "accept4", "listen", "recvmsg", "shutdown", "getsockname", "getpeername", "getsockopt"),
)
WRITES = (
    *("pwrite64", "pwritev", "flock", "fsync", "fdatasync", "ftruncate", "fallocate", "sendfile", "copy_file_range"),
    *("mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "utimensat"),
    *("open", "openat"),
)
"""In a root directory of its own, all of which but its working directory is read-only."""
NETWORK = ("socket", "connect", "bind", "sendto", "sendmsg", "sendmmsg", "recvmmsg", "setsockopt")
ABSENT = ("clone3", "openat2")
"""Their flags are out of sight of a filter; the C library goes on with `clone` and `openat`."""

_OPENS = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # the last: of O_TMPFILE alone
_CLONE_THREAD, _CLONE_NEW = 0x10000, 0x7E020000 | 0x4000 | 0x80 | 0x2000  # namespaces; CLONE_VFORK, NEWTIME, PTRACE
_WRITE_AND_EXECUTE = 6
_FASTOPEN = 0x20000000
_TERMINAL = (0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x5411, 0x5415, 0x5416, 0x5417, 0x5418)
_TERMINAL_SPEED = (0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D)
_FILES = (0x541B, 0x5421, 0x5450, 0x5451)  # FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)  # no owner, no signal, no lease, no seal
_OF_SOCKETS = (2, 7, 8, 9, 13, 20, 21)  # of SOL_SOCKET: reuse, buffers, keep-alive, linger, time-outs; no filter
_OF_TCP = (1, 3, 4, 5, 6, 12, 18)  # no-delay, cork, keep-alive, quick-ack, user time-out
_NAMES = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA

RULES: dict[str, Sequence[Sequence[Is]]] = {
    "clone": [[Is(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NEW)]],
    "mmap": [[Is(2, (0, 2, 4), _WRITE_AND_EXECUTE)]],
    "mprotect": [[Is(2, (0,), 4)]],
    "openat": [[Is(2, (0,), _OPENS)]],
    "open": [[Is(1, (0,), _OPENS)]],
    "fcntl": [[Is(1, _FCNTL)]],
    "ioctl": [[Is(1, (*_TERMINAL, *_TERMINAL_SPEED, *_FILES))]],
    "prctl": [[Is(0, _NAMES)]],
    "prlimit64": [[Is(0, (0,)), *nothing(2)]],
    "socketpair": [[Is(0, (1,))]],
    "sendto": [[*nothing(4), Is(3, (0,), _FASTOPEN)]],
    "sendmsg": [[Is(2, (0,), _FASTOPEN)]],
    "setsockopt": [[Is(1, (1,)), Is(2, _OF_SOCKETS)], [Is(1, (6,)), Is(2, _OF_TCP)]],
}
"""Where a call is only half safe: what of it is allowed."""
_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, as in the hub's unit, for those whose libraries open sockets themselves."""
STACK = 1 << 20
HEAPS = 2
_M_ARENA_MAX = -8  # mallopt(3)


def given_here() -> tuple[int, Limits]:
    """Return the descriptor of the session and the limits that this process was started with."""
    return given(sys.argv)


def filter_for(machine: str, limits: Limits, process: int, more: Sequence[str] = ()) -> bytes:
    """Return the filter of a plugin process with this number. `more` are allowed besides."""
    rules = {**RULES, "tgkill": [[Is(0, (process,))]]}
    free = list(more)
    if limits.own_root:
        free += WRITES
    if limits.direct_network:
        free += NETWORK
        rules["socket"] = [[Is(0, _FAMILIES)]]
        free.remove("socket")
    rules = {name: rule for name, rule in rules.items() if name not in free}
    allowed = {*PLAIN, *free} - rules.keys()
    return seccomp.program(machine, allowed, rules, ABSENT)


def confine(limits: Limits) -> None:
    """Apply what a process can do to itself. Raises OSError when any of it is not possible here."""
    if not seccomp.supported():
        raise OSError(f"no list of system calls for {platform.machine()}")
    if not limits.own_root:  # else its starter did, and its /proc is read-only
        with open("/proc/self/oom_score_adj", "w") as first:
            first.write("1000")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _thread.stack_size(STACK)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mallopt(_M_ARENA_MAX, HEAPS)  # each further heap takes 64 MiB of address space at once
    for kind, most in _bounds(limits).items():
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))
    seccomp.must(libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "PR_SET_PDEATHSIG")
    seccomp.load(filter_for(platform.machine(), limits, os.getpid()))


def _bounds(limits: Limits) -> dict[int, int]:
    """Return the limits of its resources, by number."""
    return {
        resource.RLIMIT_AS: address_space() + limits.memory,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.tasks if limits.own_root else _tasks_of_user() + limits.tasks,
        resource.RLIMIT_FSIZE: LARGEST_FILE if limits.own_root else 0,
        resource.RLIMIT_CORE: 0,
    }


def _tasks_of_user() -> int:
    """Count the threads of all processes of this user, which RLIMIT_NPROC counts."""
    own, found = os.geteuid(), 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == own:
                found += len(os.listdir(f"/proc/{name}/task"))
    return found
