"""`ilot sim enocean`: a gateway with sensors around it, behind a TCP port, until SIGTERM.

Prints one JSON line when ready: {"port", "devices": {id: {"eep", …}}}. A room sensor, a contact, a meter, and a secured
sensor whose key, level and rolling code are in the line. Every client receives them in turn. Packets and telegrams are
built here from the specifications, without using any code of the decoder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from itertools import count

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

KEY = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")
ROOM, CONTACT, METER, SEALED = "018F2B3C", "01A02F11", "0181C0DE", "0190AB12"
DEVICES = {
    ROOM: {"eep": "A5-04-01"},
    CONTACT: {"eep": "D5-00-01"},
    METER: {"eep": "A5-12-01"},
    SEALED: {"eep": "A5-04-01", "key": KEY.hex(), "slf": "F3"},
}


def checksum(data: bytes) -> int:
    """Return the CRC-8, polynomial 07."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x107) if value & 0x80 else value << 1
    return value


def packet(rorg: int, payload: bytes, sender: str, status: int = 0) -> bytes:
    """Encode a radio packet as a gateway forwards it, at −61 dBm."""
    data = bytes([rorg]) + payload + bytes.fromhex(sender) + bytes([status])
    optional = b"\x00\xff\xff\xff\xff\x3d\x00"
    head = len(data).to_bytes(2, "big") + bytes([len(optional), 1])
    return b"\x55" + head + bytes([checksum(head)]) + data + optional + bytes([checksum(data + optional)])


def sealed(counter: int, rorg: int, payload: bytes) -> bytes:
    """Encrypt with security level F3: 32 bits of rolling code, sent, a CMAC of 4 bytes, VAES."""
    code = counter.to_bytes(4, "big")
    start = int.from_bytes(bytes.fromhex("3410DE8F1ABA3EFF9F5A117172EACABD"), "big") ^ counter << 96
    block = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor()  # noqa: S305 - one block, as VAES has it
    stream = block.update(start.to_bytes(16, "big"))
    body = bytes(a ^ b for a, b in zip(bytes([rorg]) + payload, stream, strict=False))
    mac = CMAC(algorithms.AES(KEY))
    mac.update(b"\x31" + body + code)
    return body + code + mac.finalize()[:4]


def telegrams() -> Iterator[bytes]:
    """Yield the telegrams to send, one after another."""
    for n in count():
        yield packet(0xA5, bytes([0, 100 + n % 20, 125 + n % 10, 0x08]), ROOM)
        yield packet(0xD5, bytes([0x08 | n % 2]), CONTACT)
        yield packet(0xA5, (12_345 + n).to_bytes(3, "big") + b"\x09", METER)
        yield packet(0x31, sealed(n + 1, 0xA5, bytes([0, 90 + n % 20, 120, 0x08])), SEALED)


async def simulate(port: int, interval: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    air = telegrams()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while True:
                writer.write(next(air))
                await writer.drain()
                await asyncio.sleep(interval)

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    bound = server.sockets[0].getsockname()[1]
    devices = {f"enocean:{sender}": facts for sender, facts in DEVICES.items()}
    sys.stdout.write(json.dumps({"port": f"tcp://127.0.0.1:{bound}", "devices": devices}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="ilot sim enocean", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two telegrams (default 1)")
    options = parser.parse_args(arguments)
    asyncio.run(simulate(options.port, options.interval))


if __name__ == "__main__":
    main()
