"""Payload codecs: a vendor's JavaScript, run in a process of its own that can do nothing but compute.

A codec is one JavaScript file, and the other files of its pack that it asks for with `require`. What it may define:

    decodeUplink({bytes, fPort, recvTime})   {data, warnings, errors}      LoRa Alliance TS013-1.0.0, Payload Codec API
    encodeDownlink({data})                   {bytes, fPort, warnings, errors}
    Decoder(bytes, fPort) · Encoder(data, fPort)                           The Things Network v2
    Decode(fPort, bytes, variables) · Encode(fPort, data, variables)       ChirpStack v3

as a function at the top of the script, by `module.exports`, or as an export of an ES module (its `import` and `export`
are read as CommonJS). What it finds around it is stated at the top of `prelude.js`. One call has 50 ms of processor
time, 16 MB and 512 KB of stack; a codec that loops, recurses, allocates or throws costs that call. No call sees
anything of an earlier one (docs/adr/0091).

    heap      the memory that an engine lives in: blocks, and how it is set back
    engine    QuickJS on such a heap, by its C interface
    sandbox   compile a codec, call it, and what went wrong, as a reason
    worker    the process: calls in, answers out, over one pipe each way
    bundle    a codec and the files it asks for, from a directory
    service   the hub's side: keeps the worker, times it, starts it again
    mapping   what a codec returned → readings
"""

from __future__ import annotations

from hub.devices.codecs.messages import Answer as Answer
from hub.devices.codecs.messages import Codec as Codec
from hub.devices.codecs.service import Codecs as Codecs
