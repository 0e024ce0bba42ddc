"""The parts of a running hub, as the composition root sees them: what runs, what answers for itself, what is called."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hub.core.calls import Call


@runtime_checkable
class Runnable(Protocol):
    """Works until cancelled."""

    def run(self) -> Coroutine[Any, Any, None]: ...


@runtime_checkable
class HasStatus(Protocol):
    """Tells how it stands, and in sentences what somebody should look at."""

    def status(self) -> dict[str, Any]: ...
    def complaints(self) -> list[str]: ...


@runtime_checkable
class HasCalls(Protocol):
    """Has calls of the control socket, by name."""

    def calls(self) -> Mapping[str, Call]: ...


class Service(NamedTuple):
    """One part. `name`: its key in `ilot status`, "" where it does not stand there."""

    part: object
    name: str = ""


def works(services: Iterable[Service]) -> list[Coroutine[Any, Any, None]]:
    """What runs, one coroutine each."""
    return [part.run() for part, _ in services if isinstance(part, Runnable)]


def answers(services: Iterable[Service]) -> tuple[dict[str, Any], list[str]]:
    """(part → how it stands, sentences) of those with a name."""
    told = [(name, part) for part, name in services if name and isinstance(part, HasStatus)]
    return {name: part.status() for name, part in told}, [said for _, part in told for said in part.complaints()]


def calls(services: Iterable[Service]) -> dict[str, Call]:
    """All calls of all parts. Raises ValueError where two have one of the same name."""
    found: dict[str, Call] = {}
    for part, _ in services:
        if isinstance(part, HasCalls):
            own = part.calls()
            twice = found.keys() & own.keys()
            if twice:
                raise ValueError(f"two parts of the hub have the call {', '.join(sorted(twice))}")
            found.update(own)
    return found
