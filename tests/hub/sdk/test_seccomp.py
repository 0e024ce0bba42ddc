"""Filters of system calls, run by hand instruction by instruction, as the kernel does (linux/filter.h)."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.plugin_host.isolation.confine import RULES, filter_for
from hub.plugin_host.isolation.limits import Limits
from hub.sdk import sandbox, seccomp
from hub.sdk.seccomp import Is, nothing

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
Judge = Callable[..., int]


def judge(code: bytes, machine: str) -> Judge:
    """Return what says of a call, by number and arguments, what the filter answers."""
    lines = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]

    def verdict(number: int, *arguments: int, architecture: int = MACHINES[machine]) -> int:
        words = {0: number, 4: architecture}
        for at, one in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
            words |= {16 + 8 * at: one & 0xFFFFFFFF, 20 + 8 * at: one >> 32}
        at = accumulator = 0
        while True:
            operation, true, false, constant = lines[at]
            at += 1
            if operation == 0x20:
                accumulator = words[constant]
            elif operation == 0x54:
                accumulator &= constant
            elif operation == 0x05:
                at += constant
            elif operation == 0x15:
                at += true if accumulator == constant else false
            else:
                return constant

    return verdict


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_of_a_worker_allows_what_it_lists_and_nothing_else(machine: str) -> None:
    verdict = judge(seccomp.program(machine, sandbox.ALLOWED), machine)
    known = seccomp.numbers(machine, sandbox.ALLOWED)
    assert {number for number in range(600) if verdict(number) == ALLOW} == known
    assert verdict(1, architecture=MACHINES[machine] ^ 1) == KILL
    assert verdict(min(known) | 0x40000000) == EPERM, "another calling convention"


def test_every_condition_of_one_alternative_must_hold_and_a_mask_leaves_out_bits() -> None:
    rules = {"openat": [[Is(0, (1, 2)), Is(2, (0, 8), 0xF8)], [Is(0, (9,)), *nothing(1)]]}
    verdict = judge(seccomp.program("aarch64", ["read"], rules, ["clone3"]), "aarch64")
    for first, second, third, allowed in (
        (1, 5, 7, True), (2, 5, 15, True), (2, 5, 16, False), (3, 5, 0, False), (9, 0, 99, True), (9, 1, 99, False),
        (9, 1 << 32, 99, False),
    ):  # fmt: skip
        assert verdict(56, first, second, third) == (ALLOW if allowed else EPERM), (first, second, third)
    assert verdict(63) == ALLOW
    assert verdict(435) == ENOSYS
    assert verdict(57) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_of_system_calls_are_the_kernels(machine: str) -> None:
    path = Path("/usr/include", HEADERS[machine])
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    lines = (line.split()[1:3] for line in path.read_text().splitlines() if line.startswith("#define __NR"))
    known = {name.removeprefix("__NR3264_").removeprefix("__NR_"): at for name, at in lines if at.isdecimal()}
    known["newfstatat"] = known.get("newfstatat") or known["fstatat"]
    column = list(MACHINES).index(machine)
    for name, numbers in {**NEVER, **seccomp.NUMBERS}.items():
        number = numbers[column]
        if number is not None:
            assert int(known[name]) == number, name
        else:
            assert name not in known or machine == "aarch64", name  # the generic header has calls of old machines too


OUTSIDE = Limits(1 << 20, 8, 4, own_root=False, direct_network=False)
INSIDE = OUTSIDE._replace(own_root=True)
SHIPPED = OUTSIDE._replace(direct_network=True)
NEVER = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "clone3": (435, 435),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kill": (62, 129),
    "tkill": (200, 130), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "pivot_root": (155, 41),
    "chroot": (161, 51), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219), "add_key": (248, 217),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "memfd_create": (319, 279), "openat2": (437, 437),
    "mknodat": (259, 33), "linkat": (265, 37), "symlinkat": (266, 36), "fchmodat": (268, 53), "setuid": (105, 146),
    "setresuid": (117, 147), "setrlimit": (160, 164), "seccomp": (317, 277), "capset": (126, 91),
    "personality": (135, 92), "sched_setscheduler": (144, 119), "setpriority": (141, 140), "reboot": (169, 142),
    "init_module": (175, 105), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "rt_sigqueueinfo": (129, 138),
}  # fmt: skip


@pytest.mark.parametrize("limits", [OUTSIDE, INSIDE, SHIPPED])
@pytest.mark.parametrize("machine", MACHINES)
def test_no_plugin_may_do_what_reaches_another_process_or_the_kernels_tables(machine: str, limits: Limits) -> None:
    verdict = judge(filter_for(machine, limits, 7), machine)
    for name, numbers in NEVER.items():
        number = numbers[list(MACHINES).index(machine)]
        if number is not None:
            assert verdict(number) in (EPERM, ENOSYS), name


def call(machine: str, name: str) -> int:
    (number,) = seccomp.numbers(machine, [name])
    return number


THREAD, FORK, NAMESPACE = 0x3D0F00, 0x1200011, 0x10000 | 0x10000000
BAD, GOOD = EPERM, ALLOW
CASES: list[tuple[Limits, str, tuple[int, ...], int]] = [
    (OUTSIDE, "clone", (THREAD,), GOOD), (OUTSIDE, "clone", (FORK,), BAD), (OUTSIDE, "clone", (NAMESPACE,), BAD),
    (OUTSIDE, "openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), GOOD), (OUTSIDE, "openat", (0, 0, os.O_WRONLY), BAD),
    (OUTSIDE, "openat", (0, 0, os.O_RDWR), BAD), (OUTSIDE, "openat", (0, 0, os.O_CREAT), BAD),
    (OUTSIDE, "openat", (0, 0, os.O_TRUNC), BAD), (INSIDE, "openat", (0, 0, os.O_WRONLY | os.O_CREAT), GOOD),
    (OUTSIDE, "unlinkat", (), BAD), (INSIDE, "unlinkat", (), GOOD), (OUTSIDE, "ftruncate", (), BAD),
    (OUTSIDE, "mmap", (0, 0, 3), GOOD), (OUTSIDE, "mmap", (0, 0, 5), GOOD), (OUTSIDE, "mmap", (0, 0, 7), BAD),
    (OUTSIDE, "mprotect", (0, 0, 1), GOOD), (OUTSIDE, "mprotect", (0, 0, 5), BAD),
    (OUTSIDE, "prctl", (15,), GOOD), (OUTSIDE, "prctl", (1, 0), BAD), (OUTSIDE, "prctl", (4, 1), BAD),
    (OUTSIDE, "prlimit64", (0, 7, 0), GOOD), (OUTSIDE, "prlimit64", (0, 7, 1 << 40), BAD),
    (OUTSIDE, "prlimit64", (55, 7, 0), BAD), (OUTSIDE, "tgkill", (7, 9, 6), GOOD), (OUTSIDE, "tgkill", (8, 8, 9), BAD),
    (OUTSIDE, "ioctl", (0, 0x5421), GOOD), (OUTSIDE, "ioctl", (0, 0x5412), BAD), (OUTSIDE, "ioctl", (0, 0x8912), BAD),
    (OUTSIDE, "fcntl", (0, 4), GOOD), (OUTSIDE, "fcntl", (0, 8), BAD), (OUTSIDE, "fcntl", (0, 1024), BAD),
    (OUTSIDE, "socketpair", (1,), GOOD), (OUTSIDE, "socketpair", (2,), BAD), (OUTSIDE, "socket", (1,), BAD),
    (INSIDE, "socket", (16,), BAD), (SHIPPED, "socket", (2,), GOOD), (SHIPPED, "socket", (16,), GOOD),
    (SHIPPED, "socket", (17,), BAD), (SHIPPED, "socket", (38,), BAD), (SHIPPED, "connect", (), GOOD),
    (OUTSIDE, "connect", (), BAD), (INSIDE, "bind", (), BAD), (INSIDE, "listen", (), GOOD),
    (INSIDE, "accept4", (), GOOD),
    (OUTSIDE, "sendto", (3, 0, 0, 0, 0), GOOD), (OUTSIDE, "sendto", (3, 0, 0, 0, 1 << 33), BAD),
    (OUTSIDE, "sendto", (3, 0, 0, 0x20000000, 0), BAD), (OUTSIDE, "sendmsg", (3, 0, 0x4000), GOOD),
    (OUTSIDE, "sendmsg", (3, 0, 0x20000000), BAD), (OUTSIDE, "sendmmsg", (), BAD),
    (OUTSIDE, "setsockopt", (3, 6, 1), GOOD), (OUTSIDE, "setsockopt", (3, 1, 26), BAD),
    (OUTSIDE, "setsockopt", (3, 0, 1), BAD), (SHIPPED, "setsockopt", (3, 1, 26), GOOD),
]  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_half_of_a_call_is_allowed_by_its_arguments(machine: str) -> None:
    for limits, name, arguments, answer in CASES:
        verdict = judge(filter_for(machine, limits, 7), machine)
        assert verdict(call(machine, name), *arguments) == answer, (limits, name, arguments)


def test_each_condition_is_judged_by_some_case() -> None:
    assert {name for _, name, _, answer in CASES if answer == BAD} >= RULES.keys() - {"open"}


@pytest.mark.real("processes")
def test_a_filter_that_the_kernel_does_not_take_is_an_error() -> None:
    code = "from hub.sdk import seccomp\ntry:\n    seccomp.load(b'x' * 8)\nexcept OSError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert "seccomp failed" in done.stdout
