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
from hub.sdk.options import french
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

    help_fr = (
        "Où répond le serveur du propriétaire. `url` doit être nommée dans l'egress du document de confiance du "
        "propriétaire."
    )

    url: hub.HttpUrl
    parallel: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="messages on their way at the same time",
            json_schema_extra=french("messages en route en même temps"),
        ),
    ] = 4
    timeout: Annotated[
        timedelta,
        Field(
            gt=timedelta(0),
            description="how long one answer may take",
            json_schema_extra=french("combien de temps une réponse peut prendre"),
        ),
    ] = timedelta(seconds=60)

    @field_validator("url")
    @classmethod
    def _https(cls, url: hub.HttpUrl) -> hub.HttpUrl:
        if url.scheme != "https" or url.username or url.query or url.fragment:
            raise ValueError(
                phrase(
                    "https.https-address-host",
                    "an https:// address with host, port and path only; the hub signs in by certificate",
                )
            )
        return url


async def run(config: Https, uplink: Transport) -> None:
    """Carry messages until the hub has no more. Raises NotReady or AuthFailed, naming the backend."""
    base = str(config.url).rstrip("/")
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
                "https.shows-certificate-refused",
                "{base} shows a certificate that is refused: {told_of_owner}",
                base=base,
                told_of_owner=why.told_of_owner() if why else error,
            )
        ) from error
    except HttpClient.ProxyRefused as error:
        raise hub.NotReady(
            phrase(
                "https.not-reached",
                "{base} is not reached: {proxy_says}",
                base=base,
                proxy_says=_proxy_says(error.status, str(error)),
            )
        ) from error
    except HttpClient.TooLong as error:
        raise hub.NotReady(
            phrase(
                "https.answers-backend",
                "{base} answers with {reason}: is this the backend?",
                base=base,
                reason=reason_of(error),
            )
        ) from error
    except TimeoutError as error:
        raise hub.NotReady(phrase("https.does-not-answer", "{base} does not answer in time", base=base)) from error
    except HttpClient.Unanswered as error:
        raise hub.NotReady(
            phrase("https.does-not-answer-2", "{base} does not answer: {reason}", base=base, reason=reason_of(error))
        ) from error
    status = answer.status
    if status == 200:
        return answer.body
    said = answer.body.decode(errors="replace").strip()
    if status in (401, 403):
        raise hub.AuthFailed(
            phrase(
                "https.refuses-hub",
                "{base} refuses this hub ({status}): {said}. Its operator admits {name} again",
                base=base,
                status=status,
                said=said,
                name=name,
            )
        )
    if status in (301, 302, 303, 307, 308):
        raise hub.LedElsewhere(
            phrase(
                "https.answers-message",
                "{base} answers {status} to a {kind} message: {said}",
                base=base,
                status=status,
                kind=message.kind,
                said=said,
            )
        )
    raise hub.NotReady(
        phrase(
            "https.answers-message",
            "{base} answers {status} to a {kind} message: {said}",
            base=base,
            status=status,
            kind=message.kind,
            said=said,
        )
    )


def _proxy_says(status: int, text: str) -> str:
    if not status:
        return f"the proxy does not answer ({text}); see link.proxy"
    if status == 407:
        return "the proxy wants other credentials (407): correct link.proxy_user and link.proxy_password"
    return f"the proxy refuses to connect there ({status}): its administrator allows this host and port"


@hub.hookimpl
def register_transports(register: RegisterTransport) -> None:
    register("https", Https, run)
