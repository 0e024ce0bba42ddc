"""GPIO lines by the kernel's character device (`linux/gpio.h`, version 2 of its interface).

The lines of the 40-pin header belong to one chip, which has another number on each board and kernel: it is found by its
label. Lines stay as they were set for as long as their descriptor is open.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of

HEADER = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels of the chip with the 40-pin header: Raspberry Pi 5; 4; 3 and older, and 4 with later kernels."""

_NAME = 32
_CHIP_INFO = struct.Struct(f"={_NAME}s{_NAME}sI")
_REQUEST = struct.Struct(f"=64I{_NAME}sQI5I240sIII4Ii")
"""offsets, consumer, flags, num_attrs, padding, 10 attributes of 24 bytes, lines, event buffer, padding, descriptor"""
_VALUES = struct.Struct("=QQ")
_OUTPUT = 1 << 3
_READ, _WRITE = 2, 1


def _number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0xB4 << 8 | number


CHIP_INFO = _number(_READ, 0x01, _CHIP_INFO.size)
GET_LINES = _number(_READ | _WRITE, 0x07, _REQUEST.size)
SET_VALUES = _number(_READ | _WRITE, 0x0F, _VALUES.size)

Ioctl = Callable[[int, int, bytearray], int]


class Lines:
    """Output lines of one chip, low at first. `ioctl` is the kernel's."""

    def __init__(self, pins: Sequence[int], ioctl: Ioctl = fcntl.ioctl, root: Path = Path("/dev")) -> None:
        self._pins, self._ioctl = list(pins), ioctl
        chip = _header(ioctl, root)
        try:
            asked = bytearray(
                _REQUEST.pack(
                    *self._pins,
                    *[0] * (64 - len(pins)),
                    b"ilot-radio",
                    _OUTPUT,
                    0,
                    *[0] * 5,
                    b"",
                    len(pins),
                    0,
                    *[0] * 5,
                    0,
                )
            )
            ioctl(chip, GET_LINES, asked)
        except OSError as error:
            raise NotReady(
                phrase(
                    "radio-lines-refused",
                    "the lines GPIO {pins} cannot be had: {reason}; another program or overlay holds them",
                    pins=[str(pin) for pin in pins],
                    reason=reason_of(error),
                )
            ) from error
        finally:
            os.close(chip)
        self.descriptor: int = _REQUEST.unpack(asked)[-1]

    def set(self, pin: int, value: int) -> None:
        bit = 1 << self._pins.index(pin)
        self._ioctl(self.descriptor, SET_VALUES, bytearray(_VALUES.pack(bit if value else 0, bit)))


def _header(ioctl: Ioctl, root: Path) -> int:
    """Return the open chip of the 40-pin header. Raises NotReady, HubError without rights."""
    labels: dict[str, Path] = {}
    denied: OSError | None = None
    for path in sorted(root.glob("gpiochip*")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            denied = error
            continue
        try:
            info = bytearray(_CHIP_INFO.size)
            ioctl(descriptor, CHIP_INFO, info)
            labels.setdefault(_CHIP_INFO.unpack(info)[1].split(b"\0")[0].decode("ascii", "replace"), path)
        except OSError as error:
            denied = error
        finally:
            os.close(descriptor)
    for label in HEADER:
        if label in labels:
            return os.open(labels[label], os.O_RDWR | os.O_CLOEXEC)
    if denied is not None and not labels:
        raise HubError(
            phrase(
                "radio-gpio-denied",
                "/dev/gpiochip*: {reason}; the forwarder's user must be in the group gpio",
                reason=reason_of(denied),
            )
        ) from denied
    raise NotReady(
        phrase(
            "radio-no-header",
            "no GPIO chip of a 40-pin header is known here; there [is|are] {count}: {labels}",
            count=len(labels),
            labels=sorted(labels),
        )
    )
