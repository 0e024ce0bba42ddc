"""Messages between the hub and a plugin in a process of its own; `framing` puts them into bytes. Pure.

`Up` is all that a child may say, `Down` all that the hub says. A child is not trusted: anything else raises Hostile,
and the hub ends its process. Those of a session are here, those of what else a plugin may be in `wire_roles`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from hub.core.model import Candidate, Command, Device, Frame, Metric, PackFacts, Proof, Report, Sample
from hub.plugin_host.isolation.wire_base import MOST_REPORTS, Call, Failure, Id, Message, Number, Text, Word
from hub.plugin_host.isolation.wire_roles import (
    Asked,
    DecodedFrame,
    DecodeFrame,
    DecoderText,
    FoundOne,
    KeyOf,
    Progress,
    Result,
    ViewChanges,
    ViewPart,
    ViewPulse,
)
from hub.plugin_host.manifest import Manifest
from hub.sdk.notification import Notification
from hub.sdk.session import Reply

# From the child.


class Loaded(Message, frozen=True, tag="loaded"):
    """The plugin is imported, and its options are right: what it registered that the hub has to know. `reasons`: the
    English words, or French and English."""

    metrics: Annotated[tuple[Metric, ...], msgspec.Meta(max_length=500)] = ()
    reasons: Annotated[dict[Id, tuple[Text, ...]], msgspec.Meta(max_length=500)] = msgspec.field(default_factory=dict)
    decoders: Annotated[tuple[DecoderText, ...], msgspec.Meta(max_length=50)] = ()


class Ended(Message, frozen=True, tag="ended"):
    """The plugin returned, or raised."""

    failure: Failure | None = None
    said: Text = ""


class Pong(Message, frozen=True, tag="pong"):
    n: Number


class Log(Message, frozen=True, tag="log"):
    level: Annotated[int, msgspec.Meta(ge=0, le=50)]
    text: Text
    code: dict[str, Any] | None = None
    trace: Annotated[str, msgspec.Meta(max_length=8000)] = ""


class Emit(Message, frozen=True, tag="emit"):
    """`n` is 0 where nobody waits for an answer. `puts`: what `note` put into the state."""

    n: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
    reports: Annotated[tuple[Report, ...], msgspec.Meta(max_length=MOST_REPORTS)]
    durable: bool = False
    puts: Annotated[dict[str, Any], msgspec.Meta(max_length=MOST_REPORTS)] | None = None


class SpeaksFor(Call, frozen=True, tag="speaks_for"):
    """Raises where one of these devices is another's."""

    devices: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MOST_REPORTS)]


class Put(Message, frozen=True, tag="put"):
    key: str
    value: Any


class Cancel(Message, frozen=True, tag="cancel"):
    n: Number


class Declare(Call, frozen=True, tag="declare"):
    device: Id
    model: Text
    firmware: Text
    metrics: Annotated[tuple[Metric, ...], msgspec.Meta(max_length=500)]


class Discovered(Message, frozen=True, tag="discovered"):
    candidate: Candidate


class HttpCall(Call, frozen=True, tag="http"):
    answer: ClassVar[Any] = Reply
    method: Word
    url: Annotated[str, msgspec.Meta(max_length=8192)]
    headers: dict[str, str]
    body: bytes | None
    seconds: float


class Open(Call, frozen=True, tag="open"):
    """A connection or a device file; the answer is Passed. `how`: "connect", "socket", "listen" or "device", as in
    `hub.sdk.session.Network`."""

    how: Word
    url: Annotated[str, msgspec.Meta(max_length=1024)]
    ca: Annotated[str, msgspec.Meta(max_length=65_536)]
    seconds: float


class NextCommand(Call, frozen=True, tag="next_command"):
    answer: ClassVar[Any] = Command


class CommandsEnd(Message, frozen=True, tag="commands_end"):
    pass


class Answer(Message, frozen=True, tag="answer"):
    command: Id
    state: Word
    detail: Text


class Wanted(Call, frozen=True, tag="wanted"):
    answer: ClassVar[Any] = bool
    command: Id


class Offer(Message, frozen=True, tag="offer"):
    acts: Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)]


class Cycle(Call, frozen=True, tag="cycle"):
    """The next turn of a loop; `devices` are those that it polls, None for one that polls none."""

    answer: ClassVar[Any] = float
    loop: Number
    seconds: float
    devices: Annotated[tuple[Id, ...], msgspec.Meta(max_length=10_000)] | None


class CycleEnd(Message, frozen=True, tag="cycle_end"):
    loop: Number


class Intervals(Call, frozen=True, tag="intervals"):
    answer: ClassVar[Any] = dict[str, float]
    seconds: Annotated[dict[Id, float], msgspec.Meta(max_length=10_000)]
    least: float


class Polled(Message, frozen=True, tag="polled"):
    device: Id
    outcome: Word


class PackOf(Call, frozen=True, tag="pack"):
    answer: ClassVar[Any] = PackFacts | None
    device: Id


class Decode(Call, frozen=True, tag="decode"):
    answer: ClassVar[Any] = tuple[Sample, ...]
    device: Id
    port: int
    payload: bytes
    time: float | None
    proof: Proof | None
    once: bool


class Encode(Call, frozen=True, tag="encode"):
    answer: ClassVar[Any] = tuple[int, bytes]
    device: Id
    downlink: Id
    values: dict[Id, float]


class Submit(Call, frozen=True, tag="submit"):
    answer: ClassVar[Any] = bool
    frame: Frame


class Undecoded(Message, frozen=True, tag="undecoded"):
    device: Id
    failure: Failure
    proof: Proof | None


class Facts(Message, frozen=True, tag="facts"):
    subject: Id
    facts: dict[str, Any]


class HasBus(Call, frozen=True, tag="has_bus"):
    bus: Id


class Transact(Call, frozen=True, tag="transact"):
    answer: ClassVar[Any] = bytes | None
    bus: Id
    frame: bytes
    seconds: float


class Judged(Message, frozen=True, tag="judged"):
    """What `whole` said of the bytes so far; `failed`: it raised, which the child knows."""

    n: Number
    size: int | None
    failed: bool = False


class TurnBegin(Call, frozen=True, tag="turn"):
    answer: ClassVar[Any] = int
    bus: Id


class TurnSend(Call, frozen=True, tag="turn_send"):
    turn: Number
    data: bytes


class TurnReceive(Call, frozen=True, tag="turn_receive"):
    answer: ClassVar[Any] = bytes
    turn: Number


class TurnEnd(Message, frozen=True, tag="turn_end"):
    turn: Number


class NextNotice(Call, frozen=True, tag="next_notice"):
    answer: ClassVar[Any] = Notification


class NoticesEnd(Message, frozen=True, tag="notices_end"):
    pass


class Done(Message, frozen=True, tag="done"):
    alert: Id
    change: int


class Memory(Message, frozen=True, tag="memory"):
    values: dict[str, Any]


Up = (
    Loaded | Ended | Pong | Log | Emit | SpeaksFor | Put | Cancel | Declare | Discovered | HttpCall | Open | NextCommand
    | CommandsEnd | Answer | Wanted | Offer | Cycle | CycleEnd | Intervals | Polled | PackOf | Decode | Encode | Submit
    | Undecoded | Facts | HasBus | Transact | Judged | TurnBegin | TurnSend | TurnReceive | TurnEnd | NextNotice
    | NoticesEnd | Done | Memory | Progress | FoundOne | Result | DecodedFrame | KeyOf | ViewPart | ViewPulse
    | ViewChanges
)  # fmt: skip

MOST_SMALL = 16 << 10
"""Bytes of a message of whose kind more would be kept, or decoded at once; `_MOST` has the others."""
_MOST: dict[type[Message], int] = {
    Loaded: 2 << 20, Emit: 1 << 20, SpeaksFor: 1 << 20, HttpCall: 2 << 20, Put: 1 << 17, Cycle: 1 << 20,
    Intervals: 1 << 20, Declare: 1 << 17, Encode: 1 << 17, Memory: 2 << 20, FoundOne: 1 << 17,
    Result: 1 << 20,
}  # fmt: skip


def most_of(message: Message) -> int:
    """Return how many bytes a message of a child may have."""
    return _MOST.get(type(message), MOST_SMALL)


# From the hub.


class Start(Message, frozen=True, tag="start"):
    """What to run. `kind`: "integration", "notifier", "exporter", or an errand: "probe", "search", "read", "look".
    `registered`: the name of its type; `entry` is the plugin's entry point, `given` its options as they are written."""

    kind: str
    name: str
    registered: str
    plugin: str
    entry: str
    distribution: str
    version: str
    given: Any
    devices: tuple[Device, ...] = ()
    state: dict[str, Any] = msgspec.field(default_factory=dict)
    timezone: str = ""
    level: int = 20
    full: bool = False
    takes_commands: bool = False
    hub: str = ""
    memory: dict[str, Any] = msgspec.field(default_factory=dict)
    manifest: Manifest | None = None
    asked: Asked = Asked()


class Stop(Message, frozen=True, tag="stop"):
    pass


class Ping(Message, frozen=True, tag="ping"):
    n: int
    level: int
    timezone: str


class Full(Message, frozen=True, tag="full"):
    """Whether an `emit` has to wait for room."""

    now: bool


class Changed(Message, frozen=True, tag="changed"):
    """A device of this plugin as it is now; `gone`: it is none any more."""

    device: Device
    gone: bool = False


class Answered(Message, frozen=True, tag="answered"):
    n: int
    value: msgspec.Raw = msgspec.Raw(b"\xc0")


class Failed(Message, frozen=True, tag="failed"):
    """`n` is 0 for an `emit` that nobody waits for. `taken`: the reports were, all the same; `state` holds the keys
    that `note` put as they are then."""

    n: int
    failure: Failure
    taken: bool = False
    state: dict[str, Any] = msgspec.field(default_factory=dict)


class Passed(Message, frozen=True, tag="passed"):
    """The answer to an Open: a descriptor comes beside it."""

    n: int


class Part(Message, frozen=True, tag="part"):
    """What a bus has answered so far in the exchange `n`; the child says whether it is whole (Judged)."""

    n: int
    data: bytes


Down = Start | Stop | Ping | Full | Changed | Answered | Failed | Passed | Part | DecodeFrame
