"""Strangers that say to a listener of ours what nobody should, and what is wrong with the log that it then has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import struct
import warnings
from collections.abc import Iterator, Sequence

LINES = (
    b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/9.9", b"GET /", b"GET", b"", b" / HTTP/1.1", b"GET  / HTTP/1.1",
    b"get / HTTP/1.1", b"G\xc9T / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"GET /%zz HTTP/1.1",
    b"GET /%ff%fe HTTP/1.1", b"GET /%00 HTTP/1.1", b"GET //evil.example/ HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1",
    b"GET http://[::1/ HTTP/1.1", b"GET http://a:99999999/ HTTP/1.1", b"GET http://\xff/ HTTP/1.1", b"GET * HTTP/1.1",
    b"OPTIONS * HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"CONNECT [::1 HTTP/1.1", b"PRI * HTTP/2.0", b"POST / HTTP/1.1",
    b"POST /metrics HTTP/1.1", b"GET /metrics?x=%ff HTTP/1.1", b"GET /router-info HTTP/1.1",
    b"PUT /v1/enroll HTTP/1.1", b"POST /v1/enroll HTTP/1.1", b"POST /v1/hubs/%ff/records HTTP/1.1",
    b"GET /v1/series/%ff/latest HTTP/1.1", b"POST /signin HTTP/1.1", b"POST /claim?lang=%00 HTTP/1.1",
    b"TRACE / HTTP/1.1", b"GET /" + b"a" * 20_000, b"GET /\x1b[2J\x1b]0;x\x07 HTTP/1.1",
    b"GET /a\x0bERROR%20forged HTTP/1.1",
)  # fmt: skip
"""First lines of requests."""
_UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
FIELDS = (
    b"Host: 127.0.0.1", b"Host: ", b"Host: a@b", b"Host: [::", b"Host: \xff", b"Host: a\r\nHost: b",
    b"no colon at all", b": no name", b"Na me: x", b"X: \x00", b"X: \x1b[2J", b"X:\ta\r\n folded",
    b"Content-Length: -1", b"Content-Length: x", b"Content-Length: 99999999999999999999",
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: \x00chunked",
    b"Expect: 100-continue", b"Expect: 500-nonsense", b"Content-Encoding: gzip", b"Content-Encoding: nonsense",
    b"Content-Type: multipart/form-data", b"Content-Type: text/plain; charset=nonsense",
    b"Content-Type: multipart/form-data; boundary=" + b"b" * 300, b"Content-Type: \xff/\xfe",
    b"Cookie: \xff=\x01; =;;;", b"Authorization: Basic \xff", b"Authorization: Bearer", b"Range: bytes=9-1",
    b"If-Modified-Since: yesterday", b"Accept: " + b"q" * 9000, b"Origin: null", b"Referer: http://[::1",
    b"X-Forwarded-For: ' or 1=1", b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99",
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
    _UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==",
    b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: !!",
)  # fmt: skip
BODIES = (
    b"", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n", b"-1\r\n\r\n", b"ffffffffffffffff\r\n", b"5;x=\x00\r\nhel",
    b"{", b"[" * 5000, b'{"a":' * 800, b'"\\ud800"', b"\xff\xfe\x00", b"1e999", b"\x1f\x8b\x08\x00junk",
    b"--b\r\n\r\nx\r\n--b--", b"a=%ff&b=%00&" * 50, b"x" * 70_000, b"\x81\xfe\xff\xff" + b"m" * 64, b"\xc1\x00",
)  # fmt: skip
NOISE = (
    b"\x16\x03\x01\xff\xff" + b"\x01" * 400, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    b"\x80\x2e\x01\x03\x01\x00\x15", b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x10" + bytes(16),
    b"\x00" * 64, b"\xff" * 64, b"\n", b"\x1b[31m", b"SSH-2.0-x\r\n", b"EHLO x\r\n", b"\x10\x00",
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"\x30\xff\xff\xff\x7f",
    b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01", b"\x00\x01\x00\x00\xff\xff\x01\x03",
    b"\x00\x01\x00\x05\x00\x00", b"\x00\x01\x00\x00\x00\x02\x01\xff", b"\x00\x01\x00\x00\x00\x03\x01\x10\x00",
    b"\x00\x01\x00\x00\x00\x06\x01\x03\xff\xff\xff\xff", b"\x81\x0a\x00\x0c\x01\x20\xff\xff\x00\xff\x10\x08",
    b"\x81\x0a\x00\x04", b"\x81\x0b\xff\xff", b"\x81\x00\x00\x06\x00\x10",
    b"\x81\x0a\x00\x11\x01\x04\x00\x05\x01\x0c\x0c\x02\xff\xff\xff\x19\x55",
    b"\x81\x0a\x00\x0a\x01\x00\x10\x06\xff\xff", b"\x81\x0a\x00\x09\x01\x04\x00\x05\x01",
    b"\x02\x00\x01\x00" + b"\x01" * 8 + b"{", b"\x02\x00\x01\x00" + b"\x01" * 8 + b"[" * 900,
    b"\x02\x00\x01\x02" + b"\xff" * 8, b"\x01\x00\x00\x05" + b"{}", b"\x06\x10\x05\x30\x00\x11",
    b"\x06\x10\x02\x01\xff\xff", b"HELP", b'{"call": "status"}\n', b'{"call": 5}\n',
    b'{"call": "x", "arguments": []}\n', b"[" * 100_000 + b"\n", b"\xff\n",
)  # fmt: skip
"""Bytes of other protocols, cut and wrong."""


def requests(seed: int = 0, more: int = 250) -> Iterator[bytes]:
    """Each line, field and body once with right ones beside it, then so many chosen mixes."""
    right = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    yield from (line + b"\r\nHost: 127.0.0.1\r\n\r\n" for line in LINES)
    yield from (right + field + b"\r\n\r\n" for field in FIELDS)
    post = b"POST /v1/enroll HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    yield from (post + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in BODIES)
    yield from (post + b"Transfer-Encoding: chunked\r\n\r\n" + body for body in BODIES)
    yield from (post + b"Content-Length: %d\r\n\r\n" % (len(body) + 9) + body for body in BODIES)
    rng = random.Random(seed)
    for _ in range(more):
        fields = b"".join(field + b"\r\n" for field in rng.sample(FIELDS, rng.randrange(4)))
        said = rng.choice(LINES) + b"\r\n" + fields + b"\r\n" + rng.choice(BODIES)
        if rng.random() < 0.3:
            at = rng.randrange(len(said) + 1)
            said = said[:at] + rng.randbytes(rng.randrange(9)) + said[at:]
        yield said[: rng.randrange(len(said) + 1)] if rng.random() < 0.2 else said


def noise(seed: int = 0, more: int = 100) -> Iterator[bytes]:
    """Every piece of noise, then so many that are cut or changed."""
    yield from NOISE
    rng = random.Random(seed)
    for _ in range(more):
        said = bytearray(rng.choice(NOISE)[:2000])
        for _ in range(rng.randrange(4)):
            said[rng.randrange(len(said))] = rng.randrange(256)
        yield bytes(said) if rng.random() < 0.5 else rng.randbytes(rng.randrange(1, 80))


async def call(
    address: str, port: int, says: Sequence[bytes], tls: ssl.SSLContext | None = None, *, many: int = 16
) -> int:
    """Say each on a connection of its own, and leave in one of three ways; returns how many were answered."""
    answered, room = 0, asyncio.Semaphore(many)

    async def one(number: int, said: bytes) -> None:
        nonlocal answered
        async with room:
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(20):
                    reader, writer = await asyncio.open_connection(address, port, ssl=tls)
                    try:
                        writer.write(said)
                        if number % 3 == 0:
                            writer.get_extra_info("socket").setsockopt(
                                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                            )
                            writer.transport.abort()
                            return
                        with contextlib.suppress(TimeoutError):
                            answered += bool(await asyncio.wait_for(reader.read(1 << 16), 0.1))
                        if number % 3 == 1 and tls is None:
                            writer.write_eof()
                            await asyncio.wait_for(reader.read(1 << 16), 0.1)
                    finally:
                        writer.close()

    await asyncio.gather(*(one(number, said) for number, said in enumerate(says)))
    return answered


async def shake_hands_wrongly(address: str, port: int) -> None:
    """Begin TLS in ways that no server should go along with, or that stop on the way."""
    for newest, ciphers in (
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (None, "NULL-SHA256:@SECLEVEL=0"),
        (None, "ALL"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED  # nobody's certificate is good enough
        with contextlib.suppress(ssl.SSLError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.set_ciphers(ciphers)
            if newest is not None:
                context.maximum_version = newest
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(20):
                _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname="x" * 60)
                writer.close()
    incoming, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, out, server_hostname="evil.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    first = out.read()
    await call(
        address, port, [first, first + b"\x15\x03\x03\x00\x02\x02\x28", first + bytes(50), first[:9] + first, first * 2]
    )


def send_datagrams(address: str, port: int, says: Sequence[bytes]) -> None:
    """Send each as a datagram, and wait for no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for said in says:
            with contextlib.suppress(OSError):
                line.sendto(said[:60_000], (address, port))


ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE


def faults_in(records: Sequence[logging.LogRecord], most: int) -> list[str]:
    """What is wrong with a log: a traceback, a line that is none, more lines than `most`. A line at debug is none."""
    told = [record for record in records if record.levelno > logging.DEBUG]
    found = [
        f"traceback: {record.name}: {record.getMessage()}" for record in told if record.exc_info or record.stack_info
    ]
    found += [
        f"lines: {record.name}: {record.getMessage()!r}" for record in told if "\n" in record.getMessage().strip()
    ]
    if len(told) > most:
        found.append(f"{len(told)} lines: {[(one.name, one.getMessage()[:120]) for one in told[:20]]}")
    return found


async def assail(address: str, port: int, *, tls: bool) -> None:
    """Say all of it to a TCP listener: in clear, and under TLS where that is what it speaks."""
    await call(address, port, [*noise(), *requests()])
    if tls:
        await shake_hands_wrongly(address, port)
        await call(address, port, [*requests(1, 50), *noise(1, 0)], ANYBODY)
