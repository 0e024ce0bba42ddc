"""Messages between the hub and its OPC UA worker: one msgpack object in each packet of a SOCK_SEQPACKET pair. Pure.

    worker → hub    Hello, once
    both ways       Data: bytes of the connection to the server, Gone: it has ended
    hub → worker    Ask                    worker → hub    Told or Refused with the same number
    worker → hub    Changes                hub → worker    Taken: the next ones may come
    worker → hub    Stopped: the subscription gives nothing any more

Times are Unix seconds, durations milliseconds, status codes the 32 bits of OPC 10000-4, 7.39. Node ids are text as in
OPC 10000-6, 5.3.1.10 (`ns=2;s=Boiler.Flow`). Messages of the worker are untrusted, since a hostile server may have
taken it over: every length is bounded here, and a packet that is no message ends the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import msgspec

PACKET = 65536
"""Maximum bytes of one packet."""

CHUNK = 32768
"""Maximum bytes of the connection in one packet."""

BATCH = 100
"""Maximum nodes in one request, and changes in one packet."""

REFERENCES = 32
"""Maximum references of a node in one answer: there may be more."""

TEXT = 96
"""Maximum characters of a server's text; the rest is cut."""

ID = 400
"""Maximum bytes of a node id; a longer one is ignored."""

ROOM = 48000
"""Maximum bytes of the parts of one request."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions of msgspec for bytes that are no message."""

IN_CLEAR = "password-in-clear"
"""`Refused.name` when the worker itself would have had to send the password in clear."""

TOO_DEEP = "values-too-deep"
"""`Refused.name` when values lay too deep within each other."""

NOT_OPC_UA, CHUNK_SIZE, MESSAGE_SIZE, UNREAD = "not-opc-ua", "chunk-size", "message-size", "message-unreadable"
"""`Gone.nonsense`; a size follows its number of bytes after a space."""

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
    """The connection has ended; `nonsense` when the worker ended it because the data were not OPC UA: a word of
    those above."""

    nonsense: Text = ""


# -- questions --------------------------------------------------------------------------------------------------------


class Discover(_Message, frozen=True):
    """Request the server's endpoints, over a connection without security, which then ends."""

    url: str
    timeout_s: float


class Open(_Message, frozen=True):
    """Open a secure channel and a session. Without `server_certificate` there is no security at all."""

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
    """A node as named in the configuration: `node` is a node id in which the namespace may be a URI, or `path` leads to
    it from the Objects folder, each step a namespace (index as text, or URI, "" for 0) and a name."""

    node: str = ""
    path: list[tuple[str, str]] = []


class Resolve(_Message, frozen=True):
    """Request the ids and properties of nodes."""

    nodes: list[Where]


class Subscribe(_Message, frozen=True):
    """Make a subscription in place of the present one. `keepalive` and `lifetime` count publishing intervals."""

    publishing_ms: float
    keepalive: int
    lifetime: int


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A node that is read. `element` of an array, -1 for a scalar; `dead_band` in the node's own unit, 0: every change;
    `sampling_ms` and `queue` are those of a monitored item."""

    handle: Handle
    node: str
    element: int = -1
    dead_band: float = 0.0
    sampling_ms: float = 0.0
    queue: int = 1


class Watch(_Message, frozen=True):
    """Add monitored items to the subscription."""

    items: list[Item]


class Read(_Message, frozen=True):
    """Read the values of nodes now. `oldest_ms`: maximum age of a value that the server has cached."""

    items: list[Item]
    oldest_ms: float = 0.0


class Write(_Message, frozen=True):
    """Write one value, whose OPC UA type is named. Answered by Statuses."""

    node: str
    kind: str
    value: float | int | bool | str


class Browse(_Message, frozen=True):
    """Request the hierarchical references of a node; with `more`, the rest of an earlier answer."""

    node: str
    more: bytes = b""


class Close(_Message, frozen=True):
    """End session and channel as the server expects it."""


class Ping(_Message, frozen=True):
    """Check that the worker responds."""


Question = Discover | Open | Resolve | Subscribe | Watch | Read | Write | Browse | Close | Ping


class Ask(_Message, frozen=True):
    number: int
    question: Question


class Taken(_Message, frozen=True):
    """The last changes have been processed."""


# -- answers ----------------------------------------------------------------------------------------------------------


class Hello(_Message, frozen=True):
    """The worker is sandboxed and ready. `version` is asyncua's."""

    version: Text


class Certificate(msgspec.Struct, frozen=True, array_like=True):
    """A server's certificate. `bits` is the size of its RSA key, 0 for other keys; `uri` its application's."""

    der: Der
    subject: Text = ""
    uri: Text = ""
    begins: float = 0.0
    ends: float = 0.0
    bits: int = 0


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """An endpoint. `certificate` is an index, -1 for none; `tokens` are pairs (kind of user token, its policy)."""

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
    """Properties of a node; `status` is bad where there is none.

    `kind`: its OPC UA built-in type, "" when it cannot be read; `array`; `access` bit 0 readable, bit 1 writable by
    this user. `unit_id` and `unit` are its EUInformation, `low` and `high` its EURange."""

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
    """The target of a reference. `uri` is the namespace of the browse name; `node_class` 1 is an object, 2 a
    variable."""

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
    """The request failed. `code` is the server's, or the nearest one; `name` its name in the standard."""

    number: int
    code: Code
    name: Text


class Changes(_Message, frozen=True):
    """Changes of the subscription. The first change of an item is its value when the item was made."""

    values: Annotated[list[Change], msgspec.Meta(max_length=BATCH)]


class Stopped(_Message, frozen=True):
    """The subscription has ended, or has been silent for too long."""

    code: Code
    name: Text


FromWorker = Hello | Data | Gone | Told | Refused | Changes | Stopped
ToWorker = Data | Gone | Ask | Taken

Part = TypeVar("Part")

encode = msgspec.msgpack.Encoder().encode
from_worker = msgspec.msgpack.Decoder(FromWorker).decode
to_worker = msgspec.msgpack.Decoder(ToWorker).decode


def batches(parts: Sequence[Part], most: int = BATCH) -> Iterator[list[Part]]:
    """Split the parts of a request, in order, into groups of at most `most` that fit one packet."""
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
