"""A hub in a network of its own, judged from outside: a namespace, a pair of Ethernet ends, and every packet.

Needs root and iproute2. The far end stands in a second namespace, where the backend and the test are: this machine's
own network gets no new interface. A browser would notice one and give up what it loads just then (Chromium:
ERR_NETWORK_CHANGED), in whatever other test it runs for.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

HERE, THERE = "10.213.77.1", "10.213.77.2"
PREFIX = "ilot"
"""Of a namespace's name; the process that has it follows."""
CLONE_NEWNET = 0x40000000
"""Of `linux/sched.h`; Python knows it from 3.12 on."""
ETH_P_ALL = 0x0003
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


def missing() -> str:
    """Why this cannot be done here, "" when it can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if shutil.which("ip") is None:
        return "a network namespace needs iproute2"
    probe = f"{PREFIX}{os.getpid()}-p"  # other workers look at the same time: one name for all would exist already
    done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False)
    if done.returncode != 0:
        return f"no network namespace can be made here: {done.stderr.decode().strip()}"
    subprocess.run(["ip", "netns", "delete", probe], check=False)
    return ""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def forsaken() -> None:
    """Remove the namespaces that a run which was killed left."""
    listed = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True).stdout
    for name in (line.split()[0] for line in listed.splitlines() if line):
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and owner.isdecimal() and not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def apart() -> Iterator[None]:
    """This thread, and every program that it starts, in a new network with nothing but its loopback; then back."""
    libc = ctypes.CDLL(None, use_errno=True)

    def done(result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    with open("/proc/thread-self/ns/net") as before:
        done(libc.unshare(CLONE_NEWNET))
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            done(libc.setns(before.fileno(), CLONE_NEWNET))


@contextmanager
def namespace(name: str) -> Iterator[list[str]]:
    """Gives the words that start a program inside. `THERE` is its address, `HERE` ours: until the end this thread is
    in a network of its own too (`apart`)."""
    ours, theirs = f"{name}-0"[:15], f"{name}-1"[:15]
    forsaken()
    with apart():
        ip("netns", "add", name)
        try:
            ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
            ip("addr", "add", f"{HERE}/30", "dev", ours)
            inside = ["ip", "netns", "exec", name]
            quiet = "net.ipv6.conf.all.disable_ipv6=1"  # no neighbour discovery: every packet is the hub's
            subprocess.run([*inside, "sysctl", "-q", "-w", quiet], check=False, capture_output=True)
            ip("-n", name, "addr", "add", f"{THERE}/30", "dev", theirs)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", theirs, "up")
            ip("link", "set", ours, "up")
            yield inside
        finally:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Capture:
    """Every IP packet that comes out of a namespace, as (destination, protocol, port), seen at our end of the wire."""

    def __init__(self, name: str) -> None:
        self.packets: list[tuple[str, int, int]] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((f"{name}-0"[:15], 0))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                data, (_, _, packet_type, *_) = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            if packet_type != socket.PACKET_OUTGOING:  # what we send is not the hub's
                found = parsed(data)
                if found is not None:
                    self.packets.append(found)


def parsed(frame: bytes) -> tuple[str, int, int] | None:
    """(destination, IP protocol, destination port) of an Ethernet frame; None for ARP and what is no IP."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == IPV6:
        return socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[20], 0
    if kind != IPV4 or len(frame) < 34:
        return None
    head = (frame[14] & 0x0F) * 4
    protocol = frame[23]
    port = struct.unpack_from("!H", frame, 14 + head + 2)[0] if protocol in (6, 17) and len(frame) >= 18 + head else 0
    return socket.inet_ntoa(frame[30:34]), protocol, port


BEYOND, NEAR = "10.213.78.1", "10.213.78.2"


@contextmanager
def second_network(name: str) -> Iterator[str]:
    """Another network of the namespace `name`, with one machine in it at `BEYOND`, whose way back leads through the
    namespace, at `NEAR`. Gives that machine's own namespace; ours reaches it only if packets are passed on."""
    far, near, there = f"{name}-b", f"{name}-n", f"{name}-f"
    ip("netns", "add", far)
    try:
        ip("link", "add", near[:15], "netns", name, "type", "veth", "peer", "name", there[:15], "netns", far)
        ip("-n", name, "addr", "add", f"{NEAR}/30", "dev", near[:15])
        ip("-n", name, "link", "set", near[:15], "up")
        ip("-n", far, "addr", "add", f"{BEYOND}/30", "dev", there[:15])
        ip("-n", far, "link", "set", there[:15], "up")
        ip("-n", far, "route", "add", "default", "via", NEAR)
        ip("route", "add", f"{BEYOND}/32", "via", THERE)
        yield far
    finally:
        subprocess.run(["ip", "route", "delete", f"{BEYOND}/32"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", far], check=False, capture_output=True)
