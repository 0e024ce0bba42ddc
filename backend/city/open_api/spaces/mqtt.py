"""Provider spaces by MQTT: the city's view subscribes at the district's broker.

    ilot/spaces/{user}/{space}/files/{file}       a file, whole
    ilot/spaces/{user}/{space}/readings/csv       readings; or readings/jsonl
    ilot/spaces/{user}/{space}/answer             JSON: the end of the topic and the SHA-256 of what came, status, and
                                                  the facts that HTTPS answers

`user` is `provider.` and the number of a key: that the sender has its password is what the broker proves, and its ACL
lets nobody else publish there. Whether the key is still valid, what it may and how much is decided here, for each
message. A PUBACK is the broker's; without an answer, the sender sends again.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import aiomqtt
import msgspec

from backend.city.city import City
from backend.city.open_api.spaces import readings
from backend.city.open_api.spaces.answers import facts_of, problem_of
from backend.city.open_api.spaces.arrivals import MQTT, Arrivals, arrivals_of
from backend.city.open_api.spaces.desk import SpaceRefused
from backend.city.people.tokens import QuotaSpent, TokenWrong
from backend.city.people.viewer import NotAllowed
from backend.ingest.broker_listener import Listener, keeping, tls_context
from backend.owner.broker import PROVIDER, SPACES, Address
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of, with_codes

TOPICS = ("ilot/spaces/+/+/files/#", "ilot/spaces/+/+/readings/#")
IN_HAND, IN_HAND_EACH = 32 << 20, 8 << 20
"""Bytes that wait, in all and of one user: what comes beyond is refused."""
WAITING_EACH = 64
_TOPIC = re.compile(r"ilot/spaces/([^/]{1,64})/([a-z0-9][a-z0-9-]{0,39})/((files|readings)/([\s\S]{0,1000}))")
_USER = re.compile(re.escape(PROVIDER) + r"([0-9a-f]{12})")
_FORMS = {"csv": readings.CSV, "jsonl": readings.JSON_LINES}


@asynccontextmanager
async def listening(city: City, address: Address) -> AsyncIterator[None]:
    """Take what providers publish until the block is left; of several processes one does. Raises ConfigError when the
    certificate for the broker is missing."""
    drops = Drops(city)
    listener = Listener(
        SPACES, TOPICS, drops.take, address, await asyncio.to_thread(tls_context, city.directory, "mqtt_spaces")
    )

    async def alone() -> None:
        while True:
            try:
                async with city.alone("spaces-mqtt"), keeping(listener):
                    await asyncio.Event().wait()
            except HubError:  # the right was lost: wait for it again
                await asyncio.sleep(1.0)

    task = asyncio.create_task(alone(), name="spaces-mqtt")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Drops:
    """Messages of providers, taken one after the other."""

    def __init__(self, city: City) -> None:
        self._arrivals: Arrivals = arrivals_of(city)
        self._turn = asyncio.Lock()
        self._bytes, self._count = Counter[str](), Counter[str]()

    async def take(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        """Take one message, and answer it."""
        match = _TOPIC.fullmatch(topic)
        if match is None:
            self._arrivals.refuse(MQTT, "topic")
            return
        user, space, end, what, name = match.groups()
        answer = await self._answer(user, space, what, name, payload)
        told = {"for": end, "of": sha256(payload).hexdigest(), **answer}
        await client.publish(f"ilot/spaces/{user}/{space}/answer", msgspec.json.encode(with_codes(told)))

    async def _answer(self, user: str, space: str, what: str, name: str, payload: bytes) -> dict[str, Any]:
        size = len(payload)
        try:
            with self._arrivals.counting(MQTT):
                if (
                    self._bytes.total() + size > IN_HAND
                    or self._bytes[user] + size > IN_HAND_EACH
                    or self._count[user] >= WAITING_EACH
                ):
                    raise SpaceRefused(
                        429, phrase("spaces-busy", "too many uploads at a time: try again in a moment"), 5
                    )
                self._bytes[user] += size
                self._count[user] += 1
                try:
                    async with self._turn:
                        return await self._taken(user, space, what, name, payload)
                finally:
                    self._bytes[user] -= size
                    self._count[user] -= 1
                    if not self._count[user]:
                        del self._bytes[user], self._count[user]
        except SpaceRefused as error:
            return problem_of(error)
        except TokenWrong as error:
            return problem_of(SpaceRefused(401, reason_of(error)))
        except QuotaSpent as error:
            return problem_of(SpaceRefused(429, reason_of(error), error.seconds))
        except NotAllowed as error:
            return problem_of(SpaceRefused(403, reason_of(error)))
        except HubError as error:
            return problem_of(SpaceRefused(503, reason_of(error), 5))

    async def _taken(self, user: str, space: str, what: str, name: str, payload: bytes) -> dict[str, Any]:
        found = _USER.fullmatch(user)
        if found is None:
            raise TokenWrong
        viewer = await self._arrivals.holder(found[1])
        if what == "files":
            async with self._arrivals.upload(viewer, space, name, MQTT, len(payload)) as upload:
                await upload.write(payload)
                dropped = await upload.finish()
            return {"status": 201 if dropped.new else 200, **facts_of(dropped.file, upload.space)}
        form = _FORMS.get(name)
        if form is None:
            raise SpaceRefused(415, phrase("spaces-form", "readings come as {kinds}", kinds=", ".join(_FORMS)))
        taken = await self._arrivals.readings(viewer, space, payload, form, MQTT)
        return {"status": 200, **taken._asdict()}
