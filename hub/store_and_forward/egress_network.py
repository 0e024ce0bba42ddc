"""Connections of plugins that are none of HTTP, over the egress: `hub.sdk.session.Network`.

A plugin opens streams to the hosts that its own options name, as URLs of the schemes in `egress.STREAMS`, and listens
on addresses named so. A name that leads to this machine itself is refused where no certificate says who answers (DNS
rebinding), as it is for HTTP.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import timedelta

import aiohappyeyeballs

from hub.core import tls
from hub.core.errors import NotReady
from hub.core.text import phrase, reason_of, system_error
from hub.sdk import udp
from hub.sdk.http.messages import OwnAddress, elsewhere
from hub.store_and_forward import device_files
from hub.store_and_forward.egress import Egress, NotDeclared

_STAGGER_S = 0.25
"""Before the next address of a name is tried (RFC 8305, section 5)."""
_BACKLOG = 64
_TIMEOUT = timedelta(seconds=10)


class EgressNetwork:
    """The connections of the plugin of this name. `of` returns those of another."""

    def __init__(self, egress: Egress, whose: str = "") -> None:
        self._egress, self._whose = egress, whose

    def of(self, whose: str) -> EgressNetwork:
        return EgressNetwork(self._egress, whose)

    async def connect(
        self, url: str, *, ca: str = "", timeout: timedelta = _TIMEOUT
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """See `hub.sdk.session.Network.connect`."""
        scheme, host, port = self._expect(url, "tcp", "tls")
        context = self._egress.stream_context(host, port, ca) if scheme == "tls" else None
        there = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                made = await self._connected(host, port, socket.SOCK_STREAM, abroad=context is None)
                try:
                    if context is None:
                        return await asyncio.open_connection(sock=made)
                    return await asyncio.open_connection(sock=made, ssl=context, server_hostname=host)
                except BaseException:
                    made.close()
                    raise
        except TimeoutError as error:
            raise _late(there, timeout) from error
        except ssl.SSLCertVerificationError as error:
            why = tls.refusal(error)
            raise NotReady(
                phrase(
                    "certificate-refused",
                    "{server} shows a certificate that is refused: {reason}",
                    server=there,
                    reason=why.told() if why else reason_of(error),
                )
            ) from error
        except (OSError, OwnAddress, ValueError) as error:  # ValueError: no name for TLS
            raise _unanswered(there, error) from error

    async def open_socket(self, url: str, *, timeout: timedelta = _TIMEOUT) -> socket.socket:
        """See `hub.sdk.session.Network.open_socket`."""
        scheme, host, port = self._expect(url, "tcp", "udp", "mqtt", "mqtts")
        kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
        there = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await self._connected(host, port, kind, abroad=scheme != "mqtts")
        except TimeoutError as error:
            raise _late(there, timeout) from error
        except (OSError, OwnAddress, ValueError) as error:
            raise _unanswered(there, error) from error

    async def open_device(self, path: str) -> int:
        """See `hub.sdk.session.Network.open_device`."""
        return await asyncio.to_thread(device_files.opened, self._egress.device(path, self._whose))

    async def listen(self, url: str) -> socket.socket:
        """See `hub.sdk.session.Network.listen`."""
        scheme, host, port = self._expect(url, "tcp", "udp", listens=True)
        if scheme == "udp" and ":" not in host:
            made = udp.bound(host, port)
        else:
            made = _bound(host, port, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM)
        self._egress.opened(made)
        return made

    def _expect(self, url: str, *schemes: str, listens: bool = False) -> tuple[str, str, int]:
        """Return scheme, host and port. Raises NotDeclared also for a scheme that this is not for."""
        scheme, host, port = self._egress.stream(url, self._whose, listens=listens)
        if scheme not in schemes:
            raise NotDeclared(
                phrase(
                    "stream-of-another-scheme",
                    "{url} is not opened so: this takes {schemes}",
                    url=f"{scheme}://{host}:{port}",
                    schemes=[f"{one}://" for one in schemes],
                )
            )
        return scheme, host, port

    async def _connected(self, host: str, port: int, kind: socket.SocketKind, *, abroad: bool) -> socket.socket:
        """Return a connected socket. `abroad`: not where a mere name leads to this machine. Raises OSError,
        OwnAddress."""
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=kind)
        if abroad:
            addresses = elsewhere(host, socket.gethostname().partition(".")[0], addresses)
        if kind == socket.SOCK_DGRAM:
            family, _, _, _, address = addresses[0]
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                made.connect(address)
            except OSError:
                made.close()
                raise
        else:
            made = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=_STAGGER_S, interleave=1, loop=loop
            )
        self._egress.opened(made)
        return made


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise NotReady(
            phrase(
                "address-cannot-be-listened-on",
                "{address} cannot be listened on: {reason}",
                address=f"{host}:{port}",
                reason=system_error(error),
            )
        ) from error
    return made


def _late(there: str, timeout: timedelta) -> NotReady:
    return NotReady(
        phrase(
            "does-not-answer-within",
            "{server} does not answer within {seconds:g} s",
            server=there,
            seconds=timeout.total_seconds(),
        )
    )


def _unanswered(there: str, error: Exception) -> NotReady:
    if isinstance(error, OwnAddress):
        return NotReady(
            phrase("server-not-called", "{server} is not called: {reason}", server=there, reason=reason_of(error))
        )
    why = system_error(error) if isinstance(error, OSError) else reason_of(error)
    return NotReady(phrase("does-not-answer", "{server} does not answer: {reason}", server=there, reason=why))
