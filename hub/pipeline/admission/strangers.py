"""Senders that are heard and not believed: strangers, and frames that a known device cannot have sent.

A stranger waits in quarantine with evidence, unless somebody decided about it. A refused frame of a known device is
counted, kept as evidence once there are enough of its kind, and reported as a security event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub.core.model import Candidate, Device, Frame, Report
from hub.core.security_events import BLOCKED, FORGED, IN_CLEAR, REPLAY, UNKNOWN, Events
from hub.core.text import phrase
from hub.pipeline.admission.decisions import BLOCK, Decisions
from hub.pipeline.admission.quarantine import Quarantine

_log = logging.getLogger("hub.admission")

KINDS = {"bad-mic": FORGED, "bad-key": FORGED, "clear-but-keyed": IN_CLEAR, "replay": REPLAY}
"""Refused frames of a known device → kind of security event."""

Evidence = dict[str, str | int | float | bool]


class Strangers:
    """Strangers and refused frames of one hub. `device` returns the device of an id, None when it is not admitted;
    `now` is Unix seconds; `count` counts an event of an integration. Without `decisions` nobody decides, without
    `events` nobody is told. `hold` queues the report of a recognised device that nobody has adopted; `hold_sealed`
    queues a frame sealed under a missing key, whether its device is adopted or not; `successor` returns the device that
    took the place of another one, "" where none did."""

    def __init__(
        self,
        *,
        device: Callable[[str], Device | None],
        quarantine: Quarantine,
        now: Callable[[], float],
        count: Callable[[str, str], None],
        decisions: Decisions | None = None,
        events: Events | None = None,
        hold: Callable[[Candidate, Report], None] | None = None,
        hold_sealed: Callable[[Candidate, Frame], None] | None = None,
        successor: Callable[[str], str] = lambda device: "",
    ) -> None:
        self.quarantine, self.decisions, self.events = quarantine, decisions, events
        self.device, self._now, self._count = device, now, count
        self._hold, self._hold_sealed, self._successor = hold, hold_sealed, successor

    def heard(
        self, candidate: Candidate, reason: str, report: Report | None = None, sealed: Frame | None = None
    ) -> None:
        """Put a sender that is not admitted into quarantine, unless somebody decided about it. `report` is its report
        as the pipeline would have had it; `sealed` a frame that could not be opened."""
        if self.decided(candidate.id, candidate.integration, candidate.model):
            return
        if now := self._successor(candidate.id):
            said = phrase("retired-heard", "was replaced by {device} and still speaks: switch it off", device=now)
            self.quarantine.retire(candidate, said, self._now())
            return
        waiting = self.quarantine.add(candidate, reason, self._now())
        known = self.device(candidate.id)
        mine = known is None or known.integration == candidate.integration
        if sealed is not None and mine and self._hold_sealed is not None:
            self._hold_sealed(candidate, sealed)
        if known is not None:
            return  # only its key is missing
        if waiting.count == 1:  # a neighbour's sensor that talks all day is one stranger; many ids are a flood
            # not who: addresses of strangers stay in memory
            self.tell(UNKNOWN, candidate.integration, {"waiting": len(self.quarantine)})
        if self._hold is not None:
            if report is None and candidate.values:
                report = Report(device=candidate.id, values=candidate.values, signal=candidate.signal)
            if report is not None and report.values:
                self._hold(candidate, report)

    def refused(self, candidate: Candidate, reason: str) -> None:
        """Record a refused frame of a known device. `reason` is the slug under which it is counted."""
        if reason in KINDS:
            self.tell(KINDS[reason], candidate.id, {"integration": candidate.integration, **_loudness(candidate)})
        if self.quarantine.refuse(candidate, reason, self._now()):
            _log.warning(
                phrase(
                    "known-device-refused",
                    "frames of a known device are refused ({reason}); `ilot devices` shows which and why",
                    reason=reason,
                )
            )

    def decided(self, device: str, integration: str, model: str) -> bool:
        """Return whether somebody decided about this sender. If so, it is counted, and nothing else happens."""
        decision = self.decisions.judge(device, integration, model) if self.decisions is not None else None
        if decision is None:
            return False
        self._count("blocked" if decision.kind == BLOCK else "ignored", integration)
        if decision.kind == BLOCK:
            self.tell(BLOCKED, str(decision.filter), {"integration": integration})  # as it was decided, not who
        return True

    def blocked(self, device: Device) -> bool:
        """Return whether somebody blocked this device although it is configured. If so, it is counted."""
        if self.decisions is None or not self.decisions.blocked(device.id, device.integration, device.model):
            return False
        return self.decided(device.id, device.integration, device.model)

    def tell(self, kind: str, subject: str, evidence: Evidence) -> None:
        """Send a security event."""
        if self.events is not None:
            self.events.tell(kind, subject, evidence)


def _loudness(candidate: Candidate) -> Evidence:
    signal = candidate.signal
    if signal is None or not signal.source:
        return {}
    return {"source": signal.source, "dbm": signal.rssi if signal.rssi is not None else 0}
