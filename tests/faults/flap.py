"""A link that comes and goes: a TCP proxy between hub and backend that cuts, resets, stalls, delays and drips.

TLS with a pinned authority runs through it, so that it can do no more than this. Acks that lie, and a backend that is
put back to an older copy, are in lies.py; messages lost, repeated and overtaken, in
tests/hub/store_and_forward/delivery/test_core.py.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from pathlib import Path

from rig import BEHIND, Rig, Verdict, until

MODES = ("pass", "cut", "reset", "stall", "delay", "drip", "refuse", "half")


class Proxy:
    """Stands at 127.0.0.1 for what listens at BEHIND, same port, and forwards in the way that
    `mode` says; `mode` may change while connections are open.

    cut: connections are closed · reset: by RST · stall: taken, never answered, nothing moves · delay: 0.4 s each
    way · late: what the backend says arrives `late_s` later · drip: a few bytes at a time · refuse: no connection is
    taken · half: what the hub sends arrives, no answer comes back.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mode = "pass"
        self.late_s = 0.0
        self.connections = 0
        self._ended = threading.Event()

    def take(self, port: int) -> None:
        """Stand at this port."""
        self.port = port
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self.port:
            self._thread.join()
            self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            near, _ = self._listener.accept()
            if self.mode == "refuse":
                _reset(near)
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            while self.mode in ("stall", "half") and not self._ended.is_set():
                time.sleep(0.05)
            with socket.create_connection((BEHIND, self.port)) as far:
                self._pump(near, far)

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        while not self._ended.is_set():
            mode = self.mode
            if mode in ("cut", "refuse"):
                return
            if mode == "reset":
                _reset(near)
                return
            if mode == "stall":
                time.sleep(0.05)
                continue
            for source in select.select([near] if mode == "half" else [near, far], [], [], 0.05)[0]:
                data = source.recv(7 if mode == "drip" else 65536)
                if not data:
                    return
                if mode == "delay":
                    time.sleep(0.4)
                elif mode == "late" and source is far:
                    time.sleep(self.late_s)
                elif mode == "drip":
                    time.sleep(0.01)
                (far if source is near else near).sendall(data)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def flapping_link(root: Path, runs: int, seed: int) -> Verdict:
    """So many changes of mode, 0.2 to 1.5 s each. When the link is back, what is new arrives within 5 s of an
    answer, however much waits, and the rest follows in the same life."""
    rng = random.Random(seed)
    proxy = Proxy()
    rig = None
    try:
        rig = Rig(root, proxy=proxy.take)
        rig.start_hub()
        rig.wait_durable(1)
        for n in range(runs):
            proxy.mode = MODES[n % len(MODES)] if n < len(MODES) else rng.choice(MODES)
            time.sleep(rng.uniform(0.2, 1.5))
        end = time.monotonic() + 90.0
        while proxy.connections < 3 and time.monotonic() < end:  # a slow machine has met fewer changes
            proxy.mode = "pass" if proxy.mode == "cut" else "cut"
            time.sleep(rng.uniform(0.2, 1.5))
        proxy.mode = "pass"
        live = max(rig.numbers(b"durable"))
        until(lambda: _stored(rig) >= live, 120.0, lambda: f"what is new does not arrive: {rig.logs()}")
        if proxy.connections < 3:
            raise RuntimeError("the link never flapped")
        rig.wait_whole()
        rig.stop(rig.hub)
        rig.settle()
        return rig.verdict(f"flapping link ({proxy.connections} connections)", runs)
    finally:
        if rig is not None:
            rig.close()
        proxy.close()


def _stored(rig: Rig) -> int:
    return int(
        rig.sql(
            "SELECT coalesce(max(value), 0) FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.metric = 'uptime' AND s.place = 'generator'"
        )[0][0]
    )
