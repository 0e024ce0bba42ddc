"""The uplink over HTTPS: each message one POST to the owner's backend, several at a time, over kept connections.

    POST {url}/v1/hubs/{hub}/records        a records message → 200 and the backend's reply
    POST {url}/v1/hubs/{hub}/state          a signed state    → 200 and the backend's reply

It carries bytes and never looks inside. What to send next, when, and what an answer means is the hub's business;
so is trying again: this ends with `NotReady` (nobody needs to act) or `AuthFailed` (the backend's operator does).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import aiohttp
from pydantic import Field, field_validator

import hub

MAX_REPLY = 1 << 20
KEEP_S = 330.0
"""An idle connection is kept this long: on a metered line a message leaves every 300 s, and a TLS handshake with
certificates costs more than the message."""
_MAX_EXPLANATION = 300
_UNSAID = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # 140 bytes a message, and nobody there asks


class Https(hub.Config):
    """Where the owner's backend answers. `url` must be named in the egress of the owner's trust document."""

    url: hub.HttpUrl
    parallel: Annotated[int, Field(ge=1, le=16, description="messages on their way at the same time")] = 4
    timeout: Annotated[timedelta, Field(gt=timedelta(0), description="how long one answer may take")] = timedelta(
        seconds=60
    )

    @field_validator("url")
    @classmethod
    def _https(cls, url: hub.HttpUrl) -> hub.HttpUrl:
        if url.scheme != "https" or url.username or url.query or url.fragment:
            raise ValueError("an https:// address with host, port and path only; the hub signs in by certificate")
        return url


async def run(config: Https, uplink: hub.Uplink) -> None:
    """Carry messages until the hub has no more. Raises NotReady or AuthFailed, naming the backend."""
    base = str(config.url).rstrip("/")
    context, proxy = uplink.connection(base)
    connector = aiohttp.TCPConnector(
        ssl=context, limit=config.parallel, keepalive_timeout=KEEP_S, socket_factory=uplink.socket
    )
    timeout = aiohttp.ClientTimeout(total=config.timeout.total_seconds(), sock_connect=10.0)
    slots = asyncio.Semaphore(config.parallel)
    messages = uplink.messages()

    async with aiohttp.ClientSession(
        base_url=f"{base}/",
        connector=connector,
        timeout=timeout,
        proxy=proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_UNSAID,
    ) as http:

        async def carry(message: hub.Message) -> None:
            try:
                uplink.answered(message, await _post(http, base, uplink.hub, message))
            finally:
                slots.release()

        async with asyncio.TaskGroup() as posts:
            await slots.acquire()  # first a free slot, then the message: what is sent next is decided last
            async for message in messages:
                posts.create_task(carry(message))
                await slots.acquire()


async def _post(http: aiohttp.ClientSession, base: str, name: str, message: hub.Message) -> bytes:
    """The body of the backend's 200. Anything else raises."""
    path = f"v1/hubs/{name}/{message.kind}"
    try:
        async with http.post(path, data=message.body, allow_redirects=False) as reply:
            body = await _read(reply, MAX_REPLY if reply.status == 200 else _MAX_EXPLANATION)
            status = reply.status
    except aiohttp.ClientConnectorCertificateError as error:
        raise hub.NotReady(
            f"{base} shows a certificate that the owner's trust document does not accept "
            f"({error.certificate_error}): a proxy that opens TLS, another server, or a renewed CA"
        ) from error
    except (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
        raise hub.NotReady(f"{base} is not reached: {_proxy_says(error)}") from None  # its text holds the credentials
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise hub.NotReady(f"{base} does not answer: {error or type(error).__name__}") from error
    if status == 200:
        return body
    said = body.decode(errors="replace").strip()
    if status in (401, 403):
        raise hub.AuthFailed(f"{base} refuses this hub ({status}): {said}. Its operator admits {name} again")
    raise hub.NotReady(f"{base} answers {status} to a {message.kind} message: {said}")


def _proxy_says(error: aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError) -> str:
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy does not answer ({error.os_error.strerror or error.os_error}); see link.proxy"
    if error.status == 407:
        return "the proxy wants other credentials (407): correct link.proxy_user and link.proxy_password"
    return f"the proxy refuses to connect there ({error.status}): its administrator allows this host and port"


async def _read(reply: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes. A longer 200 is no reply of a backend."""
    data = bytearray()
    async for chunk in reply.content.iter_any():
        data += chunk
        if len(data) > limit:
            if reply.status == 200:
                raise hub.NotReady(f"{reply.url} answers with more than {limit} bytes: is this the backend?")
            break
    return bytes(data[:limit])


@hub.hookimpl
def register_uplinks(register: hub.RegisterUplink) -> None:
    register("https", Https, run)
