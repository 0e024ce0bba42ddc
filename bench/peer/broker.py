"""A mosquitto on loopback, and a client that counts what arrives there."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

OPEN_END = "max_queued_messages 0\nmax_inflight_messages 1000\n"
KEEPS = OPEN_END + "persistence true\npersistence_location {directory}/\n"
"""It knows its subscribers again after a restart: what a bridge delivers before the counter is back waits for it."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.005)
    raise TimeoutError(f"nothing listens on port {port}")


def end(*processes: subprocess.Popen[bytes] | None) -> None:
    for process in processes:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def broker(directory: Path, port: int, more: str = KEEPS) -> subprocess.Popen[bytes]:
    """Start mosquitto for anybody on loopback, with these further lines of configuration; `{directory}` is its own."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)  # mosquitto gives up root
    config = directory / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\n" + more.format(directory=directory)
    )
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=subprocess.STDOUT)
    wait_for(port)
    return process


class Counter:
    """Subscribes and counts. `numbers(payload)` gives the sequence numbers of a message and how many readings."""

    def __init__(self, port: int, topics: list[str], numbers: Callable[[str, bytes], list[int]]) -> None:
        self.seen: set[int] = set()
        self.twice = 0
        self.first = self.last = 0.0
        self._numbers = numbers
        self._up = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="counter", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = self._on_message

        def connected(client: mqtt.Client, *_: object) -> None:
            client.subscribe([(topic, 1) for topic in topics])

        self.client.on_connect = connected
        self.client.on_subscribe = lambda *_: self._up.set()
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()
        self._up.wait(10)

    def _on_message(self, client: mqtt.Client, user: object, message: mqtt.MQTTMessage) -> None:
        for number in self._numbers(message.topic, bytes(message.payload)):
            self.twice += number in self.seen
            self.seen.add(number)
            self.last = time.monotonic()
            self.first = self.first or self.last

    def wait(self, upto: int, seconds: float) -> bool:
        """Until so many different ones came."""
        end = time.monotonic() + seconds
        while len(self.seen) < upto and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.seen) >= upto

    def settle(self, quiet: float, seconds: float) -> None:
        """Until nothing came for `quiet` seconds, once something did."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.last > began and time.monotonic() - self.last > quiet:
                return
            time.sleep(0.05)

    def close(self) -> None:
        self.client.loop_stop()
