"""Reads properties of one device: many at once, in smaller parts where it refuses, one by one where it must.

ANSI/ASHRAE 135-2020, Clauses 15.5 (ReadProperty) and 15.7 (ReadPropertyMultiple).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import decode, encode, names
from integrations.bacnet.decode import Found, Station
from integrations.bacnet.encode import Reference
from integrations.bacnet.link import Silent
from integrations.bacnet.names import ObjectId, Refused
from integrations.bacnet.plan import batches, halves
from integrations.bacnet.tags import Value
from integrations.bacnet.values import label

MOST = 200
"""Maximum objects in one request."""
MOST_ELEMENTS = 10_000
"""Maximum elements of an array."""
AGAIN = 64
"""Answers after which larger requests are tried again: the device may have been short of memory only for a while."""


class Asks(Protocol):
    """The part of a Link that is used here."""

    async def request(self, station: Station, service: int, body: bytes, *, attempts: int = 1) -> bytes: ...


class Asker:
    """Reads one device, and learns its limits from its answers. `most` shrinks when it refuses larger requests."""

    def __init__(self, link: Asks, station: Station, instance: int) -> None:
        self.station = station
        self.device = ObjectId(names.DEVICE, instance)
        self.multiple = True
        self.asked = 0
        """Requests of the last `read`."""
        self.most = MOST
        self.max_apdu = 480  # accepted by any device on IP; `identify` reads its own limit
        self.segments = False
        self.vendor = self.model = self.firmware = ""
        self._link = link
        self._answers = 0

    async def identify(self, attempts: int) -> None:
        """Check the device's identity and read its limits. Raises Silent, Refused, DecodeError."""
        try:
            found = await self.one(self.device, names.OBJECT_IDENTIFIER, attempts=attempts)
        except Refused as error:
            if error.reason in ("unknown-object", "unknown-property"):
                raise hub.DecodeError(
                    "other-device",
                    phrase(
                        "bacnet.not-this-device",
                        "{station} is not device {instance}: check its id and address",
                        station=self.station.place,
                        instance=self.device.instance,
                    ),
                ) from error
            raise
        if found.values != [self.device]:
            raise hub.DecodeError(
                "other-device",
                phrase(
                    "bacnet.says-another-id",
                    "{station} says it is {said}: check id and address",
                    station=self.station.place,
                    said=[str(one) for one in found.values[:1]],
                ),
            )
        wanted = (names.MAX_APDU, names.SEGMENTATION, names.VENDOR_NAME, names.MODEL_NAME, names.FIRMWARE)
        said = {
            one.property: one.values[0]
            for one in await self.read([(self.device, wanted)], attempts=attempts)
            if len(one.values) == 1
        }
        size, segmentation = said.get(names.MAX_APDU), said.get(names.SEGMENTATION)
        if isinstance(size, int) and size >= 50:
            self.max_apdu = size
        self.segments = segmentation in (0, 1)
        texts = (label(said.get(one)) for one in (names.VENDOR_NAME, names.MODEL_NAME, names.FIRMWARE))
        self.vendor, self.model, self.firmware = texts

    async def one(self, who: ObjectId, which: int, element: int | None = None, *, attempts: int = 1) -> Found:
        """Read one property. Raises Silent, Refused, DecodeError."""
        body = encode.read_property(who, which, element)
        data = await self._link.request(self.station, names.READ_PROPERTY, body, attempts=attempts)
        found = decode.read_property(data)
        if (found.object, found.property, found.element) != (who, which, element) and who.instance != 4_194_303:
            raise hub.DecodeError(
                "bad-answer",
                phrase(
                    "bacnet.unasked-property", "{object}: another property came than was asked for", object=str(who)
                ),
            )
        return found

    async def array(self, who: ObjectId, which: int) -> list[Value]:
        """Read all elements of an array, at once where the device can send that, else in parts. Raises Silent, Refused,
        DecodeError."""
        try:
            return (await self.one(who, which, attempts=3)).values
        except Refused as error:
            if not error.too_large:
                raise
        size = (await self.one(who, which, 0, attempts=3)).values
        if len(size) != 1 or not isinstance(size[0], int) or not 0 <= size[0] <= MOST_ELEMENTS:
            raise hub.DecodeError(
                "bad-value",
                phrase(
                    "bacnet.bad-list-size",
                    "{object}: the size of its list is {size}",
                    object=str(who),
                    size=[str(one) for one in size[:1]],
                ),
            )
        elements: list[Value] = []
        step = max(1, (min(self.max_apdu, encode.MAX_APDU) - 32) // 16) if self.multiple else 1
        for first in range(1, size[0] + 1, step):
            elements += await self._elements(who, which, range(first, min(first + step, size[0] + 1)))
        return elements

    async def _elements(self, who: ObjectId, which: int, indexes: range) -> list[Value]:
        if len(indexes) == 1:
            return (await self.one(who, which, indexes[0], attempts=3)).values
        body = encode.read_elements(who, which, indexes)
        try:
            data = await self._link.request(self.station, names.READ_MULTIPLE, body, attempts=3)
        except Refused:
            half = len(indexes) // 2
            parts = (indexes[:half], indexes[half:])
            return [value for part in parts for value in await self._elements(who, which, part)]
        return [value for found in decode.read_multiple(data) for value in found.values]

    async def read(
        self, references: Sequence[Reference], *, attempts: int = 1, into: list[Found] | None = None
    ) -> list[Found]:
        """Read all these properties; one that cannot be read comes with its error. Values received before the device
        fell silent are in `into`. Raises Silent."""
        found, self.asked = [] if into is None else into, 0
        waiting = batches(references, max_apdu=self.max_apdu, segments=self.segments, most=self.most)
        waiting.reverse()
        while waiting:
            batch = waiting.pop()
            if not self.multiple:
                found.extend(await self._singly(batch, attempts))
                continue
            try:
                found.extend(await self._together(batch, attempts))
            except Silent:
                if len(batch) == 1 or not await self._lives():
                    raise
                self._smaller(batch)  # it does not answer large requests
                waiting.extend(map(tuple, reversed(halves(batch))))
            except Refused as error:
                if error.unsupported:
                    self.multiple = False
                    waiting.append(batch)
                elif len(batch) > 1:
                    if error.too_large:
                        self._smaller(batch)
                    waiting.extend(map(tuple, reversed(halves(batch))))
                else:
                    found.extend(await self._singly(batch, attempts))
            except hub.DecodeError as error:
                found.extend(Found(who, which, None, [], error) for who, wanted in batch for which in wanted)
        return found

    def _smaller(self, batch: Sequence[Reference]) -> None:
        self.most, self._answers = len(batch) // 2, 0

    async def _together(self, batch: Sequence[Reference], attempts: int) -> list[Found]:
        self.asked += 1
        body = encode.read_multiple(batch)
        data = await self._link.request(self.station, names.READ_MULTIPLE, body, attempts=attempts)
        asked = {who for who, _ in batch}
        found = decode.read_multiple(data)
        if any(one.object not in asked for one in found):
            raise hub.DecodeError(
                "bad-answer", phrase("bacnet.unasked-object", "an object came that was not asked for")
            )
        self._answers += 1
        if self._answers >= AGAIN:
            self.most, self._answers = min(MOST, 2 * self.most), 0
        return found

    async def _singly(self, batch: Sequence[Reference], attempts: int) -> list[Found]:
        found = []
        for who, wanted in batch:
            for which in wanted:
                self.asked += 1
                try:
                    found.append(await self.one(who, which, attempts=attempts))
                except hub.DecodeError as error:
                    found.append(Found(who, which, None, [], error))
                    if error.reason == "unknown-object":
                        break
        return found

    async def _lives(self) -> bool:
        try:
            await self.one(self.device, names.OBJECT_IDENTIFIER)
        except Silent:
            return False
        except hub.DecodeError:
            return True
        return True
