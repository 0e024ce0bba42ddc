"""From root to a confined plugin, in a forked process of the starter: namespaces, a root directory of its own, limits,
another user, and then Python. Whatever fails ends the process; nothing is left out.

    namespaces      mount, network (empty, not even a loopback that is up), IPC, host name, control groups; its starter
                    has made the one of processes, in which it is number 1
    root directory  read-only: libraries of the system and Python, zone names, the hub's code, the plugin's own folder,
                    /proc of its own namespace, null, zero and random; no setuid, no device nodes beside these
    WORK            its working directory, in memory: WORK_BYTES, files of at most LARGEST_FILE, nothing executable
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import platform
import resource
import signal
import stat
import sys
from collections.abc import Sequence
from typing import NamedTuple

from hub.plugin_host.isolation.confine import filter_for
from hub.plugin_host.isolation.limits import LARGEST_FILE, Limits, command
from hub.plugin_host.isolation.request import PATH
from hub.sdk import seccomp

WORK = "/run/plugin"
WORK_BYTES = 16 << 20
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
LINKS = ("/lib", "/lib64")
"""On Debian links into /usr, elsewhere folders."""
DEVICES = ("null", "zero", "random", "urandom")
SESSION = 3
"""Number of the session's descriptor in the child."""
STARTUP = 1 << 30
"""Bytes of address space for Python and the hub's own part, until `confine` sets the limit beyond what these took."""
BEFORE_CONFINED = ("execve", "seccomp", "prctl", "prlimit64", "setrlimit", "arch_prctl", "set_tid_address")
"""System calls beside a plugin's that Python's start and `confine` need. The filter with these holds from the start."""

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_NEW_NAMESPACES = 0x00020000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000  # mount, net, IPC, UTS, cgroup
_PR_SET_PDEATHSIG, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 1, 23, 24
_OTHERS_WRITE = 0o022
libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """Why a plugin is not started: `word` of `request`, and text."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(word, text)
        self.word, self.text = word, text


class Ground(NamedTuple):
    """What this machine's starter takes: folders of code that is root's alone, the folder of plugins that the hub
    unpacked, the hub's user, and an empty folder for root directories."""

    code: tuple[str, ...]
    plugins: str
    hub: int
    scratch: str


class Plan(NamedTuple):
    """One plugin process."""

    paths: tuple[str, ...]
    user: int
    limits: Limits


def enter(ground: Ground, plan: Plan, session: int, errors: int, group: str) -> None:
    """Become the plugin process; does not return. `group` is the folder of its control group, "" for none. Raises
    Refused, OSError."""
    os.setsid()
    os.umask(0o022)
    if group:
        _write(f"{group}/cgroup.procs", "0")
    _write("/proc/self/oom_score_adj", "1000")
    os.setpriority(os.PRIO_PROCESS, 0, 10)
    seccomp.must(libc.unshare(_NEW_NAMESPACES), "unshare")
    python = os.path.realpath(sys.executable)
    _make_root(ground, plan, python)
    _keep_descriptors(session, errors)
    _give_up_rights(plan)
    os.chdir(WORK)
    os.umask(0o077)
    seccomp.load(filter_for(platform.machine(), plan.limits, os.getpid(), BEFORE_CONFINED))
    os.execve(python, command(python, plan.paths, SESSION, plan.limits), {})  # noqa: S606 - its command is this module's own


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [one.encode() for one in (source, target, kind)]
    seccomp.must(libc.mount(*words, ctypes.c_ulong(flags), data.encode()), f"mount on {target}")


def _make_root(ground: Ground, plan: Plan, python: str) -> None:
    """Build the root directory and enter it; the old one is out of reach then."""
    _mount("", "/", flags=_MS_REC | _MS_PRIVATE)
    root = ground.scratch
    _mount("plugin", root, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=256k,nr_inodes=512,mode=755")
    shown = [python, *(one for one in SYSTEM if os.path.isdir(one))]
    for one in LINKS:
        if os.path.islink(one):
            os.symlink(os.readlink(one), root + one)
        elif os.path.isdir(one):
            shown.append(one)
    library = os.path.dirname(os.__file__)
    shown += [] if _within(library, shown) else [library]
    for one in shown:
        _show(root, one, os.open(one, os.O_PATH))
    for one in plan.paths:
        at = _open_checked(ground, one)
        if not _within(one, shown):
            _show(root, one, at)
            shown.append(one)
    _zone(root)
    for name in DEVICES:
        _show(root, f"/dev/{name}", os.open(f"/dev/{name}", os.O_PATH), device=True)
    os.makedirs(f"{root}/proc")
    hidden = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("proc", f"{root}/proc", "proc", hidden | _MS_RDONLY, "subset=pid,hidepid=2")
    os.makedirs(root + WORK)
    own = f"size={WORK_BYTES},nr_inodes=1024,mode=700,uid={plan.user},gid={plan.user}"
    _mount("work", root + WORK, "tmpfs", hidden, own)
    _mount("", root, flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY | hidden)
    os.chdir(root)
    seccomp.must(libc.pivot_root(b".", b"."), "pivot_root")
    seccomp.must(libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")
    libc.sethostname(b"plugin", 6)


def _within(path: str, shown: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in shown)


def _show(root: str, path: str, at: int, *, device: bool = False) -> None:
    """Show a folder or a file, open as `at`, at its own path, read-only."""
    target = root + path
    if stat.S_ISDIR(os.fstat(at).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(f"/proc/self/fd/{at}", target, flags=_MS_BIND)
    flags = _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID
    _mount("", target, flags=flags | (_MS_NOEXEC if device else _MS_NODEV))
    os.close(at)


def _zone(root: str) -> None:
    """Give it the machine's time zone."""
    try:
        zone = os.path.realpath("/etc/localtime")
    except OSError:
        return
    if _within(zone, ["/usr/share/zoneinfo"]):
        os.makedirs(f"{root}/etc")
        os.symlink(zone, f"{root}/etc/localtime")


def _open_checked(ground: Ground, path: str) -> int:
    """Open a folder that the hub names, if it is one that a plugin may be shown. No link is followed below the folder
    of the machine's own configuration, so that nothing can be slipped in between this look and the mount."""
    for trusted in ground.code:
        if _within(path, [trusted]):
            return _walked(trusted, path, owner=0)
    if _within(path, [ground.plugins]) and path.removeprefix(ground.plugins).count("/") >= 2:
        return _walked(ground.plugins, path, owner=ground.hub)
    raise Refused(PATH, f"{path} is neither the hub's code nor the folder of a plugin")


def _walked(base: str, path: str, *, owner: int) -> int:
    """Open a folder below `base`; all that leads there belongs to `owner`, and nobody else can write to it."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        at = os.open(base, flags)
        for name in ["", *path.removeprefix(base).split("/")[1:]]:
            if name:
                below = os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = below
            about = os.fstat(at)
            if about.st_uid != owner or about.st_mode & _OTHERS_WRITE:
                raise Refused(PATH, f"{path} or a folder above it is not user {owner}'s alone")
    except OSError as error:
        raise Refused(PATH, f"{path}: {error.strerror}") from error
    return at


def _keep_descriptors(session: int, errors: int) -> None:
    """Leave the process null, its errors and the session, and no other descriptor."""
    first, second = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, SESSION + 1) for one in (session, errors))
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number, source in ((0, null), (1, null), (2, second), (SESSION, first)):
        os.dup2(source, number, inheritable=True)
    # Those above close at exec: the pipe that tells the starter of a failure must live until then.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > SESSION:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.set_inheritable(int(name), False)


def _give_up_rights(plan: Plan) -> None:
    bounds = {
        resource.RLIMIT_AS: plan.limits.memory + STARTUP,
        resource.RLIMIT_NOFILE: plan.limits.files,
        resource.RLIMIT_NPROC: plan.limits.tasks,
        resource.RLIMIT_FSIZE: LARGEST_FILE,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    for kind, most in bounds.items():
        resource.setrlimit(kind, (most, most))
    capability = 0
    while libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        seccomp.must(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "PR_CAPBSET_DROP")
        capability += 1
    os.setgroups([])
    os.setresgid(plan.user, plan.user, plan.user)
    os.setresuid(plan.user, plan.user, plan.user)
    seccomp.must(libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "PR_SET_PDEATHSIG")
