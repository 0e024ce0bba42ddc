"""A distribution that a test installs beside the real ones, and workers with and without their jail."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations.bluetooth.strangers import child, feeding, mapping

HOSTILE = """
import ctypes, os, resource, socket, subprocess, sys, threading, time
from bluetooth_sensor_state_data import BluetoothData
from sensor_state_data import SensorLibrary

KEPT = []

def swallow():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def eat():
    while True:
        KEPT.append(bytes(24 << 20))  # counted by the limit though never touched: a slow machine clears pages slowly

def thread():
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()

def limits():
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (64, 64))

DEEDS = {
    "hang": lambda: [None for _ in iter(int, 1)],
    "swallow": swallow,
    "sleep": lambda: time.sleep(60),
    "deaf": lambda: sum(range(10**13)),  # one call into C, which no signal handler of Python's can end
    "eat": eat,
    "raise": lambda: 1 / 0,
    "fork": os.fork,
    "spawn": lambda: subprocess.run(["/bin/true"], check=True),
    "thread": thread,
    "read": lambda: open("/etc/passwd").read(),
    "write": lambda: open("/tmp/ilot-hostile", "w").close(),
    "list": lambda: os.listdir("/proc"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 1)),
    "socket": lambda: socket.socket(socket.AF_UNIX),
    "kill": lambda: os.kill(os.getppid(), 0),
    "limits": limits,
    "ptrace": lambda: 1 / (0 if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) else 1),
    "setuid": lambda: os.setuid(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "exit": lambda: os._exit(7),
    "crash": lambda: ctypes.string_at(0),
    "nothing": lambda: None,
}
VALUES = {"nan": float("nan"), "inf": float("inf"), "huge": 1 << 80, "text": "x" * 10**6, "object": object()}

class Hostile(BluetoothData):
    def _start_update(self, info):
        deed, _, value = info.name.partition("/")
        if deed not in DEEDS:
            return
        DEEDS[deed]()
        self.set_device_type("Hostile")
        self.update_predefined_sensor(SensorLibrary.TEMPERATURE__CELSIUS, VALUES.get(value, 21.5))
        if value in ("many", "wide"):
            for number in range(500):
                self.update_sensor(("x" if value == "many" else "\U0001f321") * 300 + str(number), None, value * 100)
"""
IMPORTS = {
    "exits": "import os; os._exit(3)",
    "raises": "raise ValueError('not today')",
    "hangs": "import time\nwhile True: time.sleep(1)",
}


def install(home: Path, distribution: str, source: str) -> None:
    """As pip would: a module and its metadata."""
    module = distribution.replace("-", "_")
    (home / f"{module}.py").write_text(source)
    info = home / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\nRequires-Dist: bluetooth-sensor-state-data>=1.5\n"
    )
    (info / "top_level.txt").write_text(f"{module}\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the import path, for distributions of the test's own."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def unjailed() -> list[str]:
    """The broken twin: the same worker without its jail."""
    command = child.own_command()
    boot = command[-2].replace(
        "import runpy", "import hub.sdk.sandbox as j; j.shut = lambda memory: None; import runpy"
    )
    assert boot != command[-2]
    return [*command[:-2], boot, command[-1]]


class Stage:
    """What the integration lends, on record."""

    def __init__(self, *devices: hub.Device) -> None:
        self.devices = {device.id: device for device in devices}
        self.answers: list[Any] = []
        self.counts: list[str] = []
        self.log: list[str] = []
        self.now = 1000.0

    async def heard(self, frame: hub.Frame) -> None:
        try:
            self.answers.append(mapping.decode(frame, self.key))
        except hub.DecodeError as error:
            self.answers.append(error.reason)

    def key(self, device: str) -> bytes | None:
        known = self.devices.get(device)
        return known.key if known else None

    def host(self) -> feeding.Host:
        return feeding.Host(
            self.heard,
            self.devices.get,
            lambda reason, device: self.counts.append(reason),
            self.log.append,
            self.log.append,
            lambda: self.now,
        )


@contextlib.asynccontextmanager
async def serving(strangers: feeding.Strangers, command: list[str] | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(strangers.run(command))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Any, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)
