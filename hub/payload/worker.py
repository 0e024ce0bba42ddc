"""The worker: `python -I -m hub.payload.worker`. Calls come in at descriptor 0, answers leave at 1, in the same order.

It shuts itself in before the first byte of a codec (`hub.jail`). Codecs stay compiled, the last ones that were used.
"""

from __future__ import annotations

import os
from collections import OrderedDict

import msgspec

from hub import jail
from hub.errors import DecodeError
from hub.payload.messages import Answer, Call, Codec, Unpacker, pack
from hub.payload.sandbox import Sandbox

COMPILED = 32
ROOM = 160 << 20
"""Of the whole process. A codec takes about 1 MB; where many take more, a call fails for want of it, and its engine
goes: the next one has room again."""
NICENESS = 5
"""One that was taken over may compute for ever: the hub comes first."""
READY = Answer(0, "ready")


class Bench:
    """The codecs at hand. The sources of all that were sent stay, engines only of the last ones used."""

    def __init__(self) -> None:
        self._sources: dict[bytes, Codec] = {}
        self._compiled: OrderedDict[bytes, Sandbox] = OrderedDict()

    def answer(self, call: Call) -> Answer:
        if call.codec is not None:
            self._sources[call.digest] = call.codec
        try:
            return Answer(call.id, self._sandbox(call.digest).call(call.function, call.argument))
        except DecodeError as error:
            return Answer(call.id, error.detail, error.reason)
        finally:
            if (used := self._compiled.get(call.digest)) is not None and used.spent:
                del self._compiled[call.digest]

    def _sandbox(self, digest: bytes) -> Sandbox:
        found = self._compiled.pop(digest, None)
        if found is None:
            if digest not in self._sources:
                raise DecodeError("codec-error", "this codec was never sent")
            found = Sandbox(self._sources[digest])
        self._compiled[digest] = found
        while len(self._compiled) > COMPILED:
            self._compiled.popitem(last=False)
        return found


def main() -> None:
    os.nice(NICENESS)
    jail.shut(memory=ROOM)
    bench, unpacker = Bench(), Unpacker()
    _write(pack(READY))
    while data := os.read(0, 1 << 16):
        for body in unpacker.feed(data):
            _write(pack(bench.answer(msgspec.msgpack.decode(body, type=Call))))


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
