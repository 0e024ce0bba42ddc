"""What the hub and its OPC UA worker say to each other: one msgpack object a packet of a SOCK_SEQPACKET pair. Pure.

    worker → hub    Hello, once
    both ways       Data: bytes of the connection to the server, Gone: it has ended
    hub → worker    Ask                    worker → hub    Told or Refused with the same number
    worker → hub    Changes                hub → worker    Taken: the next ones may come
    worker → hub    Stopped: the subscription gives nothing any more

Times are Unix seconds, durations milliseconds, status codes the 32 bits of OPC 10000-4, 7.39. Node ids are text as in
OPC 10000-6, 5.3.1.10 (`ns=2;s=Boiler.Flow`). What the worker says is hostile by the time a hostile server has taken it:
every length is bounded here, and a packet that is no message ends the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import msgspec

PACKET = 65536
"""Bytes of one packet, at most."""

CHUNK = 32768
"""Bytes of the connection in one packet, at most."""

BATCH = 100
"""Nodes in one question, and changes in one packet, at most."""

REFERENCES = 32
"""References of a node in one answer, at most: there may be more."""

TEXT = 96
"""Characters of a text that a server gives; the rest is cut."""

ID = 400
"""Bytes of a node id, at most; one that is longer is taken for none."""

ROOM = 48000
"""Bytes of the parts of one question, at most."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are no message."""

Text = Annotated[str, msgspec.Meta(max_length=TEXT)]
Id = Annotated[str, msgspec.Meta(max_length=ID)]
Der = Annotated[bytes, msgspec.Meta(max_length=8192)]
Code = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Handle = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    pass


# -- the connection ---------------------------------------------------------------------------------------------------


class Data(_Message, frozen=True):
    """Bytes of the connection, in order."""

    data: Annotated[bytes, msgspec.Meta(max_length=CHUNK)]


class Gone(_Message, frozen=True):
    """The connection has ended; `nonsense` when the worker ended it because what came was no OPC UA."""

    nonsense: Text = ""


# -- questions --------------------------------------------------------------------------------------------------------


class Discover(_Message, frozen=True):
    """Which endpoints does the server offer? Over a connection without security, which it ends."""

    url: str
    timeout_s: float


class Open(_Message, frozen=True):
    """A secure channel and a session. Without `server_certificate` there is no security at all."""

    url: str
    name: str
    application: str
    timeout_s: float
    mode: int = 1  # MessageSecurityMode: 1 None, 2 Sign, 3 SignAndEncrypt
    policy: str = ""
    server_certificate: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    user: str = ""
    password: str = ""
    user_certificate: bytes = b""
    user_key: bytes = b""
    channel_ms: int = 3_600_000
    session_ms: int = 120_000


class Where(msgspec.Struct, frozen=True, array_like=True):
    """A node as the configuration names it: `node` is a node id in which the namespace may be a URI, or `path` leads to
    it from the Objects folder, each step a namespace (index as text, or URI, "" for 0) and a name."""

    node: str = ""
    path: list[tuple[str, str]] = []


class Resolve(_Message, frozen=True):
    """Which nodes are these, and what is to be known of them?"""

    nodes: list[Where]


class Subscribe(_Message, frozen=True):
    """A subscription in place of any that there is. `keepalive` and `lifetime` count publishing intervals."""

    publishing_ms: float
    keepalive: int
    lifetime: int


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One node that is read. `element` of an array, -1 for a scalar; `dead_band` in the node's own unit, 0: every
    change; `sampling_ms` and `queue` are those of a monitored item."""

    handle: Handle
    node: str
    element: int = -1
    dead_band: float = 0.0
    sampling_ms: float = 0.0
    queue: int = 1


class Watch(_Message, frozen=True):
    """Monitored items for the subscription."""

    items: list[Item]


class Read(_Message, frozen=True):
    """The values of nodes, now. `oldest_ms` is how old a value that the server has at hand may be."""

    items: list[Item]
    oldest_ms: float = 0.0


class Write(_Message, frozen=True):
    """Write one value, whose OPC UA type is named. Told as Statuses."""

    node: str
    kind: str
    value: float | int | bool | str


class Browse(_Message, frozen=True):
    """What a node leads to, by hierarchical references; with `more`, what an answer before left out."""

    node: str
    more: bytes = b""


class Close(_Message, frozen=True):
    """End session and channel as the server expects it."""


class Ping(_Message, frozen=True):
    """Is the worker alive?"""


Question = Discover | Open | Resolve | Subscribe | Watch | Read | Write | Browse | Close | Ping


class Ask(_Message, frozen=True):
    number: int
    question: Question


class Taken(_Message, frozen=True):
    """The changes that came last are dealt with."""


# -- answers ----------------------------------------------------------------------------------------------------------


class Hello(_Message, frozen=True):
    """The worker is shut in and listens. `version` is asyncua's."""

    version: Text


class Certificate(msgspec.Struct, frozen=True, array_like=True):
    """A server's certificate. `bits` is the size of its RSA key, 0 for another; `uri` its application's."""

    der: Der
    subject: Text = ""
    uri: Text = ""
    begins: float = 0.0
    ends: float = 0.0
    bits: int = 0


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """One way in. `certificate` is an index, -1 for none; `tokens` are pairs (kind of user token, its policy)."""

    mode: int
    policy: Text
    certificate: int = -1
    tokens: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=16)] = []


class Endpoints(_Message, frozen=True):
    endpoints: Annotated[list[Endpoint], msgspec.Meta(max_length=32)]
    certificates: Annotated[list[Certificate], msgspec.Meta(max_length=4)]
    server: Text = ""


class Opened(_Message, frozen=True):
    """A session is open."""

    product: Text = ""
    version: Text = ""
    namespaces: Annotated[list[Text], msgspec.Meta(max_length=64)] = []


class Resolved(msgspec.Struct, frozen=True, array_like=True):
    """A node: `status` says whether there is one. `kind` is its type as an OPC UA built-in type, "" when it is none
    that can be read; `array`; `access` bit 0 readable, bit 1 writable by this user. `unit_id` and `unit` are its
    EUInformation, `low` and `high` its EURange."""

    status: Code
    node: Id = ""
    kind: Text = ""
    array: bool = False
    access: int = 0
    unit_id: int | None = None
    unit: Text = ""
    low: float | None = None
    high: float | None = None


class Nodes(_Message, frozen=True):
    nodes: Annotated[list[Resolved], msgspec.Meta(max_length=BATCH)]


class Subscribed(_Message, frozen=True):
    publishing_ms: float
    keepalive: int


class Statuses(_Message, frozen=True):
    codes: Annotated[list[Code], msgspec.Meta(max_length=BATCH)]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A value with its status. `kind` names the OPC UA type of the value, "" when there is none; `value` is None for a
    type that gives no reading."""

    handle: Handle
    status: Code
    kind: Text = ""
    value: float | int | bool | Text | None = None
    source: float | None = None
    server: float | None = None


class Values(_Message, frozen=True):
    values: Annotated[list[Change], msgspec.Meta(max_length=BATCH)]


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """What a node leads to. `uri` is the namespace of the browse name; `node_class` 1 is an object, 2 a variable."""

    node: Id
    uri: Text
    name: Text
    title: Text
    node_class: int


class References(_Message, frozen=True):
    references: Annotated[list[Reference], msgspec.Meta(max_length=REFERENCES)]
    more: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""


class Done(_Message, frozen=True):
    pass


Answer = Endpoints | Opened | Nodes | Subscribed | Statuses | Values | References | Done


class Told(_Message, frozen=True):
    number: int
    answer: Answer


class Refused(_Message, frozen=True):
    """The question failed. `code` is the server's, or what comes nearest; `name` its name in the standard."""

    number: int
    code: Code
    name: Text


class Changes(_Message, frozen=True):
    """What the subscription brought. The first change of an item is the value that was there when it was made."""

    values: Annotated[list[Change], msgspec.Meta(max_length=BATCH)]


class Stopped(_Message, frozen=True):
    """The subscription is over, or has been silent for too long."""

    code: Code
    name: Text


FromWorker = Hello | Data | Gone | Told | Refused | Changes | Stopped
ToWorker = Data | Gone | Ask | Taken

Part = TypeVar("Part")

encode = msgspec.msgpack.Encoder().encode
from_worker = msgspec.msgpack.Decoder(FromWorker).decode
to_worker = msgspec.msgpack.Decoder(ToWorker).decode


def batches(parts: Sequence[Part], most: int = BATCH) -> Iterator[list[Part]]:
    """Parts of questions, in order, as many together as one packet holds, and `most`."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        length = len(encode(part))
        if batch and (len(batch) >= most or size + length > ROOM):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += length
    if batch:
        yield batch
