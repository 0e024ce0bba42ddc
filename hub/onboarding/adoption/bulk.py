"""Mode recette: bulk adoption, for some hours, of sensors in quarantine that match a filter, with a preview.

It is started and ended by a command, both audited, lasts 8 hours at most, ends by itself, and survives a restart with
its former end. While no clock can be trusted after a restart, it is suspended.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from hub.core.actor import actor, asker
from hub.core.clock import Clock
from hub.core.errors import HubError, StorageError
from hub.core.security_events import ADMISSION, Events
from hub.core.store import Store
from hub.core.text import phrase, reason_of, with_codes
from hub.i18n.catalogues import translate
from hub.onboarding.adoption.engine import ADDED, MAX_REQUESTS, WRONG, Adoption, Row
from hub.onboarding.adoption.quarantine import DecisionError, QuarantineService, filter_of
from hub.pipeline.admission.quarantine import QuarantineEntry
from hub.protocol.device_labels.device_request import DeviceRequest

Call = Callable[[dict[str, Any]], Awaitable[Any]]

KEY = "recette"
LONGEST_S, SHORTEST_S, USUAL_S = 8 * 3600.0, 60.0, 4 * 3600.0
LOOK_S = 5.0
PART = re.compile(r"\{(n|id|model)(?::0?([1-9]))?\}")
NAMED = ("name", "role", "pack")

_log = logging.getLogger("hub.admission")


class BulkAdoption(msgspec.Struct, frozen=True, kw_only=True):
    """A session of Mode recette. `began` and `until` are Unix seconds by the hub's clock."""

    began: float
    until: float
    by: str
    why: str = ""
    adopted: int = 0


class BulkAdoptionService:
    """Mode recette of one hub."""

    def __init__(
        self, *, gate: QuarantineService, adoption: Adoption, store: Store, clock: Clock, events: Events
    ) -> None:
        self._gate, self._adoption, self._store, self._clock, self._events = gate, adoption, store, clock, events
        self._session: BulkAdoption | None = None
        self._end: float | None = None  # monotonic seconds; None where a former process started it
        self._turn = asyncio.Lock()  # serialises changes of the session, in RAM and on disk

    async def load(self) -> None:
        """Resume the one of a former process, unless a new one was started. Raises StorageError."""
        body = await self._store.get(KEY)
        if self._session is None:
            self._session = msgspec.msgpack.decode(body, type=BulkAdoption) if body else None

    async def run(self) -> None:
        """Resume it, and end it when its time is over."""
        loaded = False
        while True:
            try:
                if not loaded:
                    await self.load()
                    loaded = True
                await self.turn()
            except StorageError as error:
                _log.warning(
                    phrase(
                        "bulk-adoption-not-stored",
                        "Mode recette cannot be read or written down yet: {reason}",
                        reason=reason_of(error),
                    )
                )
            await self._clock.sleep(LOOK_S)

    async def turn(self) -> None:
        """End it if its time is over. Raises StorageError."""
        async with self._turn:
            if self._session is not None and self._left() <= 0 and (self._end is not None or self._clock.sure()):
                await self._over("hub", phrase("bulk-time-over", "its time is over"))

    def status(self) -> dict[str, Any]:
        """Return {active, left_s, until, by, why, adopted}; `active` is False while no clock can be trusted."""
        session = self._session
        if session is None:
            return {"active": False, "left_s": 0}
        left = self._left()
        return {"active": left > 0, "left_s": max(0, round(left)), **msgspec.to_builtins(session)}

    def complaints(self) -> list[str]:
        session = self._session
        if session is None or self._left() <= 0:
            return []
        minutes = max(1, round(self._left() / 60))
        return [
            phrase(
                "bulk-adoption-is-open",
                "Mode recette is open for {minutes} min more, started by {by}: `ilot recette end` ends it",
                minutes=minutes,
                by=actor(session.by),
            )
        ]

    def calls(self) -> dict[str, Call]:
        return {
            "recette.status": self._status, "recette.start": self._start, "recette.end": self._stop,
            "recette.adopt": self._adopt,
        }  # fmt: skip

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.status()

    async def _start(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {seconds, why, by} with the status. Starting again resets the time."""
        seconds = float(arguments.get("seconds") or USUAL_S)
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise DecisionError(phrase("bulk-adoption-duration-wrong", "Mode recette lasts from 1 minute to 8 hours"))
        async with self._turn:
            now, by = self._clock.now(), asker(arguments)
            session = BulkAdoption(began=now, until=now + seconds, by=by, why=str(arguments.get("why") or "")[:200])
            what = {"recette": "start", "until": session.until, "why": session.why}
            await self._store.audit(now, by, what, {KEY: msgspec.msgpack.encode(session)})
            self._session, self._end = session, self._clock.monotonic() + seconds
        self._events.tell(ADMISSION, "recette", {"what": "start", "by": by, "seconds": seconds})
        _log.info(phrase("bulk-adoption-opened", "Mode recette is open for {seconds:.0f} min", seconds=seconds / 60))
        return self.status()

    async def _stop(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by} with the status after it, including the ended session."""
        async with self._turn:
            if self._session is None:
                raise DecisionError(phrase("bulk-adoption-closed", "Mode recette is not open"))
            before = self.status()
            await self._over(asker(arguments), phrase("bulk-ended-by-command", "ended by a command"))
        return {**before, "active": False, "left_s": 0}

    async def _adopt(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, integration, model: patterns; place, zone, name, role, pack: patterns of each; start; or wishes:
        a table; dry_run, by} with {rows, released}: see `hub.onboarding.adoption.engine.Row`. A dry run needs no Mode
        recette."""
        dry_run, by = bool(arguments.get("dry_run")), asker(arguments)
        session = self._session
        if not dry_run and (session is None or self._left() <= 0):
            raise DecisionError(
                phrase(
                    "bulk-adoption-not-open",
                    "Mode recette is not open: `ilot recette start` opens it, for 8 hours at the most",
                )
            )
        waiting = self._gate.waiting(filter_of(arguments))
        if arguments.get("wishes") is not None:
            requests, rows = _of_table(arguments["wishes"], waiting)
        else:
            requests, rows = _of_pattern(arguments, waiting), []
        if len(requests) > MAX_REQUESTS:
            raise DecisionError(
                phrase(
                    "bulk-too-many-sensors",
                    "that is {count} sensors; at most {most} at a time: narrow the filter",
                    count=len(requests),
                    most=MAX_REQUESTS,
                )
            )
        rows = [*rows, *await self._adoption.add(requests, dry_run=dry_run, update=False, by=by)]
        added = [row.device for row in rows if row.state == ADDED]
        released = 0
        if added and not dry_run and session is not None:
            async with self._turn:
                if self._session is not None:  # the current one: it may have been ended, or started again, meanwhile
                    counted = msgspec.structs.replace(self._session, adopted=self._session.adopted + len(added))
                    await self._store.put(KEY, msgspec.msgpack.encode(counted))
                    self._session = counted
            self._events.tell(ADMISSION, "recette", {"what": "adopt", "by": by, "devices": len(added)})
            released = await self._gate.release(added)
        return {"rows": msgspec.to_builtins(rows), "released": released}

    async def _over(self, by: str, why: str) -> None:
        """End the session; the caller holds the lock."""
        session = self._session
        if session is None:
            return
        what = with_codes({"recette": "end", "why": why, "adopted": session.adopted})
        await self._store.audit(self._clock.now(), by, what, {KEY: b""})
        self._session = self._end = None
        self._events.tell(ADMISSION, "recette", {"what": "end", "by": by})
        _log.info(phrase("bulk-adoption-over", "Mode recette is over: {reason}", reason=why))

    def _left(self) -> float:
        """Return the seconds until it ends."""
        session = self._session
        if session is None:
            return 0.0
        if self._end is not None:
            return self._end - self._clock.monotonic()
        if not self._clock.sure() or self._clock.now() < session.began - 300.0:
            return 0.0
        return min(LONGEST_S, session.until - self._clock.now())


def _of_pattern(arguments: Mapping[str, Any], waiting: Sequence[QuarantineEntry]) -> list[DeviceRequest]:
    """Return one request for each sensor, in the order of their ids."""
    place = str(arguments.get("place") or "")
    if not place:
        raise DecisionError(
            phrase("bulk-places-missing", "say at which place each stands: a pattern like salle-{{n}}, or a table")
        )
    if len(waiting) > 1 and not PART.search(place):
        raise DecisionError(
            phrase(
                "bulk-one-place-for-many",
                "{count} sensors at one place {place!r}: a pattern with {{n}} or {{id}} gives each its own",
                count=len(waiting),
                place=place,
            )
        )
    number = int(arguments.get("start") or 1)
    requests = list[DeviceRequest]()
    for one in sorted(waiting, key=lambda one: one.id):
        said: dict[str, Any] = {name: filled(str(arguments.get(name) or ""), number, one) for name in NAMED}
        requests.append(
            DeviceRequest(
                line=len(requests) + 1,
                device=one.id,
                integration=one.integration,
                place=filled(place, number, one),
                zone=str(arguments.get("zone") or ""),
                model=one.model[:100],
                **said,
            )
        )
        number += 1
    return requests


def _of_table(said: Any, waiting: Sequence[QuarantineEntry]) -> tuple[list[DeviceRequest], list[Row]]:
    """Return the requests of a table whose sensors wait, and an error row for each that does not."""
    try:
        wanted = msgspec.convert(said, list[DeviceRequest])
    except msgspec.ValidationError as error:
        raise HubError(
            phrase("adoption-requests-unreadable", "these are not devices to adopt: {reason}", reason=reason_of(error))
        ) from None
    heard = {one.id: one for one in waiting}
    requests, rows = list[DeviceRequest](), list[Row]()
    for request in wanted:
        one = heard.get(request.device)
        if one is None:
            why = phrase(
                "device-not-heard", "is not heard: nothing of it waits in quarantine, or the filter leaves it out"
            )
            rows.append(
                Row(
                    line=request.line,
                    device=request.device,
                    state=WRONG,
                    place=request.place,
                    column="device",
                    en=str(why),
                    fr=str(translate(why, "fr")),
                )
            )
        else:
            integration = request.integration or one.integration
            requests.append(
                msgspec.structs.replace(request, integration=integration, model=request.model or one.model[:100])
            )
    return requests, rows


def filled(pattern: str, number: int, one: QuarantineEntry) -> str:
    """Fill in a pattern: `{n}` is the running number, `{n:3}` with three digits, `{id}` the letters and digits of the
    id, `{model}` those of the model."""

    def part(found: re.Match[str]) -> str:
        if found[1] == "n":
            return str(number).zfill(int(found[2] or 1))
        text = one.id.partition(":")[2] if found[1] == "id" else one.model
        plain = re.sub(r"[^a-z0-9]+", "", text.lower())
        return plain[-int(found[2]) :] if found[2] else plain

    return PART.sub(part, pattern)
