"""What the backend keeps beside records and readings, as its domain code asks a database for it: who is enrolled, the
hubs' alerts and anchors, look-ups, callbacks, and what waits for a person.

Rules stay with the caller: who may enrol, which change of an alert counts, what may be answered. An engine stores and
finds. Times are Unix seconds unless their name says otherwise. Methods raise StorageError when the database refuses;
those that change something are called inside `transaction()`, alone of their kind where they say so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from backend.storage.processes import ProcessTable
from backend.storage.silences import SilenceTable


class Hub(NamedTuple):
    """A hub in the registry. `identity` is the raw Ed25519 public key."""

    hub: str
    identity: bytes
    name: str
    enrolled_at: float
    revoked_at: float | None
    seen_at: float | None
    tags: tuple[str, ...] = ()


class EnrolmentToken(NamedTuple):
    """A token that admits one hub. `secret` is None once it was used or cancelled."""

    id: str
    secret: bytes | None
    name: str
    created_at: float
    expires_at: float
    used_at: float | None = None
    hub: str | None = None
    cancelled_at: float | None = None
    tags: tuple[str, ...] = ()


class HubTable(Protocol):
    """Registry: hubs and the tokens that admit them. Nothing is cached, so a revocation acts on the next message,
    whichever process wrote it."""

    def find(self, hub: str) -> Hub | None: ...

    def hubs(self) -> list[Hub]:
        """Return every hub, by its id."""

    def enrol(self, hub: Hub) -> None:
        """Store a hub; where it is known, store its name and tags."""

    def revoke(self, hub: str, now: float) -> bool:
        """Note that a hub is refused from now on, keeping an earlier moment; return whether it is known."""

    def readmit(self, hub: str) -> bool:
        """Note that a hub is refused no more; return whether it is known."""

    def tag(self, hub: str, tags: tuple[str, ...]) -> bool:
        """Replace the tags of a hub; return whether it is known."""

    def token(self, token: str) -> EnrolmentToken | None:
        """Return a token; inside a transaction nobody else uses it before that ends."""

    def tokens(self) -> list[EnrolmentToken]:
        """Return every token, the oldest first; those of one moment by their names."""

    def add_tokens(self, tokens: Iterable[EnrolmentToken]) -> None: ...

    def use_token(self, token: str, hub: str, now: float) -> None:
        """Note that a token admitted a hub, and forget its secret."""

    def cancel_token(self, token: str, now: float) -> bool:
        """Note that a token admits nobody, and forget its secret; return whether it could still have."""


class AlertChange(NamedTuple):
    """The state of an alert after its change number `n`, as its hub reported it."""

    hub: str
    alert: str
    n: int
    rule: str
    key: str
    state: str
    severity: str
    by: str
    why: str
    value: str
    text: str
    text_fr: str
    device: str
    place: str
    site: str
    zone: str
    integration: str
    raised_at: float
    changed_at: float
    received_at: float


class AlertState(NamedTuple):
    """The current change of an alert, and the state that the operator requested, "" when none."""

    n: int
    state: str
    wanted: str


class AlertTable(Protocol):
    """Alerts of the hubs, each with its current change and the operator's request."""

    def find(self, hub: str, alert: str) -> AlertState | None: ...

    def count(self, hub: str) -> int: ...

    def forget_cleared(self, hub: str, most: int) -> int:
        """Delete the cleared alerts of a hub that arrived first, at most so many; return how many."""

    def add(self, change: AlertChange) -> None:
        """Store an alert that is not known."""

    def replace(self, change: AlertChange, *, keep_request: bool) -> None:
        """Store a change of a known alert. Its rule, subject and beginning stay; the request goes unless kept."""

    def states(self, alert: str, hub: str = "") -> list[tuple[str, str]]:
        """Return (hub, state) of the alerts of this name, of one hub or of all."""

    def request(self, hub: str, alert: str, state: str, body: bytes) -> None:
        """Store what the operator requests of an alert, in the place of an earlier request."""

    def requests(self, hub: str) -> list[bytes]:
        """Return the bodies of the requests of a hub, at most 1,000."""


class Anchor(NamedTuple):
    """A head of a hub's audit chain, reported for the moment `told_ms` (Unix ms)."""

    hub: str
    told_ms: int
    entries: int
    head: str
    counts: str
    received_at: float


class AnchorTable(Protocol):
    """Anchors of the hubs' audit chains."""

    def add(self, anchor: Anchor) -> None:
        """Store an anchor, unless its hub has one of that moment already."""


class Heard(NamedTuple):
    """A device at one hub that is not revoked: its metrics there, and the last day since 1970 of which there are
    readings."""

    device: str
    hub: str
    hub_name: str
    site: str
    metrics: tuple[str, ...]
    day: int


class LookupTable(Protocol):
    """Look-ups of devices by hubs, and where devices were heard."""

    def heard(self, devices: Collection[str]) -> list[Heard]:
        """Return at which hubs each device was heard."""

    def reporting(self, devices: Collection[str], *, privacy: str, metric: str) -> set[str]:
        """Return those of the devices that have a series of this class or of this metric at any hub."""

    def since(self, hub: str, since: float) -> set[str]:
        """Return the devices that a hub looked up after a moment."""

    def note(self, hub: str, devices: Iterable[str], now: float) -> None:
        """Note that a hub looks these devices up."""

    def answered(self, hub: str, devices: Iterable[str], now: float) -> None:
        """Note that a hub was told of these devices, keeping an earlier moment."""


class CallbackToken(NamedTuple):
    """A token of callbacks: the digest of its secret, and the hub that its callbacks are for."""

    id: str
    secret: bytes
    hub: str
    name: str
    created_at: float
    revoked_at: float | None = None


class NewCallback(NamedTuple):
    """A callback as it came. `key` identifies it, `answer` is what its device was answered and `answered` the id of
    that downlink."""

    key: str
    hub: str
    token: str
    fields: bytes
    answer: bytes | None
    answered: str
    received_at: float


class WaitingDownlink(NamedTuple):
    """A hub's answer for a device: `id` to send it once, or "" to send it each time."""

    device: str
    id: str
    data: bytes
    until: float | None


class CallbackTable(Protocol):
    """Callbacks that wait for hubs, their tokens, and the downlinks that answer them."""

    def token(self, token: str) -> CallbackToken | None: ...

    def add_token(self, token: CallbackToken) -> None: ...

    def revoke_token(self, token: str, now: float) -> bool:
        """Note that a token is refused, keeping an earlier moment; return whether it is known."""

    def assign_token(self, token: str, hub: str, now: float) -> int | None:
        """Give a token, and what waits of it, to another hub; return how many callbacks moved, None for an unknown
        token. One that waits there already is not given twice."""

    def known_answer(self, hub: str, key: str) -> tuple[bytes | None] | None:
        """Return what a known callback was answered; None for one that is not known."""

    def add(self, callback: NewCallback) -> None:
        """Store a callback, and count it at its token."""

    def count_repeated(self, token: str, now: float) -> None: ...

    def waiting(self, hub: str, most: int) -> list[tuple[int, bytes, str]]:
        """Return (number, fields, answered) of the oldest callbacks that wait for a hub."""

    def oldest(self, hub: str) -> tuple[int, float] | None:
        """Return number and arrival of the callback that waits longest for a hub."""

    def newest_number(self) -> int:
        """Return the greatest number of any callback."""

    def count_waiting(self, hub: str) -> int: ...

    def finish(self, hub: str, numbers: Iterable[int], now: float) -> None:
        """Delete the contents of callbacks that their hub has stored; they stay known."""

    def forget(self, before: float) -> None:
        """Delete callbacks that were finished, and downlinks that were sent, before a moment."""

    def next_downlink(self, hub: str, device: str, now: float) -> tuple[str, bytes] | None:
        """Return id and data of a device's next answer, one to be sent once first; None when there is none."""

    def mark_sent(self, hub: str, device: str, downlink: str, now: float) -> None: ...

    def replace_downlinks(self, hub: str, downlinks: Iterable[WaitingDownlink]) -> None:
        """Replace what is not sent; what was sent is not offered again."""


class ReviewTable(Protocol):
    """Alarms and quarantine, as a person handles them."""

    def close_alarm(self, number: int, now: float) -> bool:
        """Close an alarm; return whether it was open."""

    def body(self, number: int) -> tuple[str, bytes] | None:
        """Return reason and bytes of an entry of the quarantine."""

    def drop(self, numbers: Sequence[int]) -> int | None:
        """Delete entries of the quarantine, so that nothing of them is left in the database's files; all or none.
        Return the first that does not exist. A transaction of its own."""


class Tables(Protocol):
    """What one open database keeps beside records and readings: a part of `backend.storage.engine.Storage`."""

    @property
    def registry(self) -> HubTable: ...
    @property
    def alerts(self) -> AlertTable: ...
    @property
    def anchors(self) -> AnchorTable: ...
    @property
    def lookups(self) -> LookupTable: ...
    @property
    def callbacks(self) -> CallbackTable: ...
    @property
    def review(self) -> ReviewTable: ...
    @property
    def silences(self) -> SilenceTable: ...
    @property
    def processes(self) -> ProcessTable: ...

    def transaction(self) -> AbstractContextManager[None]:
        """Run the block in one transaction, durable on leaving."""

    def close(self) -> None: ...
