"""The program of ilot-plugins.service, which starts each plugin of somebody else under a user of its own:
`python3 -I -m hub.plugin_host.isolation.starter`.

It runs as root and is small: no event loop, few imports, one thread. It takes connections of one user, the hub's, on a
socket that systemd gives it, and believes nothing that comes there, as the hub may have been taken over: whatever the
hub asks, it starts Python alone, as a user of RANGE, in a root directory without the hub's state.

    the hub → one message (`request`) with the session's socket and the pipe for stderr     at most once
              `usage`                                                                       after that
    it      → `running PID` · `refused WORD TEXT` · `usage MICROSECONDS BYTES ASLEEP` · `ended STATUS`

The end of the connection is the end of the plugin, and of all that it has started: it is number 1 of its own namespace
of processes. Without plugins it ends after IDLE_S, and systemd starts it again at the next connection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable

from hub.plugin_host.isolation import request as wire
from hub.plugin_host.isolation.control_groups import Groups
from hub.plugin_host.isolation.limits import Limits
from hub.plugin_host.isolation.own_users import OwnUsers
from hub.plugin_host.isolation.private_root import Ground, Plan, Refused, enter, libc
from hub.plugin_host.isolation.request import BUSY, FULL, MACHINE, MALFORMED
from hub.plugin_host.isolation.usage import used
from hub.sdk import seccomp

HUB_USER = "ilot"
CODE = ("/usr/lib/ilot", "/usr/local/lib/ilot", "/var/lib/ilot/releases")
PLUGINS = "/var/lib/ilot/plugins"
USERS, SCRATCH = "/var/lib/ilot-plugins/users", "/run/ilot-plugins-root"
"""Both folders are of the unit."""
MOST = 64
"""Connections at one time."""
PATIENCE_S = 5.0
"""For a request after a connection, for a plugin between its fork and Python, and for its end after a kill."""
IDLE_S = 30.0
FIRST_SOCKET = 3  # sd_listen_fds(3)
_CLONE_NEWPID = 0x20000000


class Plugin:
    """A connection, and the plugin process that belongs to it once there is one."""

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.connection = connection
        self.since = now
        self.instance = ""
        self.pid = 0
        self.process = -1
        """Its pidfd."""
        self.group = ""
        self.ended = False


class Starter:
    """The loop. The hub's user is the only one that it serves."""

    def __init__(self, listener: socket.socket, ground: Ground, users: OwnUsers, groups: Groups) -> None:
        self._listener, self._ground, self._users, self._groups = listener, ground, users, groups
        self._plugins: dict[int, Plugin] = {}
        """By the descriptor of the connection."""
        self._own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self, idle_s: float = IDLE_S) -> None:
        """Serve until there was nothing to do for so long."""
        self._listener.setblocking(False)
        quiet_since = time.monotonic()
        while True:
            self._turn()
            now = time.monotonic()
            for one in [one for one in self._plugins.values() if not one.pid and now - one.since > PATIENCE_S]:
                self._close(one)
            if self._plugins:
                quiet_since = now
            elif now - quiet_since > idle_s:
                return

    def _turn(self) -> None:
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        for one in self._plugins.values():
            poller.register(one.connection, select.POLLIN)
            if one.pid:
                poller.register(one.process, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(1000)}
        for one in list(self._plugins.values()):
            if one.pid and one.process in ready:
                self._over(one)
            elif one.connection.fileno() in ready:
                self._heard(one)
        if self._listener.fileno() in ready:
            self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", credentials)
        if user != self._ground.hub or len(self._plugins) >= MOST:
            if user == self._ground.hub:
                _tell(connection, f"refused {FULL} {MOST} plugins")
            connection.close()
            return
        self._plugins[connection.fileno()] = Plugin(connection, time.monotonic())

    def _heard(self, one: Plugin) -> None:
        """Take a message of the hub: the request, or a question later. Anything else closes the connection."""
        try:
            message, files, flags, _ = socket.recv_fds(one.connection, wire.LARGEST + 1, 4, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            self._close(one)
            return
        try:
            whole = not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
            if one.pid and message == b"usage" and not files and whole:
                _tell(one.connection, "usage {} {} {:d}".format(*used(one.pid)))
            elif one.pid or not message:
                self._close(one)
            else:
                self._asked(one, message, files if whole else [])
        finally:
            for file in files:
                os.close(file)

    def _asked(self, one: Plugin, message: bytes, files: list[int]) -> None:
        try:
            asked = wire.read(message)
            _expect_files(files)
            self._start(one, asked, *files)
        except Refused as error:
            self._refuse(one, error.word, error.text)
        except ValueError as error:
            self._refuse(one, MALFORMED, str(error))
        except OSError as error:
            self._refuse(one, MACHINE, str(error))

    def _refuse(self, one: Plugin, word: str, text: str) -> None:
        print(f"refused: {word}: {text}", file=sys.stderr, flush=True)
        _tell(one.connection, f"refused {word} {text}")
        self._close(one)

    def _start(self, one: Plugin, asked: wire.Request, session: int, errors: int) -> None:
        if any(other.instance == asked.instance for other in self._plugins.values()):
            raise Refused(BUSY, asked.instance)
        in_use = {other.instance for other in self._plugins.values() if other.pid}
        user = self._users.of(asked.instance, in_use)
        limits = Limits(asked.memory, asked.files, asked.tasks, own_root=True, direct_network=False)
        one.group = self._groups.make(user, asked.memory, asked.processor, asked.tasks)
        one.instance = asked.instance
        heard, told = os.pipe()
        one.pid = self._fork()
        if one.pid == 0:
            _become(lambda: enter(self._ground, Plan(asked.paths, user, limits), session, errors, one.group), told)
        os.close(told)
        one.process = os.pidfd_open(one.pid)
        failure = _first_words(heard)
        os.close(heard)
        if failure:
            word, _, text = failure.partition(" ")
            raise Refused(word, text)
        print(f"{asked.instance}: process {one.pid}, user {user}", file=sys.stderr, flush=True)
        _tell(one.connection, f"running {one.pid}")

    def _fork(self) -> int:
        """Fork into a new namespace of processes; later forks of this program are in its own again."""
        try:
            seccomp.must(libc.unshare(_CLONE_NEWPID), "unshare")
            pid = os.fork()
        except OSError as error:
            raise Refused(MACHINE, str(error)) from error
        if pid:
            seccomp.must(libc.setns(self._own_namespace, _CLONE_NEWPID), "setns")
        return pid

    def _over(self, one: Plugin) -> None:
        """Tell the hub how a process ended."""
        _, status = os.waitpid(one.pid, 0)
        one.ended = True
        _tell(one.connection, f"ended {os.waitstatus_to_exitcode(status)}")
        self._close(one)

    def _close(self, one: Plugin) -> None:
        """Close a connection; its plugin ends."""
        del self._plugins[one.connection.fileno()]
        if one.process >= 0 and not one.ended:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(one.process, signal.SIGKILL)
            poller = select.poll()
            poller.register(one.process, select.POLLIN)
            if poller.poll(PATIENCE_S * 1000):
                os.waitpid(one.pid, 0)
                _tell(one.connection, f"ended {-signal.SIGKILL}")
        if one.process >= 0:
            os.close(one.process)
        self._groups.remove(one.group)
        one.connection.close()


def _expect_files(files: list[int]) -> None:
    """Raise ValueError unless these are a socket of this machine and a pipe."""
    if len(files) != 2:
        raise ValueError("not two files")
    session, errors = files
    if not stat.S_ISSOCK(os.fstat(session).st_mode) or not stat.S_ISFIFO(os.fstat(errors).st_mode):
        raise ValueError("not a socket and a pipe")
    with socket.socket(fileno=os.dup(session)) as passed:
        if passed.family != socket.AF_UNIX:
            raise ValueError("not a socket of this machine")


def _become(plugin: Callable[[], None], told: int) -> None:
    """In the forked process: become the plugin, or say why not."""
    try:
        plugin()
    except Refused as error:
        words = f"{error.word} {error.text}"
    except BaseException as error:
        words = f"{MACHINE} {error}"
    with contextlib.suppress(OSError):
        os.write(told, words.encode("ascii", "replace")[:500])
    os._exit(1)


def _first_words(heard: int) -> str:
    """Return what a process says that could not become the plugin, "" once it has."""
    poller = select.poll()
    poller.register(heard, select.POLLIN)
    if not poller.poll(PATIENCE_S * 1000):
        return f"{MACHINE} it did not get to Python within {PATIENCE_S:.0f} s"
    return os.read(heard, 512).decode("ascii", "replace")


def _tell(connection: socket.socket, text: str) -> None:
    with contextlib.suppress(OSError):  # a hub that does not read, or is gone: its end is seen at the next turn
        connection.send(text.encode("ascii", "replace"), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def main() -> int:
    """Serve the socket that systemd gives."""
    if os.geteuid() != 0 or not seccomp.supported():
        print("this program runs as root, on x86-64 or aarch64", file=sys.stderr)
        return 1
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        print("this program is started by ilot-plugins.socket", file=sys.stderr)
        return 1
    os.set_inheritable(FIRST_SOCKET, False)
    hub = pwd.getpwnam(HUB_USER).pw_uid
    if hub == 0:
        print("the hub must not run as root", file=sys.stderr)
        return 1
    with socket.socket(fileno=FIRST_SOCKET) as listener:
        Starter(listener, Ground(CODE, PLUGINS, hub, SCRATCH), OwnUsers(USERS), Groups.here()).serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
