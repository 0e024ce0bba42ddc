"""What a running plugin is handed: Protocols and messages only, so that the very same plugin can run in a
child process without knowing it. The one real implementation in this process is `hub.plugin_host.runtime`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Protocol

import msgspec

from hub.core.model import (
    Candidate,
    Command,
    Device,
    Frame,
    Metric,
    PackFacts,
    Proof,
    Report,
    Sample,
)
from hub.core.nesting import shallow_json


class Reply(msgspec.Struct, frozen=True):
    """A small HTTP reply, whole in memory (1 MiB at most)."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(shallow_json(self.body))


class Http(Protocol):
    """Requests to the hosts that this plugin's own options name, and to no others."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        """One request. Raises NotReady when the host does not answer, LedElsewhere when its answer leads where this
        plugin does not go."""
        ...


class Devices(Protocol):
    """This plugin's own devices, as configuration, import or adoption made them known."""

    def get(self, device: str) -> Device | None: ...
    def all(self) -> list[Device]: ...
    def changes(self) -> AsyncIterator[Device]:
        """Each device of this plugin that is added, changed or removed from now on; of one that was removed, `get` says
        None."""
        ...


class State(Protocol):
    """A small dictionary of the plugin's own that outlives the process: at most 256 KiB of msgpack-able
    values, 64 KiB each, under keys of at most 1 KiB of UTF-8. A change rides on the next commit of the buffer; it has
    no fsync of its own. `put` raises PluginError for what cannot be kept.

    The key `restored` is True after the hub was restored from a state backup, until the plugin puts something else
    there: whatever counter of its own it spends, the lost machine may have spent more of it than is written here.
    `skip` says how many to leave out of each: 1024, and more the older the backup was or the more often it was
    restored."""

    def get(self, key: str, default: Any = None) -> Any: ...
    def put(self, key: str, value: Any) -> None: ...


class Commands(Protocol):
    """What is to be written to this plugin's own devices: authorised, within bounds, paced and audited already."""

    def __aiter__(self) -> AsyncIterator[Command]:
        """Each command from now on; those that no earlier life of the plugin took come first. Only one part of a plugin
        iterates."""
        ...

    def answer(self, command: Command, state: str, detail: str = "") -> None:
        """How it stands with it: "queued" (it waits for the device), "sent" (no answer yet), and at last "done" (the
        device has it), "failed" (`detail` says why and what to do) or "expired" (too late to send it). A command that a
        plugin took and did not answer fails when the plugin stops, unless it is queued: then it comes again."""
        ...

    def wanted(self, command: Command) -> bool:
        """Is it still to be done? False once it has ended: it expired, or all writes were stopped. For a plugin that
        lets commands wait, to ask before each leaves."""
        ...

    def offer(self, *acts: str) -> None:
        """What this plugin's devices can be asked beside writing a metric and their pack's downlinks, by name
        (`rejoin`), while it takes commands. Such a command has the name as its metric, and `values` are empty."""
        ...


class Turn(Protocol):
    """A field bus in one plugin's hands for a while."""

    async def send(self, data: bytes) -> None:
        """Raises NotReady when the line is gone."""
        ...

    async def receive(self) -> bytes:
        """Whatever comes next, at least one byte. Raises NotReady when the line is gone."""
        ...


class Bus(Protocol):
    """A serial line that the core owns (section `serial_buses` of the configuration) and lends: first come, first
    served."""

    async def transact(
        self, frame: bytes, whole: Callable[[bytes], int | None], *, timeout: timedelta = timedelta(seconds=1)
    ) -> bytes | None:
        """Send a frame and give back the answer, None when nobody answered in time. `whole` is given what has come so
        far and says how many bytes of it are the answer, None while it is not whole; what it raises is raised here.
        What came before the frame was sent, and after the answer, is dropped; after an exchange without a whole answer
        the line must be silent first.

        Raises NotReady when the line is gone."""
        ...

    def open(self) -> AbstractAsyncContextManager[Turn]:
        """Have the line alone until the block ends. Raises NotReady when it cannot be opened."""
        ...


class Session(Protocol):
    """One plugin's life. `emit` returning means accepted, whole or not at all."""

    @property
    def name(self) -> str: ...  # of the instance, as the configuration names it
    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def http(self) -> Http: ...
    @property
    def state(self) -> State: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def timezone(self) -> str: ...  # of the hub's site by now, an IANA name: for devices that tell local time

    def bus(self, name: str) -> Bus:
        """The bus of that name in the configuration. Raises AuthFailed when there is none: a person must name it."""
        ...

    async def emit(self, report: Report, *, durable: bool = False) -> None:
        """Hand a report to the pipeline. May wait (back-pressure) before the append; the append itself never
        awaits. With `durable=True` it returns after the fdatasync (joins a commit within 50 ms)."""
        ...

    async def emit_all(
        self, reports: Sequence[Report], *, note: Callable[[], None] | None = None, durable: bool = False
    ) -> None:
        """Hand over reports that are one: of one frame, say. All are in one commit, so that a kill leaves all of them
        or none. `note` is called when there is room for them, right before they are taken: what it puts into
        `state_dir` is in that commit too. So put the counter of a frame there and nowhere else: put before an `emit`
        that waits for room, it outlives a reading that does not, and the frame is refused when it comes again. What
        `note` raises is raised here, and nothing is taken. While this waits, the plugin itself must know the frame when
        it comes again.
        """
        ...

    def every(self, interval: timedelta) -> AsyncIterator[float]:
        """Yield the wall time now and then every `interval`, jittered at the start, never piling up."""
        ...

    def rounds(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        """As `every`, for a loop in which devices are asked: `asked` gives their ids. Somebody may want them asked more
        often for a while (`ilot crisis sampling`): turns then come sooner than `interval`, and never later."""
        ...

    def asks(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        """The same for a plugin with a timetable of its own: device → how often its configuration says, never more
        often than `least`; gives how often now. To be asked again and again; each call replaces the one before."""
        ...

    def found(self, candidate: Candidate) -> None:
        """Something discovered, with evidence; the hub decides. Never enrols."""
        ...

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        """Model, firmware and metrics beyond the catalogue for one of this plugin's devices."""
        ...

    async def heard(self, frame: Frame) -> bool:
        """A frame from a shared radio: offered to the decoders registered for its kind; what they decode is
        emitted as this plugin's report, a NeedKey or an unknown device becomes a candidate. False when no decoder
        recognised it."""
        ...

    def tell(self, subject: str, facts: Mapping[str, Any]) -> None:
        """How one of this plugin's devices is, or something else that it names ("gateway:0016…"): facts of the plugin's
        own, plain values by name (4 KiB packed), in place of what it told of the subject before; empty: forget it.
        `ilot radio` shows those that `hub.rpc.radio` knows. Nothing of it is kept over a restart, or sent."""
        ...

    def dropped(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        """Count a frame that did not decode, by device and reason (`DecodeError.reason`). `proof`: of a frame that was
        authentic and not new, so that the hub can tell a repeat from a clone."""
        ...

    async def pack(self, device: str) -> PackFacts | None:
        """What the pack of one of this plugin's devices says of it, None when it has none or none that can be read."""
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
        """A payload of one of this plugin's devices, received at `time` (Unix seconds), by the codec and the mapping of
        its pack: the present values first (perhaps none: it is alive and says nothing), then former ones, dated. Former
        values bring no counter of their own: emit them with a proof without one, before the present ones.

        Raises DecodeError when it cannot be read, counted already; NotReady when there is no codec worker to be had.
        With the `proof` of its frame, a payload that cannot be read is kept, once for each counter of the proof, before
        DecodeError is raised: when its pack changes the hub reads it again by itself, and its readings then have the
        time of the frame. `once`: the frame does not come again, so that a missing worker is such a case too.
        """
        ...

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        """Port and payload that tell a device something its pack knows, values within the pack's bounds.

        Raises DecodeError with what is wrong, NotReady when there is no codec worker to be had.
        """
        ...
