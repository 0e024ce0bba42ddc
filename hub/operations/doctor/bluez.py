"""Bluetooth: adapters, the switches that silence radios, and BlueZ on the system's D-Bus.

/sys/class/bluetooth and /sys/class/rfkill as in the kernel's Documentation/ABI; org.bluez.Adapter1 by `busctl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.core.text import phrase
from hub.operations.doctor.findings import BLUEZ, NOTE, OK, WRONG, Finding
from hub.operations.doctor.machine import Machine

_ADAPTER = re.compile(r"hci[0-9]{1,3}")


def look(machine: Machine) -> Iterator[Finding]:
    """Yield how Bluetooth is; only where the configuration uses an adapter of this machine."""
    adapters = [path.name for path in machine.names("/sys/class/bluetooth/hci*") if _ADAPTER.fullmatch(path.name)]
    if not adapters:
        yield Finding(
            BLUEZ,
            WRONG,
            phrase("no-bluetooth-adapter", "this machine has no Bluetooth adapter"),
            phrase(
                "bring-an-adapter",
                "plug one in; on a Raspberry Pi remove dtoverlay=disable-bt from /boot/firmware/config.txt",
            ),
        )
        return
    blocked = [
        path for path in machine.names("/sys/class/rfkill/rfkill*") if machine.word(path / "type") == "bluetooth"
    ]
    for path in blocked:
        if machine.number(path / "hard"):
            yield Finding(
                BLUEZ,
                WRONG,
                phrase("radio-switched-off", "{name} is switched off by a switch", name=machine.word(path / "name")),
                phrase("turn-the-switch", "turn the switch of the machine, or allow it in its firmware"),
            )
        elif machine.number(path / "soft"):
            yield Finding(
                BLUEZ,
                WRONG,
                phrase("radio-blocked", "{name} is switched off by software", name=machine.word(path / "name")),
                phrase("unblock-radio", "`rfkill unblock bluetooth`"),
            )
    yield from _bluez(machine, adapters)


def _bluez(machine: Machine, adapters: list[str]) -> Iterator[Finding]:
    if machine.command("busctl") is None:
        yield Finding(
            BLUEZ,
            NOTE,
            phrase("bluez-not-asked", "{adapters}: BlueZ was not asked, busctl is missing", adapters=adapters),
            phrase("install-systemd-tools", "`apt install systemd`"),
        )
        return
    for name in adapters:
        said = machine.ask(
            "busctl", "--system", "--timeout=2", "get-property", "org.bluez", f"/org/bluez/{name}",
            "org.bluez.Adapter1", "Powered",
        )  # fmt: skip
        if said is None:
            yield Finding(
                BLUEZ,
                WRONG,
                phrase("bluez-silent", "BlueZ does not know {adapter}, or does not run", adapter=name),
                phrase("start-bluez", "`apt install bluez`, `systemctl enable --now bluetooth`"),
            )
        elif said.strip() != "b true":
            yield Finding(
                BLUEZ,
                WRONG,
                phrase("adapter-without-power", "{adapter} has no power", adapter=name),
                phrase(
                    "power-the-adapter", "`bluetoothctl power on`; AutoEnable=true in /etc/bluetooth/main.conf keeps it"
                ),
            )
        else:
            yield Finding(BLUEZ, OK, phrase("adapter-ready", "{adapter}: BlueZ has it powered", adapter=name))
