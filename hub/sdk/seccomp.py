"""Filters of system calls (seccomp-bpf) for x86-64 and aarch64: what `hub.sdk.sandbox` and isolated plugins load.

A filter is a list of names that are allowed, and of calls of which some arguments are: `Rules` gives each
alternative, `Is` one condition of it. Everything else is refused with EPERM, and another convention of calls kills.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1  # seccomp(2)

# Name: number on x86-64, on aarch64 (arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of
# Linux). None where the machine has no such call.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "preadv": (295, 69), "pwritev": (296, 70), "close": (3, 57), "close_range": (436, 436), "lseek": (8, 62),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22), "epoll_pwait2": (441, 441),
    "eventfd2": (290, 19), "timerfd_create": (283, 85), "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87),
    "pipe2": (293, 59), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "fcntl": (72, 25), "ioctl": (16, 29),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233), "msync": (26, 227),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "tgkill": (234, 131), "alarm": (37, None), "getitimer": (36, 102),
    "setitimer": (38, 103),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168), "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169),
    "time": (201, None), "times": (100, 153), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293),
    "membarrier": (324, 283), "clone": (56, 220), "clone3": (435, 435), "exit": (60, 93), "exit_group": (231, 94),
    "execve": (59, 221), "set_tid_address": (218, 96), "arch_prctl": (158, None), "seccomp": (317, 277),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getgroups": (115, 158), "getresuid": (118, 148),
    "getresgid": (120, 150), "uname": (63, 160), "sysinfo": (99, 179), "getrusage": (98, 165), "prlimit64": (302, 261),
    "setrlimit": (160, 164), "prctl": (157, 167), "getrandom": (318, 278), "umask": (95, 166),
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "fstat": (5, 80), "newfstatat": (262, 79),
    "statx": (332, 291), "stat": (4, None), "lstat": (6, None), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78), "getdents64": (217, 61),
    "getcwd": (79, 17), "statfs": (137, 43), "fstatfs": (138, 44), "fadvise64": (221, 223),
    "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83), "ftruncate": (77, 46), "fallocate": (285, 47),
    "mkdir": (83, None), "mkdirat": (258, 34), "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "utimensat": (280, 88), "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    "socketpair": (53, 199), "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
}  # fmt: skip

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH, column of NUMBERS

# Classic BPF (linux/filter.h), and what it may answer (linux/seccomp.h).
_LOAD, _EQUAL, _RETURN, _AND, _JUMP = 0x20, 0x15, 0x06, 0x54, 0x05
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


class Is(NamedTuple):
    """The lower half of an argument, and of it the bits of `mask`, is one of `values`; its upper half with `upper`. The
    kernel itself reads no more than the lower half of what is an `int` or a word of flags for it; a pointer has two."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    upper: bool = False


def nothing(argument: int) -> tuple[Is, Is]:
    """A pointer is NULL."""
    return Is(argument, (0,)), Is(argument, (0,), upper=True)


Rules = Mapping[str, Sequence[Sequence[Is]]]
"""Name of a call -> what of it is allowed: any of these lists of conditions, each of which must hold."""
Line = tuple[int, int, int, int]


def supported(machine: str = "") -> bool:
    """Return whether there are numbers for this machine, and this Python is a program of it: not a 32-bit one on a
    64-bit kernel, which has other numbers."""
    return (machine or platform.machine()) in _MACHINES and sys.maxsize > 1 << 32


def numbers(machine: str, names: Iterable[str]) -> set[int]:
    """Return the numbers of the calls that this machine has. Raises KeyError for a name that is not known here."""
    column = _MACHINES[machine][1]
    return {number for name in names if (number := NUMBERS[name][column]) is not None}


def program(machine: str, allowed: Iterable[str], rules: Rules | None = None, absent: Iterable[str] = ()) -> bytes:
    """Return the filter for one machine, as 8-byte instructions: code u16 | jump if true u8 | if false u8 | constant
    u32. `absent` are refused with ENOSYS, for which a library has another way."""
    arch, _ = _MACHINES[machine]
    plain = sorted(numbers(machine, allowed))
    lines: list[Line] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    lines += [(_EQUAL, len(plain) - at, 0, number) for at, number in enumerate(plain)]
    lines += [(_JUMP, 0, 0, 1), (_RETURN, 0, 0, _ALLOW)]
    for name in absent:
        lines += _for(machine, name, [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)])
    for name, alternatives in (rules or {}).items():
        block = [line for conditions in alternatives for line in _alternative(conditions)]
        lines += _for(machine, name, [*block, (_RETURN, 0, 0, _ERRNO | errno.EPERM)])
    lines.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _for(machine: str, name: str, block: list[Line]) -> list[Line]:
    """Lines that are passed over unless it is this call. Each ends in an answer, so the number stays loaded."""
    return [line for number in numbers(machine, [name]) for line in [(_EQUAL, 0, len(block), number), *block]]


def _alternative(conditions: Sequence[Is]) -> list[Line]:
    """Allow where every condition holds, else go on behind these lines."""
    lines: list[Line] = [(_RETURN, 0, 0, _ALLOW)]
    for one in reversed(conditions):
        count = len(one.values)
        tests = [
            (_EQUAL, count - 1 - at, 0 if at < count - 1 else len(lines), value) for at, value in enumerate(one.values)
        ]
        word = _ARGUMENTS + 8 * one.argument + 4 * one.upper  # both machines are little-endian
        lines = [(_LOAD, 0, 0, word), (_AND, 0, 0, one.mask), *tests, *lines]
    return lines


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def load(code: bytes) -> None:
    """Give every thread of this process a filter, and no way to more rights. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    (number,) = numbers(platform.machine(), ["seccomp"])
    loaded = _Program(len(code) // 8, code)
    call = libc.syscall(
        ctypes.c_long(number),
        ctypes.c_ulong(_SET_MODE_FILTER),
        ctypes.c_ulong(_FLAG_TSYNC),
        ctypes.byref(loaded),
    )
    must(call, "seccomp")


def must(result: int, what: str) -> None:
    """Raise OSError for the result of a failed call of the C library."""
    if result:
        raise OSError(ctypes.get_errno(), f"{what} failed: {os.strerror(ctypes.get_errno())}")
