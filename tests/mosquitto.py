"""A mosquitto on loopback: a broker that is not ours."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@contextmanager
def mosquitto(tmp_path: Path, *more: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    (tmp_path / "mosquitto.conf").write_text(
        "\n".join([f"listener {port} 127.0.0.1", *(more or ["allow_anonymous true"])])
    )
    process = subprocess.Popen([MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with closing(socket.socket()) as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        assert process.poll() is None, "mosquitto does not start"
        yield port, process
    finally:
        process.kill()
        process.wait()
