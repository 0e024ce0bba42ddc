"""What `acme_hostile` does in a search and as a decoder, how its limit is seen to act, and the twin without that limit.

A search is started in the running hub, as a page does; a frame is submitted as an integration does that heard it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from hub.core.model import Frame
from hub.plugin_host import finding
from hub.plugin_host.isolation import errands, host, served_decoders, wire
from hub.plugin_host.isolation.served_decoders import DecodersServed
from hub.plugin_host.runtime import InProcessSession
from hub.store_and_forward.egress import Egress

from .attacks import BIG, anywhere
from .whole_hub import NEIGHBOUR, STEADY, Seen, eventually

Look = Callable[[Seen, dict[str, Any]], Any]


class RoleAttack(NamedTuple):
    """`named`: what the state of the search, or a count, says of it."""

    named: Look
    twin: Callable[[], tuple[Any, ...]]
    won: Look
    long: str = ""


def says(text: str) -> Look:
    return lambda seen, state: state["state"] == "failed" and text in state["error"]


def found(seen: Seen, state: dict[str, Any]) -> Any:
    return state["found"]


async def to_a_session(self: Any, message: Any, size: int, real: Any = errands._Served.take) -> None:
    """Take a report of a search, which has no session."""
    if isinstance(message, wire.Emit):
        message = errands.FoundOne(errands.Found(address="1", device=message.reports[0].device))
    await real(self, message, size)


SEARCHES: dict[str, RoleAttack] = {
    "finds_foreign": RoleAttack(
        says("spoke for 'modbus:9'"), lambda: (patch.object(errands, "permissions_of", lambda _: None),), found
    ),
    "finds_without_end": RoleAttack(
        says("found more than"),
        lambda: (patch.object(errands, "MOST_FOUND", BIG),),
        lambda seen, state: len(state["found"]) > 50,
    ),
    "finds_beyond_bounds": RoleAttack(
        says("is not within bounds"),
        lambda: (
            patch.object(errands, "expect_found", lambda _: None),
            patch.object(finding, "expect_found", lambda _: None),
        ),
        found,
    ),
    "reports_in_a_search": RoleAttack(
        says("Emit is nothing for a search"), lambda: (patch.object(errands._Served, "take", to_a_session),), found
    ),
    "searches_elsewhere": RoleAttack(
        says("is not declared"),
        lambda: (patch.object(Egress, "stream", anywhere),),
        lambda seen, state: seen.callers,
    ),
    "holds_its_search": RoleAttack(
        says("did not answer for"),
        lambda: (patch.object(host, "MISSES", BIG), patch.object(finding, "LONGEST_S", 8.0)),
        lambda seen, state: "was not done within 8 s" in state["error"],
        "five seconds pass until it is killed",
    ),
}


async def searched(seen: Seen, deed: str) -> dict[str, Any]:
    """The state of a search that has ended."""
    calls = seen.hub.finding.calls()
    id_ = (await calls["find.start"]({"line": STEADY, "addresses": deed}))["id"]
    task = seen.hub.finding._searches[id_].task
    assert task is not None
    await eventually(task.done, f"{deed} goes on")
    return dict(await calls["find.state"]({"id": id_}))


def told(seen: Seen) -> Any:
    """What it learned of a key, as the model of a stranger."""
    return next((one.model for one in seen.hub.path.quarantine if one.id == "acme:told"), "")


def any_key(self: DecodersServed, device: str) -> bytes:
    return b"a key of somebody else"


DECODES: dict[str, RoleAttack] = {
    "asks_for_keys": RoleAttack(
        lambda seen, _: [one for one in seen.hub.path.quarantine if one.id == "acme:told"],
        lambda: (patch.object(DecodersServed, "key", any_key),),
        lambda seen, _: told(seen),
    ),
    "decodes_for_another": RoleAttack(
        lambda seen, _: seen.hub.base.counts.of("decoder-mistake", "source"),
        lambda: (patch.object(served_decoders, "judged_answer", lambda found, *_: found),),
        lambda seen, _: [row for row in seen.rows if row.subject.device == NEIGHBOUR and 31_337.0 in row.values],
    ),
}


async def heard(seen: Seen, deed: str) -> None:
    """A frame that the neighbour hears, and that no decoder of the hub reads."""
    plugins = seen.hub.field.plugins
    await eventually(lambda: plugins._registry.decoders("acme"), "its decoder is not there")
    session = InProcessSession("source", plugins._core, lambda: None)
    await session.radio.submit_frame(Frame(kind="acme", address="1", data={"acme": deed.encode()}))
