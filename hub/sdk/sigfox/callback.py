"""A callback of the Sigfox operator → what it says. Pure.

The operator's page sends an HTTP request for each message of a device, with a body or a query that its owner wrote as a
template: JSON (`{"device": "{device}", "time": {time}, …}`) or a form (`device={device}&time={time}…`). The names are
those of the operator's variables, as its documentation of callbacks lists them:

    uplink       device time data seqNumber [lqi | linkQuality] [rssi snr station] [ack]        DATA / UPLINK
    bidir        the same and ack: true where the device waits for an answer                    DATA / BIDIR
    advanced     the same and [duplicates] [computedLocation], 30 s later                       SERVICE / DATA_ADVANCED
    status       device time [seqNumber] batt temp                                              SERVICE / STATUS
    geoloc       device time [seqNumber] lat lng radius                                         SERVICE / GEOLOC
    acknowledge  device time infoCode [infoMessage] [downlinkAck] [downlinkOverusage]           SERVICE / ACKNOWLEDGE
    error        device time severity [info]                                                    ERROR

Every variable may come quoted or not; one that has no value comes as null, empty or "null". Others are ignored, the
operator's own decoding (`customData#…`) too. `lat` and `lng` count in a geoloc only: elsewhere they were those of a
base station, rounded. A message is known by (device, time, seqNumber): `seqNumber` has 12 bits and starts over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from hub.core.errors import DecodeError
from hub.core.model import Position
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

KINDS = ("uplink", "bidir", "advanced", "status", "geoloc", "acknowledge", "error")
CARRY_DATA = frozenset({"uplink", "bidir", "advanced"})

MAX_BODY = 32 * 1024
MAX_FIELDS = 64
MAX_STATIONS = 64
MAX_DATA = 12
MAX_SEQ = 0xFFFF
_LAST_TIME = 0xFFFF_FFFF

ACKNOWLEDGED = 0
ANSWERS = {
    0: phrase("sigfox-answer-sent", "the station sent the answer"),
    1: phrase("sigfox-answer-late", "no answer was given in time"),
    2: phrase("sigfox-answer-not-8-bytes", "the answer was no 8 bytes"),
    3: phrase("sigfox-downlinks-used-up", "the device has used up its downlinks of the day"),
    4: phrase("sigfox-network-could-not-send", "the network could not send it"),
    5: phrase("sigfox-not-sent-yet", "it is not sent yet"),
    6: phrase("sigfox-contract-without-downlink", "the contract of the device allows no downlink"),
    7: phrase("sigfox-asked-while-listening", "the device asked again while it was listening"),
    8: phrase("sigfox-no-bidir-callback", "the device type has no BIDIR callback"),
}
"""What `infoCode` says of a downlink."""

LINK = {"limit": 0, "average": 1, "good": 2, "excellent": 3}
"""`lqi` in the order of `linkQuality`; 4 is NA."""

_ID = re.compile(r"[0-9A-Fa-f]{1,8}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_WHOLE = re.compile(r"[0-9]{1,12}")
_STATION = re.compile(r"[0-9A-Za-z]{1,16}")


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """One callback. `device` is its number as `identity` writes it, `said` as the operator did; `time` Unix seconds;
    `heard` the stations and their rssi in dBm, best first; `link` 0 (limit) to 3 (excellent); `battery` in V,
    `temperature` of the radio module in °C; `code` is infoCode."""

    kind: str
    device: str
    said: str
    time: int
    seq: int | None = None
    data: bytes = b""
    waits: bool = False
    rssi: float | None = None
    snr: float | None = None
    heard: tuple[tuple[str, float | None], ...] = ()
    link: int | None = None
    position: Position | None = None
    battery: float | None = None
    temperature: float | None = None
    code: int | None = None
    severity: str = ""
    info: str = ""


def identity(text: str) -> str:
    """A device's number in one form: capital hexadecimal without leading zeros. Raises DecodeError `bad-device`."""
    if not _ID.fullmatch(text):
        raise DecodeError(
            "bad-device", phrase("sigfox-bad-device-number", "a Sigfox device is named by 1 to 8 hexadecimal digits")
        )
    return text.upper().lstrip("0") or "0"


def fields(body: bytes, content_type: str = "", query: str = "") -> dict[str, Any]:
    """The fields of a request, by name; a body goes before the query. Raises DecodeError `oversized`, `bad-body`."""
    if len(body) > MAX_BODY or len(query) > MAX_BODY:
        raise DecodeError(
            "oversized", phrase("sigfox-callback-too-long", "a callback has at most {most} bytes", most=MAX_BODY)
        )
    found = _form(query)
    if body.strip():
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json" or (kind != "application/x-www-form-urlencoded" and body.lstrip()[:1] == b"{"):
            found |= _object(body)
        else:
            try:
                found |= _form(body.decode())
            except UnicodeDecodeError as error:
                raise DecodeError(
                    "bad-body", phrase("sigfox-callback-not-utf-8", "a callback is JSON or a form, in UTF-8")
                ) from error
    if len(found) > MAX_FIELDS:
        raise DecodeError(
            "bad-body",
            phrase("sigfox-callback-too-many-fields", "a callback has at most {most} fields", most=MAX_FIELDS),
        )
    return found


def _form(text: str) -> dict[str, Any]:
    try:
        return dict(parse_qsl(text.strip(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise DecodeError(
            "bad-body", phrase("sigfox-callback-no-form", "this is no form: {reason}", reason=reason_of(error))
        ) from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(shallow_json(body), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(
            "bad-body",
            phrase(
                "sigfox-callback-bad-json",
                "the JSON of the template is not well-formed: {reason}",
                reason=str(error)[:100],
            ),
        ) from error


def read(kind: str, said: Mapping[str, Any]) -> Callback:
    """A callback of one of `KINDS` from its fields.

    Raises DecodeError: `unknown-kind`; `bad-device`, `bad-time`, `bad-data`, `bad-field` naming the field, and
    `no-seq-number` where a message cannot be known again without it.
    """
    if kind not in KINDS:
        raise DecodeError(
            "unknown-kind",
            phrase(
                "sigfox-no-such-callback",
                "there is no callback {kind!r}; there are {kinds}",
                kind=kind[:32],
                kinds=list(KINDS),
            ),
        )
    name = _text(said, "device", 64) or ""
    time = _whole(said, "time", _LAST_TIME)
    if time is None:
        raise DecodeError(
            "bad-time", phrase("sigfox-template-without-time", 'the template needs time: "time": {{time}}')
        )
    seq = _whole(said, "seqNumber", MAX_SEQ)
    if seq is None and kind in CARRY_DATA:
        raise DecodeError(
            "no-seq-number",
            phrase("sigfox-template-without-seqnumber", 'the template needs seqNumber: "seqNumber": {{seqNumber}}'),
        )
    heard = _stations(said.get("duplicates")) if kind in CARRY_DATA else ()
    best = heard[0] if heard else ("", None, None)
    station = _text(said, "station", 16)
    rssi, snr = _number(said, "rssi"), _number(said, "snr")
    if not heard and station and _STATION.fullmatch(station):
        heard = ((station, rssi, snr),)
    return Callback(
        kind=kind,
        device=identity(name),
        said=name,
        time=time,
        seq=seq,
        data=_data(said) if kind in CARRY_DATA else b"",
        waits=kind == "bidir" and _flag(said, "ack"),
        rssi=best[1] if rssi is None else rssi,
        snr=best[2] if snr is None else snr,
        heard=tuple((station, rssi) for station, rssi, _ in heard),
        link=_link(said),
        position=_position(kind, said),
        battery=_number(said, "batt") if kind == "status" else None,
        temperature=_number(said, "temp") if kind == "status" else None,
        code=_whole(said, "infoCode", 255) if kind == "acknowledge" else None,
        severity=(_text(said, "severity", 16) or "").upper() if kind == "error" else "",
        info=_text(said, "info" if kind == "error" else "infoMessage", 200) or "",
    )


def _given(said: Mapping[str, Any], name: str) -> Any:
    value = said.get(name)
    if isinstance(value, str) and value.strip().lower() in {"", "null", f"{{{name.lower()}}}"}:
        return None  # no value, or a variable that this kind of callback does not have
    return value


def _text(said: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = _given(said, name)
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise DecodeError("bad-field", phrase("sigfox-field-is-text", "{field} is a text", field=name))
    return "".join(letter for letter in text.strip() if letter.isprintable())[:longest]


def _number(said: Mapping[str, Any], name: str) -> float | None:
    value = _given(said, name)
    if value is None or (isinstance(value, str) and value.strip().lower() in {"nan", "na"}):
        return None
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DecodeError("bad-field", phrase("sigfox-field-is-number", "{field} is a number", field=name))
    return number


def _whole(said: Mapping[str, Any], name: str, highest: int) -> int | None:
    value = _given(said, name)
    if value is None:
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise DecodeError(
            "bad-time" if name == "time" else "bad-field",
            phrase(
                "sigfox-field-is-whole-number", "{field} is a whole number up to {highest}", field=name, highest=highest
            ),
        )
    return value


def _flag(said: Mapping[str, Any], name: str) -> bool:
    value = _given(said, name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in {"true", "false", "1", "0"}:
        return value.strip().lower() in {"true", "1"}
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise DecodeError("bad-field", phrase("sigfox-field-is-flag", "{field} is true or false", field=name))


def _data(said: Mapping[str, Any]) -> bytes:
    text = _text(said, "data", 64) or ""
    if not _HEX.fullmatch(text) or len(text) > 2 * MAX_DATA:
        raise DecodeError(
            "bad-data",
            phrase("sigfox-data-not-hexadecimal", "data is hexadecimal, at most {most} bytes", most=MAX_DATA),
        )
    return bytes.fromhex(text)


def _link(said: Mapping[str, Any]) -> int | None:
    quality = _given(said, "linkQuality")
    if quality is not None:
        number = _whole(said, "linkQuality", 4)
        return number if number is not None and number < len(LINK) else None
    word = _text(said, "lqi", 16)
    return None if word is None else LINK.get(word.lower())


def _stations(listed: Any) -> tuple[tuple[str, float | None, float | None], ...]:
    """(station, rssi, snr), the loudest first, from `duplicates`: objects with bsId, rssi, snr, nbRep."""
    if isinstance(listed, str):
        listed = _json(listed, "duplicates")
    if listed is None:
        return ()
    if not isinstance(listed, list) or len(listed) > MAX_STATIONS:
        raise DecodeError(
            "bad-field",
            phrase(
                "sigfox-duplicates-no-list",
                "duplicates is a list of at most {most} stations",
                most=MAX_STATIONS,
            ),
        )
    found = []
    for one in listed:
        if not isinstance(one, dict):
            raise DecodeError(
                "bad-field", phrase("sigfox-duplicate-no-object", "each of duplicates is an object with bsId and rssi")
            )
        station = _text(one, "bsId", 16) or ""
        if _STATION.fullmatch(station):
            found.append((station, _number(one, "rssi"), _number(one, "snr")))
    return tuple(sorted(found, key=lambda one: -math.inf if one[1] is None else one[1], reverse=True))


def _position(kind: str, said: Mapping[str, Any]) -> Position | None:
    if kind == "geoloc":
        return _place(said)
    if kind != "advanced":
        return None
    computed = _given(said, "computedLocation")
    if isinstance(computed, str):
        computed = _json(computed, "computedLocation")
    if computed is None:
        return None
    if not isinstance(computed, dict):
        raise DecodeError(
            "bad-field",
            phrase(
                "sigfox-location-no-object",
                "computedLocation is an object; write it without quotes in the template",
            ),
        )
    status = _whole(computed, "status", 255)
    return _place(computed) if status in {None, 1} else None  # 0: there is no position


def _place(said: Mapping[str, Any]) -> Position | None:
    latitude, longitude, radius = _number(said, "lat"), _number(said, "lng"), _number(said, "radius")
    if latitude is None or longitude is None:
        return None
    if abs(latitude) > 90 or abs(longitude) > 180 or (radius is not None and not 0 <= radius < 1e7):
        raise DecodeError(
            "bad-field", phrase("sigfox-location-not-on-earth", "lat, lng and radius are no place on earth")
        )
    return Position(latitude=latitude, longitude=longitude, accuracy=radius)


def _json(text: str, name: str) -> Any:
    """An object that came quoted, or in a form."""
    if text.strip().lower() in {"", "null", f"{{{name.lower()}}}"}:
        return None
    try:
        return msgspec.json.decode(shallow_json(text))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError("bad-field", phrase("sigfox-field-no-json", "{field} is no JSON", field=name)) from error


def reply(said: str, downlink: bytes) -> bytes:
    """The body that answers a bidir callback with 8 bytes for the device, named as the operator named it."""
    return msgspec.json.encode({said: {"downlinkData": downlink.hex()}})


def written(callback: Callback) -> dict[str, Any]:
    """The fields of a callback again, in one form: `read(callback.kind, written(callback))` is the callback."""
    found: dict[str, Any] = {"device": callback.said, "time": callback.time, "seqNumber": callback.seq}
    if callback.kind in CARRY_DATA:
        found |= {"data": callback.data.hex(), "ack": callback.waits or None}
        found["duplicates"] = [{"bsId": name, "rssi": rssi} for name, rssi in callback.heard] or None
    elif callback.heard:
        found["station"] = callback.heard[0][0]
    place = callback.position
    if place is not None:
        found_place = {"lat": place.latitude, "lng": place.longitude, "radius": place.accuracy}
        found |= found_place if callback.kind == "geoloc" else {"computedLocation": found_place}
    found |= {
        "rssi": callback.rssi,
        "snr": callback.snr,
        "linkQuality": callback.link,
        "batt": callback.battery,
        "temp": callback.temperature,
        "infoCode": callback.code,
        "severity": callback.severity,
        ("info" if callback.kind == "error" else "infoMessage"): callback.info,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}
