"""Devices of a pack that are played, for `ilot sim --pack`: what a player is given, and what it must do.

An integration that can play its devices has a module `playing` beside its `__init__`, with
`PLAYERS: Mapping[str, Play]`, protocol → player. It makes its telegrams apart from the decoder, best with somebody
else's library: a mistake that both ends make is not found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from hub.core.model import Device, Value

Fault = Literal["silence", "repeat", "bad-mic", "drop", "wrong-payload"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""Faults: it says nothing · it says it twice · its checksum or signature is wrong · what it says is lost on the way ·
what it says is spoilt before it is signed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A vector of the pack: `where` it stands, what the device says (`payload` on `port`, or `heard` as a vector of a
    pack with a map has it), and the `readings` that it means. `time`: what the payload says itself, Unix seconds."""

    where: str
    readings: Mapping[str, Value]
    payload: bytes = b""
    port: int | None = None
    heard: Mapping[str, Any] = field(default_factory=dict)
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be played: the pack's name, its messages, its map as the integration's own model (`part`), the number
    of devices. The same `seed` makes the same devices. `options` are those of the integration in the hub's
    configuration, None where there is none; `port` is where a player listens that is asked, 0 any; `mac` is the version
    of LoRaWAN, where the pack says it."""

    protocol: str
    pack: str
    messages: Sequence[Message]
    devices: int = 1
    seed: int = 0
    options: Any = None
    part: Any = None
    port: int = 0
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """A simulated device: its id, its part of a configuration, and its key in hexadecimal, "" without one."""

    id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""


class Player(Protocol):
    """The devices of a script, while they can be reached."""

    @property
    def faults(self) -> frozenset[Fault]:
        """Faults that this protocol knows."""
        ...

    @property
    def devices(self) -> Sequence[Played]:
        """The devices that it plays."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """What the hub needs below `integrations:`. A value that begins with `!secret ` names one of `secrets`."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Secret values by name, which the options name."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What the hub's process needs in its environment."""
        ...

    def speaks(self, device: int, message: Message) -> bool:
        """Return whether this device says this message: a pack may know devices that are set up differently."""
        ...

    async def joined(self, device: int) -> None:
        """Return once the device can be heard by the hub, which runs. Raises NotReady when it is not let in."""
        ...

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        """Say a message, or, where the hub asks, answer it from now on. Raises NotReady when it cannot be said."""
        ...


Play = Callable[[Script], AbstractAsyncContextManager[Player]]


class Replayer(Protocol):
    """What says again what a capture holds; `REPLAYERS` of a module `replaying`."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What the hub needs below `integrations:`."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What the hub's process needs in its environment."""
        ...

    async def joined(self) -> None:
        """Return once the hub listens, or asks. Raises NotReady."""
        ...

    async def say(self, line: Mapping[str, Any]) -> None:
        """Say one line of the capture. Raises DecodeError for a line that is none, NotReady when it cannot be said."""
        ...


Replay = Callable[[Any, Sequence[Mapping[str, Any]], int], AbstractAsyncContextManager[Replayer]]
"""`replay(options, lines, port)`: options of the integration in the hub's configuration or None, all lines, and the
port to listen on, 0 any."""

Record = Callable[[Any, Sequence[Device], Callable[[dict[str, Any]], None]], Awaitable[None]]
"""`await record(options, devices, hear)`: ask or listen until cancelled; each line goes to `hear`. For a protocol where
`listen` is not enough, because what is heard depends on the devices; `RECORDERS` of a module `recording`."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a device's pack reads: the bytes that it sent, and their port."""

    data: bytes
    port: int | None = None


Read = Callable[[Mapping[str, Any], Mapping[str, Device]], Mapping[str, Mapping[str, Value] | Payload]]
"""`read(line, devices)`: what a line of a capture says of which device, with the configuration's devices by id. Raises
DecodeError. For a protocol whose decoder does not read the lines alone; `READERS` of a module `recording`. Where
nothing can be captured, that module says why in `NOT_CAPTURED`."""
