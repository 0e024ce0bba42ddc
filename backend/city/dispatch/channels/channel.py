"""Ways out: each sends one message to one address, and says what became of it.

Sent      the receiver took it over; `reference` is what it calls it
Later     not now: it is tried again
Never     not at all: the address or the settings are wrong; the next step begins at once
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from backend.city.dispatch.wording import Facts


class Sent(NamedTuple):
    reference: str = ""


class Later(NamedTuple):
    reason: str


class Never(NamedTuple):
    reason: str


Outcome = Sent | Later | Never


class Envelope(NamedTuple):
    """A message to be sent. `id` is the same each time it is sent; `first` is that of the first message of its alert to
    this person, and `reference` what the channel answered to it; `zone` is the plan's."""

    id: str
    address: str
    language: str
    facts: Facts
    zone: str
    first: str = ""
    reference: str = ""


class Channel(Protocol):
    """Way out of messages. Never raises but for cancellation."""

    async def send(self, message: Envelope) -> Outcome: ...
