"""Parts of a running hub as seen by the composition root: those that run, have a status, have calls."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hub.core.calls import Call


@runtime_checkable
class Runnable(Protocol):
    """A part that works until cancelled."""

    def run(self) -> Coroutine[Any, Any, None]: ...


@runtime_checkable
class HasStatus(Protocol):
    """A part with a status, and complaints as sentences."""

    def status(self) -> dict[str, Any]: ...
    def complaints(self) -> list[str]: ...


@runtime_checkable
class HasCalls(Protocol):
    """A part with calls of the control socket, by name."""

    def calls(self) -> Mapping[str, Call]: ...


class Service(NamedTuple):
    """A part of the hub. `name`: its key in `ilot status`, "" if it is not shown there."""

    part: object
    name: str = ""


def run_coroutines(services: Iterable[Service]) -> list[Coroutine[Any, Any, None]]:
    """Return one coroutine for each part that runs."""
    return [part.run() for part, _ in services if isinstance(part, Runnable)]


def status_of(services: Iterable[Service]) -> tuple[dict[str, Any], list[str]]:
    """Return part → status, and all complaints, of the named parts."""
    told = [(name, part) for part, name in services if name and isinstance(part, HasStatus)]
    return {name: part.status() for name, part in told}, [said for _, part in told for said in part.complaints()]


def calls(services: Iterable[Service]) -> dict[str, Call]:
    """Return the calls of all parts. Raises ValueError for duplicate names."""
    found: dict[str, Call] = {}
    for part, _ in services:
        if isinstance(part, HasCalls):
            own = part.calls()
            twice = found.keys() & own.keys()
            if twice:
                raise ValueError(f"two parts of the hub have the call {', '.join(sorted(twice))}")
            found.update(own)
    return found
