"""UDP sockets on a port that other programs of this machine may want too, BACnet's 47808 for instance."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from hub.core.errors import NotReady
from hub.core.text import Phrase, phrase, system_error

TABLE = Path("/proc/net/udp")
"""The UDP sockets over IPv4 of this machine, or of this container."""


def bound(address: str, port: int, *, shared: bool = False, broadcasts: bool = False) -> socket.socket:
    """Return a non-blocking socket on an IPv4 address. Raises NotReady, which names the address that is taken and who
    holds it.

    `shared` is for a broadcast address alone: there, every program that shares it gets each datagram; of a machine's
    own address the newest would get them all. `broadcasts`: it may send broadcasts.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, int(broadcasts))
        made.bind((address, port))
    except OSError as error:
        made.close()
        raise NotReady(_refused(address, port, error)) from error
    return made


def _refused(address: str, port: int, error: OSError) -> Phrase:
    if error.errno == errno.EADDRNOTAVAIL:
        return phrase(
            "udp-address-not-here",
            "{address} is no address of this machine, so UDP port {port} cannot be listened on there; `ip address` "
            "lists those that it has",
            address=address,
            port=port,
        )
    if error.errno != errno.EADDRINUSE:
        return phrase(
            "udp-port-cannot-be-listened-on",
            "{address} UDP port {port} cannot be listened on: {reason}",
            address=address,
            port=port,
            reason=system_error(error),
        )
    held, by_this_process = holders(address, port)
    return phrase(
        "udp-port-taken",
        "{address} UDP port {port} is taken: {holder} listens on {held}. Give this one another `port` or an address of "
        "its own, or the other one",
        address=address,
        port=port,
        holder=phrase("udp-held-by-this-hub", "another part of this hub")
        if by_this_process
        else phrase("udp-held-by-another", "another program of this machine"),
        held=held or [f"{address}:{port}"],
    )


def holders(address: str, port: int) -> tuple[list[str], bool]:
    """Return the sockets that keep an address from being used, as address:port, and whether this process has one."""
    found: dict[str, str] = {}
    with suppress(OSError, ValueError, IndexError):
        for line in TABLE.read_text().splitlines()[1:]:
            fields = line.split()
            host, number = fields[1].split(":")
            there = str(IPv4Address(int(host, 16).to_bytes(4, "little")))
            if int(number, 16) == port and (there == address or "0.0.0.0" in (there, address)):  # noqa: S104
                found[f"socket:[{fields[9]}]"] = f"{there}:{port}"
    mine = set()
    with suppress(OSError):
        for entry in os.scandir("/proc/self/fd"):
            with suppress(OSError):
                mine.add(os.readlink(entry.path))
    return sorted(set(found.values())), not mine.isdisjoint(found)
