"""The worker: `python -m integrations.bluetooth.strangers SOCKET PAGE [LEFT_OUT…]`, file descriptors as numbers.

It ends when the hub closes its end of the socket.
"""

from __future__ import annotations

import gc
import logging
import mmap
import os
import socket
import sys

import msgspec

from hub.sdk import sandbox
from integrations.bluetooth.strangers.messages import PACKET, Answer, Ask, Hello
from integrations.bluetooth.strangers.parsers import Reader, find

NICENESS = 10
MEMORY = 64 << 20


def main(arguments: list[str]) -> None:
    with socket.socket(fileno=int(arguments[0])) as hub:
        page = mmap.mmap(int(arguments[1]), mmap.PAGESIZE)
        os.close(int(arguments[1]))  # mmap has its own copy
        logging.disable()
        os.nice(NICENESS)
        parsers, broken = find(page, arguments[2:])
        reader = Reader(parsers, page)
        reader.read(Ask(0, "00:00:00:00:00:00"))  # warm-up: some parsers import on the first call
        gc.freeze()
        sandbox.shut(memory=MEMORY)
        decoder = msgspec.msgpack.Decoder(Ask)
        encoder = msgspec.msgpack.Encoder()
        names = [(parser.distribution, parser.version) for parser in parsers]
        hub.send(encoder.encode(Hello(names, broken)))
        while asked := hub.recv(PACKET):
            answer = reader.read(decoder.decode(asked))
            packet = encoder.encode(answer)
            if len(packet) > PACKET:
                packet = encoder.encode(Answer(answer.number, failed=[(answer.parser, "too-much")]))
            hub.send(packet)


if __name__ == "__main__":
    main(sys.argv[1:])
