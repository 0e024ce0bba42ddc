"""Schedule of state backups: makes one at a quiet hour, and delivers it to where it survives the hub.

A new backup is made right after enrolment, after a restoration, after a device was replaced, within ten minutes after
the configuration, the trust document or the certificate changed, and every night at an hour of this hub's own between
00:00 and 04:00 UTC, so that a district's hubs do not call at once. It goes to two places, to each again until it is
there or the next one is made:

    backend      POST {url}/v1/hubs/{hub}/backup
    directory    `backup.directory`, while that is there

It is not sent over a transport: those carry the delivery's messages, each answered by signed acks and limited to the
size that an MQTT broker accepts. A backup is one request a night, so it is posted through the egress, to the address of
the enrolment. A hub that reaches its owner through a broker alone keeps its backups in the directory, and its status
says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.disk import backup_directory
from hub.core.disk.hanging_calls import Aside
from hub.core.errors import AuthFailed, HubError, NotReady, StorageError
from hub.core.memory_tuning import give_back
from hub.core.text import Phrase, as_data, from_data, phrase, reason_of
from hub.identity.enrolment import Enrolment
from hub.operations.backups import generation_notes
from hub.protocol.records.seal import H
from hub.sdk.session import Reply

LAST_KEY = "backup/last"
LATE_S = 3 * 86_400.0
DAY_S, NIGHT_S = 86_400, 4 * 3600
FIRST_BACKUP_S = 5.0
"""Seconds from the start to the first backup: readings come first."""
LOOK_S = 600.0
HANGS_S = 60.0

_log = logging.getLogger("hub.backup")


class Http(Protocol):
    """The part of `hub.store_and_forward.egress_http.EgressHttp` that is used here."""

    async def request(self, method: str, url: str, *, body: bytes, timeout: timedelta) -> Reply: ...


class Gatherer(Protocol):
    """The part of `hub.operations.backups.gather.Gatherer` that is used here."""

    async def make(self, now: float) -> tuple[int, bytes]: ...
    def fingerprint(self) -> str: ...
    def changed(self, files: Iterable[str]) -> None: ...


class LocalState(Protocol):
    """The buffer's small state."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...


class BackupCopy(msgspec.Struct):
    """The copy of the backup in one place: its generation, since when (Unix s; None: never), its file, and why the
    newest one is not there ("": it is, or nothing is known yet)."""

    generation: int = 0
    at: float | None = None
    file: str = ""
    error: str = ""
    error_text: dict[str, Any] | None = None
    """Code and parameters of `error`, in the store only."""


class LastBackup(msgspec.Struct):
    """The newest backup, stored over restarts: when it was made (Unix s; None: never), its size, the fingerprint of its
    sources (`Gatherer.fingerprint`), its copies. `since` is when the first one was made."""

    generation: int = 0
    made: float | None = None
    since: float | None = None
    bytes: int = 0
    of: str = ""
    backend: BackupCopy = msgspec.field(default_factory=BackupCopy)
    directory: BackupCopy = msgspec.field(default_factory=BackupCopy)


class Keeper:
    """Task that makes and delivers the backups of the running hub. `now` makes one at once. `told` is called with each
    new generation."""

    def __init__(
        self,
        gatherer: Gatherer,
        *,
        enrolled: Enrolment,
        http: Http,
        buffer: LocalState,
        clock: Clock,
        directory: Path | None,
        beside: Path,
        told: Callable[[int], None],
    ) -> None:
        """`beside` is the state directory: a copy on the same disk is lost together with it."""
        self._gatherer, self._hub, self._http, self._buffer, self._clock = gatherer, enrolled.hub, http, buffer, clock
        self._url = f"{enrolled.url}/v1/hubs/{enrolled.hub}/backup"
        self._directory, self._beside, self._on_made = directory, beside, told
        self._lock, self._aside = asyncio.Lock(), Aside("backup")
        self._bringing = (
            asyncio.Lock()
        )  # one at a time, or a slow older delivery would end last and count as the newest
        self._started = clock.now()
        self._here: float | None = None  # monotonic seconds of the last one made by this process
        self._data, self._error = b"", ""
        self._last = last = _load_last(buffer.local.get(LAST_KEY))
        places = [last.backend] if directory is None else [last.backend, last.directory]
        self._changed = any(
            place.generation != last.generation for place in places
        )  # made by another process, but not delivered
        self._waiting: set[Callable[[], Awaitable[None]]] = set()  # deliveries of the newest one that are still due

    async def run(self) -> None:
        """Make one backup after the other; errors are logged and tried again."""
        await self._clock.sleep(FIRST_BACKUP_S)
        pauses = Backoff(60.0, 3600.0)
        while True:
            if (due := await self._due()) <= 0:
                failed = not await self._try()
            else:
                await self._deliver()
                failed = bool(self._waiting)
            if not failed:
                pauses = Backoff(60.0, 3600.0)
            await self._clock.sleep(pauses.next() if failed else max(1.0, min(due, LOOK_S) if due > 0 else LOOK_S))

    async def now(self) -> dict[str, Any]:
        """Make one and deliver it; return the result. Raises HubError when none could be made."""
        async with self._lock:
            await self._make()
        await self._deliver()
        return self.status()

    async def make(self) -> bytes:
        """Make one and return it, without delivering it. Raises HubError."""
        async with self._lock:
            generation, data = await self._gatherer.make(self._clock.now())
            self._on_made(generation)
            return data

    def reconfigure(self, files: Iterable[str]) -> None:
        """Replace the list of the configuration's files."""
        self._gatherer.changed(files)
        self._changed = True

    def changed(self) -> None:
        """Schedule a backup soon: something in the store changed that must not wait for the night."""
        self._changed = True

    def status(self) -> dict[str, Any]:
        """Return `LastBackup` as a dictionary, the configured directory ("": none), and why none could be made ("": no
        error)."""
        facts = msgspec.to_builtins(self._last, builtin_types=(Phrase,))
        del facts["of"], facts["since"], facts["backend"]["error_text"], facts["directory"]["error_text"]
        facts["directory"]["path"] = str(self._directory or "")
        return {**facts, "error": self._error}

    def complaints(self) -> list[str]:
        """Return sentences for `ilot status`; none while a recent backup is outside this disk and the directory is
        available."""
        last, said = self._last, list[str]()
        now = self._clock.now()
        safe = [  # ignore dates of a clock that was a day ahead or more
            at for at in (last.backend.at, last.directory.at) if at is not None and at < now + DAY_S
        ]
        late = now - max(safe, default=min(last.since or self._started, self._started))
        if late >= LATE_S:
            why = self._error or last.backend.error or last.directory.error or phrase("no-backup-yet", "none was made")
            said.append(
                phrase(
                    "no-backup-in-safety",
                    "no state backup in safety for {count} [day|days]: {reason}",
                    count=round(late / DAY_S),
                    reason=why,
                )
            )
        if self._directory is not None and last.directory.error:
            said.append(phrase("backup-folder-problem", "backup.directory: {reason}", reason=last.directory.error))
        return said

    async def _try(self) -> bool:
        try:
            await self.now()
        except Exception as error:  # a backup that fails must not end the hub
            self._error = self._say(phrase("no-state-backup-made", "no state backup was made"), error, self._error)
            return False
        return not self._waiting

    async def _make(self) -> None:
        now, self._changed = self._clock.now(), False
        of = await asyncio.to_thread(self._seen)
        try:
            generation, data = await self._gatherer.make(now)
        except BaseException:
            self._changed = True
            raise
        self._on_made(generation)
        self._here, self._data, self._error = self._clock.monotonic(), data, ""
        last = self._last
        last.generation, last.made, last.bytes, last.of = generation, now, len(data), of
        last.since = last.since or now
        self._waiting = {self._send} | ({self._place} if self._directory is not None else set())
        self._keep()

    async def _deliver(self) -> None:
        """Deliver the newest one to the places that lack it."""
        async with self._bringing:
            await self._bring()

    async def _bring(self) -> None:
        for go, place in ((self._place, self._last.directory), (self._send, self._last.backend)):
            if go not in self._waiting:
                continue
            generation = self._last.generation
            try:
                await go()
            except Exception as error:
                place.error = self._say(
                    phrase("state-backup-number", "state backup {generation}", generation=generation),
                    error,
                    place.error,
                )
                continue
            if generation == self._last.generation:
                self._waiting.discard(go)
            place.generation, place.at, place.error = generation, self._clock.now(), ""
            self._keep()

    async def _place(self) -> None:
        directory = self._directory
        if directory is None:
            return
        generation, data = self._last.generation, self._data

        def keep() -> tuple[Path, bool] | None:
            if not directory.is_dir():
                return None
            lived = generation_notes.highest_generation(directory, self._hub, above=generation)
            if lived > generation:
                raise StorageError(
                    phrase(
                        "backup-generation-set-back",
                        "{directory} knows this hub at generation {lived}, it is at {generation}: it was set "
                        "back, or restored from a backup that had been restored before. What it counts may be "
                        "sent twice: stop it and restore it again, with `--lived {lived}`",
                        directory=directory,
                        lived=lived,
                        generation=generation,
                    )
                )
            path = backup_directory.keep(directory, self._hub, generation, data)
            return path, backup_directory.elsewhere(directory, self._beside)

        try:
            kept = await self._aside(keep, self._clock.sleep(HANGS_S))
        except TimeoutError as error:
            raise NotReady(
                phrase("backup-folder-silent", "{directory} does not answer", directory=directory)
            ) from error
        if kept is None:
            raise NotReady(
                phrase("backup-folder-missing", "{directory} is not there: put the stick back", directory=directory)
            )
        self._last.directory.file = str(kept[0])
        if not kept[1]:
            raise StorageError(
                phrase(
                    "backup-on-own-disk",
                    "{directory} is on this hub's own disk (is the stick mounted?): it is lost with it",
                    directory=directory,
                )
            )

    async def _send(self) -> None:
        data = self._data
        reply = await self._http.request("POST", self._url, body=data, timeout=timedelta(seconds=60 + len(data) / 8000))
        if reply.status in (401, 403):
            raise AuthFailed(
                phrase(
                    "backend-refuses-backup",
                    "the backend refuses this hub's backup ({status}): {reason}",
                    status=reply.status,
                    reason=_reply_error(reply),
                )
            )
        if reply.status != 200:
            raise NotReady(
                phrase(
                    "backend-takes-no-backup",
                    "the backend takes no backup ({status}): {reason}",
                    status=reply.status,
                    reason=_reply_error(reply),
                )
            )
        _log.info(
            phrase(
                "backup-sent-to-backend",
                "backup {generation} is at the backend, {count} bytes",
                generation=self._last.generation,
                count=len(data),
            )
        )
        give_back()  # return the 0.6 MiB that gathering and sealing took: the next one is a day away

    def _say(self, what: str, error: Exception, before: str) -> str:
        """Log an error that is new; return the text to show."""
        if isinstance(error, HubError | OSError):
            text = reason_of(error)
            if text != before:
                _log.warning(phrase("backup-problem", "{where}: {reason}", where=what, reason=text))
            return text
        _log.exception("%s", what, exc_info=error)
        return phrase("unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error))

    def _keep(self) -> None:
        self._buffer.put_local(LAST_KEY, msgspec.to_builtins(_stored(self._last)))

    def _seen(self) -> str:
        """Return the fingerprint of a backup made now; the former one when it cannot be read at this moment."""
        try:
            return self._gatherer.fingerprint()
        except (OSError, ValueError):
            return self._last.of

    async def _due(self) -> float:
        """Return the seconds until the next one."""
        made = self._last.made
        if made is None or self._changed or await asyncio.to_thread(self._seen) != self._last.of:
            return 0.0
        if self._here is not None and not self._clock.sure():
            return DAY_S - (self._clock.monotonic() - self._here)
        now = self._clock.now()
        return next_night(min(made, now), self._hub) - now


def next_night(after: float, hub: str) -> float:
    """Return the first moment after `after` (Unix seconds) at this hub's own hour of the night, UTC."""
    offset = int.from_bytes(H(hub.encode())[:4], "big") % NIGHT_S
    return (after - offset) // DAY_S * DAY_S + DAY_S + offset


def _load_last(value: Any) -> LastBackup:
    try:
        last = msgspec.convert(value, LastBackup)
    except msgspec.ValidationError:
        return LastBackup()
    for copy in (last.backend, last.directory):
        copy.error, copy.error_text = from_data(copy.error, copy.error_text), None
    return last


def _stored(last: LastBackup) -> LastBackup:
    """Return it as plain data, with code and parameters of errors beside them."""
    backend, directory = (
        msgspec.structs.replace(copy, error=str(copy.error), error_text=as_data(copy.error))
        for copy in (last.backend, last.directory)
    )
    return msgspec.structs.replace(last, backend=backend, directory=directory)


def _reply_error(reply: Reply) -> str:
    return reply.body[:300].decode(errors="replace").strip()
