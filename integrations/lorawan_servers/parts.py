"""What a network server says, whichever it is: shapes only.

Times are Unix seconds, `dev_eui` is 16 lower-case hexadecimal digits. `about` is what the server calls the device and
where it heard it, for a person to read: short printable texts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway that heard a frame: rssi in dBm, snr in dB, `time` as the gateway dates it."""

    gateway: str
    rssi: int | None = None
    snr: float | None = None
    time: float | None = None


class Uplink(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that the server took: its MIC was right and its counter new to the server. `session` tells one session of
    the device from another. `payload` is FRMPayload in clear, unless `sealed`: then the server has no AppSKey. `time`:
    when the server had it. `heard`: best first. `rate`: spreading factor and bandwidth in Hz. `decoded`: what the
    server's own codec made of it. `battery`: % and when the device said so."""

    dev_eui: str
    session: str
    fcnt: int
    port: int
    payload: bytes
    confirmed: bool = False
    sealed: bool = False
    time: float | None = None
    heard: tuple[Heard, ...] = ()
    rate: tuple[int, int] | None = None
    decoded: dict[str, Any] | None = None
    battery: tuple[float, float] | None = None
    where: str = ""
    about: dict[str, str] = {}
    model: str = ""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The server let a device join."""

    dev_eui: str
    session: str
    where: str = ""
    about: dict[str, str] = {}
    model: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The device answered the server's question for its battery, in %; None: it does not know, or has none."""

    dev_eui: str
    time: float | None
    battery: float | None


MovedState = Literal["queued", "sent", "acked", "failed", "expired"]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A downlink changed its state ("sent": a gateway took it). `items` are its names, among them the hub's own where
    the hub sent it."""

    dev_eui: str
    items: tuple[str, ...]
    state: MovedState
    why: str = ""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """The server noticed something about a device: a reason to count, and what it says of it."""

    dev_eui: str
    reason: str
    text: str = ""


Event = Uplink | Joined | Status | Moved | Noted
