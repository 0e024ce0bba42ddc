"""Rule of two persons: what is published, rolled out or revoked is asked for by one and confirmed by another."""

from __future__ import annotations

import time

from backend.city.people import journal
from backend.city.people.refusals import refused
from backend.city.people.viewer import Viewer
from backend.storage.city import people as table
from backend.storage.city.database import Transaction

LIFE_S = 7 * 86_400.0
"""Seconds for which a first person's approval waits."""


def second_person(
    t: Transaction, viewer: Viewer, action: str, object: str, digest: str = "", now: float | None = None
) -> bool:
    """Return whether a second person confirms now what another one approved; the first one's approval is kept, and
    False returned. `digest` stands for what exactly is done: approval of something else does not count. Raises Refused
    where the same person would confirm, or a program."""
    at = time.time() if now is None else now
    if viewer.id.startswith("token:"):
        raise refused("people-two-programs")
    found = table.approval(t, action, object)
    if found is None or found[0] != digest or at - found[2] > LIFE_S:
        table.approve(t, action, object, digest, viewer.id, at)
        journal.note(t, viewer.id, f"{action}.approved", object, {"digest": digest}, at)
        return False
    if found[1] == viewer.id:
        raise refused("people-two-persons")
    table.withdraw(t, action, object)
    journal.note(t, viewer.id, f"{action}.confirmed", object, {"digest": digest, "first": found[1]}, at)
    return True


def waiting(t: Transaction, action: str, object: str, now: float | None = None) -> tuple[str, str, float] | None:
    """Return (digest, first person, time) of an approval that waits for a second person."""
    found = table.approval(t, action, object)
    at = time.time() if now is None else now
    return None if found is None or at - found[2] > LIFE_S else found


def withdraw(t: Transaction, viewer: Viewer, action: str, object: str) -> None:
    """Take an approval back, whoever gave it."""
    table.withdraw(t, action, object)
    journal.note(t, viewer.id, f"{action}.withdrawn", object, {})
