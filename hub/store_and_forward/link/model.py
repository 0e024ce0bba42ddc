"""Data types of the link, and the protocols of what it is built from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from hub.core.backoff import Backoff
from hub.protocol.link_messages import AckKeys
from hub.protocol.ranges import Range
from hub.sdk.transport import RunTransport
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.delivery import Stored, StreamState
from hub.store_and_forward.link.traffic import Month

READINGS = "readings"
STARTING, UP, AWAY, REFUSED, FAILED = "starting", "up", "away", "refused", "failed"


class Durable(Protocol):
    """Records that one commit made durable in one stream; `last` below `first`: none. `deferrable`: a metered line may
    hold them back although they are of the alerts stream."""

    @property
    def stream(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def deferrable(self) -> bool: ...


class HeldCommits(NamedTuple):
    """Several commits of one stream, handed over as one."""

    stream: str
    first: int
    last: int


class Buffer(Protocol):
    """The buffer as the link uses it (`hub.store_and_forward.buffer.Buffer`). `read` blocks and is called in a
    thread."""

    @property
    def run(self) -> bytes: ...
    @property
    def local(self) -> dict[str, Any]: ...
    @property
    def acks(self) -> RunRanges: ...
    def streams(self) -> Sequence[StreamState]: ...
    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> Sequence[Stored]: ...
    def acked(self, stream: str, run: bytes, ranges: list[Range]) -> None: ...
    def unacked(self, stream: str, run: bytes, ranges: list[Range]) -> None:
        """Owe these records again: the backend lost them."""
        ...

    def forget_acks(self) -> None:
        """Void all acks: the backend's database is new."""
        ...

    def put_local(self, key: str, value: Any) -> None: ...
    async def flush(self) -> None: ...


class Trust(AckKeys, Protocol):
    @property
    def version(self) -> int: ...


class Egress(Protocol):
    def connection(self, url: str) -> Any: ...
    def lend(self, client: Any) -> None: ...
    def take_back(self, client: Any) -> None: ...
    def note(self, whose: str, error: Any) -> None: ...


class UplinkConfig(NamedTuple):
    """One configured uplink: its name, its plugin's `run(config, uplink)`, and the address of the hub's enrolment."""

    name: str
    config: Any
    run: RunTransport[Any]
    backend: str = ""


class Line(NamedTuple):
    """The way to the backend as configured: its uplinks, and whether it is billed by volume."""

    uplinks: Sequence[UplinkConfig] = ()
    metered: bool = False


class RetryPauses(NamedTuple):
    """Makers of the pauses between the tries of an uplink: of one that is away, and of one that is refused."""

    away: Callable[[], Backoff] = lambda: Backoff(1.0, 60.0)
    refused: Callable[[], Backoff] = lambda: Backoff(60.0, 900.0)


class AnswerHandlers(NamedTuple):
    """Who receives what the backend's answers hold for others than the link. `clock(unix_s, after, before)`: the time
    in a signed, fresh ack and the monotonic times between which it was signed; returns whether it needs another soon.
    `trust`: a trust document that nobody has verified. `certificate`: one likewise, for which `ask_certificate`
    asked."""

    clock: Callable[[float, float, float], bool] | None = None
    trust: Callable[[bytes], None] | None = None
    certificate: Callable[[bytes], None] | None = None


NO_HANDLERS, RETRY_PAUSES = AnswerHandlers(), RetryPauses()


class UplinkStatus(msgspec.Struct, kw_only=True):
    """`since` is the Unix time at which `state` began; `failures` counts since the last answer."""

    name: str
    state: str = STARTING
    since: float = 0.0
    failures: int = 0
    error: str = ""


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the link. `acked` is in readings; `last_ack_s` is how long ago the last accepted ack came; `rate` in
    bytes/s; `waiting` records by lane; `refused` acks by reason; `wanted` acked records asked for again; `error` of the
    uplinks that are not up, empty as long as one is; `month` is the traffic of this month, in bytes."""

    acked: int
    acked_records: int
    last_ack_s: float | None
    in_flight: int
    in_flight_bytes: int
    rate: float
    waiting: dict[str, int]
    refused: dict[str, int]
    rejected: int
    wanted: int
    error: str
    uplinks: list[UplinkStatus]
    month: Month
    metered: bool
