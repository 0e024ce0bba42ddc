"""Options of the network and of each device."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.addresses import ListenAddress
from hub.sdk.phrases import phrase
from integrations.lorawan import eui, region
from integrations.lorawan.device import Abp, Device, Radio, Version
from integrations.lorawan.uplinks import Plan

MORE_CHANNELS = (867.1, 867.3, 867.5, 867.7, 867.9)
_ID = re.compile(r"lorawan:([0-9a-f]{16})")


def _eui(text: str) -> str:
    try:
        return eui.read(text)
    except hub.DecodeError as error:
        raise ValueError(error.detail) from None


def _source(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise ValueError(
            phrase(
                "lorawan.gateway-address-no-ip", "expected the IP address of the gateway, like 192.168.10.2, or none"
            )
        ) from None


def _channel(megahertz: float) -> float:
    hertz = round(megahertz * 1e6)
    if hertz % 100 or region.band(hertz) is None:
        raise ValueError(
            phrase(
                "lorawan.channel-not-in-eu868",
                "{megahertz} MHz is no channel of EU863-870, or not a multiple of 100 Hz",
                megahertz=megahertz,
            )
        )
    return megahertz


Eui = Annotated[str, AfterValidator(_eui)]
Channel = Annotated[float, AfterValidator(_channel)]


class Gateway(hub.Config):
    """One gateway that is heard."""

    address: Annotated[str, AfterValidator(_source)] = Field(
        default="",
        description="The only IP address that its UDP datagrams may come from; empty: any.",
    )
    antenna_gain: float = Field(
        default=0.0,
        ge=-10,
        le=20,
        description="Antenna gain minus cable loss, in dB.",
        title="Antenna gain",
    )
    max_power: int = Field(
        default=27,
        ge=0,
        le=30,
        description="The most its transmitter gives, in dBm.",
        title="Max power",
    )


class Udp(hub.Config):
    """Semtech's packet forwarder protocol. It authenticates nobody: keep it on a network that only gateways reach."""

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
    )
    port: int = Field(default=1700, ge=0, le=65535, description="UDP port.")


class Station(hub.Config):
    """LoRa Basics Station, over WebSocket."""

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
    )
    port: int = Field(default=3001, ge=0, le=65535, description="TCP port.")
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM. Empty: no TLS.",
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
    )
    token: SecretStr | None = Field(
        default=None,
        description="What each station must send as `Authorization`, always by way of `!secret`.",
    )

    @model_validator(mode="after")
    def _safe(self) -> Station:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError(
                phrase("lorawan.certificate-and-key-together", "certificate and certificate_key belong together")
            )
        return self


class Config(hub.Config):
    """A LoRaWAN network of the hub's own, EU863-870."""

    gateways: dict[Eui, Gateway] = Field(
        default={},
        max_length=100,
        description="The gateways that are heard, by their EUI; others wait in quarantine.",
        title="Gateways",
    )
    udp: Udp | None = Field(
        default=Udp(),
        description="Semtech UDP gateways; null: none.",
        title="Udp",
    )
    station: Station | None = Field(
        default=None,
        description="LoRa Basics Station gateways; null: none.",
    )
    net_id: int = Field(
        default=0,
        ge=0,
        le=0x3F,
        description="NetID; 0 and 1 are for private networks.",
        title="Net id",
    )
    channels: tuple[Channel, ...] = Field(
        default=MORE_CHANNELS,
        max_length=5,
        description="Channels beside 868.1, 868.3 and 868.5, in MHz.",
        title="Channels",
    )
    rx_delay: int = Field(
        default=5,
        ge=1,
        le=15,
        description="Seconds from an uplink to its first receive window.",
        title="Rx delay",
    )
    rx2_rate: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Data rate of the second window: 0 reaches farthest.",
        title="Rx2 rate",
    )
    rx1_offset: int = Field(
        default=0,
        ge=0,
        le=5,
        description="How many data rates the first window is slower.",
        title="Rx1 offset",
    )
    adr_margin: float = Field(
        default=10.0,
        ge=0,
        le=30,
        description="dB to spare that adaptive data rate leaves.",
        title="Adr margin",
    )
    status: timedelta = Field(
        default=timedelta(days=1),
        ge=timedelta(0),
        description="How often a device is asked for its battery; 0: never.",
    )
    silence: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=30),
        description="A gateway silent for so long is reported.",
        title="Silence",
    )
    gather: timedelta = Field(
        default=timedelta(milliseconds=200),
        ge=timedelta(0),
        le=timedelta(milliseconds=800),
        description="How long an uplink waits for its copies by other gateways.",
    )

    @model_validator(mode="after")
    def _heard(self) -> Config:
        if self.udp is None and self.station is None:
            raise ValueError(phrase("lorawan.no-way-for-gateways", "no gateway could reach this: give udp or station"))
        return self

    def frequencies(self) -> tuple[int, ...]:
        """Return all channels in Hz, the three that every device has first."""
        return (*region.DEFAULT_CHANNELS, *(round(channel * 1e6) for channel in self.channels))

    def plan(self) -> Plan:
        radio = Radio(
            rx1_offset=self.rx1_offset,
            rx2_rate=self.rx2_rate,
            rx_delay=self.rx_delay,
            channels=dict(enumerate(self.frequencies())),
        )
        return Plan(self.net_id, radio, self.status.total_seconds(), self.adr_margin)


class DeviceSettings(hub.Config):
    """One device, `lorawan:` and its DevEUI in lower-case hexadecimal. Its key is the AppKey (32 digits), or for ABP
    NwkSKey and AppSKey in this order (64 digits)."""

    join_eui: Eui | None = Field(
        default=None,
        description="JoinEUI or AppEUI; noticed when it differs, not needed.",
    )
    version: Version | None = Field(
        default=None,
        description="LoRaWAN version, 1.0.0 to 1.0.4. By default its pack's, without one 1.0.3.",
    )
    device_class: Literal["A", "C"] | None = Field(
        default=None,
        description="C listens all the time. By default its pack's, without one A.",
    )
    address: str = Field(
        default="",
        pattern=r"^([0-9A-Fa-f]{8})?$",
        description="ABP: its DevAddr.",
    )
    rx_delay: int = Field(
        default=1,
        ge=1,
        le=15,
        description="ABP: seconds to its first window, as set in it.",
        title="Rx delay",
    )
    rx2_rate: int = Field(
        default=0,
        ge=0,
        le=5,
        description="ABP: data rate of its second window, as set in it.",
        title="Rx2 rate",
    )
    adr: bool = Field(
        default=True,
        description="Its data rate and power are the network's business.",
        title="Adr",
    )
    fastest: int = Field(
        default=5,
        ge=0,
        le=5,
        description="The fastest data rate that it is given.",
        title="Fastest",
    )
    confirmed: bool = Field(
        default=True,
        description="It acknowledges what it is told; a command is done only when it did.",
    )
    codec: Literal["pack", "cayenne"] = Field(
        default="pack",
        description="What reads its payload: its pack, or for Cayenne LPP the hub itself.",
        title="Codec",
    )


def device(known: hub.Device, mac: str = "", listens: str = "") -> Device:
    """Build the network's device from its configuration.

    `mac` and `listens`: version and class given by its pack. Raises ValueError with the remedy."""
    found = _ID.fullmatch(known.id)
    if found is None:
        raise ValueError(
            phrase(
                "lorawan.device-id-malformed",
                "{device}: a device is named lorawan: and the 16 digits of its DevEUI, in lower case",
                device=known.id,
            )
        )
    settings = known.settings_as(DeviceSettings)
    wanted = 32 if settings.address else 16
    if known.key is None or len(known.key) != wanted:
        raise ValueError(
            phrase("lorawan.device-needs-appkey", "{device} needs a key of 16 bytes: its AppKey", device=known.id)
            if wanted == 16
            else phrase(
                "lorawan.device-needs-session-keys",
                "{device} needs a key of 32 bytes: NwkSKey and AppSKey in this order, because an address makes it an "
                "ABP device",
                device=known.id,
            )
        )
    abp = None
    if settings.address:
        abp = Abp(int(settings.address, 16), known.key[:16], known.key[16:])
    return Device(
        dev_eui=bytes.fromhex(found[1]),
        join_eui=bytes.fromhex(settings.join_eui) if settings.join_eui else None,
        app_key=known.key if abp is None else None,
        abp=abp,
        version=settings.version or Version(mac or Version.V1_0_3),
        class_c=(settings.device_class or listens) == "C",
        adr=settings.adr,
        fastest=settings.fastest,
        radio=Radio(rx_delay=settings.rx_delay, rx2_rate=settings.rx2_rate),
    )
