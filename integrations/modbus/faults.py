"""Exception responses and other failures, with remedies. Pure.

MODBUS Application Protocol V1.1b3, §7, "MODBUS Exception Responses".
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import Phrase, phrase


class Silent(hub.NotReady):
    """The line works, but this unit did not answer in time."""


class Unsent(Exception):
    """A write that was no longer wanted when its turn came: nothing was sent."""


class Fault(NamedTuple):
    reason: str
    remedy: Phrase
    whole_device: bool = False  # other requests to this device will fail too


# ruff: noqa: E501 - a table is read across
_FAULTS = {
    0x01: Fault("illegal-function", phrase("modbus.table-not-served", "the device does not serve this table: check `table`")),
    0x02: Fault("illegal-address", phrase("modbus.no-such-register", "the device has no such register: check `table` and `address` (counted from 0: a manual's 40001 is 0)")),
    0x03: Fault("illegal-value", phrase("modbus.too-many-registers", "the device does not give this many registers at once: lower `max_registers`")),
    0x04: Fault("device-failure", phrase("modbus.device-failed", "the device failed while reading it: look at the device")),
    0x05: Fault("device-busy", phrase("modbus.device-busy-long", "the device is busy with a long command"), whole_device=True),
    0x06: Fault("device-busy", phrase("modbus.device-busy", "the device is busy: raise `interval` if this stays"), whole_device=True),
    0x08: Fault("memory-parity", phrase("modbus.device-memory-damaged", "the device found its own memory damaged: look at the device")),
    0x0A: Fault("gateway-path", phrase("modbus.gateway-has-no-path", "the gateway has no path to this unit: check both"), whole_device=True),
    0x0B: Fault("gateway-target", phrase("modbus.gateway-hears-nothing", "the gateway hears nothing from this unit: check its power, its wiring and `unit`"), whole_device=True),
}  # fmt: skip
_OTHER = phrase("modbus.unknown-exception", "see the device's manual for this exception code")


class Refused(hub.DecodeError):
    """An exception response. `whole_device`: the unit is away, rather than only this request being wrong."""

    def __init__(self, code: int, request: object) -> None:
        fault = _FAULTS.get(code) or Fault(f"exception-{code}", _OTHER)
        super().__init__(
            fault.reason, phrase("modbus.request-refused", "{request}: {reason}", request=request, reason=fault.remedy)
        )
        self.code = code
        self.whole_device = fault.whole_device
