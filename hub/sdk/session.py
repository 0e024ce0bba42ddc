"""The API of integrations: what a running plugin is given. Protocols and messages only, so that the very same plugin
can run in a child process without knowing it. `hub.plugin_host.runtime` implements it in this process,
`hub.sdk.testing` in a test.

    Session       one run of a plugin: emit readings, wait for the next turn, and the objects below
      .devices    Devices: the plugin's own devices, and what it learns about them
      .state      State: small values that outlive the process
      .http       Http: requests to the hosts that its options name; a Reply each
      .network    Network: other connections to these hosts, and ports to listen on
      .commands   Commands: what people and rules want written
      .polling    Polling: polls that a crisis may want more often
      .packs      Packs: payloads read and written with device packs
      .radio      Radio: frames for shared decoders, decode errors, diagnostics of a link
      .bus(…)     Bus: a serial line that the core owns; a Turn is exclusive use of it
    Access        the same ways to devices without a run: for a probe, and for a search
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from hub.core.model import (
    Candidate,
    Command,
    Device,
    Frame,
    Metric,
    MetricKind,
    PackFacts,
    PrivacyClass,
    Proof,
    Report,
    Sample,
    Value,
    Writable,
)
from hub.core.nesting import shallow_json

if TYPE_CHECKING:
    import asyncio
    import socket

__all__ = [
    "Access", "Answer", "Bus", "Commands", "Devices", "Http", "MetricKind", "Network", "PackFacts", "Packs", "Polled",
    "Polling", "PrivacyClass", "Radio", "Reply", "Session", "State", "Turn", "Value", "Writable",
]  # fmt: skip

Answer = Literal["queued", "sent", "done", "failed", "expired"]
"""State of a command: waits for the device · sent, no reply yet · carried out · failed · too late to send."""


Polled = Literal["answered", "silent", "unread"]
"""How a poll of a device ended: it answered · nobody did · what came gives no reading."""


class Reply(msgspec.Struct, frozen=True):
    """An HTTP reply: `status` code, `headers` by name, `body` whole in memory, 1 MiB at most."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none, or nested more than 64 levels deep."""
        return msgspec.json.decode(shallow_json(self.body))


class Http(Protocol):
    """HTTP to the hosts that this plugin's own options name, and to no others."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        """Send one request and return its reply, whatever its status. Raises NotReady when the host does not answer in
        time, LedElsewhere when it redirects to a host that the options do not name, AuthFailed when the hub may not
        call this one."""
        ...


class Network(Protocol):
    """Connections to the hosts that this plugin's own options name, and to no others. An option names one as a URL:
    tcp://host:port, tls://host:port, udp://host:port, mqtt://host or mqtts://host. The same form names an address of
    this machine to listen on; a device file has its path.

    All that is open ends when the plugin ends, and when the hub is isolated."""

    async def connect(
        self, url: str, *, ca: str = "", timeout: timedelta = timedelta(seconds=10)
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a stream to a tcp:// or tls:// host, as `asyncio.open_connection` does. With tls:// the host shows a
        certificate for its name, TLS 1.2 or newer; `ca` is the PEM of who must have signed it, else the machine's own
        CAs count. Close the writer in the end. Raises NotReady when the host does not answer in time or its certificate
        is refused, AuthFailed when the hub may not call it."""
        ...

    async def open_socket(self, url: str, *, timeout: timedelta = timedelta(seconds=10)) -> socket.socket:
        """Connect a socket to a tcp://, udp://, mqtt:// or mqtts:// host, for a library that takes one (of mqtts://
        the library does the TLS). It does not block; close it in the end. Raises as `connect`."""
        ...

    async def open_device(self, path: str) -> int:
        """Open a character device below /dev that the options name, to read and write, and return its descriptor, which
        does not block; `os.close` it in the end. A serial line that others may want too is `Session.bus`. Raises
        NotReady when it is not there or another program holds it, AuthFailed when the options do not name it or the hub
        may not open it."""
        ...

    async def listen(self, url: str) -> socket.socket:
        """Listen on an address of this machine: tcp://0.0.0.0:9000 gives a socket for `asyncio.start_server`, udp://
        one that is bound; a plugin in a process of its own answers there who spoke to it lately, and nobody else. It
        does not block; close it in the end. Raises NotReady when the address is taken or none of this machine's,
        AuthFailed when the options do not name it."""
        ...


class Devices(Protocol):
    """This plugin's own devices, as configuration, import or adoption made them known."""

    @property
    def timezone(self) -> str:
        """IANA name of the site's time zone now, for devices that give local time."""
        ...

    def get(self, device: str) -> Device | None:
        """The device with this id, None when it is none of this plugin's."""
        ...

    def all(self) -> list[Device]:
        """Every device of this plugin."""
        ...

    def changes(self) -> AsyncIterator[Device]:
        """Yield each device that is added, changed or removed from now on. `get` returns None for a removed one."""
        ...

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        """Set the model and firmware of a device, and add metrics that are not in the catalogue. Raises PluginError
        when it is none of this plugin's, and for a metric that is wrong (a unit that is none of UCUM, a privacy class
        that is none of the three) or takes the name of one of the catalogue for something else."""
        ...

    def discovered(self, candidate: Candidate) -> None:
        """Report something found that may be a device, with evidence. It waits until a person adds or refuses it;
        nothing is added here."""
        ...


class State(Protocol):
    """A small dictionary that outlives the process: at most 256 KiB of msgpack-able values, 64 KiB each, under keys of
    at most 1 KiB of UTF-8. A change is written with the next commit of the buffer; it has no fsync of its own.

    The key `restored` is True after the hub was restored from a state backup, until the plugin puts something else
    there: counters that are spent, the lost machine may have spent further than is written here. `skip` says how many
    to leave out of each: 1024, and more the older the backup was or the more often it was restored."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value under this key, or `default`."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Set a value; None removes it. Raises PluginError when it cannot be stored; nothing changes then."""
        ...


class Commands(Protocol):
    """Writes to this plugin's own devices: authorised, within bounds, paced and audited already."""

    def __aiter__(self) -> AsyncIterator[Command]:
        """Yield each command from now on, those first that an earlier run did not take. Iterate in one task only."""
        ...

    def answer(self, command: Command, state: Answer, detail: str = "") -> None:
        """Report the state of a command: "queued" and "sent" perhaps, then one of "done", "failed" (`detail` says why
        and what to do) and "expired". A command that was taken and not answered fails when the plugin stops, unless it
        is queued: then it comes again. What
        the plugin did not take, or says in another word, is counted and changes nothing."""
        ...

    def wanted(self, command: Command) -> bool:
        """Whether it is still to be carried out: False once it expired or all writes were stopped. Ask before sending
        a command that has waited."""
        ...

    def offer(self, *acts: str) -> None:
        """Name what this plugin's devices can do beside writing a metric and the downlinks of their pack (`rejoin`).
        Such a command has the name as its metric, and `values` are empty."""
        ...


class Polling(Protocol):
    """Polls whose rate `ilot crisis sampling` may raise for a while."""

    def poll_cycles(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        """As `Session.every`, for a loop that polls devices: `asked` returns their ids. A cycle may come sooner than
        `interval`, never later. Raises PluginError unless the interval is positive."""
        ...

    def set_poll_intervals(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        """For a plugin with a timetable of its own: device → interval of its configuration, at least `least`. Returns
        device → interval to use now. Call it on every poll cycle: each call replaces the one before."""
        ...

    def polled(self, device: str, outcome: Polled) -> None:
        """Say how a poll of one of this plugin's devices ended, its retries included. A device that is "silent" or
        "unread" is shown in trouble at once, until it has "answered" or a report of it is emitted: after that report,
        if it only repeats former values. Counting and logging stay with the plugin."""
        ...


class Packs(Protocol):
    """Device packs: codecs and mappings that read and write the payloads of a device."""

    async def get(self, device: str) -> PackFacts | None:
        """Facts of the pack of one of this plugin's devices, None when it has none, or one that cannot be read.
        Raises PluginError when the device is another's."""
        ...

    async def decode(
        self,
        device: str,
        port: int,
        payload: bytes,
        time: float | None = None,
        *,
        proof: Proof | None = None,
        once: bool = False,
    ) -> tuple[Sample, ...]:
        """Decode a payload, received at `time` (Unix seconds), with the codec and the mapping of its device's pack: the
        present values first (empty when it says nothing), then former ones, dated. Former values have no counter of
        their own: emit them with a proof without one, before the present ones.

        Raises DecodeError when it cannot be read, counted already; NotReady when no codec worker is free. With the
        `proof` of its frame, a payload that cannot be read is kept before DecodeError is raised, once for each counter:
        when its pack changes the hub reads it again by itself, and its readings then have the time of the frame.
        `once`: the frame does not come again, so keep it too when no worker is free. Raises PluginError when the device
        is another's.
        """
        ...

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        """(port, payload) of a downlink that the device's pack names, values within its bounds. Raises DecodeError
        that says what is wrong, NotReady when no codec worker is free, PluginError when the device is another's."""
        ...


class Radio(Protocol):
    """Frames for decoders that several plugins share, frames that cannot be read, and diagnostics of a link."""

    async def submit_frame(self, frame: Frame) -> bool:
        """Offer a frame to the decoders registered for its kind. The report of a device of this plugin is emitted; an
        unknown device, or one whose key is missing, becomes a candidate. Returns False when no decoder knew it."""
        ...

    def report_decode_error(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        """Count a frame that cannot be read, by device and reason (`DecodeError.reason`). `proof`: of a frame that was
        authentic and not new, so that the hub can tell a repeat from a clone."""
        ...

    def publish_facts(self, subject: str, facts: Mapping[str, Any]) -> None:
        """Publish diagnostics of a device, or of something else that the plugin names ("gateway:0016…"): plain values
        by name, at most 4 KiB packed, which replace those before; empty facts remove them. They are kept in memory
        only, and `ilot radio` shows those that it knows. Raises PluginError when they cannot be packed or are too
        large."""
        ...


class Turn(Protocol):
    """Exclusive use of a serial line."""

    async def send(self, data: bytes) -> None:
        """Write all bytes. Raises NotReady when the line is gone."""
        ...

    async def receive(self) -> bytes:
        """The next bytes, at least one. Raises NotReady when the line is gone."""
        ...


class Bus(Protocol):
    """A serial line that the core owns (section `serial_buses` of the configuration) and lends: first come, first
    served."""

    async def transact(
        self, frame: bytes, whole: Callable[[bytes], int | None], *, timeout: timedelta = timedelta(seconds=1)
    ) -> bytes | None:
        """Send a frame and return the answer, None when none came in time. `whole` is given the bytes so far and
        returns how many of them are the answer, None while it is incomplete; what it raises is raised here. Bytes that
        came before the frame was sent, and after the answer, are dropped; after an exchange without a whole answer the
        line must be silent first. Raises NotReady when the line is gone."""
        ...

    def open(self) -> AbstractAsyncContextManager[Turn]:
        """Have the line alone until the block ends. Raises NotReady when it cannot be opened."""
        ...


class Access(Protocol):
    """Ways to devices for a moment, without a run: given to a probe, and with more to a search for devices. The only
    ones of a plugin in a process of its own."""

    @property
    def http(self) -> Http:
        """Requests to the hosts that the options name."""
        ...

    @property
    def network(self) -> Network:
        """Other connections to these hosts."""
        ...

    def bus(self, name: str) -> Bus:
        """The serial line of this name. Raises AuthFailed when there is none, PluginError when the manifest does not
        grant it."""
        ...


class Session(Protocol):
    """One run of a plugin, from its start to its cancellation."""

    @property
    def name(self) -> str:
        """Name of this instance in the configuration."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log of this instance: each line carries its name."""
        ...

    @property
    def devices(self) -> Devices:
        """The devices of this instance."""
        ...

    @property
    def http(self) -> Http:
        """Requests to the hosts that this instance's options name."""
        ...

    @property
    def network(self) -> Network:
        """Other connections to these hosts, and ports to listen on."""
        ...

    @property
    def state(self) -> State:
        """Small values that outlive the process."""
        ...

    @property
    def commands(self) -> Commands:
        """Writes to this instance's devices. Raises NotReady where the hub takes no commands."""
        ...

    @property
    def polling(self) -> Polling:
        """Polls whose rate may be raised for a while."""
        ...

    @property
    def packs(self) -> Packs:
        """Device packs."""
        ...

    @property
    def radio(self) -> Radio:
        """Frames, decode errors and diagnostics of a link."""
        ...

    def bus(self, name: str) -> Bus:
        """The serial line of this name in the configuration. Raises AuthFailed when there is none."""
        ...

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        """Hand over a report, or several that belong together (those of one frame). Returning means taken, whole or
        not at all: all are in one commit. It may wait for room first. With `durable` it returns after the fdatasync,
        which joins a commit within 50 ms: before a radio or HTTP acknowledgement. Without reports, `emit(durable=True)`
        returns once all that was taken before is on the disk.

        `note` is called when there is room, right before the reports are taken: what it puts into `state` is in that
        commit too. Put the counter of a frame there and nowhere else: put before an `emit` that waits for room, it
        outlives a reading that does not, and the frame is refused when it comes again. What `note` raises is raised
        here, and nothing is taken. While this waits, the plugin itself must recognise the frame when it comes again.

        An exception, or a cancellation, means: not known to be on the disk. Before `note` was called nothing was taken,
        and nothing of it is ever delivered. Afterwards all of it was taken: it is kept in memory, tried again, and
        delivered, unless the process ends before the disk has it; then what `note` put is gone with it.

        So refuse the sender, who says it again, and recognise that by what `note` put: do not hand it over a second
        time, await `emit(durable=True)`, and acknowledge. Without a `note` nobody can tell the two apart.

        Raises StorageError when the disk refuses; PluginError for another plugin's device and for anything but Reports,
        before `note`."""
        ...

    def every(self, interval: timedelta) -> AsyncIterator[float]:
        """Yield the wall time, in Unix seconds, at once and then every `interval`: jittered at the start, never piling
        up. Raises PluginError unless the interval is positive."""
        ...
