"""Ports of this machine for servers of tests."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 20_000
_ANY = random.SystemRandom()  # never seeded: other workers look at the same time


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One that is free now, and that the kernel gives to no connection on its way out, so that it stays free until its
    server takes it."""
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100 if end > LOWEST + 1000 else 0):
        port = _ANY.randrange(LOWEST, end)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
