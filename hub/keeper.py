"""Keeps the state backup: gathers what `hub.backup` seals, at a quiet hour, and brings it to where it survives the hub.

A new backup is made right after enrolment, after a restoration, and every night at an hour of this hub's own between
00:00 and 04:00 UTC, so that a district's hubs do not call at once. It goes to `backup.directory` when that is there,
and to the backend: `POST {url}/v1/hubs/{hub}/backup`, again until it is there or the next one is due.

Not by way of an uplink: those carry the delivery's messages, each answered by signed acks and limited to what an MQTT
broker takes. A backup is one request a night, so it is posted through the egress, to the address of the enrolment. A
hub that reaches its owner through a broker alone keeps its backups in the directory, and its status says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from hub import backup, enrolment, keys, shelf
from hub.backoff import Backoff
from hub.backup import Contents, StreamEnd
from hub.buffer import Buffer
from hub.buffer.seal import H
from hub.clock import Clock, SystemClock
from hub.config import source
from hub.errors import AuthFailed, ConfigError, HubError, NotReady, StorageError
from hub.keys import HubKeys
from hub.session import Reply
from hub.state import StateDir
from hub.store import Store
from hub.trust import Trust

MADE_KEY, SAFE_KEY = "backup/made", "backup/safe"
"""Unix seconds of the last one made; of the last one that reached the backend or the directory."""
LATE_S = 3 * 86_400.0
DAY_S, NIGHT_S = 86_400, 4 * 3600
FIRST_S = 5.0
"""The first backup waits this long after the start: readings come first."""
LOOK_S = 600.0

_log = logging.getLogger("hub.backup")


class Http(Protocol):
    """`hub.egress.EgressHttp`, as much as is needed of it."""

    async def request(self, method: str, url: str, *, body: bytes, timeout: timedelta) -> Reply: ...


class Gatherer:
    """Makes sealed backups of one hub from its open parts. `config` is the first file and `files` all that it
    includes, relative to its directory."""

    def __init__(
        self, *, state: StateDir, hub_keys: HubKeys, trust: Trust, store: Store, buffer: Buffer, config: Path,
        files: Iterable[str],
    ) -> None:  # fmt: skip
        self.trust = trust
        self._state, self._keys, self._store, self._buffer = state, hub_keys, store, buffer
        self._config, self._files = config, sorted({config.name, *files})

    async def make(self, now: float) -> tuple[int, bytes]:
        """Its generation and the document; `now` is Unix seconds. Raises StorageError, AuthFailed, DecodeError."""
        generation = await self._store.next_generation()
        image = await self._store.image()
        local = {name: value for name, value in self._buffer.local.items() if not name.startswith("buffer/")}
        ends = [
            StreamEnd(s.stream, s.run, s.last, list(self._buffer.acks.of(s.stream, s.run)))
            for s in self._buffer.streams()
        ]
        return generation, await asyncio.to_thread(self._seal, generation, now, image, local, ends)

    def _seal(
        self, generation: int, now: float, image: bytes, local: dict[str, Any], ends: list[StreamEnd]
    ) -> bytes:  # fmt: skip
        try:
            contents = Contents(
                config=self._config.name,
                files=self._configuration(),
                keys={
                    "identity": keys.private_pem(self._keys.identity),
                    "store": self._keys.store_key,
                    "tls": self._keys.tls_key.read_bytes(),
                },
                trust=self._state.trust.read_bytes(),
                enrolment=self._state.enrolment.read_bytes(),
                certificate=(self._state.path / enrolment.CERTIFICATE).read_bytes(),
                store=image,
                local=local,
                streams=ends,
            )
        except (OSError, ValueError) as error:
            raise StorageError(f"no backup can be made: {error}") from error
        return backup.seal(
            contents, identity=self._keys.identity, generation=generation, made=now,
            trust_version=self.trust.version, recipients=self.trust.recipients,
        )  # fmt: skip

    def _configuration(self) -> dict[str, bytes]:
        directory = self._config.parent
        held = {name: source.load_bytes(directory / name) for name in self._files}
        secrets = directory / source.SECRETS
        return held | ({source.SECRETS: source.load_bytes(secrets)} if secrets.exists() else {})


class Keeper:
    """The running hub's backups. `run` is its task; `now` makes one at once. `told` hears each new generation."""

    def __init__(
        self, gatherer: Gatherer, *, hub: str, url: str, http: Http, buffer: Buffer, clock: Clock,
        directory: Path | None, told: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._gatherer, self._hub, self._http, self._buffer, self._clock = gatherer, hub, http, buffer, clock
        self._url = f"{url}/v1/hubs/{hub}/backup"
        self._directory, self._told = directory, told
        self._lock = asyncio.Lock()
        self._started = clock.now()
        self._here: float | None = None  # monotonic second of the last one that this process made
        self._waiting: tuple[int, bytes] | None = None  # made, and not at the backend yet
        self._facts: dict[str, Any] = {
            "generation": 0, "made": buffer.local.get(MADE_KEY), "bytes": 0, "sent": False, "directory": "",
            "error": "",
        }  # fmt: skip

    async def run(self) -> None:
        """One backup after the other; what goes wrong is told and tried again."""
        await self._clock.sleep(FIRST_S)
        backoff = Backoff(60.0, 3600.0)
        while True:
            if (due := self._due()) <= 0:
                await self._try(self.now)
                backoff = Backoff(60.0, 3600.0)
            elif self._waiting is not None:
                await self._try(self._send)
            pause = backoff.next() if self._due() <= 0 or self._waiting is not None else min(due, LOOK_S)
            await self._clock.sleep(max(1.0, pause))

    async def now(self) -> dict[str, Any]:
        """Make one, keep it in the directory, send it. What became of it; raises HubError when none could be made."""
        async with self._lock:
            made = await self._made()
        await self._try(self._send)
        return {**self._facts, "bytes": len(made)}

    async def make(self) -> bytes:
        """Make one for the caller; it goes nowhere else."""
        async with self._lock:
            generation, data = await self._gatherer.make(self._clock.now())
            self._told(generation)
            return data

    def status(self) -> dict[str, Any]:
        """Of the last one: generation, when it was made (Unix s, None: never), bytes, whether the backend has it,
        where it lies ("" nowhere), what went wrong."""
        return dict(self._facts)

    def complaints(self) -> list[str]:
        """Sentences for `ilot status`; none as long as a recent backup is in safety."""
        late = self._clock.now() - self._buffer.local.get(SAFE_KEY, self._started)
        if late < LATE_S:
            return []
        return [f"no state backup in safety for {late / DAY_S:.0f} days: {self._facts['error'] or 'none was made'}"]

    async def _made(self) -> bytes:
        now = self._clock.now()
        generation, data = await self._gatherer.make(now)
        self._told(generation)
        self._here, self._waiting = self._clock.monotonic(), (generation, data)
        self._facts.update(generation=generation, made=now, bytes=len(data), sent=False, directory="", error="")
        self._buffer.put_local(MADE_KEY, now)
        if self._directory is not None:
            await self._place(self._directory, generation, data)
        return data

    async def _place(self, directory: Path, generation: int, data: bytes) -> None:
        try:
            if await asyncio.to_thread(directory.is_dir):
                path = await asyncio.to_thread(shelf.keep, directory, self._hub, generation, data)
                self._facts["directory"] = str(path)
                self._buffer.put_local(SAFE_KEY, self._clock.now())
            else:
                _log.info("%s is not there: this backup goes to the backend only", directory)
        except (StorageError, OSError) as error:
            self._facts["error"] = str(error)
            _log.error("%s", error)

    async def _send(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        generation, data = waiting
        reply = await self._http.request("POST", self._url, body=data, timeout=timedelta(seconds=60 + len(data) / 8000))
        if reply.status in (401, 403):
            raise AuthFailed(f"the backend refuses this hub's backup ({reply.status}): {_said(reply)}")
        if reply.status != 200:
            raise NotReady(f"the backend takes no backup ({reply.status}): {_said(reply)}")
        if self._waiting is waiting:
            self._waiting = None
            self._facts.update(sent=True, error="")
            self._buffer.put_local(SAFE_KEY, self._clock.now())
        _log.info("backup %d is at the backend, %d bytes", generation, len(data))

    async def _try(self, what: Callable[[], Any]) -> None:
        try:
            await what()
        except HubError as error:
            if self._facts["error"] != str(error):
                _log.warning("state backup: %s", error)
            self._facts["error"] = str(error)
        except Exception as error:  # a backup that fails must not end the hub
            _log.exception("the state backup failed")
            self._facts["error"] = f"{type(error).__name__}: {error}"

    def _due(self) -> float:
        """Seconds until the next one."""
        made = self._buffer.local.get(MADE_KEY)
        if not isinstance(made, float):
            return 0.0
        if self._here is not None and not self._clock.sure():
            return DAY_S - (self._clock.monotonic() - self._here)
        now = self._clock.now()
        return next_night(min(made, now), self._hub) - now


def next_night(after: float, hub: str) -> float:
    """The first moment after `after` (Unix seconds) at this hub's own hour of the night, UTC."""
    offset = int.from_bytes(H(hub.encode())[:4], "big") % NIGHT_S
    return (after - offset) // DAY_S * DAY_S + DAY_S + offset


async def of_stopped(state: StateDir, config: Path) -> bytes:
    """A backup of a hub that does not run. Raises StorageError when it does, ConfigError when it is not enrolled."""
    with state.locked():
        hub_keys, (enrolled, trust) = keys.load(state.keys), enrolment.load(state.path)
        clock = SystemClock()
        try:
            files = list((await asyncio.to_thread(source.read, config)).files)
        except ConfigError:
            files = []  # a file that is wrong is kept as it is; what it includes is not known
        store = await Store.open(state.store, hub_keys.store_key)
        try:
            buffer = await asyncio.to_thread(
                Buffer.open, state.buffer, hub=enrolled.hub, identity=hub_keys.identity, store_key=hub_keys.store_key,
                trust=trust, clock=clock,
            )  # fmt: skip
            gatherer = Gatherer(
                state=state, hub_keys=hub_keys, trust=trust, store=store, buffer=buffer, config=config, files=files
            )
            _, data = await gatherer.make(clock.now())
            await buffer.close()
            return data
        finally:
            await store.close()


def _said(reply: Reply) -> str:
    return reply.body[:300].decode(errors="replace").strip()
