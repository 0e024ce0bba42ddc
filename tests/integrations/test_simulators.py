"""Simulators end when they are told, whoever is connected."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.real("clock, network, processes")


@pytest.mark.parametrize("protocol", ["enocean", "knx", "mbus", "modbus", "opcua"])
def test_a_simulator_ends_while_a_hub_is_connected(protocol: str) -> None:
    command = [sys.executable, "-m", "hub", "sim", protocol]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = re.search(rb'"port": "?(?:tcp://127\.0\.0\.1:)?(\d+)', process.stdout.readline())
        assert port is not None
        with socket.create_connection(("127.0.0.1", int(port[1]))) as peer:
            peer.sendall(b"\x10")
            peer.settimeout(0.3)  # for it to accept, and to wait for more
            with contextlib.suppress(TimeoutError):
                while peer.recv(1 << 16):  # one speaks by itself, another refuses what was said
                    pass
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(120)
            finally:
                process.kill()
        assert process.returncode == 0
