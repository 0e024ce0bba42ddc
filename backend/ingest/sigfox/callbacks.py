"""Callbacks of the Sigfox operator: the listener that receives them, and the calls by which hubs fetch them.

    POST, PUT, GET  /sigfox/<kind>      the operator, with a callback's token; on a port of its own
                    (`hub.sdk.sigfox.server`)
    GET  /v1/sigfox                     a hub, by client certificate → {"frames": […], "more"}
    POST /v1/sigfox                     a hub: {"done": [id, …], "downlinks": {device: {"id", "data", "until"}}}
    GET  /v1/callbacks                  the operator of this backend → {"tokens": […], "waiting": […]}

The operator's cloud trusts only public certificate authorities, and hubs trust only the owner's. So callbacks have a
listener of their own: on this machine behind a reverse proxy, or with a certificate of a public authority.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from backend.ingest.core import Ingest
from backend.ingest.sigfox.mailbox import CallbackTokens, Entry, HubUpdate, Mailbox
from backend.ingest.worker import Worker
from hub.core.errors import ConfigError, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.sdk.sigfox import server
from hub.sdk.sigfox.callback import Callback

log = logging.getLogger("backend.callbacks")

RATE = 200.0
"""Maximum number of callbacks a second."""
MAX_UPDATE = 1 << 20


class ListenAddress(NamedTuple):
    """Address on which callbacks are received. `checked` raises ConfigError when it would expose clear text to the
    network."""

    address: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    def checked(self) -> ListenAddress:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise ConfigError(
                phrase(
                    "callbacks-address-wrong",
                    "{address!r} is no IP address: callbacks are received on one interface",
                    address=self.address[:80],
                )
            ) from None
        if (self.certificate is None) != (self.key is None):
            raise ConfigError(
                phrase("callbacks-certificate-half", "--callbacks-certificate and --callbacks-key belong together")
            )
        if self.certificate is None and not loopback:
            raise ConfigError(
                phrase(
                    "callbacks-in-clear",
                    "without TLS the callbacks' tokens would travel in clear: give --callbacks-certificate and "
                    "--callbacks-key, or listen on 127.0.0.1 behind a reverse proxy on this machine",
                )
            )
        return self


@contextlib.asynccontextmanager
async def receiving(given: ListenAddress, worker: Worker) -> AsyncIterator[int]:
    """Receive callbacks until the block is left; yields the port. Raises NotReady when the port is not available."""
    refused: Counter[str] = Counter()

    async def authorise(user: str, secret: str) -> str | None:
        return await worker.call(lambda ingest: CallbackTokens(ingest.storage).find(user, secret))

    async def take(token: str, callback: Callback) -> bytes | None:
        def keep(ingest: Ingest) -> bytes | None:
            return Mailbox(ingest.storage).take(token, callback, time.time())

        return await worker.call(keep)

    def counted(reason: str) -> None:
        refused[reason] += 1
        if refused[reason] == 1:  # log each reason once: strangers must not fill the log
            log.warning(phrase("callbacks-are-refused", "callbacks are refused: {reason}", reason=reason))

    certificate, key = (str(path) if path is not None else "" for path in (given.certificate, given.key))
    entry = server.Door(authorise, take, counted, rate=RATE)
    async with entry.serving(given.address, given.port, await entry.context(certificate, key)) as port:
        yield port
    if refused:
        log.info(
            phrase(
                "callbacks-were-refused",
                "callbacks refused: {reasons}",
                reasons=[f"{count} {reason}" for reason, count in refused.items()],
            )
        )


async def fetch(worker: Worker, hub: str) -> dict[str, Any]:
    """Return the callbacks that wait for a hub. Raises NotAdmitted."""

    def look(ingest: Ingest) -> tuple[list[Entry], bool]:
        ingest.admitted(hub)
        return Mailbox(ingest.storage).pending(hub)

    entries, more = await worker.call(look)
    return {"frames": [entry._asdict() for entry in entries], "more": more}


async def update(worker: Worker, hub: str, body: bytes) -> dict[str, Any]:
    """Apply a hub's report: which callbacks it has stored, and its downlinks. Raises NotAdmitted, DecodeError."""
    try:
        said = msgspec.json.decode(shallow_json(body), type=HubUpdate)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError("bad-body", reason_of(error)) from error

    def write(ingest: Ingest) -> None:
        ingest.admitted(hub)
        Mailbox(ingest.storage).apply_update(hub, said, time.time())

    await worker.call(write)
    return {}
