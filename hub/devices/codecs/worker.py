"""The worker process, which `hub.devices.codecs.service` starts: calls arrive at descriptor 0, answers leave at 1, in
order.

Its local time is UTC, whatever the machine's is. It drops all privileges before it reads the first byte of a codec
(`hub.sdk.sandbox`). The codecs used last stay compiled. No call sees state of another (`sandbox`).
"""

from __future__ import annotations

import os
import time
import zlib
from collections import OrderedDict

import msgspec

from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.devices.codecs.messages import Answer, Call, Codec, Unpacker, pack
from hub.devices.codecs.sandbox import Compiled, Sandbox
from hub.sdk import sandbox

COMPILED = 32
IMAGES = 64 << 20
"""Total size of the snapshots kept. One takes half a megabyte, more if the codec builds tables."""
ROOM = 160 << 20
"""Memory beyond what the process has before the first codec: snapshots, sources and messages."""
NICENESS = 5
"""Scheduling priority below the hub's, since a compromised worker may compute for ever."""
READY = Answer(0, "ready")


class CodecCache:
    """The codecs of this process: all sources received, and compiled snapshots of those used last."""

    def __init__(self) -> None:
        self._sandbox = Sandbox()
        self._sources: dict[bytes, bytes] = {}  # deflated: bundles are large, and few are compiled again
        self._compiled: OrderedDict[bytes, Compiled] = OrderedDict()

    def answer(self, call: Call) -> Answer:
        if call.codec is not None:
            self._sources[call.digest] = zlib.compress(msgspec.msgpack.encode(call.codec), 1)
        try:
            return Answer(call.id, self._sandbox.call(self._found(call.digest), call.function, call.argument))
        except DecodeError as error:
            return Answer(call.id, str(error.detail), error.reason)

    def _found(self, digest: bytes) -> Compiled:
        if digest in self._compiled:
            self._compiled.move_to_end(digest)
        elif digest in self._sources:
            codec = msgspec.msgpack.decode(zlib.decompress(self._sources[digest]), type=Codec)
            self._compiled[digest] = self._sandbox.compiled(codec)
            while len(self._compiled) > 1 and (len(self._compiled) > COMPILED or self._size() > IMAGES):
                self._compiled.popitem(last=False)
        else:
            raise DecodeError(
                "codec-error", phrase("codec-never-sent", "this codec was never sent to the codecs' process")
            )
        return self._compiled[digest]

    def _size(self) -> int:
        return sum(len(compiled.image.content) for compiled in self._compiled.values())


def main() -> None:
    os.nice(NICENESS)
    os.environ["TZ"] = "UTC0"  # a name would be looked up in a file
    time.tzset()
    bench, unpacker = CodecCache(), Unpacker()  # before the sandbox closes: ctypes callbacks need executable memory
    sandbox.shut(memory=ROOM)
    _write(pack(READY))
    while data := os.read(0, 1 << 16):
        for body in unpacker.feed(data):
            _write(pack(bench.answer(msgspec.msgpack.decode(body, type=Call))))


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
