"""Current peers of a process: its sockets, read from /proc (proc_pid_net(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

ESTABLISHED, SYN_SENT = "01", "02"
TABLES = ("tcp", "tcp6", "udp", "udp6")


class Peer(NamedTuple):
    """Remote end of one connection. `address` is as people write it."""

    address: str
    port: int
    protocol: str


def peers(processes: Iterable[int], proc: Path = Path("/proc")) -> list[Peer]:
    """Return the remote ends of every open socket of these processes, without this machine's own. Blocking."""
    found: set[Peer] = set()
    for process in processes:
        inodes = set(_sockets(proc / str(process)))
        for table in TABLES:
            try:
                text = (proc / str(process) / "net" / table).read_text()
            except OSError:
                continue
            found.update(peer for inode, peer in rows(text, table) if inode in inodes)
    return sorted(found)


def rows(text: str, table: str) -> Iterator[tuple[int, Peer]]:
    """Yield (inode, remote end) of each line of /proc/net/tcp and the like whose remote end is another machine."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10:
            continue
        address, _, port = words[2].partition(":")
        if table.startswith("tcp") and words[3] not in (ESTABLISHED, SYN_SENT):
            continue
        try:
            far, number, inode = _address(address), int(port, 16), int(words[9])
        except ValueError:
            continue
        if number and not far.is_loopback and not far.is_unspecified:
            yield inode, Peer(str(far), number, table.rstrip("6"))


def _address(text: str) -> IPv4Address | IPv6Address:
    """Parse an address: words of 32 bits, each in the machine's byte order, which is little endian on all supported
    machines."""
    data = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    found = ip_address(data)
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _sockets(process: Path) -> Iterator[int]:
    try:
        entries = os.listdir(process / "fd")
    except OSError:
        return
    for entry in entries:
        try:
            target = os.readlink(process / "fd" / entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])


def family(process: int, proc: Path = Path("/proc")) -> list[int]:
    """Return a process and all of its descendants."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [process]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found
