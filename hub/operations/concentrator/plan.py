"""Plan of a concentrator: choices of a person → the forwarder's files and the edits of the configuration. Pure.

The forwarder is LoRa Basics Station 2.0.6. It connects to the hub's own LNS endpoint, which gives it the channels; its
own files hold the hardware, the EUI and the way to the hub. A Station sends its token over TLS alone, and its TLS
library (Mbed TLS 2.28) matches names, not IP addresses; so without a certificate the way is `ws://127.0.0.1` and has no
token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.core.errors import HubError
from hub.core.text import Phrase, phrase
from hub.operations.concentrator.models import MODELS, SPI, Model

TYPE = "lorawan"
"""The integration that is a network server; the only one with an LNS endpoint."""
REGION = "EU868"
REGIONS: dict[str, str] = {"FR": REGION}
"""ISO code → region, where a plan is known to be right. The hub speaks EU863-870 and no other."""
OVERSEAS = ("GP", "MQ", "GF", "RE", "YT", "BL", "MF", "PM", "PF", "NC", "WF", "TF")
"""French territories outside Europe. Their frequencies are set apart (ARCEP, or the territory's own agency)."""
LOG = "/run/ilot-radio/station.log"
_CHIP = re.compile(r"concentrator EUI: 0x([0-9A-Fa-f]{16})")
"""What Semtech's `chip_id` prints (Lora-net/sx1302_hal@0d45e0c2: util_chip_id/src/chip_id.c)."""
_EUI = re.compile(r"[0-9a-f]{16}")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9._/:+-]{1,200}")
_HIGHEST_PIN = 53
_PORT = 3001


class Refused(HubError):
    """Choices that fit neither this machine nor the hub."""

    exit_code = 3


@dataclass(frozen=True)
class Choice:
    """What a person chose. `reset`, `power`: other pins than the model's; `where`: ISO code of the territory;
    `antenna_gain`: dB, None for the one that the configuration has."""

    model: str
    eui: str
    device: str = ""
    reset: int | None = None
    power: int | None = None
    region: str = ""
    where: str = "FR"
    antenna_gain: float | None = None


@dataclass(frozen=True)
class Endpoint:
    """The LNS endpoint of the running configuration. `name`: of the integration, "" where there is none; `missing`: it
    has no section `station` yet. `names`: what its certificate is for; `gateways`: EUI → antenna gain."""

    name: str = ""
    missing: bool = True
    address: str = "127.0.0.1"
    port: int = _PORT
    certificate: str = ""
    token: str = ""
    names: tuple[str, ...] = ()
    gateways: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A plan. `document`: what the forwarder's launcher reads; `edits`: of the hub's configuration; `notes`: sentences
    for the person."""

    model: Model
    eui: str
    document: dict[str, Any]
    edits: list[dict[str, Any]]
    notes: list[Phrase]

    def shown(self) -> dict[str, Any]:
        """Return it as plain data, without the token."""
        files = {name: "…" if name == "tc.key" else text for name, text in self.document["files"].items()}
        return {
            "model": self.model.row(),
            "eui": self.eui,
            "lines": self.document["lines"],
            "device": self.document["device"],
            "files": files,
            "edits": self.edits,
            "notes": self.notes,
        }


def read_eui(text: str) -> str:
    """Return an EUI as the configuration writes it: 16 digits. Raises Refused."""
    said = _CHIP.search(text[:4000])
    plain = re.sub(r"[\s:.-]", "", said[1] if said else text).lower().removeprefix("0x")
    if not _EUI.fullmatch(plain) or plain in ("0" * 16, "f" * 16):
        raise Refused(
            phrase("radio-eui-malformed", "{text} is no EUI: 16 hexadecimal digits, as on the label", text=text[:40])
        )
    return plain


def eui_of_mac(address: str) -> str:
    """Return the EUI made of a MAC address, FFFE in its middle. Raises Refused."""
    plain = address.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{12}", plain):
        raise Refused(phrase("radio-mac-malformed", "{address} is no MAC address", address=address[:40]))
    return f"{plain[:6]}fffe{plain[6:]}"


def make(choice: Choice, endpoint: Endpoint) -> Plan:
    """Make a plan. Raises Refused."""
    model = MODELS.get(choice.model)
    if model is None:
        raise Refused(
            phrase(
                "radio-model-unknown",
                "{model} is not on the list: {models}",
                model=choice.model[:40],
                models=sorted(MODELS),
            )
        )
    eui = read_eui(choice.eui)
    region_notes = _region(choice)
    device = choice.device or model.device
    if not _DEVICE.fullmatch(device) or ".." in device:
        raise Refused(phrase("radio-device-malformed", "{device} is no device below /dev", device=device[:80]))
    gain = endpoint.gateways.get(eui, 0.0) if choice.antenna_gain is None else choice.antenna_gain
    way, way_files, way_notes = _way(endpoint)
    document = {
        "version": 1,
        "model": model.key,
        "family": model.family,
        "eui": eui,
        "device": device,
        "lines": _lines(model, choice),
        "files": {"station.conf": station_conf(model, eui, device, gain), "tc.uri": way, **way_files},
    }
    notes = [*region_notes, *way_notes]
    if model.bus == SPI and model.family == "sx1302" and not model.sensor:
        notes.append(
            phrase(
                "radio-no-temperature-sensor",
                "{model} has no temperature sensor, which Semtech's library asks for: the forwarder has to be built "
                "with the patch that leaves it out",
                model=model.name,
            )
        )
    return Plan(model, eui, document, _edits(eui, endpoint, gain), notes)


def station_conf(model: Model, eui: str, device: str, antenna_gain: float) -> str:
    """Return the text of `station.conf`. Channels are not in it: the hub gives them."""
    kind = model.radio
    radio: dict[str, Any] = {"type": kind, "rssi_offset": model.rssi_offset}
    if kind == "SX1250":
        radio["rssi_tcomp"] = {"coeff_a": 0, "coeff_b": 0, "coeff_c": 20.41, "coeff_d": 2162.56, "coeff_e": 0}
    gains = {"tx_gain_lut": list(model.gains)}
    board: dict[str, Any] = {
        "device": f"{model.bus}:{device}",
        "lorawan_public": True,
        "clksrc": model.clock,
        "radio_0": {**radio, "tx_enable": True, "antenna_gain": antenna_gain, **(gains if kind == "SX1250" else {})},
        "radio_1": {**radio, "tx_enable": False},
    }
    if kind == "SX1250":
        board["full_duplex"] = False
    else:
        board |= gains
    station = {
        "routerid": "-".join(eui[n : n + 2] for n in range(0, 16, 2)).upper(),
        "log_file": LOG,
        "log_level": "INFO,S2E:VERB,TCE:VERB",
        "log_size": 200_000,
        "log_rotate": 1,
    }
    section = "SX1302_conf" if model.family == "sx1302" else "SX1301_conf"
    return json.dumps({section: board, "station_conf": station}, indent=1) + "\n"


def _region(choice: Choice) -> list[Phrase]:
    where = choice.where.upper()
    if where not in REGIONS and where not in OVERSEAS:
        raise Refused(
            phrase(
                "radio-where-unknown",
                "{where} is none of {places}",
                where=choice.where[:8],
                places=[*REGIONS, *OVERSEAS],
            )
        )
    region = choice.region.upper() or REGIONS.get(where, "")
    if not region:
        raise Refused(
            phrase(
                "radio-region-to-be-said",
                "this hub does not know which frequencies are allowed in {where}: ask ARCEP or the territory's own "
                "agency, then give the region yourself; this hub speaks {region}",
                where=where,
                region=REGION,
            )
        )
    if region not in (REGION, "EU863", "EU863-870"):
        raise Refused(
            phrase("radio-region-not-spoken", "this hub speaks {region}, not {other}", region=REGION, other=region[:20])
        )
    if where in OVERSEAS:
        return [
            phrase(
                "radio-region-by-you",
                "{region} in {where} is what you said, not what this hub knows",
                region=REGION,
                where=where,
            )
        ]
    return []


def _lines(model: Model, choice: Choice) -> dict[str, int]:
    if model.bus != SPI:
        return {}
    given = {"reset": choice.reset, "power": choice.power}
    known = {"reset": model.reset, "power": model.power, "sx1261_reset": model.sx1261_reset}
    lines = {
        name: pin
        for name, default in known.items()
        if (pin := default if given.get(name) is None else given[name]) is not None
    }
    for pin in lines.values():
        if not 0 <= pin <= _HIGHEST_PIN:
            raise Refused(
                phrase("radio-pin-out-of-range", "GPIO {pin}: there are 0 to {most}", pin=pin, most=_HIGHEST_PIN)
            )
    if len(set(lines.values())) != len(lines):
        raise Refused(
            phrase("radio-pin-twice", "one GPIO has two uses: {lines}", lines=[f"{k} {v}" for k, v in lines.items()])
        )
    return lines


def _way(endpoint: Endpoint) -> tuple[str, dict[str, str], list[Phrase]]:
    """Return the URI of the endpoint, the files beside it, and notes."""
    host = "127.0.0.1" if endpoint.address in ("0.0.0.0", "127.0.0.1") else endpoint.address  # noqa: S104 - compared
    if endpoint.address in ("::", "::1"):
        host = "[::1]"
    if not endpoint.certificate:
        if endpoint.token:
            raise Refused(
                phrase(
                    "radio-token-needs-tls",
                    "the section station has a token and no certificate: a Basics Station sends its token over TLS "
                    "alone. "
                    "Give it a certificate, or remove the token while it listens on 127.0.0.1",
                )
            )
        loopback = host in ("127.0.0.1", "[::1]")
        note = [] if loopback else [phrase("radio-way-in-clear", "the way from forwarder to hub is not encrypted")]
        return f"ws://{host}:{endpoint.port}\n", {}, note
    if not endpoint.names:
        raise Refused(
            phrase(
                "radio-certificate-without-name",
                "{file} names no host: a Basics Station compares names, never addresses. It needs a DNS name, "
                "localhost "
                "for instance",
                file=endpoint.certificate,
            )
        )
    name = "localhost" if "localhost" in endpoint.names else endpoint.names[0]
    files = {"tc.trust": endpoint.certificate}  # replaced by the text of the file where it is written
    if endpoint.token:
        files["tc.key"] = f"Authorization: {endpoint.token}\r\n"
    return f"wss://{name}:{endpoint.port}\n", files, []


def _edits(eui: str, endpoint: Endpoint, antenna_gain: float) -> list[dict[str, Any]]:
    gateway: dict[str, Any] = {"antenna_gain": antenna_gain} if antenna_gain else {}
    station = {"address": "127.0.0.1", "port": _PORT}
    if not endpoint.name:
        value = {"gateways": {eui: gateway}, "udp": None, "station": station}
        return [{"path": ["integrations", TYPE], "value": value}]
    edits: list[dict[str, Any]] = []
    if endpoint.missing:
        edits.append({"path": ["integrations", endpoint.name, "station"], "value": station})
    if eui not in endpoint.gateways:
        edits.append({"path": ["integrations", endpoint.name, "gateways", eui], "value": gateway})
    elif endpoint.gateways[eui] != antenna_gain:
        edits.append({"path": ["integrations", endpoint.name, "gateways", eui, "antenna_gain"], "value": antenna_gain})
    return edits


def endpoint_of(instances: Mapping[str, Any], names: tuple[str, ...] = ()) -> Endpoint:
    """Return the endpoint of the first network server among {name: options}."""
    for name, options in instances.items():
        station = options.station
        gains = {eui: one.antenna_gain for eui, one in options.gateways.items()}
        if station is None:
            return Endpoint(name, gateways=gains)
        token = station.token.get_secret_value() if station.token is not None else ""
        return Endpoint(name, False, station.address, station.port, station.certificate, token, names, gains)
    return Endpoint()
