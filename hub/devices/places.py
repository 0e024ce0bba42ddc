"""The places of this hub, where devices stand. A place outlives the hardware that stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.core.model import Place


class Places:
    """Places by id."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places = {place.id: place for place in places}

    def put(self, place: Place) -> None:
        """Add a place made by a command."""
        self._places[place.id] = place

    def assign(self, places: Iterable[Place]) -> None:
        """Replace all places."""
        self._places = {place.id: place for place in places}

    def get(self, place: str) -> Place | None:
        return self._places.get(place)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __len__(self) -> int:
        return len(self._places)
