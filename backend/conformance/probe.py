"""Test hub of the conformance suite: it enrols, and sends what a check tells it to."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import NamedTuple

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UnsetType

from backend.conformance.sender import Segment
from hub.core.tls import client
from hub.identity import enrolment, keys
from hub.protocol.documents.trust import egress_of
from hub.protocol.enrolment import https_address
from hub.protocol.link_messages import MAX_REPLY, Ack, State, read_ack, read_reply
from hub.protocol.ranges import Ranges
from hub.protocol.records import framing
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject

_SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("motion", kind="flag")))
_SUBJECT = Subject("check:1", "conformance-check")


class Answer(NamedTuple):
    """A reply with its acks verified against TRUST, one for each run in it."""

    status: int
    acks: list[Ack]
    need: tuple[bytes, ...]
    trust: bytes = b""
    speaks: int = 1

    def taken(self, segment: Segment, stream: str = READINGS) -> Ranges:
        """Return the record numbers that the newest ack covers of this segment's run."""
        mine = [ack for ack in self.acks if ack.run == segment.run and ack.stream == stream]
        if not mine:
            return Ranges()
        return Ranges([*([(1, mine[-1].through)] if mine[-1].through else []), *mine[-1].ranges])


class Probe:
    """An enrolled test hub."""

    def __init__(self, url: str, token: str, state: Path, session: aiohttp.ClientSession) -> None:
        self.url, self.token, self.state, self.session = url, token, state, session
        enrolled, self.trust = enrolment.load(state)
        self.hub = enrolled.hub
        self.keys = keys.load(state / "keys")
        self._states = 0

    def segment(self, stream: str = READINGS, identity: Ed25519PrivateKey | None = None, **more: object) -> Segment:
        arguments = {"hub": self.hub, "identity": identity or self.keys.identity, "trust": self.trust, "stream": stream}
        return Segment(**(arguments | more))  # type: ignore[arg-type]

    def state_of(self, streams: dict[str, tuple[bytes, int, bytes]], **more: object) -> State:
        """Return the next state of this hub."""
        self._states += 1
        said = {
            "hub": self.hub, "boot": bytes(16), "nonce": bytes(range(16)), "n": self._states, "streams": streams,
            "trust_version": self.trust.version,
        }  # fmt: skip
        return State(**(said | more))  # type: ignore[arg-type]

    def tls(
        self, *, certificate: bool = True, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    ) -> ssl.SSLContext:
        host, port = https_address(self.url)
        egress = egress_of(self.trust, host, port)
        shown = (self.state / enrolment.CERTIFICATE, self.keys.tls_key) if certificate else None
        return client(egress.ca_pem if egress is not None else "", shown=shown, newest=newest)

    async def post(self, body: bytes, what: str = "records", hub: str = "", *, certificate: bool = True) -> Answer:
        url = f"{self.url}/v1/hubs/{hub or self.hub}/{what}"
        async with self.session.post(url, data=body, ssl=self.tls(certificate=certificate)) as reply:
            data = await reply.content.read(MAX_REPLY + 1)
            while chunk := await reply.content.read(MAX_REPLY + 1):
                data += chunk
        if reply.status != 200:
            return Answer(reply.status, [], ())
        read = read_reply(data)
        acks = [one for ack in read.acks for one in read_ack(ack, self.trust)[0].each()]
        return Answer(200, acks, read.need, read.trust, 1 if isinstance(read.speaks, UnsetType) else read.speaks)


def rows(count: int = 4, value: float = 20.0) -> list[Row]:
    now = int(time.time() * 1000)
    return [Row(_SUBJECT, _SHAPE, now + n, True, (value + n, bool(n % 2)), 0, 1) for n in range(count)]


def altered(raw: bytes) -> bytes:
    """Return the record with its signature changed and its checksum corrected: a forgery, not line noise."""
    parts = framing.parse(raw)
    signature = bytes([parts.signature[0] ^ 1]) + parts.signature[1:]
    return framing.pack_record(parts.header, parts.payload, signature)
