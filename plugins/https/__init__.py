"""Transport to the owner's backend over HTTPS: each message is one POST, several at a time, over persistent
connections.

    POST {url}/v1/hubs/{hub}/records        a records message → 200 and the backend's reply
    POST {url}/v1/hubs/{hub}/state          a signed state    → 200 and the backend's reply

It carries bytes without parsing them. The hub chooses the next message, interprets answers and tries again: this ends
with `NotReady` (nobody needs to act) or `AuthFailed` (the backend's operator does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Annotated

from pydantic import Field, field_validator

import hub
from hub.sdk.http import HttpClient
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.tls import Tls
from hub.sdk.transport import Message, RegisterTransport, Transport

MAX_REPLY = 1 << 20
KEEP_S = 330.0
"""Seconds for which an idle connection is kept: on a metered line a message is sent every 300 s, and a TLS handshake
with certificates costs more than the message."""
_MAX_EXPLANATION = 300


class Https(hub.Config):
    """Where the owner's backend answers. `url` must be named in the egress of the owner's trust document."""

    url: Annotated[
        hub.HttpUrl | None,
        Field(
            description="its address; without it, that of the token this hub was enrolled with",
        ),
    ] = None
    parallel: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="messages on their way at the same time",
        ),
    ] = 4
    timeout: Annotated[
        timedelta,
        Field(
            gt=timedelta(0),
            description="how long one answer may take",
        ),
    ] = timedelta(seconds=60)

    @field_validator("url")
    @classmethod
    def _https(cls, url: hub.HttpUrl | None) -> hub.HttpUrl | None:
        if url is not None and (url.scheme != "https" or url.username or url.query or url.fragment):
            raise ValueError(
                phrase(
                    "https.bad-url",
                    "an https:// address with host, port and path only; the hub signs in by certificate",
                )
            )
        return url


async def run(config: Https, uplink: Transport) -> None:
    """Carry messages until the hub has no more. Raises NotReady or AuthFailed, naming the backend."""
    base = str(config.url or uplink.backend).rstrip("/")
    slots = asyncio.Semaphore(config.parallel)
    messages = uplink.messages()
    http = HttpClient(keep=config.parallel, keep_s=KEEP_S, sockets=uplink.socket)
    context, proxy = uplink.connection(base)
    uplink.share_connection(http)
    ask = partial(
        http.call,
        "POST",
        context=context,
        proxy=proxy,
        limit=MAX_REPLY,
        cut=_MAX_EXPLANATION,
        timeout_s=config.timeout.total_seconds(),
    )

    async def carry(message: Message) -> None:
        try:
            uplink.answered(message, await _post(ask, base, uplink.hub, message))
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as posts:
            await slots.acquire()  # first a free slot, then the message: chosen as late as possible
            async for message in messages:
                posts.create_task(carry(message))
                await slots.acquire()
    finally:
        await http.close()


async def _post(ask: Callable[..., Awaitable[HttpClient.Answer]], base: str, name: str, message: Message) -> bytes:
    """Return the body of the backend's 200. Raises for any other answer."""
    try:
        answer = await ask(f"{base}/v1/hubs/{name}/{message.kind}", body=message.body)
    except HttpClient.CertificateRefused as error:
        why = Tls.refusal(error)
        raise hub.NotReady(
            phrase(
                "https.certificate-refused",
                "{backend} shows a certificate that is refused: {reason}",
                backend=base,
                reason=why.told_of_owner() if why else reason_of(error),
            )
        ) from error
    except HttpClient.ProxyRefused as error:
        raise hub.NotReady(
            phrase(
                "https.not-reached",
                "{backend} is not reached: {reason}",
                backend=base,
                reason=_proxy_says(error.status, reason_of(error)),
            )
        ) from error
    except HttpClient.TooLong as error:
        raise hub.NotReady(
            phrase(
                "https.not-the-backend",
                "{backend} answers with {answer}: is this the backend?",
                backend=base,
                answer=reason_of(error),
            )
        ) from error
    except TimeoutError as error:
        raise hub.NotReady(
            phrase("https.no-answer-in-time", "{backend} does not answer in time", backend=base)
        ) from error
    except HttpClient.Unanswered as error:
        raise hub.NotReady(
            phrase("https.no-answer", "{backend} does not answer: {reason}", backend=base, reason=reason_of(error))
        ) from error
    status = answer.status
    if status == 200:
        return answer.body
    said = answer.body.decode(errors="replace").strip()
    if status in (401, 403):
        raise hub.AuthFailed(
            phrase(
                "https.hub-refused",
                "{backend} refuses this hub ({status}): {reason}. Its operator admits {hub} again",
                backend=base,
                status=status,
                reason=said,
                hub=name,
            )
        )
    if status in (301, 302, 303, 307, 308):
        raise hub.LedElsewhere(
            phrase(
                "https.other-answer",
                "{backend} answers {status} to a {kind} message: {reason}",
                backend=base,
                status=status,
                kind=message.kind,
                reason=said,
            )
        )
    raise hub.NotReady(
        phrase(
            "https.other-answer",
            "{backend} answers {status} to a {kind} message: {reason}",
            backend=base,
            status=status,
            kind=message.kind,
            reason=said,
        )
    )


def _proxy_says(status: int, reason: str) -> str:
    if not status:
        return phrase("https.proxy-silent", "the proxy does not answer ({reason}); see link.proxy", reason=reason)
    if status == 407:
        return phrase(
            "https.proxy-wants-credentials",
            "the proxy wants other credentials (407): correct link.proxy_user and link.proxy_password",
        )
    return phrase(
        "https.proxy-refuses",
        "the proxy refuses to connect there ({status}): its administrator allows this host and port",
        status=status,
    )


@hub.hookimpl
def register_transports(register: RegisterTransport) -> None:
    register("https", Https, run)
