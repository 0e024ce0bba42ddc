"""Searches the meters on a bus: by primary address, or by their own with wildcards. One request at a time, paced.

EN 13757-3:2018, annex on secondary addressing; EN 13757-2:2018, 5.7 for the select telegram. Meters that are selected
together answer together, and the result is no valid telegram: the search then narrows the address digit by digit. Only
requests are sent: no address is ever changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import hub
from integrations.mbus import header
from integrations.mbus.decode import Message, wired
from integrations.mbus.master import NETWORK, Master, Silent

DIGITS = "0123456789"
ODD_DIGITS = "abcde"
"""Hexadecimal digits, which a faulty meter may have in its number. Tried when no decimal digit is answered."""
_ODD = -1
MOST_QUESTIONS = 4000
"""Maximum requests of a search: enough for some 500 meters by their own address."""
PRIMARY = range(251)


class Found(NamedTuple):
    """A meter: its first telegram, raw and decoded, and its primary address where it was found by that."""

    raw: bytes
    message: Message
    address: int | None = None

    @property
    def device(self) -> str:
        who = self.message.identity
        return who.device if who else f"mbus:{self.address}"

    def evidence(self) -> dict[str, str]:
        who = self.message.identity
        told = {"address": str(self.address)} if self.address is not None else {}
        if who is not None:
            medium = header.MEDIA.get(who.medium, f"reserved {who.medium:02x}")
            told |= {"manufacturer": who.manufacturer, "number": who.id, "version": str(who.version), "medium": medium}
        return told


class Search:
    """A search: `step` tries one address; `done` when it is complete. `addresses`: the primary ones that are asked;
    `numbers`: beginnings of the meters' own. `clashes`: meters that could not be separated, in words."""

    def __init__(
        self, master: Master, *, primary: bool, addresses: Iterable[int] = PRIMARY, numbers: Iterable[str] = ("",)
    ) -> None:
        self._master = master
        self._primary = primary
        self._left: list[tuple[str, int | None]] = [(digits, None) for digits in numbers]  # the narrowest last
        """Digits known, medium known."""
        self._answered: set[str] = set()  # digits for which a next one was answered
        self._addresses = deque(addresses)
        self._seen: set[str] = set()
        self.clashes: list[str] = []
        self.questions = 0
        self.done = False

    @property
    def left(self) -> int:
        """Number of addresses that are still to be tried, as far as is known now."""
        return len(self._addresses) if self._primary else len(self._left)

    async def step(self) -> Found | None:
        """Send one request; returns a newly found meter. Raises NotReady when the line is gone."""
        if self.questions >= MOST_QUESTIONS:
            self.clashes.append(f"stopped after {MOST_QUESTIONS} questions")
            self.done = True
            return None
        self.questions += 1
        found = await (self._at_next_address() if self._primary else self._with_next_mask())
        if found is None or found.device in self._seen:
            return None
        self._seen.add(found.device)
        return found

    async def _at_next_address(self) -> Found | None:
        if not self._addresses:
            self.done = True
            return None
        address = self._addresses.popleft()
        try:
            await self._master.ping(address)
            raw = await self._master.first(address)
            return Found(raw, wired(raw), address)
        except Silent:
            return None
        except hub.DecodeError as error:
            self.clashes.append(f"primary address {address}: {error.detail or error.reason}")
            await self._master.quiet()
            return None

    async def _with_next_mask(self) -> Found | None:
        if not self._left:
            self.done = True
            return None
        digits, medium = self._left.pop()
        if medium == _ODD:
            if digits not in self._answered:
                self._left += [(digits + digit, None) for digit in reversed(ODD_DIGITS)]
            self.questions -= 1
            return None
        try:
            await self._master.select(_mask(digits, medium))
        except Silent:
            return None
        except hub.DecodeError:
            self._narrow(digits, medium)
            return None
        self._mark(digits)
        if await self._master.quiet():  # a second, later acknowledgement
            self._narrow(digits, medium)
            return None
        try:
            raw = await self._master.first(NETWORK)
            message = wired(raw)
        except Silent:
            return None
        except hub.DecodeError:
            self._narrow(digits, medium)
            return None
        who = message.identity
        if who is None or not who.id.startswith(digits):  # a collision whose checksum is right by chance
            self._narrow(digits, medium)
            return None
        return Found(raw, message)

    def _mark(self, digits: str) -> None:
        if digits:
            self._answered.add(digits[:-1])

    def _narrow(self, digits: str, medium: int | None) -> None:
        """Handle several answers: try with one more digit, finally by medium."""
        self._mark(digits)
        if len(digits) < 8:
            self._left += [(digits, _ODD), *((digits + digit, None) for digit in reversed(DIGITS))]
        elif medium is None:
            self._left += [(digits, known) for known in reversed(header.MEDIA)]
        else:
            name = header.MEDIA[medium]
            self.clashes.append(f"several meters with the number {digits} and the medium {name}")


def _mask(digits: str, medium: int | None) -> bytes:
    """Encode a secondary address: F is any digit, FF any maker, version or medium."""
    number = bytes.fromhex(digits.ljust(8, "f"))[::-1]
    return number + b"\xff\xff\xff" + (b"\xff" if medium is None else bytes([medium]))
