"""Payload codecs: a vendor's JavaScript, run in a separate process that can only compute.

A codec is one JavaScript file, with the other files of its pack that it loads with `require` or `import`. It defines:

    decodeUplink({bytes, fPort, recvTime, variables}, context)   LoRa Alliance TS013-1.0.0, Payload Codec API
    Decoder(bytes, fPort)                                        The Things Network v2
    Decode(fPort, bytes, variables)                              ChirpStack v3
    decode(bytes, fPort)                                         no standard: it may take the port first, hexadecimal,
                                                                 or what decodeUplink takes
    encodeDownlink · Encoder · Encode                            the same three, to send something

at the top of a script, in `module.exports` or as an export of an ES module, in an object `driver` or `default` of
these, or in the one other object that a bundler has put it into. It may answer with a promise. Its environment is
described at the top of `prelude.js`: what it has is as in Node.js 20, and what it lacks throws (docs/adr/0098).

One call gets 50 ms of processor time, 16 MB of memory and 512 KB of stack; a codec that loops, recurses, allocates or
throws loses that call only. No call sees state of an earlier one (docs/adr/0091).

    heap      the memory of an engine: allocation, snapshot and reset
    engine    QuickJS on such a heap, by its C interface
    host      what the JavaScript around a codec asks Python for: ciphers, hashes, time zones
    sandbox   compiles a codec, calls it, and classifies errors
    worker    the process: calls in, answers out, over one pipe each way
    bundle    loads a codec and the files it requires from a directory
    service   the hub's side: starts, times and restarts the worker
    mapping   a codec's answer → readings
    guesses   what the leaves of an answer probably are, for a person to review; by the `rules` that join concepts
    names     a path → concepts, by the words of a `vocabulary`, and what tells it apart; `units` as codecs write them
    channels  several leaves of one metric, told apart
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.devices.codecs.messages import Answer as Answer
from hub.devices.codecs.messages import Codec as Codec

if TYPE_CHECKING:
    from hub.devices.codecs.service import Codecs as Codecs


def __getattr__(name: str) -> Any:
    """`Codecs`, which brings asyncio: the worker imports this package too, and has no use for it."""
    if name != "Codecs":
        raise AttributeError(name)
    from hub.devices.codecs.service import Codecs

    return Codecs
