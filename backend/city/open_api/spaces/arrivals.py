"""Arrival of a drop in a space, whichever way it came: HTTPS, SFTP and MQTT use this alone.

    async with arrivals.upload(viewer, "acme-waste", "report.csv") as upload:
        await upload.write(some)        again and again; raises SpaceRefused as soon as a quota is passed
        dropped = await upload.finish()

What is not finished leaves nothing. What is refused is counted by its way and its code.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from typing import IO

from backend.city.city import City
from backend.city.open_api.feeds import Taken
from backend.city.open_api.spaces import desk, readings
from backend.city.open_api.spaces.desk import Dropped, Received, SpaceRefused
from backend.city.open_api.spaces.gate import Gate
from backend.city.people.desk import desk_of
from backend.city.people.tokens import Holder, QuotaSpent, TokenWrong, valid
from backend.city.people.viewer import Role, Viewer, require
from backend.city.register.sync import areas_of
from backend.storage.city import spaces as tables
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.spaces import PART, Space, Used
from hub.core.text import Phrase

USE = "provider"
HTTPS, SFTP, MQTT = "https", "sftp", "mqtt"
PART_OF_CITY = "spaces"


class Arrivals:
    """Drops of one process: its turns, and counts of what it took and refused."""

    def __init__(self, city: City) -> None:
        self._city, self._turns = city, desk.Turns()
        self.gate: Gate | None = None
        """Connections of SFTP, where this process answers it."""
        self.taken: Counter[str] = Counter()
        """Files and bodies of readings that were taken, by their way."""
        self.refused: Counter[tuple[str, str]] = Counter()
        """Refusals by way and code."""

    async def holder(self, number: str) -> Viewer:
        """Return the viewer of a key whose number was proven otherwise, and count a request. Raises TokenWrong once it
        is over, QuotaSpent."""
        now = self._city.clock()

        def find(r: Reader) -> Holder:
            return valid(r, number, USE, now)

        return await desk_of(self._city).admitted(find, now)

    async def space(self, viewer: Viewer, name: str) -> Space:
        """Return a space that a viewer sees. Raises SpaceRefused."""
        found = await self._city.store.read(lambda reader: tables.space(reader, viewer.scope, name))
        if found is None:
            raise desk.gone()
        return found

    @asynccontextmanager
    async def upload(self, viewer: Viewer, name: str, file: str, way: str, size: int = 0) -> AsyncIterator[Upload]:
        """Begin an upload; `size` is what its sender says, 0 where it does not. Raises SpaceRefused, NotAllowed."""
        require(viewer, Role.PROVIDER)
        file, now = desk.file_name(file), self._city.clock()

        def read(reader: Reader) -> tuple[Space | None, Used, bool]:
            space = tables.space(reader, viewer.scope, name)
            there = tables.file(reader, name, desk.folded(file)) is not None
            return space, tables.used(reader, name, int(now // desk.DAY)), there

        space, used, there = await self._city.store.read(read)
        if space is None:
            raise desk.gone()
        with self._turns.turn(name):
            directory = self._city.directory
            await self._city.store.run(lambda: desk.check_disk(directory, size or space.file_bytes))
            with tempfile.TemporaryFile(dir=directory) as data:
                upload = Upload(self, viewer, space, file, way, data, used, there=there)
                upload.admit(size)
                yield upload

    async def readings(self, viewer: Viewer, name: str, body: bytes, form: str, way: str) -> Taken:
        """Take the readings of a body. Raises SpaceRefused, NotAllowed."""
        require(viewer, Role.PROVIDER)
        if len(body) > readings.MOST_BYTES:
            raise readings.too_many_bytes()
        now = self._city.clock()

        def write(t: Transaction) -> Taken:
            return readings.take(t, viewer, name, body, form, now, areas_of(t).of)

        taken = await self._city.store.write(write)
        self.taken[way] += 1
        return taken

    async def store(self, upload: Upload, came: Received) -> Dropped:
        """Store a file that has come whole."""
        space, now = upload.space, self._city.clock()

        def write(t: Transaction) -> Dropped:
            return desk.drop(t, upload.viewer, space.name, upload.file, came, now)

        dropped = await self._city.store.write(write)
        self.taken[upload.way] += 1
        return dropped

    @contextmanager
    def counting(self, way: str) -> Iterator[None]:
        """Count what the block refuses."""
        try:
            yield
        except SpaceRefused as error:
            self.refuse(way, error.said.code if isinstance(error.said, Phrase) else "refused")
            raise
        except TokenWrong:
            self.refuse(way, "key")
            raise
        except QuotaSpent:
            self.refuse(way, "requests")
            raise

    def refuse(self, way: str, code: str) -> None:
        self.refused[(way, code)] += 1


class Upload:
    """A file that is coming, in a temporary file without a name. `file` is its name, and may change before its end."""

    def __init__(
        self, arrivals: Arrivals, viewer: Viewer, space: Space, file: str, way: str, data: IO[bytes], used: Used,
        *, there: bool,
    ) -> None:  # fmt: skip
        self._arrivals, self.viewer, self.space, self.file, self.way = arrivals, viewer, space, file, way
        self._data, self._used, self._there = data, used, there
        self._hash, self._buffer = sha256(), bytearray()
        self._began, self._now = time.monotonic(), arrivals._city.clock()
        self.size = 0

    def admit(self, size: int) -> None:
        """Check that so many bytes may come. Raises SpaceRefused. A file whose name lies there already may be the same
        once more, which takes no room."""
        (desk.admit if self._there else desk.admit_file)(self.space, self._used, size, self._now)

    async def write(self, some: bytes) -> None:
        """Receive the next bytes. Raises SpaceRefused as soon as they are too many or too slow."""
        self.size += len(some)
        self.admit(self.size)
        took = time.monotonic() - self._began
        if took > desk.LONGEST_S or (took > desk.SLOW_S and self.size < took * desk.SLOW_RATE):
            raise desk.too_slow()
        self._buffer += some
        if len(self._buffer) >= PART:
            await asyncio.to_thread(self._flush)

    async def finish(self) -> Dropped:
        """Store the file: it has come whole. Raises SpaceRefused; nothing is stored then."""
        await asyncio.to_thread(self._flush)
        return await self._arrivals.store(self, Received(self._data, self.size, self._hash.hexdigest()))

    def _flush(self) -> None:
        self._hash.update(self._buffer)
        self._data.write(self._buffer)
        self._buffer.clear()


def arrivals_of(city: City) -> Arrivals:
    """Return the arrivals of this process."""
    found: Arrivals | None = city.parts.get(PART_OF_CITY)
    if found is None:
        found = city.parts[PART_OF_CITY] = Arrivals(city)
    return found
