"""Stored state of raised sampling, until all is undone. Pure.

    (nothing) ──raise──▶ raised ──restore, its time is over, the crisis ends──▶ restoring ──▶ over

    a step:   waiting ─▶ ordered ─▶ told ─▶ (confirmed)          of each entry, once in each direction
                           └─▶ failed, with the reason

`touched`: it may have been told the raised period. Only untouched entries are skipped when restoring; after a restart
every entry counts as touched, so that a kill at the worst moment leaves no device raised.
"""

from __future__ import annotations

import msgspec

from hub.operations.crisis.sampling.model import DOWNLINK
from hub.operations.crisis.sampling.planner import Plan

KEY = "crisis/sampling"
RAISED, RESTORING, OVER = "raised", "restoring", "over"
WAITING, ORDERED, TOLD, FAILED = "waiting", "ordered", "told", "failed"


class Raised(msgspec.Struct, kw_only=True):
    """An entry of the plan. `command`: id of the pending command, or of the last; `tries`: how many of them failed;
    `why`: the reason of its step."""

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
    """`since` is Unix seconds; `left_s` the remaining seconds, `duration_s` the whole. `unconfirmed` (phase over): the
    names of entries that were not observed at their former period. `digest` of the configuration when it was raised."""

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
        """Return the number of entries by step."""
        told = [one for one in self.entries if one.step == TOLD]
        return {
            "entries": len(self.entries), "told": len(told), "confirmed": sum(one.confirmed for one in told),
            "not_confirmed": sum(not one.confirmed for one in told),
            "waiting": sum(one.step in (WAITING, ORDERED) for one in self.entries),
            "failed": sum(one.step == FAILED for one in self.entries),
        }  # fmt: skip


def from_plan(plan: Plan, *, now: float, by: str, why: str, digest: str) -> State:
    """Return the initial state of a plan."""
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
    duration = plan.request.duration_s
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


def restoring(state: State) -> State:
    """Return the state in the direction back: every touched device is to be told its former period."""
    entries = [
        msgspec.structs.replace(one, step=WAITING, confirmed=False, command="", tries=0, why="")
        for one in state.entries
        if one.touched
    ]
    return msgspec.structs.replace(state, phase=RESTORING, left_s=0.0, entries=entries)


def poll_periods(state: State) -> dict[str, float]:
    """Return polled device → its raised period in seconds."""
    polled = [one for one in state.entries if one.how != DOWNLINK] if state.holds else []
    return {device: one.to_s for one in polled for device in one.devices}


def encode(state: State) -> bytes:
    return msgspec.json.encode(state)


def decode(data: bytes | None) -> State:
    """Decode the state of a former process; every device that was to be told may have been. Raises
    msgspec.MsgspecError."""
    if data is None:
        return State()
    state = msgspec.json.decode(data, type=State)
    for one in state.entries:
        one.touched = True
    return state
