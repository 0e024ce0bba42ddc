"""Exception responses and other failures, with remedies. Pure.

MODBUS Application Protocol V1.1b3, §7, "MODBUS Exception Responses".
"""

from __future__ import annotations

from typing import NamedTuple

import hub


class Silent(hub.NotReady):
    """The line works, but this unit did not answer in time."""


class Unsent(Exception):
    """A write that was no longer wanted when its turn came: nothing was sent."""


class Fault(NamedTuple):
    reason: str
    remedy: str
    whole_device: bool = False  # other requests to this device will fail too


_FAULTS = {
    0x01: Fault("illegal-function", "the device does not serve this table: check `table`"),
    0x02: Fault(
        "illegal-address",
        "the device has no such register: check `table` and `address` (counted from 0: a manual's 40001 is 0)",
    ),
    0x03: Fault("illegal-value", "the device does not give this many registers at once: lower `max_registers`"),
    0x04: Fault("device-failure", "the device failed while reading it: look at the device"),
    0x05: Fault("device-busy", "the device is busy with a long command", whole_device=True),
    0x06: Fault("device-busy", "the device is busy: raise `interval` if this stays", whole_device=True),
    0x08: Fault("memory-parity", "the device found its own memory damaged: look at the device"),
    0x0A: Fault("gateway-path", "the gateway has no path to this unit: check both", whole_device=True),
    0x0B: Fault(
        "gateway-target", "the gateway hears nothing from this unit: check its power, its wiring and `unit`",
        whole_device=True,
    ),
}  # fmt: skip


class Refused(hub.DecodeError):
    """An exception response. `whole_device`: the unit is away, rather than only this request being wrong."""

    def __init__(self, code: int, request: object) -> None:
        fault = _FAULTS.get(code) or Fault(f"exception-{code}", "see the device's manual for this exception code")
        super().__init__(fault.reason, f"{request}: {fault.remedy}")
        self.code = code
        self.whole_device = fault.whole_device
