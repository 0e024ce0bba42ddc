"""What a Bluetooth sensor broadcasts, as the hub's frame and as bytes."""

from __future__ import annotations

from collections.abc import Mapping

from hub.core.model import Frame, Signal

NAME, SERVICE, MANUFACTURER = 0x09, 0x16, 0xFF


def advert(
    address: str,
    *,
    service: Mapping[str, bytes] | None = None,
    manufacturer: Mapping[str, bytes] | None = None,
    name: str = "",
    rssi: int = -70,
    time: float | None = None,
) -> Frame:
    """An advertisement, as a decoder of kind "ble" gets it. `service` maps a UUID of 16 bits ("fcd2") to its data,
    `manufacturer` a company ("0499")."""
    data = {f"service:{uuid.lower()}": said for uuid, said in (service or {}).items()}
    data |= {f"manufacturer:{company.lower()}": said for company, said in (manufacturer or {}).items()}
    return Frame(kind="ble", address=address, data=data, name=name, signal=Signal(rssi=rssi), time=time)


def raw_advert(
    *, service: Mapping[str, bytes] | None = None, manufacturer: Mapping[str, bytes] | None = None, name: str = ""
) -> bytes:
    """The same as bytes (Core Specification, volume 3, part C, 11): structures of a length, a type and data."""
    parts = [(SERVICE, bytes.fromhex(uuid)[::-1] + said) for uuid, said in (service or {}).items()]
    parts += [(MANUFACTURER, bytes.fromhex(company)[::-1] + said) for company, said in (manufacturer or {}).items()]
    parts += [(NAME, name.encode())] if name else []
    return b"".join(bytes((len(data) + 1, kind)) + data for kind, data in parts)
