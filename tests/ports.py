"""Ports of this machine for servers of tests."""

from __future__ import annotations

import socket

from hub.sdk.testing.peers import missing


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM, count: int = 1) -> int:
    """One that stays free until its server takes it, the first of `count` in a row: see `missing.free_port`."""
    return missing.free_port(kind, host, count)
