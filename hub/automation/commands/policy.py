"""Decides whether a command may be given. Pure.

Metrics are read-only by default: one is written only where the configuration lists it in the device's `writable:`,
with bounds, a role and a pace. A downlink defined by a device's pack sets the sensor itself (its period, a threshold):
it needs no such line, and the role technicien.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from hub.core.errors import HubError
from hub.core.model import Device, Metric, Value, Writable
from hub.core.text import phrase
from hub.i18n.typography import unit_text

ROLES = ("lecteur", "auditeur", "technicien", "administrateur")
"""Roles by increasing rights."""

CALLED = {
    "lecteur": phrase("role-reader", "a reader"),
    "auditeur": phrase("role-auditor", "an auditor"),
    "technicien": phrase("role-technician", "a technician"),
    "administrateur": phrase("role-administrator", "an administrator"),
}
"""Roles in sentences. The configuration and calls use their French names."""

SETTING = Writable(None, None, "technicien", 10.0, "always")
"""Limits of a pack's downlink."""

SAFETY = frozenset(
    {"lock", "door", "garage_door", "gas", "smoke", "carbon_monoxide", "safety", "tamper", "heat", "problem", "opening"}
)
"""Device classes that no reading of trust class C ever writes, whatever the configuration says, and that are written
with a reason where it does not say otherwise."""

TEXT_LIMIT = 200


class WriteRefused(HubError):
    """A command that may not be given.

    `reason` is a slug to count, `wait_s` the seconds until it may be given, 0.0 where waiting does not help.
    """

    exit_code = 3

    def __init__(self, reason: str, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.reason, self.wait_s = reason, wait_s


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A request to write.

    `value` None without `values`: release the metric. `by` names the requester ("cli:jeanne", "rule:night"), `role` the
    role used, `why` the reason in the requester's words, "" without one. `ttl_s`: seconds it may wait to be sent.
    `clear`: decided by a reading of trust class C, which anybody near may have forged; only bounded comfort values are
    written then.
    """

    device: str
    metric: str
    value: Value | None = None
    values: dict[str, float] | None = None
    by: str
    role: str
    why: str = ""
    ttl_s: float = 300.0
    clear: bool = False


def check_order(order: Order, device: Device | None, metric: Metric | None, last: float | None, now: float) -> None:
    """Check a request against the device's limits. `last` is when the metric was last written, Unix seconds as `now`.

    Raises WriteRefused with the reason and the remedy.
    """
    if device is None:
        raise WriteRefused(
            "unknown-device",
            phrase("device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=order.device),
        )
    limits = SETTING if order.values is not None else device.writable.get(order.metric)
    if limits is None:
        there = list(device.writable) or phrase("no-metric", "none")
        raise WriteRefused(
            "read-only",
            phrase(
                "metric-read-only",
                "{metric!r} of {device} is read-only; an administrator may list it in the device's `writable:` "
                "(writable now: {writable})",
                metric=order.metric,
                device=device.id,
                writable=there,
            ),
        )
    if ROLES.index(order.role) < ROLES.index(limits.role):
        raise WriteRefused(
            "role",
            phrase(
                "metric-of-another-role",
                "{metric!r} of {device} is written by {needed}, not by {role}",
                metric=order.metric,
                device=device.id,
                needed=CALLED[limits.role],
                role=CALLED[order.role],
            ),
        )
    if len(order.why) > TEXT_LIMIT or (asks_reason(limits, metric) and not order.why.strip()):
        raise WriteRefused(
            "no-reason",
            phrase(
                "say-why-in-characters",
                "say why, in 1 to {most} characters: it stands in the audit log",
                most=TEXT_LIMIT,
            ),
        )
    if order.clear:
        _check_clear_identity(order, metric)
    if order.values is None and order.value is not None:
        _check_value(order.value, metric, order.metric, limits)
    if last is not None and 0 <= now - last < limits.every_s:
        wait = limits.every_s - (now - last)
        text = phrase(
            "written-too-recently",
            "{metric!r} was written {ago:.0f} s ago: again in {wait} s",
            metric=order.metric,
            ago=now - last,
            wait=math.ceil(wait),
        )
        raise WriteRefused("too-soon", text, wait)


def asks_reason(limits: Writable, metric: Metric | None) -> bool:
    """Return whether a metric with these limits is written with a reason only."""
    if limits.reason == "dangerous":
        return metric is None or metric.device_class in SAFETY
    return limits.reason != "never"


def _check_clear_identity(order: Order, metric: Metric | None) -> None:
    """Allow a release, or a flag or bounded number that is not safety-related. Raises WriteRefused."""
    if order.values is None and order.value is None:
        return
    if order.values is not None or metric is None or metric.kind == "text" or metric.device_class in SAFETY:
        raise WriteRefused(
            "clear-identity",
            phrase(
                "clear-identity-not-enough",
                "{metric!r} is not written on the word of a reading of trust class C, which anybody near can "
                "forge: only a dimmer, a setback or the like is, within its bounds",
                metric=order.metric,
            ),
        )


def _check_value(value: Value, metric: Metric | None, name: str, limits: Writable) -> None:
    if metric is None:
        raise WriteRefused(
            "unknown-metric",
            phrase(
                "metric-not-known", "no metric {name!r} is known; `ilot devices` shows what a device has", name=name
            ),
        )
    if metric.kind == "flag":
        if not isinstance(value, bool):
            raise WriteRefused("bad-value", phrase("value-is-flag", "{metric!r} is a flag: true or false", metric=name))
    elif metric.kind == "text":
        if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_LIMIT:
            raise WriteRefused(
                "bad-value",
                phrase(
                    "value-is-text",
                    "{metric!r} is a text of at most {most} printable characters",
                    metric=name,
                    most=TEXT_LIMIT,
                ),
            )
    elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        unit = unit_text(metric.unit)
        said = (
            phrase("value-is-number-in-unit", "{metric!r} is a number in {unit}", metric=name, unit=unit)
            if unit
            else phrase("value-is-number", "{metric!r} is a number", metric=name)
        )
        raise WriteRefused("bad-value", said)
    elif limits.low is None or limits.high is None:
        raise WriteRefused(
            "no-bounds",
            phrase(
                "metric-without-bounds",
                "{metric!r} has no bounds: give it `low` and `high` in `writable:`",
                metric=name,
            ),
        )
    elif not limits.low <= value <= limits.high:
        raise WriteRefused(
            "out-of-bounds", _out_of_bounds(name, limits.low, limits.high, value, unit_text(metric.unit))
        )


def _out_of_bounds(metric: str, low: float, high: float, value: float, unit: str) -> str:
    if unit:
        return phrase(
            "value-out-of-bounds-in-unit",
            "{metric!r} must be from {low:g} to {high:g} {unit}, not {value:g}",
            metric=metric,
            low=low,
            high=high,
            unit=unit,
            value=value,
        )
    return phrase(
        "value-out-of-bounds",
        "{metric!r} must be from {low:g} to {high:g}, not {value:g}",
        metric=metric,
        low=low,
        high=high,
        value=value,
    )


def read_value(text: str, metric: Metric | None) -> Value:
    """Parse a value as people type it. Raises WriteRefused."""
    if metric is not None and metric.kind == "flag":
        words: Mapping[str, bool] = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
        if text.lower() not in words:
            raise WriteRefused(
                "bad-value", phrase("value-is-flag", "{metric!r} is a flag: true or false", metric=metric.key)
            )
        return words[text.lower()]
    if metric is not None and metric.kind == "text":
        return text
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise WriteRefused("bad-value", phrase("value-not-a-number", "{text!r} is not a number", text=text)) from None
