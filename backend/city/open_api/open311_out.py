"""Reports passed on to others' Open311 GeoReport v2, and their answers taken back: `open311.toml` in the owner's
directory, read again when it changes.

    [[outside]]
    url = "https://open311.example.org/v2"     # without /requests.json
    categories = { lighting = "033" }          # our category = their service_code
    jurisdiction = ""                          # where they ask for one
    key_file = "open311.key"                   # relative to the directory; holds their api_key and nothing else
    ca_file = ""                               # authority of their certificate, where no public one signed it

A report is passed on once one of the operator's people has accepted it, so that nobody floods others by us; those that
repeat it are not. Its picture stays here. Their number is noted before anything else is done; whether a request that
broke off arrived nobody knows, so it is asked for again only after AGAIN_S.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from backend.city.city import City
from backend.city.open_api import reports
from backend.storage.city import open_api as tables
from backend.storage.city.open_api import Report
from hub.core import tls
from hub.core.errors import ConfigError, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

FILE = "open311.toml"
WHO = "open311-outside"
ROUND_S, ASK_S, AGAIN_S = 30.0, 900.0, 3600.0
"""Seconds between two rounds, two questions for one report, and two attempts to pass one on."""
MOST_AT_ONCE, MOST_BYTES = 50, 256 << 10
_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Outside(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Another's Open311 server."""

    url: str
    categories: dict[str, str]
    jurisdiction: str = ""
    key_file: str = ""
    ca_file: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    outside: tuple[Outside, ...] = ()


def read_settings(directory: Path) -> tuple[Outside, ...]:
    """Return the servers; none without a file. Raises ConfigError."""
    path = directory / FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(
            phrase("open311-file-unread", "{file}: {reason}", file=FILE, reason=reason_of(error))
        ) from error
    try:
        found = msgspec.convert(tomllib.loads(text), _File).outside
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(phrase("open311-file-wrong", "{file}: {reason}", file=FILE, reason=str(error))) from error
    for one in found:
        parts = urlsplit(one.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ConfigError(
                phrase(
                    "open311-url-wrong", "{file}: {url} is no address that begins with https://", file=FILE, url=one.url
                )
            )
    return found


class Passing:
    """Passes reports on, and asks what became of them. One task."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._asked: dict[int, float] = {}
        self._tried: dict[int, float] = {}

    async def run(self) -> None:
        """Go round until cancelled. Raises StorageError."""
        while True:
            try:
                await self.round()
            except ConfigError as error:
                log.warning(
                    phrase("open311-not-passed", "reports are not passed on: {reason}", reason=reason_of(error))
                )
            await asyncio.sleep(ROUND_S)

    async def round(self) -> None:
        """Pass on what was accepted, and ask for what was passed on. Raises ConfigError, StorageError."""
        for outside in await self._city.store.run(lambda: read_settings(self._city.directory)):
            context = await self._city.store.run(lambda outside=outside: self._trust(outside))  # type: ignore[misc]
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                await self._pass(session, context, outside)
                await self._ask(session, context, outside)

    async def _pass(self, session: aiohttp.ClientSession, context: ssl.SSLContext, outside: Outside) -> None:
        now, categories = self._city.clock(), sorted(outside.categories)
        states = ("accepted", "reopened")
        waiting = await self._city.store.read(
            lambda r: tables.reports(r, categories=categories, states=states, since=now - 90 * 86_400, limit=1000)
        )
        waiting = [one for one in waiting if not one.of and not one.outside]
        waiting = [one for one in waiting if now >= self._tried.get(one.id, -AGAIN_S) + AGAIN_S]
        for one in waiting[:MOST_AT_ONCE]:
            self._tried[one.id] = now
            form = {
                "service_code": outside.categories[one.category], "description": one.text, "lat": f"{one.lat:.6f}",
                "long": f"{one.lon:.6f}", "address_string": one.address, "jurisdiction_id": outside.jurisdiction,
                "api_key": self._key(outside),
            }  # fmt: skip
            told = await self._call(session, context, "POST", f"{outside.url}/requests.json", form)
            number = told.get("service_request_id")
            if isinstance(number, str | int) and str(number):
                await self._note(one, str(number)[:200])

    async def _note(self, one: Report, number: str) -> None:
        await self._city.store.write(lambda t: tables.note_outside(t, one.id, number))

    async def _ask(self, session: aiohttp.ClientSession, context: ssl.SSLContext, outside: Outside) -> None:
        now, categories = self._city.clock(), sorted(outside.categories)
        known = await self._city.store.read(
            lambda r: tables.reports(
                r, categories=categories, states=reports.OPEN, since=now - 366 * 86_400, limit=1000
            )
        )
        open_ones = [one for one in known if one.outside and now >= self._asked.get(one.id, -ASK_S) + ASK_S]
        for one in open_ones[:MOST_AT_ONCE]:
            self._asked[one.id] = now
            name = quote(one.outside, safe="")
            query = f"?jurisdiction_id={quote(outside.jurisdiction)}" if outside.jurisdiction else ""
            told = await self._call(session, context, "GET", f"{outside.url}/requests/{name}.json{query}", None)
            if told.get("status") == "closed":
                await self._close(one, str(told.get("status_notes") or ""), now)

    async def _close(self, one: Report, notes: str, now: float) -> None:
        said = reports.plain_text(notes, reports.LONGEST)
        if len(said) < reports.SHORTEST:
            said = "Clos par le service à qui il a été transmis. / Closed by the service it was passed to."
        await self._city.store.write(lambda t: reports.answer(t, WHO, one.number, "done", said, now))

    async def _call(
        self,
        session: aiohttp.ClientSession,
        context: ssl.SSLContext,
        method: str,
        url: str,
        form: dict[str, str] | None,
    ) -> dict[str, Any]:
        """Ask another's server; return the first object of its answer, an empty one where it fails, which is logged."""
        try:
            data = None if form is None else {name: value for name, value in form.items() if value}
            async with session.request(method, url, data=data, allow_redirects=False, ssl=context) as reply:
                body = await reply.content.read(MOST_BYTES)
                if reply.status not in (200, 201):
                    raise DecodeError(
                        "bad-answer", phrase("open311-status-other", "status {status}", status=reply.status)
                    )
                found = msgspec.json.decode(shallow_json(body))
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, DecodeError) as error:
            log.warning(phrase("open311-away", "{url} did not answer: {reason}", url=url, reason=reason_of(error)))
            return {}
        first = found[0] if isinstance(found, list) and found else found
        return first if isinstance(first, dict) else {}

    def _key(self, outside: Outside) -> str:
        if not outside.key_file:
            return ""
        with _readable(outside.key_file):
            return (self._city.directory / outside.key_file).read_text().strip()

    def _trust(self, outside: Outside) -> ssl.SSLContext:
        with _readable(outside.ca_file):
            return tls.client(file=self._city.directory / outside.ca_file if outside.ca_file else None)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            phrase("open311-file-unread", "{file}: {reason}", file=name, reason=reason_of(error))
        ) from error
