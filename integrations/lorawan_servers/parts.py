"""Events of any network server: data types only.

Times are Unix seconds, `dev_eui` is 16 lower-case hexadecimal digits. `about`: the server's names for the device and
its place, short printable texts for people.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Reception of a frame by one gateway: rssi in dBm, snr in dB, `time` by the gateway's clock."""

    gateway: str
    rssi: int | None = None
    snr: float | None = None
    time: float | None = None


class Uplink(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that the server accepted: its MIC was valid and its counter new to the server.

    `session` distinguishes the sessions of a device. `payload`: FRMPayload in clear, unless `sealed`: then the server
    has no AppSKey. `time`: when the server received it. `heard`: best first. `rate`: spreading factor and bandwidth in
    Hz. `decoded`: output of the server's own codec. `battery`: % and the time of that report."""

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
    """The server accepted the join of a device."""

    dev_eui: str
    session: str
    where: str = ""
    about: dict[str, str] = {}
    model: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Battery level of a device in %, answered to the server; None: not known, or no battery."""

    dev_eui: str
    time: float | None
    battery: float | None


MovedState = Literal["queued", "sent", "acked", "failed", "expired"]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A downlink changed its state ("sent": a gateway accepted it). `items` are its ids, with the hub's own where the
    hub sent it; `gateway` is the one that sent it, where the server says."""

    dev_eui: str
    items: tuple[str, ...]
    state: MovedState
    why: str = ""
    gateway: str = ""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the server about a device: a reason to count, and its text."""

    dev_eui: str
    reason: str
    text: str = ""


Event = Uplink | Joined | Status | Moved | Noted
