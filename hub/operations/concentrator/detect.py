"""What this machine shows of radios, in sysfs alone: no device is opened. `root` is another tree in tests.

A hub in its sandbox sees no device file and no `/proc/device-tree`, but always `/sys`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.operations.concentrator.models import MODELS, Model

MOST = 64
"""Maximum entries read of one folder, and characters of one file."""
_TEXT = 200

SERIAL_RADIOS = {
    "enocean": re.compile(r"EnOcean|USB[_ ]?300|USB[_ ]?500", re.IGNORECASE),
    "802.15.4": re.compile(r"Zigbee|CC253|CC265|ConBee|SkyConnect|Sonoff|802\.?15\.?4", re.IGNORECASE),
    "wireless M-Bus": re.compile(r"iM871|iM891|AMB84|AMB86|wM-?Bus|Metis", re.IGNORECASE),
    "lora concentrator": re.compile(r"CoreCell|LoRa.*(?:Concentrator|Gateway)", re.IGNORECASE),
}
"""Names of USB serial radios → what they are, as far as their own names tell."""


@dataclass(frozen=True)
class UsbDevice:
    """A USB device with its serial ports, `ttyACM0` or `ttyUSB0`."""

    number: str
    product: str
    maker: str
    serial: str
    ports: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return the kind of radio that its names tell, or ""."""
        said = f"{self.maker} {self.product}"
        return next((kind for kind, names in SERIAL_RADIOS.items() if names.search(said)), "")


@dataclass(frozen=True)
class Found:
    """The radios of a machine. `bluetooth`: controllers; `cards`: network card → MAC address."""

    board: str = ""
    hat: str = ""
    spi: tuple[str, ...] = ()
    usb: tuple[UsbDevice, ...] = ()
    bluetooth: tuple[str, ...] = ()
    cards: dict[str, str] = field(default_factory=dict)

    def models(self) -> list[Model]:
        """Return the models that are possible here, the likeliest first: what the HAT says, then USB, then SPI."""
        numbers = {one.number for one in self.usb if one.ports}
        named = [m for m in MODELS.values() if self.hat and _says(self.hat, m)]
        by_usb = [m for m in MODELS.values() if m.usb and m.usb in numbers]
        by_spi = [m for m in MODELS.values() if m.bus == "spi"] if self.spi else []
        return list({one.key: one for one in (*named, *by_usb, *by_spi)}.values())

    def certain(self) -> Model | None:
        """Return the model where this machine itself says which it is, None where a person has to say."""
        named = [m for m in MODELS.values() if self.hat and m.bus == "spi" and _says(self.hat, m)]
        reference = any(one.number == "0483:5740" and "CoreCell" in one.product for one in self.usb)
        if len(named) == 1 and not reference:
            return named[0]
        return MODELS["corecell-usb"] if reference and not named and not self.spi else None

    def device_of(self, model: Model) -> str:
        """Return the device of a model on this machine, or "" where there is none."""
        if model.bus == "spi":
            return f"/dev/{self.spi[0]}" if self.spi else ""
        ports = [port for one in self.usb if one.number == model.usb for port in one.ports]
        return f"/dev/{ports[0]}" if ports else ""

    def row(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "board": self.board,
            "hat": self.hat,
            "spi": list(self.spi),
            "bluetooth": list(self.bluetooth),
            "serial": [
                {
                    "number": one.number,
                    "name": f"{one.maker} {one.product}".strip(),
                    "kind": one.kind,
                    "ports": list(one.ports),
                }
                for one in self.usb
                if one.ports
            ],
            "cards": self.cards,
        }


def look(root: Path = Path("/")) -> Found:
    """Return what this machine shows."""
    tree = root / "sys/firmware/devicetree/base"
    return Found(
        board=_read(tree / "model"),
        hat=" ".join(text for name in ("vendor", "product") if (text := _read(tree / "hat" / name))),
        spi=tuple(_names(root / "sys/class/spidev")),
        usb=tuple(_usb(root)),
        bluetooth=tuple(name for name in _names(root / "sys/class/bluetooth") if ":" not in name),
        cards=_cards(root),
    )


def _usb(root: Path) -> list[UsbDevice]:
    devices: dict[str, tuple[Path, list[str]]] = {}
    for name in _names(root / "sys/class/tty"):
        if not name.startswith(("ttyACM", "ttyUSB")):
            continue
        at = (root / "sys/class/tty" / name / "device").resolve()
        above = next((one for one in (at, *list(at.parents)[:4]) if (one / "idVendor").exists()), None)
        if above is not None:
            devices.setdefault(str(above), (above, []))[1].append(name)
    return [
        UsbDevice(
            number=f"{_read(at / 'idVendor')}:{_read(at / 'idProduct')}",
            product=_read(at / "product"),
            maker=_read(at / "manufacturer"),
            serial=_read(at / "serial"),
            ports=tuple(sorted(ports)),
        )
        for at, ports in devices.values()
    ]


def _cards(root: Path) -> dict[str, str]:
    found = {}
    for name in _names(root / "sys/class/net"):
        address = _read(root / "sys/class/net" / name / "address")
        if (root / "sys/class/net" / name / "device").exists() and re.fullmatch(
            r"([0-9a-f]{2}:){5}[0-9a-f]{2}", address
        ):
            found[name] = address
    return found


def _says(hat: str, model: Model) -> bool:
    """Return whether a HAT's own text names this model: its key without the bus, as whole letters and digits."""
    plain = re.sub(r"[^a-z0-9]", "", hat.lower())
    return model.key.removesuffix("-usb").replace("-", "") in plain


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir())[:MOST]
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_TEXT)
    except OSError:
        return ""
    text = raw.decode("utf-8", "replace").strip("\0\n ")
    return "".join(sign if sign.isprintable() else "?" for sign in text)
