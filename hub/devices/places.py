"""The places of this hub, where devices stand. A place outlives the hardware that stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.core.model import Place
from hub.devices.place_names import folded


class Places:
    """Places by id."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places = {place.id: place for place in places}
        self._alike: dict[str, list[str]] | None = None  # folded name or id → ids; None: to be made again

    def put(self, place: Place) -> None:
        """Add a place made by a command, or change one."""
        self._places[place.id] = place
        self._alike = None

    def drop(self, place: str) -> None:
        """Remove a place made by a command."""
        self._places.pop(place, None)
        self._alike = None

    def assign(self, places: Iterable[Place]) -> None:
        """Replace all places."""
        self._places = {place.id: place for place in places}
        self._alike = None

    def alike(self, said: str) -> list[Place]:
        """Return the places meant by an id or a name, regardless of capitals, accents and separators."""
        if (exact := self._places.get(said)) is not None:
            return [exact]
        if self._alike is None:
            self._alike = {}
            for place in self._places.values():
                for text in {folded(place.id), folded(place.name)} - {""}:
                    self._alike.setdefault(text, []).append(place.id)
        return [self._places[one] for one in self._alike.get(folded(said), ())]

    def get(self, place: str) -> Place | None:
        return self._places.get(place)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __len__(self) -> int:
        return len(self._places)
