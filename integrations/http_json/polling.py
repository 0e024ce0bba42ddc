"""Polls the pages of one server: one request at a time, at a limited rate, with conditional requests.

RFC 9110: a page with a validator is asked for conditionally (13.1.2, 13.1.3); 304 means that it is unchanged. 429 and
503 give the time to wait (10.2.3).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import hub
from hub.sdk.phrases import detail_of, phrase, reason_of
from hub.sdk.session import Polled
from integrations.http_json import decode
from integrations.http_json.roster import Reader, Roster
from integrations.http_json.settings import Config

LONGEST_S = 600.0
"""The longest pause in seconds before a failed page is requested again."""

MOST_WAIT_S = 3600.0
"""The longest Retry-After in seconds that is respected."""


Take = Callable[[Reader, Any, str], Awaitable[None]]


class Page:
    """State of one page."""

    def __init__(self) -> None:
        self.validators: dict[str, str] = {}
        self.document: Any = None
        self.failures = 0
        self.due = 0.0  # by the monotonic clock
        self.told = False
        self.took_s = 0.0


class Poller:
    """Polls the pages. `emit` is called with a document for each device of a page. `sleep` and `monotonic` are the
    machine's, or a test's."""

    def __init__(
        self,
        config: Config,
        session: hub.Session,
        roster: Roster,
        take: Take,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._session, self._roster, self._take = config, session, roster, take
        self._sleep, self._monotonic = sleep, monotonic
        self._pages: dict[str, Page] = {}
        self._free_at = 0.0
        self._warned = False
        self._base = str(config.url).rstrip("/")
        self._headers = _headers(config)

    async def run(self) -> None:
        """Run until cancelled. Raises NotReady when no page answers, AuthFailed when the server refuses the
        credentials."""
        async for _ in self._session.polling.poll_cycles(self._config.interval, self._asked):
            self._roster.refresh()
            self._pages = {path: self._pages.get(path) or Page() for path in self._roster.pages}
            due = [(path, page) for path, page in self._pages.items() if self._monotonic() >= page.due]
            away: list[tuple[Page, hub.NotReady]] = []
            for path, page in due:
                try:
                    await self._poll(path, page)
                except hub.NotReady as error:
                    away.append((page, error))
                    self._outcome(path, "silent")
            if away and len(away) == len(due):
                raise away[0][1]
            for page, silent in away:
                why = phrase("http_json.page-silent", "{reason}; the other pages are read", reason=reason_of(silent))
                self._leave(page, why)

    def _asked(self) -> list[str]:
        return [reader.device for readers in self._roster.pages.values() for reader in readers]

    async def _poll(self, path: str, page: Page) -> None:
        await self._pace()
        url, sent = self._base + path, self._monotonic()
        try:
            reply = await self._session.http.request(
                "GET", url, headers={**self._headers, **page.validators}, timeout=self._config.timeout
            )
        except hub.DecodeError as error:  # the reply is too large
            self._count(path, error)
            self._leave(page, _unreadable(url, error))
            return
        except hub.LedElsewhere as error:
            self._count(path, hub.DecodeError("http-redirect"))
            self._leave(page, reason_of(error))
            return
        page.took_s = self._monotonic() - sent
        if reply.status == 401:
            raise hub.AuthFailed(
                phrase(
                    "http_json.server-wants-credentials",
                    "{url} wants other credentials: check `user`, `password`, `token`, `headers`",
                    url=url,
                )
            )
        if reply.status in (429, 503) or reply.status >= 500:
            self._count(path, hub.DecodeError("http-busy" if reply.status in (429, 503) else "http-error"))
            why = phrase(
                "http_json.server-busy", "{url} answers {status}: tried again later", url=url, status=reply.status
            )
            self._leave(page, why, _retry_after(reply.headers))
            return
        if reply.status == 304 and page.document is not None:
            await self._give(path, page)
            return
        if reply.status != 200:
            self._count(path, hub.DecodeError("http-refused"))
            page.validators = {}
            why = phrase(
                "http_json.server-refuses",
                "{url} answers {status}: check `path`, and what it needs",
                url=url,
                status=reply.status,
            )
            self._leave(page, why)
            return
        try:
            page.document = decode.document(reply.body)
        except hub.DecodeError as error:
            page.document, page.validators = None, {}
            self._count(path, error)
            self._leave(page, _unreadable(url, error))
            return
        page.validators = _validators(reply.headers)
        await self._give(path, page)

    async def _give(self, path: str, page: Page) -> None:
        if page.told:
            self._session.log.info(
                phrase("http_json.page-read-again", "{url} is read again", url=f"{self._base}{path}")
            )
        self._warn_of_clear_text()
        page.failures, page.due, page.told = 0, 0.0, False
        for reader in self._roster.pages[path]:
            self._session.radio.publish_facts(reader.device, {"latency_ms": round(1000 * page.took_s, 1)})
            self._session.polling.polled(reader.device, "answered")
            await self._take(reader, page.document, "http")

    def _warn_of_clear_text(self) -> None:
        """Say once that the credentials can be read on the way: with the first answer, not at each try of an outage."""
        if self._warned or not self._base.startswith("http:") or not self._headers.keys() - {"Accept"}:
            return
        self._warned = True
        self._session.log.warning(
            phrase(
                "http_json.credentials-in-clear",
                "the credentials for {url} travel in clear: use https where it has it",
                url=self._base,
            )
        )

    def _failed(self, page: Page, wait_s: float = 0.0) -> None:
        page.failures += 1
        interval = self._config.interval.total_seconds()
        pause = min(max(LONGEST_S, interval), interval * (2 ** min(page.failures, 16) - 1))
        page.due = self._monotonic() + max(pause, wait_s) + interval / 2

    def _leave(self, page: Page, why: str, wait_s: float = 0.0) -> None:
        """Skip a page for a while; log the reason once."""
        self._failed(page, wait_s)
        if not page.told:
            page.told = True
            self._session.log.warning(why)

    def _count(self, path: str, error: hub.DecodeError) -> None:
        """Count a page that gives no reading, for each of its devices."""
        for reader in self._roster.pages[path]:
            self._session.radio.report_decode_error(reader.device, error)
        self._outcome(path, "unread")

    def _outcome(self, path: str, outcome: Polled) -> None:
        for reader in self._roster.pages[path]:
            self._session.polling.polled(reader.device, outcome)

    async def _pace(self) -> None:
        wait = self._free_at - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._free_at = self._monotonic() + 1 / self._config.max_rate


def _unreadable(url: str, error: hub.DecodeError) -> str:
    return phrase("http_json.page-unreadable", "{url}: {reason}", url=url, reason=detail_of(error))


def _headers(config: Config) -> dict[str, str]:
    headers = {"Accept": "application/json, text/plain;q=0.5"}
    headers |= {name: value.get_secret_value() for name, value in config.headers.items()}
    if config.user:
        pair = f"{config.user}:{config.password.get_secret_value()}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    elif token := config.token.get_secret_value():
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for a conditional request. Invalid ones of a hostile server are left out."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = {"If-None-Match": lower.get("etag", ""), "If-Modified-Since": lower.get("last-modified", "")}
    return {name: value for name, value in found.items() if value and len(value) <= 256 and value.isprintable()}


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait, 0 when the server gives none."""
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if said.isdecimal():
        return min(MOST_WAIT_S, float(said[:6]))
    try:
        seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(MOST_WAIT_S, max(0.0, seconds))
