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
import struct

NOBODY = 65534

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # prctl(2)
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1  # seccomp(2)

# (AUDIT_ARCH, number of seccomp(2), allowed calls). Numbers: arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h of Linux.
_X86_64 = (
    0xC000003E,
    317,
    {
        "read": 0, "write": 1, "close": 3, "poll": 7, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
        "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "select": 23, "sched_yield": 24, "mremap": 25,
        "madvise": 28, "nanosleep": 35, "getitimer": 36, "setitimer": 38, "getpid": 39, "sendto": 44, "recvfrom": 45,
        "exit": 60, "gettid": 186, "futex": 202, "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230,
        "exit_group": 231, "pselect6": 270, "ppoll": 271, "getrandom": 318, "membarrier": 324, "rseq": 334,
        "sigaltstack": 131, "getrusage": 98,
    },
)  # fmt: skip
_AARCH64 = (
    0xC00000B7,
    277,
    {
        "close": 57, "read": 63, "write": 64, "pselect6": 72, "ppoll": 73, "exit": 93, "exit_group": 94, "futex": 98,
        "nanosleep": 101, "getitimer": 102, "setitimer": 103, "clock_gettime": 113, "clock_nanosleep": 115,
        "sched_yield": 124, "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "getrusage": 165, "getpid": 172, "gettid": 178, "sendto": 206, "recvfrom": 207, "brk": 214,
        "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278,
        "membarrier": 283, "rseq": 293,
    },
)  # fmt: skip
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}

# Classic BPF (linux/filter.h), and what it may answer (linux/seccomp.h).
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def shut(*, memory: int) -> None:
    """`memory` is bytes. Raises OSError when any of it is not possible here."""
    if platform.machine() not in _MACHINES:
        raise OSError(f"no list of system calls for {platform.machine()}")
    with open("/proc/self/oom_score_adj", "w") as first:
        first.write("1000")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NPROC: 0, resource.RLIMIT_NOFILE: 0}
    limits[resource.RLIMIT_AS] = _virtual() + memory
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    _must(libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "PR_SET_PDEATHSIG")
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _, seccomp, _ = _MACHINES[platform.machine()]
    code = program(platform.machine())
    loaded = _Program(len(code) // 8, code)
    _must(
        libc.syscall(
            ctypes.c_long(seccomp),
            ctypes.c_ulong(SECCOMP_SET_MODE_FILTER),
            ctypes.c_ulong(SECCOMP_FILTER_FLAG_TSYNC),
            ctypes.byref(loaded),
        ),
        "seccomp",
    )
    with contextlib.suppress(OSError):  # it may have none; what cannot be done is told before
        os.close(2)


def program(machine: str) -> bytes:
    """The filter for one machine, as 8-byte instructions: code u16 | jump if true u8 | if false u8 | constant u32."""
    arch, _, calls = _MACHINES[machine]
    numbers = sorted(calls.values())
    lines = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    lines += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    lines += [(_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _virtual() -> int:
    """Bytes of address space this process has now."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _must(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what} failed: {os.strerror(ctypes.get_errno())}")
