"""Ruuvi advertisements, data formats 3, 5, 6, C5 and E1 (docs.ruuvi.com, "Bluetooth advertisements"). Pure.

Manufacturer data, company 0x0499. The first byte is the format; numbers are big-endian, two's complement:

    3   humidity u8 0.5 % | temperature sign-and-magnitude s8, hundredths u8 | pressure u16 | acceleration x y z s16 |
        battery u16 mV
    5   temperature | humidity | pressure | acceleration x y z s16 | power u16 | movements u8 | sequence u16 |
        address 6 B
    C5  5 without acceleration
    6   temperature | humidity | pressure | PM2.5 u16 | CO2 u16 | VOC u8 | NOx u8 | light u8 | reserved |
        sequence u8 | flags | low 3 B of the address
    E1  temperature | humidity | pressure | PM1 PM2.5 PM4 PM10 u16 | CO2 u16 | VOC u8 | NOx u8 | light u24 |
        reserved 3 B | sequence u24 | flags | reserved 5 B | address 6 B

    temperature s16 0.005 °C · humidity u16 0.0025 % · pressure u16 Pa above 50 000 · acceleration mg · PM 0.1 µg/m³ ·
    power: 11 bits mV above 1600, 5 bits 2 dBm above -40 · VOC, NOx: 9 bits, lowest bits in flags 6 and 7 ·
    light of format 6: exp(code × ln(65536) / 254) - 1 lx; of E1: 0.01 lx · flag 0: calibrating

"Not available" is the largest unsigned or the smallest signed number: it gives no reading. Format 3 has no such
value; a battery of 0 V, which cannot send, gives none either. Nothing authenticates these frames: the sequence
number in the proof orders them, no more. An address inside the payload must be the sender's own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import hub
from hub.sdk.metric_names import of_plugin
from hub.sdk.phrases import phrase
from integrations.bluetooth import advert

__all__ = ["METRICS", "decode"]

COMPANY = "manufacturer:0499"
MILLI_G = 0.00980665  # m/s2, standard gravity

_FORMAT_3 = struct.Struct(">xBBBHhhhH")
_FORMAT_5 = struct.Struct(">xhHHhhhHBH6s")
_FORMAT_C5 = struct.Struct(">xhHHHBH6s")
_FORMAT_6 = struct.Struct(">xhHHHHBBBxBB3s")
_FORMAT_E1 = struct.Struct(">xhHHHHHHHBB3s3x3sB5x6s")

LUX = tuple(round(math.exp(code * math.log(65536) / 254) - 1, 2) for code in range(255))
"""Illuminance in lx by the code of format 6."""

METRICS: tuple[hub.Metric, ...] = of_plugin(
    "bluetooth",
    hub.Metric(
        key="pm4", unit="ug/m3", resolution="0.1", low=0, high=6553.5, device_class="pm4", state_class="measurement",
        privacy="environment", en="PM4",
    ),
    hub.Metric(
        key="voc_index", resolution="1", low=0, high=510, state_class="measurement", privacy="environment",
        en="VOC index",
    ),
    hub.Metric(
        key="nox_index", resolution="1", low=0, high=510, state_class="measurement", privacy="environment",
        en="NOx index",
    ),
    hub.Metric(key="calibrating", resolution="1", kind="flag", en="Calibrating"),
)  # fmt: skip
"""Metrics that Ruuvi adds to the catalogue."""

Values = dict[str, float | int | bool | str]
Fields = tuple[Any, ...]  # as the format's struct unpacks them
Said = tuple[Values, int | None, bytes]  # readings, sequence number, address or its low part


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Read one advertisement. None when it holds no Ruuvi data.

    Raises DecodeError: `clear-but-keyed`, `truncated`, `unsupported-format`, `address-mismatch`.
    """
    data = frame.data.get(COMPANY)
    if data is None:
        return None
    device = advert.speaker(frame, keys)
    if not data:
        raise hub.DecodeError("truncated", phrase("bluetooth.no-format-byte", "no format byte"))
    try:
        layout, read, model = _FORMATS[data[0]]
    except KeyError:
        raise hub.DecodeError(
            "unsupported-format",
            phrase("bluetooth.unknown-ruuvi-format", "data format 0x{number:02x} is not read", number=data[0]),
        ) from None
    if len(data) < layout.size:
        raise hub.DecodeError(
            "truncated",
            phrase(
                "bluetooth.ruuvi-too-short",
                "format 0x{number:02x} needs {expected} bytes, got {received}",
                number=data[0],
                expected=layout.size,
                received=len(data),
            ),
        )
    values, sequence, address = read(layout.unpack_from(data))
    if address.strip(b"\xff") and not frame.address.replace(":", "").upper().endswith(address.hex().upper()):
        raise hub.DecodeError(
            "address-mismatch",
            phrase("bluetooth.address-mismatch", "the address inside the payload is not the sender's"),
        )
    scheme = "ruuvi" if data[0] in (3, 5, 0xC5) else f"ruuvi-{data[0]:x}"
    return hub.Decoded(device=device, values=values, proof=hub.Proof(scheme, sequence, False), model=model)


def _air(temperature: int, humidity: int, pressure: int) -> Values:
    values: Values = {}
    if temperature != -32768:
        values["temperature"] = temperature / 200
    if humidity != 0xFFFF:
        values["humidity"] = humidity / 400
    if pressure != 0xFFFF:
        values["pressure"] = (pressure + 50000) / 100
    return values


def _acceleration(values: Values, x: int, y: int, z: int) -> None:
    for metric, milli_g in (("acceleration_x", x), ("acceleration_y", y), ("acceleration_z", z)):
        if milli_g != -32768:
            values[metric] = round(milli_g * MILLI_G, 3)


def _particles(values: Values, **tenths: int) -> None:
    for metric, value in tenths.items():
        if value != 0xFFFF:
            values[metric] = value / 10


def _power(values: Values, power: int, movements: int) -> None:
    if power >> 5 != 0x7FF:
        values["battery_voltage"] = (1600 + (power >> 5)) / 1000
    if power & 0x1F != 0x1F:
        values["tx_power"] = (power & 0x1F) * 2 - 40
    if movements != 0xFF:
        values["movement_counter"] = movements


def _indices(values: Values, voc: int, nox: int, flags: int) -> None:
    voc = voc << 1 | flags >> 6 & 1
    nox = nox << 1 | flags >> 7
    if voc != 0x1FF:
        values["voc_index"] = voc
    if nox != 0x1FF:
        values["nox_index"] = nox
    values["calibrating"] = bool(flags & 1)


def _read_3(fields: Fields) -> Said:
    humidity, degrees, hundredths, pressure, x, y, z, battery = fields
    values: Values = {}
    if hundredths < 100:
        magnitude = (degrees & 0x7F) * 100 + hundredths
        values["temperature"] = (-magnitude if degrees & 0x80 else magnitude) / 100
    values["humidity"] = humidity / 2
    values["pressure"] = (pressure + 50000) / 100
    _acceleration(values, x, y, z)
    if battery:
        values["battery_voltage"] = battery / 1000
    return values, None, b""


def _read_5(fields: Fields) -> Said:
    temperature, humidity, pressure, x, y, z, power, movements, sequence, address = fields
    values = _air(temperature, humidity, pressure)
    _acceleration(values, x, y, z)
    _power(values, power, movements)
    return values, sequence if sequence != 0xFFFF else None, address


def _read_c5(fields: Fields) -> Said:
    temperature, humidity, pressure, power, movements, sequence, address = fields
    values = _air(temperature, humidity, pressure)
    _power(values, power, movements)
    return values, sequence if sequence != 0xFFFF else None, address


def _read_6(fields: Fields) -> Said:
    temperature, humidity, pressure, pm2_5, co2, voc, nox, light, sequence, flags, address = fields
    values = _air(temperature, humidity, pressure)
    _particles(values, pm2_5=pm2_5)
    if co2 != 0xFFFF:
        values["co2"] = co2
    if light != 0xFF:
        values["illuminance"] = LUX[light]
    _indices(values, voc, nox, flags)
    return values, sequence, address


def _read_e1(fields: Fields) -> Said:
    temperature, humidity, pressure, pm1, pm2_5, pm4, pm10, co2, voc, nox, light, sequence, flags, address = fields
    values = _air(temperature, humidity, pressure)
    _particles(values, pm1=pm1, pm2_5=pm2_5, pm4=pm4, pm10=pm10)
    if co2 != 0xFFFF:
        values["co2"] = co2
    if light != b"\xff\xff\xff":
        values["illuminance"] = int.from_bytes(light) / 100
    _indices(values, voc, nox, flags)
    return values, int.from_bytes(sequence) if sequence != b"\xff\xff\xff" else None, address


_FORMATS: dict[int, tuple[struct.Struct, Callable[[Fields], Said], str]] = {
    0x03: (_FORMAT_3, _read_3, "RuuviTag"),
    0x05: (_FORMAT_5, _read_5, "RuuviTag"),
    0xC5: (_FORMAT_C5, _read_c5, "RuuviTag"),
    0x06: (_FORMAT_6, _read_6, "Ruuvi Air"),
    0xE1: (_FORMAT_E1, _read_e1, "Ruuvi Air"),
}
