"""Payload codecs: a vendor's JavaScript, run in a separate process that can only compute.

A codec is one JavaScript file, with the other files of its pack that it loads with `require`. It may define:

    decodeUplink({bytes, fPort, recvTime})   {data, warnings, errors}      LoRa Alliance TS013-1.0.0, Payload Codec API
    encodeDownlink({data})                   {bytes, fPort, warnings, errors}
    Decoder(bytes, fPort) · Encoder(data, fPort)                           The Things Network v2
    Decode(fPort, bytes, variables) · Encode(fPort, data, variables)       ChirpStack v3

as a function at the top of the script, by `module.exports`, or as an export of an ES module (`import` and `export` are
read as CommonJS). Its environment is described at the top of `prelude.js`. One call gets 50 ms of processor time, 16 MB
of memory and 512 KB of stack; a codec that loops, recurses, allocates or throws loses that call only. No call sees
state of an earlier one (docs/adr/0091).

    heap      the memory of an engine: allocation, snapshot and reset
    engine    QuickJS on such a heap, by its C interface
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

from hub.devices.codecs.messages import Answer as Answer
from hub.devices.codecs.messages import Codec as Codec
from hub.devices.codecs.service import Codecs as Codecs
