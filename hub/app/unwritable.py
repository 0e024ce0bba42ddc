"""A hub whose disk takes nothing when it starts: it says so at the address of its pages, and begins once it can.

A card that is wearing out turns read-only, and is still read-only after the next start. Nothing can be kept then: no
reading, no counter of a frame, no account, so no device is read and nobody signs in. What is read for this is what the
card still gives: the configuration and the certificate of the pages.
"""

from __future__ import annotations

import asyncio
import html
import logging
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.app.starting import configured
from hub.config.state_dir import state_of
from hub.core.errors import HubError
from hub.core.service_manager import ServiceManager
from hub.core.state_dir import StateDir, refusal
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.identity.enrolment import keys_of
from hub.identity.keys import page_password
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.sdk.http_server import HttpServer

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger("hub")

LOOK_S = 2.0
_RETRY_AFTER_S = "30"
_PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{hub}</title><h1>{hub}</h1><p>{said}</p></html>
"""


def told(state: Path, reason: str) -> str:
    """Return the sentence for people: what is the case, what follows, and what to do."""
    return phrase(
        "disk-takes-nothing",
        "the disk with {path} takes nothing: {reason}. No device is read until it does, since nothing could be kept. "
        "Switch the hub off and on once; if it stays so, the card is worn out: put in a new one and restore the backup",
        path=state,
        reason=reason,
    )


class _Pages(NamedTuple):
    """Where the pages are served, and with which certificate."""

    hub: str
    address: str
    port: int
    tls: ssl.SSLContext


class _Notice(HttpServer):
    """Answers every request with the one sentence, in the caller's language."""

    def __init__(self, hub: str, said: str) -> None:
        super().__init__(lambda reason: None, rate=50.0)
        self._hub, self._said = hub, said

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        from aiohttp import web

        lang = "fr" if request.headers.get("Accept-Language", "fr").strip().lower().startswith("fr") else "en"
        text = _PAGE.format(lang=lang, hub=html.escape(self._hub), said=html.escape(translate(self._said, lang)))
        headers = {
            "Retry-After": _RETRY_AFTER_S, "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'",
        }  # fmt: skip
        with self.at_work(request):
            return web.Response(text=text, content_type="text/html", status=503, headers=headers)


async def serve(
    settings: Any, registry: Registry, ready: Callable[[dict[str, Any]], None], manager: ServiceManager
) -> bool:
    """Wait until the disk takes something again; returns whether to begin anew: not after SIGTERM."""
    state = StateDir(state_of(settings.config, settings.state_dir))
    said = told(state.path, refusal(state.path))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _log.error(said)
    manager.ready(said)
    feeding = asyncio.create_task(manager.feed())
    serving = asyncio.create_task(_show(settings.config, state, registry, said, ready))
    try:
        while not stop.is_set() and await asyncio.to_thread(refusal, state.path) != "":
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
    finally:
        for task in (feeding, serving):
            task.cancel()
        await asyncio.gather(feeding, serving, return_exceptions=True)
    if not stop.is_set():
        _log.warning(phrase("disk-takes-again", "the disk takes something again: the hub begins"))
    return not stop.is_set()


async def _show(
    config: Path, state: StateDir, registry: Registry, said: str, ready: Callable[[dict[str, Any]], None]
) -> None:
    """Serve the notice until cancelled, where the card still gives what that needs."""
    facts = {"hub": "", "state_dir": str(state.path), "socket": "", "disk": False}
    try:
        pages = await _pages(config, state, registry)
        if pages is None:
            ready(facts)
            return
        async with _Notice(pages.hub, said).serving(pages.address, pages.port, pages.tls):
            ready({**facts, "hub": pages.hub})
            await asyncio.Event().wait()
    except (HubError, OSError, ValueError) as error:
        _log.error(
            phrase(
                "notice-not-shown",
                "nor can the pages say so: {reason}",
                reason=reason_of(error),
            )
        )


async def _pages(config: Path, state: StateDir, registry: Registry) -> _Pages | None:
    """None where the configuration has no pages. Raises HubError, OSError, ValueError."""
    from hub.web.sockets import certificate

    hub_keys = await asyncio.to_thread(keys_of, state.path)
    loaded, _, _ = await configured(config, installed_in(state, registry, cache=False).models, state, hub_keys)
    options = loaded.config.web
    if options is None:
        return None
    tls, _ = await asyncio.to_thread(
        partial(certificate.prepare, password=page_password(hub_keys)), state.keys, hub_keys.hub_id, options.hosts
    )
    return _Pages(hub_keys.hub_id, options.address, options.port, tls)
