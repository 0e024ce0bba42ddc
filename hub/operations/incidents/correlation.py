"""Correlation of security events into incidents: kinds, counts, subjects, times and advice. Pure.

Events fall into families (sensors, doors, network, hub). A family's incident opens when one of its kinds has reached
its threshold within the window, and includes every event of the family until it has been quiet for long enough. So one
attack by three ways is one incident that names all three. Its counts begin with the first event that led to it, not
with the one that reached the threshold.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hub.core import security_events
from hub.core.security_events import SecurityEvent

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
    **dict.fromkeys((CLOCK, CONFIG, PLUGIN, GAP), HUB),
}  # fmt: skip
"""Kind → family. Adoption is done by a person: it is audited, and no incident."""

THRESHOLDS = {
    security_events.FORGED: 3, security_events.REPLAY: 3, security_events.IN_CLEAR: 1, security_events.UNKNOWN: 50,
    security_events.BLOCKED: 20, security_events.RATE: 3, security_events.UNLIKE: 3,
    **dict.fromkeys(security_events.CLONES, 1), security_events.REDIRECT: 1,
    SIGN_IN: 5, HOST: 3, ELSEWHERE: 3, BREAK_GLASS: 1, EGRESS: 1, ACK: 1, CLOCK: 1, CONFIG: 10, PLUGIN: 3, GAP: 1,
}  # fmt: skip
"""Kind → events that open an incident. One wrong password is a person; five are a program. A clone or a forged
acknowledgement is never an accident. Overridden by `security` in the configuration."""

CRITICAL = security_events.CLONES | {ACK, EGRESS, security_events.IN_CLEAR, security_events.REDIRECT}

TRACED = frozenset({CONFIG, BREAK_GLASS})
TRACES = ("version", "from")
"""For kinds of TRACED the text names version and origin: evidence stays on the hub, the text is sent up."""

WORDS = {
    security_events.FORGED: ("trames forgées", "forged frames"),
    security_events.REPLAY: ("trames rejouées", "replayed frames"),
    security_events.IN_CLEAR: ("trames en clair d'un appareil chiffré", "frames in clear of an encrypting device"),
    security_events.UNKNOWN: ("appareils inconnus", "unknown devices"),
    security_events.BLOCKED: ("trames de bloqués", "blocked frames"),
    security_events.RATE: ("émissions trop fréquentes", "reports too often"),
    security_events.UNLIKE: ("valeurs contraires aux voisins", "values unlike the neighbours'"),
    security_events.FORK: ("compteurs de deux émetteurs", "counters of two senders"),
    security_events.SIGNAL_JUMP: ("sauts de signal", "jumps of signal"),
    security_events.POSITION_JUMP: ("sauts de position", "jumps of position"),
    security_events.TWO_PATHS: ("deux chemins impossibles", "two paths that cannot both hear it"),
    SIGN_IN: ("connexions refusées", "refused sign-ins"),
    HOST: ("requêtes sous un autre nom", "requests under another name"),
    ELSEWHERE: ("requêtes venues d'un autre site", "requests from another site"),
    BREAK_GLASS: ("comptes locaux utilisés sans badge", "local accounts used without a badge"),
    EGRESS: ("appels non déclarés", "undeclared calls"),
    security_events.REDIRECT: ("renvois vers un autre hôte, non suivis", "redirections to another host, not followed"),
    ACK: ("accusés forgés", "forged acknowledgements"),
    CLOCK: ("sauts d'horloge", "steps of the clock"), CONFIG: ("changements de configuration", "configuration changes"),
    PLUGIN: ("arrêts de modules", "plugin failures"), GAP: ("pertes de relevés", "losses of readings"),
}  # fmt: skip
"""Kind → (French, English), for people."""

ADVICE = {
    SENSORS: ("vérifiez les appareils nommés, changez leur clé", "look at the devices named, change their key"),
    DOORS: (
        "voyez le journal d'audit, changez le mot de passe visé",
        "see the audit log, change the password aimed at",
    ),
    NETWORK: ("voyez `ilot sovereignty`, au besoin isolez", "see `ilot sovereignty`, isolate if needed"),
    HUB: ("voyez `ilot status` et le journal de marche", "see `ilot status` and the log"),
}


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

    def text(self, language: int) -> str:
        """Return one or two sentences; `language` 0: French, 1: English."""
        told = ", ".join(f"{count} {WORDS[kind][language]}" for kind, count in sorted(self.kinds.items()))
        named = sorted(self.subjects, key=lambda one: (-self.subjects[one], one))[:MAX_NAMED]
        names = [f"{one} {self.traces[one]}" if one in self.traces else one for one in named]
        who = f" ({', '.join(names)}{'…' if len(self.subjects) > MAX_NAMED else ''})" if named else ""
        return f"{told}{who} : {ADVICE[self.family][0]}" if language == 0 else f"{told}{who}: {ADVICE[self.family][1]}"


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
