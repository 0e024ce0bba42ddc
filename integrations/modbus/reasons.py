"""Descriptions of the counted events of Modbus: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "modbus.reason-"
REASONS: dict[str, str] = {
    "bad-scale": "A scale factor is missing or impossible: the maker's firmware",
    "bad-word": "A word that cannot be of this type: check `type` and the order of words",
    "device-failure": "The device has a fault: look at it",
    "does-not-fit": "A value that does not fit the register",
    "exception-*": "The device answers with Modbus exception {part}: see its manual",
    "gateway-path": "The gateway has no path to this unit: check `unit` and the gateway",
    "gateway-target": "The gateway hears nothing from this unit: its power, its wiring, `unit`?",
    "illegal-address": "The device has no such register: check `table` and `address` (40001 is 0)",
    "illegal-function": "The device does not serve this table: check `table`",
    "illegal-value": "Too many registers at once: lower `max_registers`",
    "memory-parity": "The device finds its memory damaged: look at it",
    "no-sunspec": "No SunSpec map: give `sunspec_address`, or `registers` instead",
    "sunspec-map": "The SunSpec map makes no sense: give `registers` instead",
    "sunspec-moved": "The inverter's SunSpec map has changed: it is read again",
    "sunspec-part": "The SunSpec map has fewer devices: check `sunspec_part`",
}
