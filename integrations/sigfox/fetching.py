"""Fetches callbacks from the owner's backend.

    GET  {backend}/v1/sigfox        {"frames": [{"id", "kind", "fields", "answered"}, …], "more": bool}
    POST {backend}/v1/sigfox        {"done": [id, …], "downlinks": {device: {"id", "data", "until"}}}

The backend identifies the hub by its client certificate, stores a frame until it is done, and answers devices with the
downlinks that the hub staged. A frame is done once it is durable here; a frame fetched twice is recognised as a
repetition.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.sigfox.callback import read
from integrations.sigfox.downlinks import Downlinks
from integrations.sigfox.intake import Intake
from integrations.sigfox.settings import Config

AT_ONCE = 32
"""Frames processed concurrently, so that they share commits."""


class Frame(msgspec.Struct, frozen=True):
    """A callback as stored by the backend; `answered` is the id of the downlink that it was answered with."""

    id: int
    kind: str
    fields: dict[str, Any]
    answered: str = ""


class Batch(msgspec.Struct, frozen=True):
    frames: tuple[Frame, ...] = ()
    more: bool = False


class Fetcher:
    """Polls the backend."""

    def __init__(self, config: Config, session: hub.Session, intake: Intake, downlinks: Downlinks) -> None:
        self._url = f"{str(config.backend).rstrip('/')}/v1/sigfox"
        self._interval = config.interval
        self._session, self._intake, self._downlinks = session, intake, downlinks
        self._staged: dict[str, Any] = {}
        self._away = ""

    async def run(self, *, alone: bool) -> None:
        """Run until cancelled.

        `alone`: there is no other source, so that an unreachable backend is this plugin's failure. Raises then
        NotReady; AuthFailed when the backend refuses this hub."""
        async for _ in self._session.every(self._interval):
            try:
                while await self.turn():
                    pass
            except hub.NotReady as error:
                if alone:
                    raise
                if str(error) != self._away:
                    self._session.log.warning(
                        phrase(
                            "sigfox.callbacks-not-fetched",
                            "callbacks are not fetched: {reason}",
                            reason=reason_of(error),
                        )
                    )
                self._away = str(error)
                continue
            if self._away:
                self._session.log.info(
                    phrase("sigfox.callbacks-fetched-again", "callbacks are fetched from the backend again")
                )
            self._away = ""

    async def turn(self) -> bool:
        """Process one batch. Returns whether there is more."""
        batch = self._read(await self._ask("GET"))
        done: list[int] = []

        async def one(frame: Frame) -> None:
            try:
                await self._take(frame)
            except hub.NotReady as error:
                self._session.log.debug("a fetched callback waits: %s", error)
            else:
                done.append(frame.id)

        for at in range(0, len(batch.frames), AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for frame in batch.frames[at : at + AT_ONCE]:
                    tasks.create_task(one(frame))
        staged = self._downlinks.staged(self._intake.standing())
        if done or staged != self._staged:
            body = msgspec.json.encode({"done": sorted(done), "downlinks": self._numbered(staged)})
            await self._ask("POST", body)
            self._staged = staged
        return batch.more and bool(done)

    async def _take(self, frame: Frame) -> None:
        try:
            callback = read(frame.kind, frame.fields)
        except hub.DecodeError as error:  # the backend checks the same way: it may be of another release
            self._session.radio.report_decode_error("", error)
            return
        known = self._intake.find(callback.device)
        if frame.answered and known is not None:
            self._downlinks.taken(known.device.id, frame.answered)
        await self._intake.take(callback, answers=False)

    def _numbered(self, staged: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Key the downlinks by the device's number as the operator knows it."""
        return {device.partition(":")[2].upper().lstrip("0"): one for device, one in staged.items()}

    async def _ask(self, method: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        reply = await self._session.http.request(method, self._url, headers=headers, body=body)
        if reply.status in {401, 403}:
            raise hub.AuthFailed(
                phrase(
                    "sigfox.backend-refuses-hub",
                    "{url} refuses this hub ({status}): its operator admits it again",
                    url=self._url,
                    status=reply.status,
                )
            )
        if reply.status != 200:
            raise hub.NotReady(
                phrase(
                    "sigfox.backend-answers-status",
                    "{url} answers {status}: is this a backend that takes callbacks?",
                    url=self._url,
                    status=reply.status,
                )
            )
        return reply.body

    def _read(self, body: bytes) -> Batch:
        try:
            return msgspec.json.decode(shallow_json(body), type=Batch)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise hub.NotReady(
                phrase(
                    "sigfox.backend-answer-unreadable",
                    "{url} answers what cannot be read: is this a backend?",
                    url=self._url,
                )
            ) from error
