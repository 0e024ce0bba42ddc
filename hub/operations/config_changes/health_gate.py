"""Health gate after a change: whether the changed parts work, and no other part got worse. Pure comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hub.core.text import phrase
from hub.plugin_host.plugins import Key, key_of
from hub.plugin_host.supervisor import FINISHED, QUARANTINED, RUNNING, STOPPED, WAITING, Health

_RANK = {RUNNING: 0, FINISHED: 0, WAITING: 1, STOPPED: 2, QUARANTINED: 2}


class PartStatus(NamedTuple):
    """Status of one part. `away`: its peer does not answer."""

    state: str
    error: str
    crashes: int
    through: bool

    @property
    def away(self) -> bool:
        return self.state == WAITING and bool(self.error)


PartStatuses = Mapping[Key, PartStatus]


def part_statuses(health: Iterable[Health], others: Mapping[str, str]) -> dict[Key, PartStatus]:
    """Return the status by part. `others`: parts that are no plugins (the link, the pages) → their error, "" when there
    is none."""
    found = {key_of(one): PartStatus(one.state, one.error, one.crashes, one.through) for one in health}
    for name, error in others.items():
        found["part", name] = PartStatus(WAITING if error else RUNNING, error, 0, not error)
    return found


def objections(before: PartStatuses, now: PartStatuses, changed: Iterable[Key], *, over: bool) -> list[str]:
    """Return objections to the change, one sentence each. Failures count at once; a part that is merely away, or has
    not reported yet, counts when the time is `over`."""
    found = []
    touched = set(changed)
    for key in [*touched, *(key for key in before if key not in touched)]:
        was, stand = before.get(key), now.get(key)
        if stand is None:
            continue
        name = _name(key)
        crashes = stand.crashes if key in touched or was is None else stand.crashes - was.crashes
        if _RANK[stand.state] == 2 and (was is None or _RANK[was.state] < 2):
            found.append(_ended(name, stand))
        elif crashes > 0 and (key in touched or (was is not None and was.crashes == 0)):
            found.append(phrase("part-failed", "{name} failed: {reason}", name=name, reason=stand.error))
        elif over and stand.away and not (was is not None and was.away):
            found.append(
                phrase("part-not-through", "{name} does not get through: {reason}", name=name, reason=stand.error)
            )
    return found


def _name(key: Key) -> str:
    kind, name = key
    if kind == "exporter":
        return phrase("exporter-named", "exporter {name}", name=name)
    return phrase("notifier-named", "notifier {name}", name=name) if kind == "notifier" else name


def _ended(name: str, stand: PartStatus) -> str:
    if stand.state == STOPPED:
        return phrase("plugin-is-stopped", "{name} is stopped: {reason}", name=name, reason=stand.error)
    return phrase("plugin-is-quarantined", "{name} is quarantined: {reason}", name=name, reason=stand.error)


def settled(now: PartStatuses, changed: Iterable[Key]) -> bool:
    """Return whether every changed part works."""
    return all(key not in now or now[key].through or now[key].state == FINISHED for key in changed)
