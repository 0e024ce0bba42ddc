"""Events and commands of ChirpStack 4, in JSON and in Protocol Buffers. Pure.

ChirpStack documentation, "Event types" and "MQTT"; `integration.proto` and `gw.proto` of chirpstack-api 4.20. One
message is one event of one device; its topic names both. JSON is the mapping of proto3, camelCase, with or without
defaults. Both encodings become the same structs: `wire` returns the same as JSON would. A message that begins with `{`
is JSON: in Protocol Buffers that byte would be a group, which proto3 does not have.

    application/{{application_id}}/device/{{dev_eui}}/event/{{event}}      up · join · ack · txack · status · log
    application/{{application_id}}/device/{{dev_eui}}/command/down
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan_servers import checks, parts, wire
from integrations.lorawan_servers.wire import Field

Uint = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Shape(msgspec.Struct, frozen=True, rename="camel"):
    pass


class DeviceInfo(_Shape, frozen=True):
    dev_eui: str
    application_id: str = ""
    application_name: str = ""
    device_profile_name: str = ""
    device_name: str = ""


class RxInfo(_Shape, frozen=True):
    gateway_id: str = ""
    gw_time: Time | None = None
    ns_time: Time | None = None
    rssi: int = 0
    snr: float | str = 0.0  # NaN is a text in proto3's JSON
    metadata: dict[str, str] = {}


class Lora(_Shape, frozen=True):
    bandwidth: Uint = 0
    spreading_factor: Uint = 0


class Modulation(_Shape, frozen=True):
    lora: Lora | None = None


class TxInfo(_Shape, frozen=True):
    modulation: Modulation | None = None


class UplinkEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    time: Time | None = None
    dev_addr: str = ""
    f_cnt: Uint = 0
    f_port: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    confirmed: bool = False
    data: bytes = b""
    object: dict[str, Any] | None = None
    rx_info: Annotated[tuple[RxInfo, ...], msgspec.Meta(max_length=256)] = ()
    tx_info: TxInfo | None = None
    join_server_context: dict[str, Any] | None = None
    region_config_id: str = ""


class JoinEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    dev_addr: str = ""
    region_config_id: str = ""


class StatusEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    time: Time | None = None
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: float | str = 0.0


class AckEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    queue_item_id: str = ""
    acknowledged: bool = False


class TxAckEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    queue_item_id: str = ""
    gateway_id: str = ""


class LogEvent(_Shape, frozen=True):
    device_info: DeviceInfo
    level: str = "INFO"
    code: str = "UNKNOWN"
    description: str = ""
    context: dict[str, str] = {}


EVENTS: dict[str, type[_Shape]] = {
    "up": UplinkEvent, "join": JoinEvent, "status": StatusEvent, "ack": AckEvent, "txack": TxAckEvent, "log": LogEvent,
}  # fmt: skip
"""Supported events. Others (`location`, `integration`) have no reading of the device."""

_INFO = {
    3: Field("applicationId", "text"), 4: Field("applicationName", "text"), 6: Field("deviceProfileName", "text"),
    7: Field("deviceName", "text"), 8: Field("devEui", "text"),
}  # fmt: skip
_RX = {
    1: Field("gatewayId", "text"), 3: Field("gwTime", "time"), 17: Field("nsTime", "time"), 6: Field("rssi", "int32"),
    7: Field("snr", "float"), 15: Field("metadata", "map"),
}  # fmt: skip
_LORA = {1: Field("bandwidth", "uint32"), 2: Field("spreadingFactor", "uint32")}
_TX = {2: Field("modulation", "message", {3: Field("lora", "message", _LORA)})}
_LEVELS = ("INFO", "WARNING", "ERROR")
_CODES = (
    "UNKNOWN", "DOWNLINK_PAYLOAD_SIZE", "UPLINK_CODEC", "DOWNLINK_CODEC", "OTAA", "UPLINK_F_CNT_RESET", "UPLINK_MIC",
    "UPLINK_F_CNT_RETRANSMISSION", "DOWNLINK_GATEWAY", "RELAY_NEW_END_DEVICE", "F_CNT_DOWN", "EXPIRED",
)  # fmt: skip
_DEVICE = Field("deviceInfo", "message", _INFO)
SCHEMAS: dict[str, wire.Schema] = {
    "up": {
        2: Field("time", "time"), 3: _DEVICE, 4: Field("devAddr", "text"), 7: Field("fCnt", "uint32"),
        8: Field("fPort", "uint32"), 9: Field("confirmed", "bool"), 10: Field("data", "bytes"),
        11: Field("object", "struct"), 12: Field("rxInfo", "message", _RX, repeated=True),
        13: Field("txInfo", "message", _TX), 15: Field("joinServerContext", "message"),
        16: Field("regionConfigId", "text"),
    },
    "join": {3: _DEVICE, 4: Field("devAddr", "text"), 7: Field("regionConfigId", "text")},
    "status": {
        2: Field("time", "time"), 3: _DEVICE, 6: Field("externalPowerSource", "bool"),
        7: Field("batteryLevelUnavailable", "bool"), 8: Field("batteryLevel", "float"),
    },
    "ack": {3: _DEVICE, 4: Field("queueItemId", "text"), 5: Field("acknowledged", "bool")},
    "txack": {3: _DEVICE, 4: Field("queueItemId", "text"), 6: Field("gatewayId", "text")},
    "log": {
        2: _DEVICE, 3: Field("level", "enum", names=_LEVELS), 4: Field("code", "enum", names=_CODES),
        5: Field("description", "text"), 6: Field("context", "map"),
    },
}  # fmt: skip

_DECODERS = {name: msgspec.json.Decoder(shape) for name, shape in EVENTS.items()}


def is_json(payload: bytes) -> bool:
    return payload[:1] == b"{"


def read(event: str, dev_eui: str, payload: bytes) -> parts.Event | None:
    """Read one message; `event` and `dev_eui` come from its topic. None for an unsupported event.

    Raises DecodeError: `message-too-long`, `bad-json`, `bad-base64`, `bad-message` (JSON of another shape),
    `bad-protobuf`, `bad-eui`, `topic-mismatch`."""
    shape = EVENTS.get(event)
    if shape is None:
        return None
    checks.size(payload)
    if is_json(payload):
        said: Any = checks.decoded(_DECODERS[event], payload)
    else:
        said = checks.converted(wire.read(SCHEMAS[event], payload), shape)
    eui = checks.eui(said.device_info.dev_eui)
    if eui != checks.eui(dev_eui):
        raise hub.DecodeError(
            "topic-mismatch",
            phrase(
                "lorawan_servers.topic-and-message-differ",
                "the topic says {topic_device}, the message {device}",
                topic_device=checks.short(dev_eui),
                device=eui,
            ),
        )
    return _event(said, eui)


def _event(said: Any, eui: str) -> parts.Event:
    info: DeviceInfo = said.device_info
    match said:
        case UplinkEvent():
            return _uplink(said, eui)
        case JoinEvent():
            about = _about(info, said.region_config_id)
            where, model = info.application_id, checks.short(info.device_profile_name)
            return parts.Joined(dev_eui=eui, session=said.dev_addr, where=where, about=about, model=model)
        case StatusEvent():
            level = checks.finite(said.battery_level)
            known = level is not None and not said.battery_level_unavailable and not said.external_power_source
            battery = round(level, 1) if level is not None and known and 0 <= level <= 100 else None
            return parts.Status(dev_eui=eui, time=checks.unix(said.time), battery=battery)
        case AckEvent():
            why = (
                ""
                if said.acknowledged
                else phrase("lorawan_servers.not-acknowledged", "the device did not acknowledge it")
            )
            state: parts.MovedState = "acked" if said.acknowledged else "failed"
            return parts.Moved(dev_eui=eui, items=(said.queue_item_id,), state=state, why=why)
        case TxAckEvent():
            gateway = checks.short(said.gateway_id)
            why = phrase("lorawan_servers.by-gateway", "by gateway {gateway}", gateway=gateway)
            return parts.Moved(dev_eui=eui, items=(said.queue_item_id,), state="sent", why=why, gateway=gateway)
    return _log(said, eui)


def _uplink(said: UplinkEvent, eui: str) -> parts.Uplink:
    info, lora = said.device_info, said.tx_info.modulation.lora if said.tx_info and said.tx_info.modulation else None
    heard = checks.best(
        parts.Heard(
            gateway=checks.short(rx.gateway_id),
            rssi=checks.rssi(rx.rssi),
            snr=checks.finite(rx.snr),
            time=checks.unix(rx.gw_time),
        )
        for rx in said.rx_info
    )
    region = said.region_config_id or next((rx.metadata.get("region_config_id", "") for rx in said.rx_info), "")
    about = _about(info, region)
    if heard:
        about["gateway"] = heard[0].gateway
    return parts.Uplink(
        dev_eui=eui,
        session=said.dev_addr,
        fcnt=said.f_cnt,
        port=said.f_port,
        payload=said.data,
        confirmed=said.confirmed,
        sealed=said.join_server_context is not None,
        time=checks.unix(said.time),
        heard=heard,
        rate=(lora.spreading_factor, lora.bandwidth) if lora else None,
        decoded=said.object,
        where=info.application_id,
        about=about,
        model=checks.short(info.device_profile_name),
    )


def _about(info: DeviceInfo, region: str) -> dict[str, str]:
    said = {"application": info.application_name, "name": info.device_name, "region": region}
    return {key: checks.short(text) for key, text in said.items() if text}


def _log(said: LogEvent, eui: str) -> parts.Event:
    """Convert a log event: it changes the state of a queued downlink, or is only counted."""
    item, text = said.context.get("queue_item_id", ""), checks.short(said.description, 200)
    if item and said.level == "ERROR":
        return parts.Moved(
            dev_eui=eui, items=(item,), state="expired" if said.code == "EXPIRED" else "failed", why=text
        )
    if said.code not in _CODES:
        return parts.Noted(dev_eui=eui, reason="server-other", text=text)
    return parts.Noted(dev_eui=eui, reason="server-" + said.code.lower().replace("_", "-"), text=text)


def command(
    dev_eui: str, item: str, port: int, payload: bytes, *, confirmed: bool, expires: float, json: bool
) -> bytes:
    """Encode a DownlinkCommand.

    `item` is a UUID, the id of its place in the server's queue; after `expires` (Unix seconds, 0: never) the server
    drops it, from ChirpStack 4.11 on. Older servers ignore that field."""
    if json:
        said: dict[str, Any] = {
            "id": item, "devEui": dev_eui, "confirmed": confirmed, "fPort": port, "data": b64encode(payload).decode(),
        }  # fmt: skip
        if expires > 0:
            said["expiresAt"] = datetime.fromtimestamp(int(expires), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return msgspec.json.encode(said)
    return b"".join(
        (
            wire.content(1, item),
            wire.content(2, dev_eui),
            wire.number(3, int(confirmed)),
            wire.number(4, port),
            wire.content(5, payload),
            wire.content(7, wire.number(1, int(max(expires, 0)))),
        )
    )
