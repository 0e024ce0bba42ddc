"""Events and commands of The Things Stack 3, in JSON. Pure.

The Things Stack documentation, "MQTT Server", "Pub/Sub" and "Data Formats"; `ttn.lorawan.v3.ApplicationUp` of its API.
One key of a message names its kind; empty fields are left out.

    v3/{application}/devices/{device}/up · join · down/queued · down/sent · down/ack · down/nack · down/failed
    v3/{application}/devices/{device}/down/push

`application` includes the tenant where there are tenants: `app1@ttn`. In a Pub/Sub the topics have no device: only the
message names it.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any

import msgspec

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan_servers import checks, parts

KINDS = ("up", "join", "down/queued", "down/sent", "down/ack", "down/nack", "down/failed")
"""Ends of the supported topics."""

Uint = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
_BROKERED = "packetbroker"


class ApplicationIds(msgspec.Struct, frozen=True):
    application_id: str = ""


class EndDeviceIds(msgspec.Struct, frozen=True):
    device_id: str
    application_ids: ApplicationIds = ApplicationIds()
    dev_eui: str = ""
    join_eui: str = ""
    dev_addr: str = ""


class GatewayIds(msgspec.Struct, frozen=True):
    gateway_id: str = ""
    eui: str = ""


class PacketBroker(msgspec.Struct, frozen=True):
    forwarder_gateway_eui: str = ""


class RxMetadata(msgspec.Struct, frozen=True):
    gateway_ids: GatewayIds = GatewayIds()
    packet_broker: PacketBroker | None = None
    time: Time | None = None
    rssi: float = 0.0
    snr: float | str = 0.0


class Lora(msgspec.Struct, frozen=True):
    bandwidth: Uint = 0
    spreading_factor: Uint = 0


class DataRate(msgspec.Struct, frozen=True):
    lora: Lora | None = None


class Settings(msgspec.Struct, frozen=True):
    data_rate: DataRate | None = None


class Battery(msgspec.Struct, frozen=True):
    value: float | str = 0.0
    received_at: Time | None = None


class VersionIds(msgspec.Struct, frozen=True):
    brand_id: str = ""
    model_id: str = ""
    band_id: str = ""


class UplinkMessage(msgspec.Struct, frozen=True):
    session_key_id: str = ""
    f_cnt: Uint = 0
    f_port: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    frm_payload: bytes = b""
    decoded_payload: dict[str, Any] | None = None
    rx_metadata: Annotated[tuple[RxMetadata, ...], msgspec.Meta(max_length=256)] = ()
    settings: Settings | None = None
    received_at: Time | None = None
    confirmed: bool = False
    app_s_key: dict[str, Any] | None = None
    last_battery_percentage: Battery | None = None
    version_ids: VersionIds | None = None


class JoinAccept(msgspec.Struct, frozen=True):
    session_key_id: str = ""


class Downlink(msgspec.Struct, frozen=True):
    correlation_ids: tuple[str, ...] = ()


class Error(msgspec.Struct, frozen=True):
    name: str = ""
    message_format: str = ""


class Failed(msgspec.Struct, frozen=True):
    downlink: Downlink = Downlink()
    error: Error = Error()


class ApplicationUp(msgspec.Struct, frozen=True):
    end_device_ids: EndDeviceIds
    correlation_ids: tuple[str, ...] = ()
    received_at: Time | None = None
    simulated: bool = False
    uplink_message: UplinkMessage | None = None
    join_accept: JoinAccept | None = None
    downlink_queued: Downlink | None = None
    downlink_sent: Downlink | None = None
    downlink_ack: Downlink | None = None
    downlink_nack: Downlink | None = None
    downlink_failed: Failed | None = None


_DECODER = msgspec.json.Decoder(ApplicationUp)
_STATES: dict[str, parts.MovedState] = {
    "downlink_queued": "queued",
    "downlink_sent": "sent",
    "downlink_ack": "acked",
    "downlink_nack": "queued",
}


def read(device: str, payload: bytes) -> parts.Event | None:
    """Read one message; `device` is the device id in its topic, empty when there is none. None for a message of another
    kind.

    Raises DecodeError: `message-too-long`, `bad-json`, `bad-base64`, `bad-message`, `bad-eui`, `topic-mismatch`,
    `simulated` (sent by a person, in the console or by the API)."""
    checks.size(payload)
    said: ApplicationUp = checks.decoded(_DECODER, payload)
    ids = said.end_device_ids
    if device and device != ids.device_id:
        raise hub.DecodeError(
            "topic-mismatch",
            phrase(
                "lorawan_servers.topic-and-message-differ",
                "the topic says {topic_device}, the message {device}",
                topic_device=checks.short(device),
                device=checks.short(ids.device_id),
            ),
        )
    eui = checks.eui(ids.dev_eui)
    if said.simulated:
        raise hub.DecodeError(
            "simulated", phrase("lorawan_servers.simulated-message", "a simulated message of {device}", device=eui)
        )
    if said.uplink_message is not None:
        return _uplink(said, said.uplink_message, eui)
    if said.join_accept is not None:
        return parts.Joined(
            dev_eui=eui, session=said.join_accept.session_key_id or ids.dev_addr, where=ids.device_id, about=_about(ids)
        )
    if said.downlink_failed is not None:
        failed = said.downlink_failed
        why = checks.short(failed.error.message_format or failed.error.name, 200)
        items = (*said.correlation_ids, *failed.downlink.correlation_ids)
        return parts.Moved(dev_eui=eui, items=items, state="failed", why=why)
    for key, state in _STATES.items():
        downlink: Downlink | None = getattr(said, key)
        if downlink is not None:
            why = (
                phrase(
                    "lorawan_servers.not-acknowledged-again",
                    "the device did not acknowledge it, the server tries again",
                )
                if key == "downlink_nack"
                else ""
            )
            items = (*said.correlation_ids, *downlink.correlation_ids)
            return parts.Moved(dev_eui=eui, items=items, state=state, why=why)
    return None


def _uplink(said: ApplicationUp, up: UplinkMessage, eui: str) -> parts.Uplink:
    ids = said.end_device_ids
    lora = up.settings.data_rate.lora if up.settings and up.settings.data_rate else None
    heard = checks.best(
        parts.Heard(
            gateway=_gateway(rx), rssi=checks.rssi(rx.rssi), snr=checks.finite(rx.snr), time=checks.unix(rx.time)
        )
        for rx in up.rx_metadata
    )
    about = _about(ids)
    if up.version_ids and up.version_ids.band_id:
        about["region"] = checks.short(up.version_ids.band_id)
    if heard:
        about["gateway"] = heard[0].gateway
    return parts.Uplink(
        dev_eui=eui,
        session=up.session_key_id or ids.dev_addr,
        fcnt=up.f_cnt,
        port=up.f_port,
        payload=up.frm_payload,
        confirmed=up.confirmed,
        sealed=up.app_s_key is not None,
        time=checks.unix(up.received_at or said.received_at),
        heard=heard,
        rate=(lora.spreading_factor, lora.bandwidth) if lora else None,
        decoded=up.decoded_payload,
        battery=_battery(up.last_battery_percentage),
        where=ids.device_id,
        about=about,
        model=checks.short(f"{up.version_ids.brand_id} {up.version_ids.model_id}".strip()) if up.version_ids else "",
    )


def _gateway(rx: RxMetadata) -> str:
    """Return the gateway's EUI in the hub's notation, where it has one."""
    eui = rx.gateway_ids.eui or (rx.packet_broker.forwarder_gateway_eui if rx.packet_broker else "")
    return checks.short(eui.lower() or rx.gateway_ids.gateway_id or _BROKERED)


def _battery(said: Battery | None) -> tuple[float, float] | None:
    if said is None or said.received_at is None:
        return None
    level = checks.finite(said.value)
    return (round(level, 1), said.received_at.timestamp()) if level is not None and 0 <= level <= 100 else None


def _about(ids: EndDeviceIds) -> dict[str, str]:
    said = {"application": ids.application_ids.application_id, "name": ids.device_id, "JoinEUI": ids.join_eui.lower()}
    return {key: checks.short(text) for key, text in said.items() if text}


def command(item: str, port: int, payload: bytes, *, confirmed: bool, ids: tuple[str, str] | None = None) -> bytes:
    """Encode a downlink to push. `item` is returned among the `correlation_ids` of its events. `ids`: application and
    device, where the topic does not contain them (Pub/Sub)."""
    downlink = {
        "f_port": port, "frm_payload": b64encode(payload).decode(), "confirmed": confirmed, "priority": "NORMAL",
        "correlation_ids": [item],
    }  # fmt: skip
    said: dict[str, Any] = {"downlinks": [downlink]}
    if ids is not None:
        application = ids[0].partition("@")[0]
        said["end_device_ids"] = {"device_id": ids[1], "application_ids": {"application_id": application}}
    return msgspec.json.encode(said)
