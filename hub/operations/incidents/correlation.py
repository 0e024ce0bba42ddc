"""Correlation of security events into incidents: kinds, counts, subjects, times and advice. Pure.

Events fall into families (sensors, doors, network, hub). A family's incident opens when one of its kinds has reached
its threshold within the window, and includes every event of the family until it has been quiet for long enough. So one
attack by three ways is one incident that names all three. Its counts begin with the first event that led to it, not
with the one that reached the threshold.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hub.core import security_events
from hub.core.security_events import SecurityEvent
from hub.core.text import phrase
from hub.core.text import phrase as filled

SENSORS, DOORS, NETWORK, HUB = "sensors", "doors", "network", "hub"
FAMILIES = (SENSORS, DOORS, NETWORK, HUB)

# kinds beside those of admission (hub.core.security_events)
SIGN_IN = "sign-in"  # a wrong password, code, badge or token
HOST = "host"  # a request under a name that is not the hub's
ELSEWHERE = "elsewhere"  # a request that another site made a browser send
BREAK_GLASS = "break-glass"  # a local account came in where the district has badges
EGRESS = "egress"  # a connection to an undeclared host was refused
ACK = "forged-ack"  # an acknowledgement that the backend did not sign
CLOCK = "clock-step"  # the clock was moved
CONFIG = "configuration"  # the configuration was changed, or is wrong
PLUGIN = "plugin"  # a plugin died of an error
STALL = "stall"  # a plugin held the whole hub
GAP = "gap"  # readings were lost or damaged on the disk

WINDOW_S = 600.0
QUIET_S = 3600.0
PARTS = 60
"""Number of parts of a window: counts are exact, the time at which an event leaves the window is to the part."""
MAX_NAMED = 3
"""Subjects named in a text; evidence has MOST_SUBJECTS."""
MOST_SUBJECTS = 64

FAMILY = {
    **dict.fromkeys(
        (
            security_events.FORGED, security_events.REPLAY, security_events.IN_CLEAR, security_events.UNKNOWN,
            security_events.BLOCKED, security_events.RATE, security_events.UNLIKE, *security_events.CLONES,
        ), SENSORS,
    ),
    **dict.fromkeys((SIGN_IN, HOST, ELSEWHERE, BREAK_GLASS), DOORS),
    **dict.fromkeys((EGRESS, security_events.REDIRECT, ACK), NETWORK),
    **dict.fromkeys((security_events.NOT_ITS_OWN, CLOCK, CONFIG, PLUGIN, STALL, GAP), HUB),
}  # fmt: skip
"""Kind → family. Adoption is done by a person: it is audited, and no incident."""

THRESHOLDS = {
    security_events.FORGED: 3, security_events.REPLAY: 3, security_events.IN_CLEAR: 1, security_events.UNKNOWN: 50,
    security_events.BLOCKED: 20, security_events.RATE: 3, security_events.UNLIKE: 3,
    **dict.fromkeys(security_events.CLONES, 1), security_events.NOT_ITS_OWN: 1, security_events.REDIRECT: 1,
    SIGN_IN: 5, HOST: 3, ELSEWHERE: 3, BREAK_GLASS: 1, EGRESS: 1, ACK: 1, CLOCK: 1, CONFIG: 10, PLUGIN: 3, STALL: 1,
    GAP: 1,
}  # fmt: skip
"""Kind → events that open an incident. One wrong password is a person; five are a program. A clone or a forged
acknowledgement is never an accident. Overridden by `security` in the configuration."""

CRITICAL = security_events.CLONES | {
    ACK, EGRESS, security_events.IN_CLEAR, security_events.NOT_ITS_OWN, security_events.REDIRECT,
}  # fmt: skip

TRACED = frozenset({CONFIG, BREAK_GLASS})
TRACES = ("version", "from")
"""For kinds of TRACED the text names version and origin: evidence stays on the hub, the text is sent up."""

PHRASES = {
    "event-forged": "forged frames",
    "event-replay": "replayed frames",
    "event-in-clear": "frames in clear of an encrypting device",
    "event-unknown-id": "unknown devices",
    "event-blocked": "blocked frames",
    "event-rate": "reports too often",
    "event-unlike-neighbours": "values unlike the neighbours'",
    "event-clone-fork": "counters of two senders",
    "event-clone-signal": "jumps of signal",
    "event-clone-position": "jumps of position",
    "event-clone-paths": "two paths that cannot both hear it",
    "event-not-its-own": "reports of a plugin for devices of another",
    "event-sign-in": "refused sign-ins",
    "event-host": "requests under another name",
    "event-elsewhere": "requests from another site",
    "event-break-glass": "local accounts used without a badge",
    "event-egress": "undeclared calls",
    "event-redirect": "redirections to another host, not followed",
    "event-forged-ack": "forged acknowledgements",
    "event-clock-step": "steps of the clock",
    "event-configuration": "configuration changes",
    "event-plugin": "plugin failures",
    "event-stall": "stalls of the whole hub",
    "event-gap": "losses of readings",
}
"""Code → kind of event in words; a code is `event-` and the kind."""

_CHECK_KEY = phrase("check-key-and-receiver", "compare the key of the device named; if it is right, somebody forges")
_CHANGE_KEY = phrase("change-key-of-device", "two senders use the id of the device named: find both, change its key")
_CHECK_DEVICE = phrase("check-device-itself", "look at the device named: broken, moved, or another under its id")
_CHECK_PASSWORD = phrase("check-audit-and-password", "see the audit log, change the password aimed at")
_FIND_CALLER = phrase("find-caller", "find who calls from the address named")
_CHECK_SOVEREIGNTY = phrase("check-sovereignty", "see `ilot sovereignty`, isolate if needed")
_CHECK_PLUGIN = phrase("check-plugin-log", "see the log of the plugin named")

ADVICE = {
    **dict.fromkeys((security_events.FORGED, security_events.IN_CLEAR), _CHECK_KEY),
    security_events.REPLAY: phrase(
        "check-repeated-frames", "somebody repeats frames of the device named, or it was reset: look at it"
    ),
    security_events.UNKNOWN: phrase("check-quarantine", "see `ilot quarantine`, ignore neighbours by pattern"),
    security_events.BLOCKED: phrase("blocked-stay-out", "nothing of them is taken"),
    **dict.fromkeys(security_events.CLONES, _CHANGE_KEY),
    **dict.fromkeys((security_events.RATE, security_events.UNLIKE), _CHECK_DEVICE),
    security_events.NOT_ITS_OWN: phrase(
        "stop-plugin", "stop, update or remove the plugin named; the devices are not to blame"
    ),
    SIGN_IN: _CHECK_PASSWORD, BREAK_GLASS: _CHECK_PASSWORD, HOST: _FIND_CALLER, ELSEWHERE: _FIND_CALLER,
    **dict.fromkeys((EGRESS, security_events.REDIRECT), _CHECK_SOVEREIGNTY),
    ACK: phrase("check-way-to-backend", "somebody between forges, or the backend lost its key: ask the owner"),
    CLOCK: phrase("check-clock", "see which time server or person set it"),
    CONFIG: phrase("check-changes", "see `ilot audit list`"),
    PLUGIN: _CHECK_PLUGIN,
    STALL: phrase("stop-who-holds", "stop, update or remove the plugin named: it held everything else"),
    GAP: phrase("check-buffer", "see `ilot buffer`: its room, the disk, the link"),
}  # fmt: skip
"""Kind → what to do about its actor, who is the subject; or where nobody can know the actor, about its victim."""
MOST_ADVICE = 2

FAMILY_NAMES = {
    SENSORS: phrase("family-sensors", "sensors"),
    DOORS: phrase("family-doors", "doors"),
    NETWORK: phrase("family-network", "network"),
    HUB: phrase("family-hub", "hub"),
}


def event_words(kind: str) -> str:
    """Return the kind of an event in words, "" for one that opens no incident."""
    code = f"event-{kind}"
    return filled(code, PHRASES[code]) if code in PHRASES else ""


class Incident(NamedTuple):
    """Snapshot of an incident: `kinds` and `subjects` with their counts; `first` and `last` are Unix seconds."""

    family: str
    severity: str
    first: float
    last: float
    kinds: dict[str, int]
    subjects: dict[str, int]
    evidence: dict[str, str]
    traces: dict[str, str]
    """Subject → version and origin, of people's actions (TRACED)."""

    def text(self) -> str:
        """Return one or two sentences."""
        events = [
            phrase("event-count", "{count} {events}", count=count, events=event_words(kind))
            for kind, count in sorted(self.kinds.items())
        ]
        named = sorted(self.subjects, key=lambda one: (-self.subjects[one], one))[:MAX_NAMED]
        names = [f"{one} {self.traces[one]}" if one in self.traces else one for one in named]
        advice = self._advice()
        if not names:
            return phrase("incident-text", "{events}: {advice}", events=events, advice=advice)
        if len(self.subjects) > MAX_NAMED:
            names[-1] += "…"
        return phrase(
            "incident-text-of",
            "{events} ({subjects}): {advice}",
            events=events,
            subjects=names,
            advice=advice,
        )

    def _advice(self) -> Sequence[str]:
        """Return what to do: for the gravest kinds first, then for those of most events."""
        kinds = sorted(self.kinds, key=lambda kind: (kind not in CRITICAL, -self.kinds[kind], kind))
        return list(dict.fromkeys(ADVICE[kind] for kind in kinds))[:MOST_ADVICE]


class Limits(NamedTuple):
    """Thresholds and times. `thresholds`: kind → count; 0: that kind opens no incident. Times are seconds."""

    thresholds: Mapping[str, int] = THRESHOLDS
    window_s: float = WINDOW_S
    quiet_s: float = QUIET_S


USUAL = Limits()


class _OpenIncident:
    def __init__(self, first: float) -> None:
        self.first = self.last = first
        self.kinds: Counter[str] = Counter()
        self.subjects: Counter[str] = Counter()
        self.evidence: dict[str, str] = {}
        self.traces: dict[str, str] = {}
        self.announced: tuple[frozenset[str], int] = (frozenset(), 0)


class _Tally:
    """Count of one kind within a window; PARTS + 1 numbers at most."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, float, int]] = deque()  # (first, last, count)

    def add(self, at: float, count: int, window_s: float) -> None:
        first, last, before = self._parts[-1] if self._parts else (at, at, 0)
        if self._parts and at - first < window_s / PARTS:
            self._parts[-1] = (first, max(last, at), before + count)
        else:
            self._parts.append((at, at, count))
        self.prune(at, window_s)

    def prune(self, now: float, window_s: float) -> None:
        while self._parts and now - self._parts[0][1] > window_s:
            self._parts.popleft()

    @property
    def count(self) -> int:
        return sum(count for _, _, count in self._parts)

    @property
    def first(self) -> float:
        return self._parts[0][0]


class Incidents:
    """Correlator: `add` events, then `changes` yields incidents that are new, worth sending again, or over."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.limits = limits
        self._recent: dict[str, deque[SecurityEvent]] = {family: deque(maxlen=512) for family in FAMILIES}
        self._tallies: dict[str, dict[str, _Tally]] = {family: {} for family in FAMILIES}
        self._open: dict[str, _OpenIncident] = {}
        self.counts: Counter[str] = Counter()

    def add(self, event: SecurityEvent) -> None:
        """Add an event. O(events of the window): those are bounded, and an event comes once a minute for each kind and
        subject."""
        self.counts[event.kind] += event.count
        family = FAMILY.get(event.kind)
        if family is None:
            return
        opened = self._open.get(family)
        if opened is not None:
            _add(opened, event)
            return
        window, recent = self.limits.window_s, self._recent[family]
        while recent and event.at - recent[0].at > window:
            recent.popleft()
        recent.append(event)  # subject and evidence only; `_Tally` counts
        tally = self._tallies[family].setdefault(event.kind, _Tally())
        tally.add(event.at, event.count, window)
        threshold = self.limits.thresholds[event.kind]
        if threshold and tally.count >= threshold:
            self._begin(family, event.at)

    def _begin(self, family: str, now: float) -> None:
        opened = self._open[family] = _OpenIncident(now)
        for one in self._recent[family]:
            _add(opened, one)
        opened.kinds.clear()
        for kind, tally in self._tallies[family].items():
            tally.prune(now, self.limits.window_s)
            if tally.count:
                opened.kinds[kind] = tally.count
                opened.first = min(opened.first, tally.first)
        self._recent[family].clear()
        self._tallies[family].clear()

    def changes(self, now: float) -> Iterator[tuple[Incident, bool]]:
        """Yield (incident, whether it is over) for each that is new, that has a new kind or twice as many events as
        when it was last yielded, or that has been quiet for long enough."""
        for family, one in list(self._open.items()):
            whole = sum(one.kinds.values())
            if now - one.last >= self.limits.quiet_s:
                del self._open[family]
                yield _snapshot(family, one), True
            elif frozenset(one.kinds) != one.announced[0] or whole >= 2 * one.announced[1]:
                one.announced = frozenset(one.kinds), whole
                yield _snapshot(family, one), False


def _add(opened: _OpenIncident, event: SecurityEvent) -> None:
    opened.last = max(opened.last, event.at)
    opened.kinds[event.kind] += event.count
    if event.subject and (event.subject in opened.subjects or len(opened.subjects) < MOST_SUBJECTS):
        opened.subjects[event.subject] += event.count
    if event.evidence and len(opened.evidence) < MOST_SUBJECTS:
        said = ", ".join(f"{name} {value}" for name, value in sorted(event.evidence.items()))
        opened.evidence[f"{event.kind} {event.subject}"[:100]] = said[:200]
    if event.kind in TRACED and event.subject in opened.subjects:
        opened.traces[event.subject] = " ".join(str(event.evidence[one]) for one in TRACES if one in event.evidence)


def _snapshot(family: str, one: _OpenIncident) -> Incident:
    severity = "critical" if CRITICAL & one.kinds.keys() else "warning"
    return Incident(
        family,
        severity,
        one.first,
        one.last,
        dict(one.kinds),
        dict(one.subjects),
        dict(one.evidence),
        dict(one.traces),
    )
