"""The rules of a session that the hub and the test kit share: what a plugin may hand over, and what of it is refused.
Pure. Values are judged by `hub.core.plausibility`, the small state by `hub.core.small_state`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hub.core.errors import DecodeError, LedElsewhere, PluginError
from hub.core.model import Device, Report
from hub.core.text import phrase, reason_of

FACTS_LIMIT = 4096
"""Bytes of the facts of one subject, as msgpack."""

LED_ELSEWHERE = "led-elsewhere"

FORMER = {
    "asks": "polling.set_poll_intervals",
    "declare": "devices.declare",
    "decode": "packs.decode",
    "dropped": "radio.report_decode_error",
    "encode": "packs.encode",
    "found": "devices.discovered",
    "heard": "radio.submit_frame",
    "pack": "packs.get",
    "rounds": "polling.poll_cycles",
    "tell": "radio.publish_facts",
    "timezone": "devices.timezone",
}
"""Former members of a Session → where they are now. They are read, with a warning, for one release."""


class FormerMembers:
    """Base of a Session: gives its former members, with a warning."""

    if not TYPE_CHECKING:  # a type checker knows the present members only

        def __getattr__(self, name: str) -> Any:
            if name == "emit_all":
                _warn(name, "emit(*reports)")
                return lambda reports, **more: self.emit(*reports, **more)
            if name not in FORMER:
                raise AttributeError(f"a session has no {name!r}")
            _warn(name, FORMER[name])
            part, _, member = FORMER[name].partition(".")
            return getattr(getattr(self, part), member)


def _warn(name: str, new: str) -> None:
    text = f"session.{name} is now session.{new}; the old name ends with the next release"
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def expect_reports(reports: Iterable[object]) -> None:
    """Raise PluginError unless all are Reports."""
    for report in reports:
        if not isinstance(report, Report):
            raise PluginError(
                phrase("emit-without-report", "emit wants a hub.Report, not {type}", type=type(report).__name__)
            )


def not_its_own(integration: str, device: Device) -> PluginError:
    """The error of a plugin that reports for another one's device."""
    return PluginError(
        phrase(
            "spoke-for-device-of-another",
            "{integration!r} spoke for {device!r}, a device of {owner!r}",
            integration=integration,
            device=device.id,
            owner=device.integration,
        )
    )


def own(integration: str, device: str, known: Device | None) -> Device:
    """Return the device, which `known` says it is. Raises PluginError when it is none of this plugin's."""
    if known is None:
        raise PluginError(
            phrase(
                "not-a-device-of-integration",
                "{device!r} is not a device of {integration!r}",
                device=device,
                integration=integration,
            )
        )
    return known


def interval_s(call: str, seconds: float) -> float:
    """Return the seconds. Raises PluginError unless they are positive; `call` is what the plugin wrote."""
    if seconds <= 0:
        raise PluginError(phrase("not-an-interval", "{call} is not an interval", call=call))
    return seconds


def expect_facts(subject: str, facts: Mapping[str, Any]) -> None:
    """Raise PluginError for facts that cannot be packed or are too large."""
    try:
        size = len(msgspec.msgpack.encode(facts))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PluginError(
            phrase(
                "facts-cannot-be-kept",
                "what is told of {subject!r} cannot be kept: {reason}",
                subject=subject,
                reason=reason_of(error),
            )
        ) from error
    if size > FACTS_LIMIT or len(subject) > 200:
        raise PluginError(
            phrase(
                "facts-too-large",
                "{size} bytes told of {subject!r}; a subject has {most}",
                size=size,
                subject=subject[:200],
                most=FACTS_LIMIT,
            )
        )


def slug_of(error: Exception) -> str:
    """The slug by which a frame that cannot be read is counted."""
    if isinstance(error, LedElsewhere):
        return LED_ELSEWHERE
    return error.reason if isinstance(error, DecodeError) else type(error).__name__
