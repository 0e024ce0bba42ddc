"""Calls with which a hub that waits for its owner is enrolled: by a token, or by the files of a request and its answer.

They are those of a hub that is not enrolled yet; an enrolled one has none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.identity import enrolment, keys, offline_enrolment

Work = Callable[[], Coroutine[Any, Any, enrolment.Enrolment]]

ANSWER_S = 12.0
"""Seconds for each of the two answers of the backend: a page answers within half a minute."""


class EnrolmentCalls:
    """`name`: what the building is called; `proxy`: of the configuration; `enrolled` is called once the hub is."""

    def __init__(
        self,
        state: Path,
        hub_keys: keys.HubKeys,
        store: Store,
        clock: Clock,
        *,
        name: str = "",
        proxy: str | None = None,
        enrolled: Callable[[], None],
    ) -> None:
        self._state, self._keys, self._store, self._clock = state, hub_keys, store, clock
        self._name, self._proxy, self._enrolled = name, proxy, enrolled
        self._one = asyncio.Lock()
        self._work: asyncio.Task[dict[str, Any]] | None = None
        self.error = ""

    def calls(self) -> dict[str, Call]:
        return {
            "enrolment": self._state_of_it, "enrolment.token": self._by_token,
            "enrolment.request": self._request, "enrolment.answer": self._by_answer,
        }  # fmt: skip

    async def _state_of_it(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {hub, enrolled, under_way, error, now}; `error` is why the last attempt failed, "" without one."""
        return {
            "hub": self._keys.hub_id, "enrolled": (self._state / "enrolment.json").exists(),
            "under_way": self._one.locked(), "error": self.error, "now": self._clock.now(),
        }  # fmt: skip

    async def _by_token(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Enrol by {token, name, tpm}; answers {hub, url, root}."""

        async def work() -> enrolment.Enrolment:
            return await enrolment.enrol_held(
                _text(arguments, "token"),
                self._state,
                name=_text(arguments, "name") or self._name,
                proxy=self._proxy,
                by_tpm=arguments.get("tpm") is True,
                now=self._clock.now,
                timeout_s=ANSWER_S,
            )

        return await self._whole(work, "token", arguments)

    async def _request(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {file, name}: the text of this hub's request, and what the file is called."""
        text = await asyncio.to_thread(offline_enrolment.request, self._keys, self._name)
        return {"file": text.decode(), "name": f"{self._keys.hub_id}.request.json"}

    async def _by_answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Enrol by {answer, root}: the text of the answer file, and the digits that somebody read at the backend."""

        async def work() -> enrolment.Enrolment:
            data, typed = _text(arguments, "answer").encode(), _text(arguments, "root")
            return await asyncio.to_thread(
                offline_enrolment.accept, data, typed, self._state, self._keys, self._clock.now
            )

        return await self._whole(work, "file", arguments)

    async def _whole(self, work: Work, how: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Enrol to the end also when whoever asked hangs up: half-way the token is used up already."""
        self._work = asyncio.create_task(self._enrol(work, how, arguments))
        return await asyncio.shield(self._work)

    async def _enrol(self, work: Work, how: str, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self._one:
            try:
                done = await work()
            except HubError as error:
                self.error = reason_of(error)
                raise
            self.error = ""
            said = {"enrolled": how, "url": done.url, "root": done.root}
            await self._store.audit(self._clock.now(), asker(arguments), said)
            self._enrolled()
            return {"hub": done.hub, "url": done.url, "root": done.root}


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise HubError(phrase("text-2", "{name} is text", name=name))
    return value
