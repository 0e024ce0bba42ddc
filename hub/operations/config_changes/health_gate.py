"""After a change: did what was changed get through, and did nothing else get worse? It only compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hub.plugin_host.plugins import Key, key_of
from hub.plugin_host.supervisor import FINISHED, QUARANTINED, RUNNING, STOPPED, WAITING, Health

_RANK = {RUNNING: 0, FINISHED: 0, WAITING: 1, STOPPED: 2, QUARANTINED: 2}


class PartStatus(NamedTuple):
    """How one part stands. `away`: what it speaks to does not answer."""

    state: str
    error: str
    crashes: int
    through: bool

    @property
    def away(self) -> bool:
        return self.state == WAITING and bool(self.error)


Stands = Mapping[Key, PartStatus]


def stands(health: Iterable[Health], others: Mapping[str, str]) -> dict[Key, PartStatus]:
    """By part. `others`: what is no plugin (the link, the pages) → what is wrong with it, "" when nothing is."""
    found = {key_of(one): PartStatus(one.state, one.error, one.crashes, one.through) for one in health}
    for name, error in others.items():
        found["part", name] = PartStatus(WAITING if error else RUNNING, error, 0, not error)
    return found


def wrong(before: Stands, now: Stands, changed: Iterable[Key], *, over: bool) -> list[str]:
    """What speaks against the change, one sentence each. Failures count at once; what is only away, or was not heard of
    yet, counts when the time is `over`."""
    found = []
    touched = set(changed)
    for key in [*touched, *(key for key in before if key not in touched)]:
        was, stand = before.get(key), now.get(key)
        if stand is None:
            continue
        name = key[1] if key[0] in ("integration", "part") else f"{key[0]} {key[1]}"
        crashes = stand.crashes if key in touched or was is None else stand.crashes - was.crashes
        if _RANK[stand.state] == 2 and (was is None or _RANK[was.state] < 2):
            found.append(f"{name} is {stand.state}: {stand.error}")
        elif crashes > 0 and (key in touched or (was is not None and was.crashes == 0)):
            found.append(f"{name} failed: {stand.error}")
        elif over and stand.away and not (was is not None and was.away):
            found.append(f"{name} does not get through: {stand.error}")
    return found


def settled(now: Stands, changed: Iterable[Key]) -> bool:
    """Did all that was changed get through?"""
    return all(key not in now or now[key].through or now[key].state == FINISHED for key in changed)
