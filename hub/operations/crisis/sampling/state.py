"""What is remembered of a raised sampling, until all is as it was. Pure.

    (nothing) ──raise──▶ raised ──restore, its time is over, the crisis ends──▶ restoring ──▶ over

    a step:   waiting ─▶ ordered ─▶ told ─▶ (confirmed)          of each entry, once in each direction
                           └─▶ failed, with the reason

`touched`: it may have been told the raised period. Only what was not is left alone on the way back; after a restart
everything counts as told, so that a kill at the worst moment leaves no device raised.
"""

from __future__ import annotations

import msgspec

from hub.operations.crisis.sampling.model import DOWNLINK
from hub.operations.crisis.sampling.planner import Plan

KEY = "crisis/sampling"
RAISED, RESTORING, OVER = "raised", "restoring", "over"
WAITING, ORDERED, TOLD, FAILED = "waiting", "ordered", "told", "failed"


class Raised(msgspec.Struct, kw_only=True):
    """One entry of the plan. `command`: id of the command under way, or of the last; `tries`: how many
    of them failed; `why`: what keeps it."""

    name: str
    devices: tuple[str, ...]
    integration: str
    how: str
    was_s: float
    to_s: float
    downlink: str = ""
    field: str = ""
    unit_s: float = 1.0
    step: str = WAITING
    touched: bool = False
    confirmed: bool = False
    command: str = ""
    tries: int = 0
    why: str = ""


class State(msgspec.Struct, kw_only=True):
    """`since` is Unix seconds; `left_s` how long it may still last, `duration_s` how long in all. `unconfirmed` (phase
    over): the names of those that were not heard at their former period. `digest` of the configuration when it was
    raised."""

    phase: str = OVER
    plan: str = ""
    since: float = 0.0
    duration_s: float = 0.0
    left_s: float = 0.0
    by: str = ""
    why: str = ""
    digest: str = ""
    entries: list[Raised] = []
    unconfirmed: list[str] = []

    @property
    def holds(self) -> bool:
        return self.phase == RAISED

    def counts(self) -> dict[str, int]:
        """Entries by how far they are."""
        told = [one for one in self.entries if one.step == TOLD]
        return {
            "entries": len(self.entries), "told": len(told), "confirmed": sum(one.confirmed for one in told),
            "not_confirmed": sum(not one.confirmed for one in told),
            "waiting": sum(one.step in (WAITING, ORDERED) for one in self.entries),
            "failed": sum(one.step == FAILED for one in self.entries),
        }  # fmt: skip


def raised(plan: Plan, *, now: float, by: str, why: str, digest: str) -> State:
    """What is to be done of a plan."""
    entries = [
        Raised(
            name=e.item.name,
            devices=e.item.devices,
            integration=e.item.integration,
            how=e.item.how,
            was_s=e.was_s,
            to_s=e.to_s,
            downlink=e.item.downlink.name if e.item.downlink else "",
            field=e.item.downlink.field if e.item.downlink else "",
            unit_s=e.item.downlink.unit_s if e.item.downlink else 1.0,
        )
        for e in plan.entries
    ]
    duration = plan.wish.duration_s
    return State(
        phase=RAISED,
        plan=plan.digest,
        since=now,
        duration_s=duration,
        left_s=duration,
        by=by,
        why=why,
        digest=digest,
        entries=entries,
    )


def turned(state: State) -> State:
    """On the way back: whoever may have been told is to be told its former period."""
    entries = [
        msgspec.structs.replace(one, step=WAITING, confirmed=False, command="", tries=0, why="")
        for one in state.entries
        if one.touched
    ]
    return msgspec.structs.replace(state, phase=RESTORING, left_s=0.0, entries=entries)


def quickened(state: State) -> dict[str, float]:
    """Polled device → its period in seconds, as long as it is raised."""
    polled = [one for one in state.entries if one.how != DOWNLINK] if state.holds else []
    return {device: one.to_s for one in polled for device in one.devices}


def encode(state: State) -> bytes:
    return msgspec.json.encode(state)


def decode(data: bytes | None) -> State:
    """What a former life left. Whoever was to be told may have been. Raises msgspec.MsgspecError."""
    if data is None:
        return State()
    state = msgspec.json.decode(data, type=State)
    for one in state.entries:
        one.touched = True
    return state
