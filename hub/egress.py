"""The only way out: declared hosts, pinned trust. Everything that leaves this hub asks here first.

Two kinds of host are declared. The **owner's**, in the signed trust document, each with the CA it must chain to:
TLS 1.3 only, our client certificate, no other CA of this machine counts. And the **configured** ones that a plugin
calls (a thermostat's web page, a weather service): TLS 1.2 or newer against the CA named or else the machine's, or
plain HTTP where the configuration says so; our client certificate is never shown to them.

With OpenSSL 3.5 or newer the key exchange offers X25519MLKEM768 first (FIPS 203 with X25519), by default: nothing
here narrows the groups. While the clock cannot be believed, chains are checked without dates
(X509_V_FLAG_NO_CHECK_TIME), so that a hub without a battery-backed clock is not locked out; names, CA and
signatures are checked all the same.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from hub.calling import HttpClient, ProxyRefused, TooLong, Unanswered
from hub.clock import Clock
from hub.documents.trust import Trust, egress_of
from hub.errors import AuthFailed, DecodeError, HubError, NotReady
from hub.session import Reply

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which Python does not name."""

_PORTS = {"http": 80, "https": 443}
_COUNTED = 256
_REDIRECTS = 5

MAX_REPLY = 1 << 20
"""Bytes of body that a plugin may be answered with."""


class NotDeclared(HubError):
    """A host that neither the owner's trust document nor the configuration names. The operator declares it, or
    asks who wanted to call it."""

    exit_code = 5


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host that the configuration lets a plugin call. `ca_pem` "": the machine's own CAs. `plain`: HTTP is
    allowed too."""

    host: str
    port: int
    ca_pem: str = ""
    plain: bool = False


class Connection(NamedTuple):
    """What a client needs: a context (None for plain HTTP) and the proxy's URL, if there is one."""

    context: ssl.SSLContext | None
    proxy: str | None


class Egress:
    """`certificate` and `key` are the PEM files of the client certificate, which may not be there yet. `proxy` is
    the URL of an HTTP proxy (CONNECT) for the owner's hosts."""

    def __init__(
        self,
        trust: Trust,
        clock: Clock,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        hosts: Iterable[Host] = (),
        proxy: str | None = None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._trust = trust
        self._clock = clock
        self._certificate, self._key = certificate, key
        self.closed = ""
        """Why nothing is called, "" while it is."""
        self._lent: list[HttpClient] = []  # made under the hosts and CAs that are declared now
        self._contexts: dict[tuple[str, int, bool], tuple[tuple[bool, int], ssl.SSLContext]] = {}
        self.declare(hosts, proxy)

    def declare(self, hosts: Iterable[Host], proxy: str | None) -> None:
        """These are the configured hosts, and this is the way to the owner's, from now on."""
        self._hosts = {(host.host.lower(), host.port): host for host in hosts}
        self._proxy = proxy
        self._contexts.clear()  # a host may have another CA by now
        self._lent.clear()

    def connection(self, url: str, *, anonymous: bool = False) -> Connection:
        """What is needed to connect to `url`. Contexts are kept until the clock, the trust document or the
        client certificate changes: ask again for each connection, not for each request. `anonymous`: without the
        client certificate, which may be what is wrong.

        Raises NotDeclared, naming the host and the remedy; AuthFailed when the CA declared for it or the client
        certificate cannot be loaded; NotReady while everything is `closed`.
        """
        if self.closed:
            raise NotReady(f"nothing is called: {self.closed}")
        parts, host, port = self._address(url)
        owners = egress_of(self._trust, host, port)
        if owners is not None and parts.scheme == "https":
            return Connection(self._context(host, port, owners.ca_pem, owners=True, shown=not anonymous), self._proxy)
        configured = self._hosts.get((host, port))
        if configured is not None and parts.scheme == "https":
            return Connection(self._context(host, port, configured.ca_pem, owners=False, shown=False), None)
        if configured is not None and configured.plain:
            return Connection(None, None)
        raise self._refuse(parts.scheme, host, port, known=owners is not None or configured is not None)

    def retrust(self, trust: Trust) -> bool:
        """The owner signed a new trust document: hosts and CAs it no longer names are refused from now on. True when
        it names others than before, so that connections already made may not be what the owner wants."""
        changed = trust.egress != self._trust.egress
        self._trust = trust
        self._contexts.clear()
        if changed:
            self._lent.clear()
        return changed

    def lend(self, client: HttpClient) -> None:
        """What else is asked of the owner's hosts goes over this client's connections while they are idle: an uplink
        keeps one, and a handshake of its own costs more than most questions."""
        self._lent.append(client)

    def take_back(self, client: HttpClient) -> None:
        """It is used no more. Not to have lent it is no error."""
        if client in self._lent:
            self._lent.remove(client)

    def borrowed(self, url: str) -> tuple[HttpClient, ssl.SSLContext] | None:
        """A client with an idle connection to this host of the owner's, and its context; None when there is none."""
        parts, host, port = self._address(url)
        if egress_of(self._trust, host, port) is None:
            return None
        for client in self._lent:
            context = client.idle(parts.scheme, host, port, self._proxy)
            if context is not None:
                return client, context
        return None

    def http(self) -> EgressHttp:
        """A `Session.http` over this egress. `await close()` it in the end."""
        return EgressHttp(self)

    def hosts(self) -> list[str]:
        """Every "host:port" that may be called, for `ilot sovereignty`."""
        owners = [(entry.host, entry.port) for entry in self._trust.egress]
        return [f"{host}:{port}" for host, port in sorted({*owners, *self._hosts})]

    def _address(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            parts, host, port = SplitResult("", "", "", "", ""), "", 0
        if not host or not port:
            self.refused["unreadable"] += 1
            raise NotDeclared("an address to call needs http:// or https:// and a host; check the plugin's url")
        return parts, host, port

    def _refuse(self, scheme: str, host: str, port: int, *, known: bool) -> NotDeclared:
        name = f"{host}:{port}"
        self.refused[name if name in self.refused or len(self.refused) < _COUNTED else "others"] += 1
        if known:
            return NotDeclared(f"{name} may be called by https only, not {scheme}: correct the url")
        return NotDeclared(
            f"{name} is not declared, so this hub does not call it. For a backend, the owner adds it to the egress of "
            "the trust document; for a device or service, name it in the plugin's configuration"
        )

    def _context(self, host: str, port: int, ca_pem: str, *, owners: bool, shown: bool) -> ssl.SSLContext:
        sure = self._clock.sure()
        state = sure, self._age() if shown else 0
        kept = self._contexts.get((host, port, shown))
        if kept is not None and kept[0] == state:
            return kept[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if owners else ssl.TLSVersion.TLSv1_2
        try:
            if ca_pem:
                context.load_verify_locations(cadata=ca_pem)
            else:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        except (ssl.SSLError, ValueError) as error:
            where = "trust document, which the owner signs anew" if owners else "configuration"
            raise AuthFailed(
                f"the CA declared for {host}:{port} is no certificate; correct it in the {where}"
            ) from error
        if shown:
            self._show_certificate(context)
        if not sure:
            context.verify_flags |= NO_CHECK_TIME
        self._contexts[host, port, shown] = state, context
        return context

    def _show_certificate(self, context: ssl.SSLContext) -> None:
        if self._certificate is None or self._key is None or not self._certificate.exists():
            return  # not enrolled yet: the backend says so
        try:
            context.load_cert_chain(self._certificate, self._key)
        except (ssl.SSLError, OSError) as error:
            raise AuthFailed(
                f"the client certificate {self._certificate} and its key do not fit or cannot be read ({error}): "
                "restore both from the state backup, or enrol this hub again"
            ) from error

    def _age(self) -> int:
        """Changes when the client certificate is renewed."""
        try:
            return self._certificate.stat().st_mtime_ns if self._certificate is not None else 0
        except OSError:
            return 0


class EgressHttp:
    """A `Session.http`: small replies, declared hosts only, redirects included. Cookies are not kept, credentials
    do not follow a redirect to another host, and no proxy or netrc of the environment counts."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._client = HttpClient()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
        anonymous: bool = False,
    ) -> Reply:
        """One request; GET and HEAD follow up to five redirects to declared hosts. `anonymous`: see `connection`.

        Raises NotDeclared, NotReady (no answer, certificate refused) and DecodeError (more than 1 MiB).
        """
        said = dict(_SAID if body is None else _SAID | _BYTES)
        named = {name.lower() for name in headers or ()}
        given = {name: value for name, value in said.items() if name.lower() not in named} | dict(headers or {})
        for _ in range(_REDIRECTS + 1):
            context, proxy = self._egress.connection(url, anonymous=anonymous)
            client, there = self._client, _server(url)
            if not anonymous and (lent := self._egress.borrowed(url)) is not None:
                client, context = lent
            try:
                answer = await client.call(
                    method, url, context=context, proxy=proxy, headers=given, body=body, limit=MAX_REPLY,
                    timeout_s=timeout.total_seconds(),
                )  # fmt: skip
            except TooLong as error:
                raise DecodeError("too-large", f"{there} answers with {error}") from error
            except ProxyRefused as error:
                says = error.status or "no answer"
                raise NotReady(f"{there} is not reached through the proxy ({says}): see link.proxy") from error
            except TimeoutError as error:
                raise NotReady(f"{there} does not answer within {timeout.total_seconds():g} s") from error
            except Unanswered as error:
                raise NotReady(f"{there} does not answer: {error}") from error
            target = next((value for name, value in answer.headers.items() if name.lower() == "location"), "")
            if not target or answer.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
                return Reply(*answer)
            try:
                target = urljoin(url, target)
                elsewhere = urlsplit(target)[:2] != urlsplit(url)[:2]  # another host, or https to http
            except ValueError:
                raise NotReady(f"{there} redirects to what is no address") from None
            if elsewhere:
                given = {name: value for name, value in given.items() if name.lower() in _FOR_ANYBODY}
            url = target
        raise NotReady(f"{there} redirects more than {_REDIRECTS} times")

    async def close(self) -> None:
        await self._client.close()


_SAID = {"Accept": "*/*", "User-Agent": "ilot"}
_BYTES = {"Content-Type": "application/octet-stream"}
_FOR_ANYBODY = ("accept", "accept-language", "user-agent")
"""Headers that follow a redirect to another host: an API key has whatever name its service gave it."""


def _server(url: str) -> str:
    """What messages call it. User, path and query are left out: services put their secrets there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def hybrid() -> bool:
    """Does this OpenSSL offer X25519MLKEM768?"""
    return ssl.OPENSSL_VERSION_INFO >= (3, 5)
