"""Somebody who has opened TLS between hub and backend: every message and every reply passes through their hands.

Stronger than any broker or proxy: it has the server's certificate and the hub's client certificate, so that both ends
believe to speak with each other. What it has not are the keys that seal, sign and acknowledge. It drops, repeats,
holds back and overtakes, alters, cuts and mixes messages, plays old ones again, and gives old, altered and forged
replies. No row may be wrong, none twice, and nothing may be deleted. Twin: a hub that believes.
"""

from __future__ import annotations

import http.client
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flap import Proxy
from rig import BEHIND, Rig, Verdict, until

from hub.protocol.length_prefix import unlp
from hub.protocol.link_messages import Ack, pack_reply, read_reply, sign_ack

UP = ("drop", "swallow", "twice", "replay", "overtake", "alter", "cut", "mix")
DOWN = ("old reply", "altered reply", "forged reply")
_STRANGER = Ed25519PrivateKey.generate()


class Between:
    """Stands at 127.0.0.1 for what listens at BEHIND, same port, once the directories of both ends are known."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.mode = ""
        self.touched: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.replies: list[bytes] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    def open(self, backend: Path, state: Path, port: int) -> None:
        self._port = port
        near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        near.load_cert_chain(backend / "server.pem", backend / "server.key")
        self._far = ssl.create_default_context(cafile=str(backend / "ca.pem"))
        self._far.check_hostname = False
        self._far.load_cert_chain(state / "tls.crt", state / "keys" / "tls.pem")
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                between.serve(self, self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                between.serve(self, b"")

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._server.socket = near.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def serve(self, near: BaseHTTPRequestHandler, body: bytes) -> None:
        mode = self.mode if near.path.endswith("/records") else ""
        try:
            self._pass_on(near, body, mode)
        finally:
            self.touched[mode] += 1  # when the hub has what became of it

    def _pass_on(self, near: BaseHTTPRequestHandler, body: bytes, mode: str) -> None:
        if mode == "drop":
            near.close_connection = True
            return
        *before, sent = self._sent(mode, body)
        for one in before:
            self._ask(near.command, near.path, one)
        status, reply = (200, b"") if mode == "forged reply" else self._ask(near.command, near.path, sent)
        if near.path.endswith("/records"):
            self.bodies = [*self.bodies[-40:], body]
            if status == 200 and mode not in DOWN:
                self.replies = [*self.replies[-40:], reply]
        if mode == "swallow":
            near.close_connection = True
            return
        told = self._told(mode, reply)
        near.send_response(status)
        near.send_header("Content-Length", str(len(told)))
        near.end_headers()
        near.wfile.write(told)

    def heard_acks(self) -> bool:
        """Whether a true ack has passed that can be forged."""
        return bool(self._forged())

    def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        link = http.client.HTTPSConnection(BEHIND, self._port, context=self._far, timeout=20)
        try:
            link.request(method, path, body or None)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def _sent(self, mode: str, body: bytes) -> list[bytes]:
        """What leaves instead of a message; the answer to the last one counts."""
        old, at = self.bodies or [body], self.rng.randrange(36, len(body)) if len(body) > 36 else 0
        flipped = bytes([body[at] ^ 1 << self.rng.randrange(8)]) if body else b""
        changed = {
            "twice": [body, body],
            "replay": [*self.rng.choices(old, k=3), body],
            "overtake": [self.rng.choice(old)],  # the message itself waits for the hub to send it again
            "alter": [body[:at] + flipped + body[at + 1 :]],
            "cut": [body[:at]],
            "mix": [body[:at] + self.rng.choice(old)[at:]],
        }
        return changed.get(mode, [body])

    def _told(self, mode: str, reply: bytes) -> bytes:
        if mode == "old reply" and self.replies:
            return self.rng.choice(self.replies[: len(self.replies) // 2 + 1])
        if mode == "altered reply":
            at = self.rng.randrange(len(reply))
            return reply[:at] + bytes([reply[at] ^ 1 << self.rng.randrange(8)]) + reply[at + 1 :]
        if mode == "forged reply" and self.replies:
            return self._forged()
        return reply

    def _forged(self) -> bytes:
        """The newest true ack, claiming everything, under another's signature."""
        for reply in reversed(self.replies):
            acks = read_reply(reply).acks
            if acks:
                ack = msgspec.msgpack.decode(unlp(acks[-1])[1], type=Ack)
                told = msgspec.structs.replace(ack, n=ack.n + 1000, through=ack.through + 100_000, ranges=(), want=())
                return pack_reply([sign_ack(told, _STRANGER)], [], b"")
        return b""


def _between(
    root: Path, fault: str, up: Sequence[str], down: Sequence[str], seed: int, options: tuple[str, ...] = ()
) -> Verdict:
    between = Between(seed)
    rig = None
    try:
        rig = _rig(root, between)
        rig.start_hub(options=options)
        rig.wait_durable(3)
        until(between.heard_acks, 60.0, lambda: f"nothing passes: {rig.logs()}")
        for mode in up:
            _touch(rig, between, mode)
        for mode in down:
            _touch(rig, between, mode)
            rig.kill(rig.hub)  # whoever was lied to may have stopped to speak: the next life begins anew
            between.mode = ""
            rig.start_hub(options=options)
            rig.wait_durable(1)
        between.mode = ""
        rig.stop(rig.hub)
        rig.settle()
        return rig.verdict(fault, len(up) + len(down), noticed=True)
    finally:
        if rig is not None:
            rig.close()
        between.close()


def _touch(rig: Rig, between: Between, mode: str) -> None:
    """At least one message, or one reply, is touched in this way, and the hub has gone on."""
    between.mode, before = mode, between.touched[mode]
    rig.wait_durable(2)
    until(lambda: between.touched[mode] > before, 60.0, lambda: f"nothing to touch: {rig.logs()}")
    rig.wait_durable(3)  # what it believes now is on its disk
    time.sleep(between.rng.uniform(0.1, 0.5))


def _rig(root: Path, between: Between) -> Rig:
    """Enrolled through an honest proxy, in whose place somebody else then steps."""
    honest = Proxy()
    try:
        rig = Rig(root, buffer=", keep_after_ack: 0s", proxy=honest.take)
    finally:
        honest.close()
    between.open(rig.backend_dir, rig.state, honest.port)
    return rig


def hostile_between(root: Path, runs: int, seed: int) -> Verdict:
    """So many turns of those that touch messages, and for each eight of them one of each that touches replies."""
    up = [UP[n % len(UP)] for n in range(runs)]
    return _between(root, "somebody between who has opened TLS", up, DOWN * max(1, runs // len(UP)), seed)


def twin_believes_what_lies_between(root: Path, runs: int, seed: int) -> Verdict:
    return _between(root, "twin: somebody between, believed", (), ["forged reply"] * runs, seed, ("--believe",))
