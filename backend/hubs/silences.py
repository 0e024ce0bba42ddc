"""Hubs that fall silent: which ones, after how long, and which of them are one silence.

A hub's last accepted state says when it came and when the next one leaves (`every`: 30 s, half an hour on a metered
line). A hub is *overdue* when two more should have come, and *silent* a moment later, so that hubs that fell silent at
the same moment are overdue together when the first of them is silent. One of a release that does not say `every` is
taken for metered. States whose `heard` is old are held back on their way, or no answer reaches their hub: it counts as
silent too, once that lasts.

How long a hub is quiet is counted by this machine's monotonic clock from the look at which its last state was new: a
clock that is set makes nobody silent, and neither does a backend that was off. What was silent before a restart stays
so until it speaks.

Hubs of one site (as their series name it), of one tag (such as a carrier, given at enrolment) or of this whole backend
are one silence when nearly all of them are overdue. It lasts while they come back one by one; those that have not come
back a while later are told singly.

A silence is an alarm of kind `silent`: raised once, and cleared by itself when it is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from backend.hubs.alarms import clear_alarm, raise_alarm
from backend.storage.engine import Storage
from backend.storage.queries import HubLine
from backend.storage.silences import OpenSilence
from hub.core.errors import DecodeError
from hub.core.text import Phrase, phrase
from hub.protocol.link_messages import stored_state

ALARM = "silent"
LOOK_S = 10.0
"""Seconds between two looks."""
UNKNOWN_EVERY_S = 1800.0
"""Interval of states of a hub that does not say it: the longest that an honest one has."""
LATE_S = 30.0
"""Seconds that a state may take on its way."""
TOGETHER_S = 30.0
"""Seconds from overdue to silent: hubs that speak every 30 s and fall silent at once are overdue within these."""
HELD_BACK_S = 300.0
NEARLY_ALL = 0.8
SETTLED_S = 180.0
"""Seconds without a change after which a silence of many that is not one any more is told singly."""
HUB, SITE, TAG, ALL = "hub", "site", "tag", "all"
_RANK = {SITE: 0, TAG: 1, ALL: 2}
_MAX_STATES = 100_000

Key = tuple[str, str]
"""(scope, name) of a silence."""


class Sign(NamedTuple):
    """Last sign of life of a hub that is not revoked. `seen_at`: when its last state arrived; `heard`: after which
    moment it was made, 0 where unknown (Unix s of this machine); `groups`: what it shares with others."""

    hub: str
    seen_at: float
    every: float
    heard: float
    groups: frozenset[Key] = frozenset()


class Silence(NamedTuple):
    """A silence: `silent` of `among` hubs, since the first of them was heard last. `held_back`: states arrive, but old
    ones."""

    key: Key
    since: float
    silent: int
    among: int
    every: float
    held_back: bool = False


class Verdict(NamedTuple):
    """Difference to the silences that are open: of those that end, `over` are the ones of which no hub is quiet, the
    others are told in another way. And how many hubs are silent now."""

    begun: list[Silence]
    ended: list[OpenSilence]
    over: list[Key]
    silent_hubs: int


@dataclass(slots=True)
class _Watched:
    """A hub as it is watched: monotonic moments at which its last state was new, and since when states are old."""

    seen_at: float
    noticed: float
    old_since: float | None = None


def overdue_after(every: float) -> float:
    """Return the seconds after which a hub that speaks this often is overdue."""
    return 2 * every + LATE_S


def silent_after(every: float) -> float:
    """Return the seconds after which a hub that speaks this often is silent."""
    return overdue_after(every) + TOGETHER_S


class StateReader:
    """Reads signs from the lines of hubs. What a state says is remembered until its hub's next one."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[bytes, float, float]] = {}

    def signs(self, lines: Iterable[HubLine], sites: Mapping[str, frozenset[str]]) -> list[Sign]:
        found = []
        for line in lines:
            hub = line.hub
            if hub.revoked_at is not None or line.state is None or line.state_at is None:
                continue
            every, heard = self._said(hub.hub, bytes(line.state))
            groups = frozenset(
                [(ALL, ""), *((TAG, tag) for tag in hub.tags), *((SITE, site) for site in sites.get(hub.hub, ()))]
            )
            found.append(Sign(hub.hub, line.state_at, every, heard, groups))
        return found

    def _said(self, hub: str, body: bytes) -> tuple[float, float]:
        known = self._read.get(hub)
        if known is None or known[0] != body:
            if len(self._read) >= _MAX_STATES:
                self._read.clear()
            try:
                state = stored_state(body)
                every = float(state.every) if isinstance(state.every, int) else UNKNOWN_EVERY_S
                known = body, every, state.heard
            except DecodeError:  # damaged here: its next state takes its place
                known = body, UNKNOWN_EVERY_S, 0.0
            self._read[hub] = known
        return known[1:]


@dataclass(slots=True)
class SilenceWatch:
    """Judges signs, one look after the other."""

    _hubs: dict[str, _Watched] = field(default_factory=dict)
    _moved: dict[Key, tuple[int, float]] = field(default_factory=dict)  # silence of many → (silent hubs, since when)

    def look(self, signs: Sequence[Sign], opened: Sequence[OpenSilence], now: float) -> Verdict:
        """Return what changes. `now` is monotonic seconds; `opened` are the silences that are stored."""
        known = {(one.scope, one.name): one for one in opened}
        self._hubs = {sign.hub: self._watched(sign, known, now) for sign in signs}
        overdue = {sign.hub: sign for sign in signs if self._quiet(sign, now) > overdue_after(sign.every)}
        silent = {hub for hub, sign in overdue.items() if self._quiet(sign, now) > silent_after(sign.every)}
        found = self._together(signs, overdue, silent, known, now)
        begun = [one for key, one in found.items() if key not in known]
        ended = [one for key, one in known.items() if key not in found]
        quiet = {key for hub, sign in overdue.items() for key in ((HUB, hub), *sign.groups)}
        over = [(one.scope, one.name) for one in ended if (one.scope, one.name) not in quiet]
        return Verdict(begun, ended, over, len(silent))

    def forget(self) -> None:
        """Count anew from the next look: what hubs said meanwhile could not be stored."""
        self._hubs.clear()

    def _watched(self, sign: Sign, known: Mapping[Key, OpenSilence], now: float) -> _Watched:
        before = self._hubs.get(sign.hub)
        if before is None:
            told = (known.get(key) for key in ((HUB, sign.hub), *sign.groups))
            silent = any(one is not None and sign.seen_at < one.raised_at for one in told)
            found = _Watched(sign.seen_at, -math.inf if silent else now)
        else:
            noticed = before.noticed if before.seen_at == sign.seen_at else now
            found = _Watched(sign.seen_at, noticed, before.old_since)
        old = 0.0 < sign.heard < sign.seen_at - sign.every - HELD_BACK_S
        found.old_since = None if not old else now if found.old_since is None else found.old_since
        return found

    def _quiet(self, sign: Sign, now: float) -> float:
        """Return the seconds without a sign of life. The first state after a silence has heard of it, of course, and
        the next one has not: only what lasts is held back."""
        watched = self._hubs[sign.hub]
        if self._held_back(sign, now):
            return math.inf
        return now - watched.noticed

    def _held_back(self, sign: Sign, now: float) -> bool:
        old_since = self._hubs[sign.hub].old_since
        return old_since is not None and now - old_since > silent_after(sign.every)

    def _together(
        self,
        signs: Sequence[Sign],
        overdue: Mapping[str, Sign],
        silent: set[str],
        known: Mapping[Key, OpenSilence],
        now: float,
    ) -> dict[Key, Silence]:
        """Return the silences: of many, the one that explains most hubs first, and of few hubs before of many; then of
        single hubs what is left."""
        members: dict[Key, set[str]] = {}
        for sign in signs:
            for key in sign.groups:
                members.setdefault(key, set()).add(sign.hub)
        quiet_of = {key: quiet for key, hubs in members.items() if (quiet := hubs & overdue.keys())}
        found: dict[Key, Silence] = {}
        left, moved = set(overdue), dict(self._moved)
        self._moved.clear()
        for key in sorted(quiet_of, key=lambda key: (-len(quiet_of[key]), len(members[key]), _RANK[key[0]], key)):
            quiet = quiet_of[key] & left
            count, since = moved.get(key, (0, now))
            since = since if count == len(quiet) else now
            nearly_all = len(quiet) >= math.ceil(NEARLY_ALL * len(members[key]))
            begins = nearly_all and len(quiet) > 1 and bool(quiet & silent)
            goes_on = key in known and bool(quiet) and (nearly_all or now - since <= SETTLED_S)
            if begins or goes_on:
                self._moved[key] = len(quiet), since
                first = min(self._since(overdue[hub], now) for hub in quiet)
                found[key] = Silence(key, first, len(quiet), len(members[key]), 0.0)
                left -= quiet
        for hub in left & silent:
            sign = overdue[hub]
            held_back = self._held_back(sign, now)
            found[HUB, hub] = Silence((HUB, hub), self._since(sign, now), 1, 1, sign.every, held_back)
        return found

    def _since(self, sign: Sign, now: float) -> float:
        return sign.heard if self._held_back(sign, now) else sign.seen_at


def apply(storage: Storage, verdict: Verdict, now: float) -> list[Phrase]:
    """Raise and clear the alarms of a verdict in a transaction of its own; return what to log. `now` is Unix
    seconds."""
    said = [phrase("silence-over", "no longer silent: {what}", what=_named(key)) for key in verdict.over]
    with storage.transaction():
        for ended in verdict.ended:
            clear_alarm(storage, ALARM, _hub_of((ended.scope, ended.name)), ended.detail, now)
            storage.silences.end(ended.scope, ended.name)
        for begun in verdict.begun:
            detail = sentence(begun)
            if not raise_alarm(storage, ALARM, _hub_of(begun.key), detail):
                continue  # as many are open as there may be: once one is cleared, the next look raises it
            storage.silences.begin(OpenSilence(*begun.key, begun.since, now, str(detail)))
            said.append(phrase("silence-begun", "silent: {what}: {detail}", what=_named(begun.key), detail=detail))
    return said


def sentence(silence: Silence) -> Phrase:
    """Return what is known of a silence, and where to look first."""
    (scope, name), moment = silence.key, _moment(silence.since)
    if scope == HUB and silence.held_back:
        return phrase(
            "hub-held-back",
            "what arrives of it was made before {moment}: it is held back on its way, or no answer reaches this hub",
            moment=moment,
        )
    if scope == HUB:
        return phrase(
            "hub-silent",
            "it was last heard at {moment}, and speaks every {seconds} s: look at its power and its line",
            moment=moment,
            seconds=round(silence.every),
        )
    many = {"silent": silence.silent, "count": silence.among, "moment": moment}
    if scope == SITE:
        return phrase(
            "site-silent",
            "{silent} of {count} hubs of the site {site} are silent, the first since {moment}: look at the site's "
            "power and line",
            site=name,
            **many,
        )
    if scope == TAG:
        return phrase(
            "tag-silent",
            "{silent} of {count} hubs with the tag {tag} are silent, the first since {moment}: look at what they share",
            tag=name,
            **many,
        )
    return phrase(
        "all-hubs-silent",
        "{silent} of {count} hubs of this backend are silent, the first since {moment}: look at this machine's own "
        "line, name and certificate",
        **many,
    )


def _hub_of(key: Key) -> str:
    return key[1] if key[0] == HUB else ""


def _named(key: Key) -> str:
    scope, name = key
    if scope == SITE:
        return phrase("silence-of-site", "site {site}", site=name)
    if scope == TAG:
        return phrase("silence-of-tag", "tag {tag}", tag=name)
    return name if scope == HUB else phrase("silence-of-all", "this whole backend")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
