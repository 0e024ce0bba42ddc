"""Trees of machines: /sys and /proc of a Raspberry Pi, written from the kernel's documentation. None was recorded."""

from __future__ import annotations

from pathlib import Path

from hub.operations.doctor.machine import Machine

CARD = "sys/devices/platform/emmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
MOUNT = "36 25 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(root: Path, card: dict[str, str] | None = None, ext4: dict[str, str] | None = None) -> Machine:
    """A Raspberry Pi whose state lies on the second partition of its card."""
    write(root, {"proc/self/mountinfo": MOUNT, f"{CARD}/mmcblk0p2/partition": "2\n"})
    write(root, {f"{CARD}/device/{name}": f"{text}\n" for name, text in (card or {}).items()})
    write(root, {f"sys/fs/ext4/mmcblk0p2/{name}": f"{text}\n" for name, text in (ext4 or {}).items()})
    link = root / "sys/dev/block/179:2"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"../../../{CARD}/mmcblk0p2")
    return Machine(root)


def command(root: Path, name: str, script: str) -> None:
    """A command of that machine: a shell script."""
    path = root / "usr/bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
