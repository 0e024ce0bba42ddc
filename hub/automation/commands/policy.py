"""May this be written? Pure.

Read-only by default: a metric is written only where the configuration names it in the device's `writable:`, with
bounds, a role and a pace. A downlink that a device's pack knows only sets the sensor itself (its period, a
threshold): it needs no such line, and the role technicien.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from hub.core.errors import HubError
from hub.core.model import Device, Metric, Value, Writable
from hub.i18n.typography import unit_text

ROLES = ("lecteur", "auditeur", "technicien", "administrateur")
"""From the least to the most that each may do."""

CALLED = {
    "lecteur": "a reader", "auditeur": "an auditor", "technicien": "a technician", "administrateur": "an administrator",
}  # fmt: skip
"""Roles in English sentences. In the configuration and in calls they have their French names."""

SETTING = Writable(role="technicien", every_s=10.0)
"""What holds for a downlink of a pack."""

SAFETY = frozenset(
    {"lock", "door", "garage_door", "gas", "smoke", "carbon_monoxide", "safety", "tamper", "heat", "problem", "opening"}
)
"""Device classes whose metrics no reading of trust class C ever writes, whatever the configuration says."""

TEXT_LIMIT = 200


class WriteRefused(HubError):
    """It is not written; `reason` is a slug to count, `wait_s` after how many seconds it may be."""

    exit_code = 3

    def __init__(self, reason: str, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.reason, self.wait_s = reason, wait_s


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants written. `value` None and no `values`: let go. `by` is who ("cli:jeanne", "rule:night"), with
    which role, and `why` in their own words. `ttl_s`: how long it may wait to be sent. `clear`: a reading of trust
    class C decided it, which anybody near may have sent: only bounded comfort is written then."""

    device: str
    metric: str
    value: Value | None = None
    values: dict[str, float] | None = None
    by: str
    role: str
    why: str
    ttl_s: float = 300.0
    clear: bool = False


def judge(order: Order, device: Device | None, metric: Metric | None, last: float | None, now: float) -> None:
    """May this order go to its device? `last` is when its metric was written last, Unix seconds as `now`.

    Raises WriteRefused with the reason and the remedy."""
    if device is None:
        raise WriteRefused("unknown-device", f"no device {order.device!r} is known; `ilot devices` lists them")
    if not order.why.strip() or len(order.why) > TEXT_LIMIT:
        raise WriteRefused("no-reason", f"say why, in 1 to {TEXT_LIMIT} characters: it stands in the audit log")
    limits = SETTING if order.values is not None else device.writable.get(order.metric)
    if limits is None:
        there = ", ".join(device.writable) or "none"
        raise WriteRefused(
            "read-only",
            f"{order.metric!r} of {device.id} is read-only; an administrator may list it in the device's `writable:` "
            f"(writable now: {there})",
        )
    if ROLES.index(order.role) < ROLES.index(limits.role):
        who, no = CALLED[limits.role], CALLED[order.role]
        raise WriteRefused("role", f"{order.metric!r} of {device.id} is written by {who}, not by {no}")
    if order.clear:
        _comfort(order, metric)
    if order.values is None and order.value is not None:
        _value(order.value, metric, order.metric, limits)
    if last is not None and 0 <= now - last < limits.every_s:
        wait = limits.every_s - (now - last)
        told = f"{order.metric!r} was written {now - last:.0f} s ago: again in {math.ceil(wait)} s"
        raise WriteRefused("too-soon", told, wait)


def _comfort(order: Order, metric: Metric | None) -> None:
    """Letting go is always right; else a flag or a bounded number that is nobody's safety."""
    if order.values is None and order.value is None:
        return
    if order.values is not None or metric is None or metric.kind == "text" or metric.device_class in SAFETY:
        raise WriteRefused(
            "clear-identity",
            f"{order.metric!r} is not written on the word of a reading of trust class C, which anybody near can forge: "
            "only a dimmer, a setback or the like is, within its bounds",
        )


def _value(value: Value, metric: Metric | None, name: str, limits: Writable) -> None:
    if metric is None:
        raise WriteRefused("unknown-metric", f"no metric {name!r} is known; `ilot devices` shows what a device has")
    if metric.kind == "flag":
        if not isinstance(value, bool):
            raise WriteRefused("bad-value", f"{name!r} is a flag: true or false")
    elif metric.kind == "text":
        if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_LIMIT:
            raise WriteRefused("bad-value", f"{name!r} is a text of at most {TEXT_LIMIT} printable characters")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        unit = unit_text(metric.unit)
        raise WriteRefused("bad-value", f"{name!r} is a number in {unit}" if unit else f"{name!r} is a number")
    elif limits.low is None or limits.high is None:
        raise WriteRefused("no-bounds", f"{name!r} has no bounds: give it `low` and `high` in `writable:`")
    elif not limits.low <= value <= limits.high:
        high = f"{limits.high:g} {unit_text(metric.unit)}".rstrip()
        raise WriteRefused("out-of-bounds", f"{name!r} must be from {limits.low:g} to {high}, not {value:g}")


def read_value(text: str, metric: Metric | None) -> Value:
    """A value as people type it. Raises WriteRefused."""
    if metric is not None and metric.kind == "flag":
        words: Mapping[str, bool] = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
        if text.lower() not in words:
            raise WriteRefused("bad-value", f"{metric.key!r} is a flag: true or false")
        return words[text.lower()]
    if metric is not None and metric.kind == "text":
        return text
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise WriteRefused("bad-value", f"{text!r} is not a number") from None
