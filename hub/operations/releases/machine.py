"""The service manager, and the hub that is asked: what the switch needs of the machine around it. Blocking."""

from __future__ import annotations

import contextlib
import platform
import socket
import subprocess
import time
from pathlib import Path

import msgspec

from hub.core import tls
from hub.core.nesting import shallow_json
from hub.operations.releases.trial import Health

UNIT = "ilot.service"
ASK_S = 10.0
MAX_ANSWER = 1 << 20
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
PACKAGE = Path("/usr/lib/ilot")


class _Answer(msgspec.Struct):
    result: Health


class Machine:
    """A machine that systemd runs. Nothing here raises: what does not answer is None, False or 0."""

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket_path

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    now = staticmethod(time.time)

    def architecture(self) -> str:
        found = platform.machine()
        return ARCHITECTURE.get(found, found)

    def pythons(self) -> frozenset[str]:
        """Return the Pythons of the system by which a release could run."""
        return frozenset(path.name.removeprefix("python") for path in Path("/usr/bin").glob("python3.*"))

    def restart(self) -> None:
        """Restart the hub, and count what it does by itself from now on anew."""
        self._control("reset-failed", UNIT)
        self._control("restart", UNIT, seconds=240.0)

    def restarts(self) -> int:
        """Return how often the hub ended by itself since then: a crash, or its watchdog."""
        said = self._control("show", "--property=NRestarts", "--value", UNIT).strip()
        return int(said) if said.isdigit() else 0

    def stopped(self) -> bool:
        """Return whether somebody stopped the hub."""
        return self._control("is-active", UNIT).strip() == "inactive"

    def _control(self, *words: str, seconds: float = 30.0) -> str:
        try:
            done = subprocess.run(
                ["systemctl", "--no-ask-password", *words],
                capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout

    def ask(self, before: Health | None, *, over: bool) -> Health | None:
        """Return what the running hub says of itself; `before`: what it is to compare its parts with."""
        arguments = {"before": before.parts if before is not None else None, "over": over}
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(ASK_S)
                link.connect(str(self._socket))
                link.sendall(msgspec.json.encode({"call": "release.health", "arguments": arguments}) + b"\n")
                with link.makefile("rb") as lines:
                    line = lines.readline(MAX_ANSWER)
            return msgspec.json.decode(shallow_json(line), type=_Answer).result
        except (OSError, ValueError):  # nobody there, a refusal, or a hub that knows no such call
            return None

    def pages_answer(self, address: str) -> bool:
        """Return whether something speaks HTTP over TLS at an address of this machine, "127.0.0.1:443"."""
        host, _, port = address.rpartition(":")
        if not port.isdigit() or not host:
            return False
        asked = f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        with (
            contextlib.suppress(OSError, ValueError),
            socket.create_connection((host.strip("[]"), int(port)), ASK_S) as plain,
            tls.unverified().wrap_socket(plain) as link,
        ):
            link.sendall(asked)
            return link.recv(16).startswith(b"HTTP/1.")
        return False
