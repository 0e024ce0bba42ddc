"""The rules of a session that the hub and the test kit share: what a plugin may hand over, and what of it is refused.
Pure. Values are judged by `hub.core.plausibility`, the small state by `hub.core.small_state`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hub.core.errors import AuthFailed, DecodeError, LedElsewhere, PluginError
from hub.core.model import Device, Report
from hub.core.text import phrase, reason_of
from hub.sdk.deprecations import FORMER_MEMBERS

FACTS_LIMIT = 4096
"""Bytes of the facts of one subject, as msgpack."""
FACT_SUBJECTS = 8192
"""Subjects of which one plugin may tell."""
FACTS_IN_ALL = 4 << 20
"""Bytes of the facts of one plugin: twice what a network server tells of its gateways and 8,000 sensors."""

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
"""Former members of a Session → where they are now. They are read, with a warning, until the version that
`hub.sdk.deprecations` says."""


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
    text = f"session.{name} is now session.{new}; the old name ends with {FORMER_MEMBERS}"
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


def no_such_bus(name: str, buses: Iterable[str]) -> AuthFailed:
    """The error of a plugin that asks for a bus which the configuration lacks: a person has to configure it."""
    known = list(buses)
    return AuthFailed(
        phrase(
            "no-such-bus",
            "no bus {name!r} is configured (there are: {buses}): name it in `buses:`",
            name=name,
            buses=known,
        )
        if known
        else phrase(
            "no-such-bus-none",
            "no bus {name!r} is configured (there are: none): name it in `buses:`",
            name=name,
        )
    )


def expect_facts(subject: str, facts: Mapping[str, Any]) -> int:
    """Return the bytes of these facts. Raise PluginError for facts that cannot be packed or are too large."""
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
    return size


class FactBounds:
    """Bounds of what one plugin tells, in subjects and bytes."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    def take(self, subject: str, facts: Mapping[str, Any]) -> None:
        """Count the facts that a subject has from now on; empty ones remove it. Raises PluginError for what is beyond a
        bound, and counts nothing then."""
        size = expect_facts(subject, facts) if facts else 0
        together = self._bytes - self._sizes.get(subject, 0) + size
        if size and subject not in self._sizes and len(self._sizes) >= FACT_SUBJECTS:
            raise PluginError(
                phrase("too-many-fact-subjects", "facts of more than {most} subjects", most=FACT_SUBJECTS)
            )
        if size and together > FACTS_IN_ALL:
            raise PluginError(
                phrase(
                    "too-many-facts", "facts of more than {most} MiB in all; remove some first", most=FACTS_IN_ALL >> 20
                )
            )
        self._bytes = together
        if size:
            self._sizes[subject] = size
        else:
            self._sizes.pop(subject, None)


def slug_of(error: Exception) -> str:
    """The slug by which a frame that cannot be read is counted."""
    if isinstance(error, LedElsewhere):
        return LED_ELSEWHERE
    return error.reason if isinstance(error, DecodeError) else type(error).__name__
