"""Sigfox: the operator's callbacks, received here where the operator reaches this building, or fetched from the
owner's backend that received them.

The radio protocol is not implemented here: the operator's network receives and authenticates the devices, and sends
each message as an HTTP request. `intake` processes and answers these messages.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import hub
from hub.sdk.phrases import phrase, system_error
from hub.sdk.sigfox.callback import Callback
from integrations.sigfox import decode
from integrations.sigfox.metrics import METRICS
from integrations.sigfox.reasons import REASONS, SAMPLING
from integrations.sigfox.settings import Config, DeviceSettings, Listen

if TYPE_CHECKING:
    from integrations.sigfox.intake import Intake

__all__ = ["Config", "DeviceSettings", "probe", "register_decoders", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Serve and fetch until cancelled. Raises NotReady when an address cannot be listened on or the backend cannot be
    reached, AuthFailed when the backend refuses this hub."""
    from integrations.sigfox.downlinks import Downlinks
    from integrations.sigfox.fetching import Fetcher
    from integrations.sigfox.intake import Intake

    downlinks = Downlinks(session)
    intake = Intake(session, downlinks)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(downlinks.run(), name=f"{session.name} downlinks")
            if config.listen is not None:
                tasks.create_task(_serve(config.listen, session, intake), name=f"{session.name} callbacks")
            if config.backend is not None:
                fetcher = Fetcher(config, session, intake, downlinks)
                tasks.create_task(fetcher.run(alone=config.listen is None), name=f"{session.name} backend")
    except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
        raise group.exceptions[0] from group.exceptions[0].__cause__


async def _serve(given: Listen, session: hub.Session, intake: Intake) -> None:
    async def take(who: str, callback: Callback) -> bytes | None:
        return await intake.take(callback)

    def counted(reason: str) -> None:
        session.radio.report_decode_error("", hub.DecodeError(reason))

    def ready(scheme: str, port: int) -> None:
        session.log.info(
            phrase(
                "sigfox.callbacks-go-to",
                "callbacks go to {scheme}://{address}:{port}{path}<kind>",
                scheme=scheme,
                address=given.address,
                port=port,
                path="/sigfox/",
            )
        )

    await _serve_to(given, session.name, take, counted, ready)


async def _serve_to(
    given: Listen,
    name: str,
    take: Callable[[str, Callback], Awaitable[bytes | None]],
    counted: Callable[[str], None],
    ready: Callable[[str, int], None],
) -> None:
    """Serve callbacks until cancelled."""
    from hub.sdk.sigfox import server  # imports aiohttp's server: only where used

    wanted, user = given.secret.get_secret_value().encode(), given.user.encode()

    async def authorise(who: str, secret: str) -> str | None:
        right = hmac.compare_digest(secret.encode("utf-8", "replace"), wanted)
        right &= hmac.compare_digest(who.encode("utf-8", "replace"), user)
        return name if right else None

    entry = server.Door(authorise, take, counted, rate=given.max_rate, header=given.header)
    tls = await entry.context(given.certificate, given.certificate_key)
    async with entry.serving(given.address, given.port, tls) as port:
        ready("https" if tls is not None else "http", port)
        await asyncio.Event().wait()


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Receive callbacks where the hub would, which must not run, until cancelled. Each is refused in the end, so that
    the operator sends it again to the hub. Raises NotReady."""
    if config.listen is None:
        raise hub.NotReady(
            phrase("sigfox.capture-needs-listen", "callbacks are heard where `listen` is, which is not configured")
        )

    async def take(who: str, callback: Callback) -> bytes | None:
        hear(decode.said_again(callback))
        raise hub.NotReady(phrase("sigfox.capture-keeps-nothing", "a capture keeps nothing: send it again"))

    try:
        await _serve_to(config.listen, "capture", take, lambda reason: None, lambda scheme, port: None)
    except OSError as error:
        raise hub.NotReady(
            phrase(
                "sigfox.port-cannot-be-listened-on",
                "{address} port {port} cannot be listened on: {reason}",
                address=config.listen.address,
                port=config.listen.port,
                reason=system_error(error),
            )
        ) from error


async def probe(config: Config) -> str:
    """Check that the address can be listened on, or already is. Raises NotReady. The backend is not called: only a
    running hub has the certificate for it."""
    if config.listen is None:
        return phrase(
            "sigfox.callbacks-fetched-from",
            "callbacks are fetched from {url}, which is asked once the hub runs",
            url=config.backend,
        )
    given = config.listen
    with socket.socket(socket.AF_INET6 if ":" in given.address else socket.AF_INET, socket.SOCK_STREAM) as bound:
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((given.address, given.port))
            return phrase("sigfox.port-free", "{address} port {port} is free", address=given.address, port=given.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise hub.NotReady(
                    phrase(
                        "sigfox.port-cannot-be-listened-on",
                        "{address} port {port} cannot be listened on: {reason}",
                        address=given.address,
                        port=given.port,
                        reason=system_error(error),
                    )
                ) from error
    return phrase(
        "sigfox.port-in-use",
        "{address} port {port} is in use, by a running hub or something else",
        address=given.address,
        port=given.port,
    )


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "sigfox",
        Config,
        run,
        device=DeviceSettings,
        metrics=METRICS,
        probe=probe,
        listen=listen,
        reasons=REASONS,
        sampling=SAMPLING,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("sigfox", "sigfox", decode.decode, line=decode.line, explain=decode.explain)
