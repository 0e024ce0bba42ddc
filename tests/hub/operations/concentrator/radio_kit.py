"""A machine as sysfs, a log and a service manager show it: recorded answers, no hardware."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.operations.concentrator import plan as plans
from hub.operations.concentrator import store
from hub.operations.concentrator.watch import Machine

EUI = "0016c001ff10d3e5"
ACTIVE = {"ActiveState": "active", "SubState": "running", "NRestarts": "0", "Result": "success", "LoadState": "loaded"}


def put(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def board(
    root: Path, model: str = "Raspberry Pi 4 Model B Rev 1.4", *, spi: bool = True, hat: tuple[str, str] = ("", "")
) -> Path:
    tree = root / "sys/firmware/devicetree/base"
    put(tree / "model", model + "\0")
    if hat[1]:
        put(tree / "hat/vendor", hat[0] + "\0")
        put(tree / "hat/product", hat[1] + "\0")
    if spi:
        for name in ("spidev0.0", "spidev0.1"):
            (root / "sys/class/spidev" / name).mkdir(parents=True, exist_ok=True)
    card(root, "eth0", "dc:a6:32:01:02:03")
    return root


def card(root: Path, name: str, address: str) -> None:
    put(root / "sys/class/net" / name / "address", address + "\n")
    (root / "sys/class/net" / name / "device").mkdir(exist_ok=True)


def stick(root: Path, port: str, number: str, maker: str, product: str) -> None:
    """A USB device with one serial port, linked as the kernel does."""
    at = root / "sys/devices/usb1" / port
    vendor, _, kind = number.partition(":")
    for name, text in (("idVendor", vendor), ("idProduct", kind), ("manufacturer", maker), ("product", product)):
        put(at / name, text + "\n")
    (at / "1.0").mkdir()
    tty = root / "sys/class/tty" / port
    tty.mkdir(parents=True)
    (tty / "device").symlink_to(at / "1.0")


@dataclass
class Recorded(Machine):
    """A machine whose service manager, programs and processes are given."""

    unit: dict[str, str] = field(default_factory=lambda: dict(ACTIVE))
    installed: bool = True
    held: list[tuple[int, str]] = field(default_factory=list)

    def service(self) -> dict[str, str]:
        return self.unit

    def forwarder(self, family: str) -> Path | None:
        return Path("/usr/lib/ilot-radio") / f"station-{family}" if self.installed else None

    def holders(self, device: str) -> list[tuple[int, str]]:
        return self.held


def machine(tmp_path: Path, **more: Any) -> Recorded:
    board(tmp_path)
    return Recorded(tmp_path, tmp_path / "radio.json", tmp_path / "station.log", **more)


def planned(here: Machine, model: str = "rak5146", **more: Any) -> dict[str, Any]:
    """Write a plan, as set-up does, and return what is on the disk."""
    made = plans.make(plans.Choice(model, EUI, **more), plans.Endpoint("lorawan", False, gateways={EUI: 0.0}))
    store.write(made.document, here.plan)
    return dict(json.loads(here.plan.read_text()))


def log(here: Machine, *lines: str) -> None:
    """Write the forwarder's log: `[MOD:LEVL] text`, with the beginning that every start of Basics Station 2.0.6 has."""
    begin = "[SYS:INFO] Station EUI : 16:c001:ff10:d3e5"
    here.log.write_text("".join(f"2026-11-30 08:00:{n:02}.123 {line}\n" for n, line in enumerate((begin, *lines))))


STARTED = (
    "[TCE:INFO] Connecting to INFOS: ws://127.0.0.1:3001",
    "[TCE:INFO] Infos: 16:c001:ff10:d3e5 ::0 ws://127.0.0.1:3001/router/0016c001ff10d3e5",
    "[TCE:VERB] Connected to MUXS.",
    "[HAL:INFO] [lgw_connect:1192] chip version is 0x12 (v1.2)",
    "[RAL:INFO] Concentrator started (2s612ms)",
    "[S2E:INFO] Configuring for region: EU868 -- 863MHz..870MHz",
)
