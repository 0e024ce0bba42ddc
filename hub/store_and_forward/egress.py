"""Egress: the only way out. Declared hosts, pinned trust; every connection that leaves this hub asks here first.

Two kinds of host are declared. The **owner's**, in the signed trust document, each with the CA it must chain to:
TLS 1.3 only, our client certificate, no other CA of this machine counts. And the **configured** ones that a plugin
calls (a thermostat's web page, a weather service): TLS 1.2 or newer against the CA named or else the machine's, or
plain HTTP where the configuration says so; our client certificate is never shown to them. Each plugin calls the hosts
that its own part of the configuration names, and no other's. An answer that leads elsewhere (3xx) is followed within
those hosts, never from https to http, and to another origin without certificate and credentials.

With OpenSSL 3.5 or newer the key exchange offers X25519MLKEM768 first (FIPS 203 with X25519), by default: nothing
here narrows the groups. While the clock cannot be believed, chains are checked without dates, so that a hub
without a battery-backed clock is not locked out; names, CA and signatures are checked all the same (`hub.core.tls`).
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from hub.core import tls
from hub.core.clock import Clock
from hub.core.errors import AuthFailed, DecodeError, HubError, LedElsewhere, NotReady
from hub.core.text import phrase, reason_of
from hub.protocol.documents.trust import Egress as Declared
from hub.protocol.documents.trust import Trust, egress_of
from hub.sdk.http import CertificateRefused, HttpClient, OwnAddress, ProxyRefused, TooLong, Unanswered
from hub.sdk.session import Reply

_PORTS = {"http": 80, "https": 443}
_COUNTED = 256
_REDIRECTS = 5
_LEADING = (301, 302, 303, 307, 308)
_SHOWN = 100
"""Characters of a redirect's target that are shown: a server wrote them."""

MAX_REPLY = 1 << 20
"""Largest body in bytes of a reply to a plugin."""


class NotDeclared(HubError):
    """A host that neither the owner's trust document nor the configuration names. The operator declares it, or
    asks who wanted to call it."""

    exit_code = 5


class _Counted(LedElsewhere):
    counted = True


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host that the configuration lets a plugin call. `ca_pem` "": the machine's own CAs. `plain`: HTTP is
    allowed too. `whose`: the plugin's name, "" for the hub's own parts."""

    host: str
    port: int
    ca_pem: str = ""
    plain: bool = False
    whose: str = ""


Led = Callable[[str, str, str, bool], None]
"""Called for each redirect: whose call it was, who answered, where to (both "host:port"), and whether it was
followed."""


class Connection(NamedTuple):
    """Parameters of a connection: TLS context (None for plain HTTP) and the proxy's URL, if there is one."""

    context: ssl.SSLContext | None
    proxy: str | None


class Egress:
    """Declared hosts and their TLS contexts. `certificate` and `key` are the PEM files of the client certificate, which
    may not be there yet. `proxy` is the URL of an HTTP proxy (CONNECT, RFC 9110 §9.3.6) for the owner's hosts. `led` is
    called for each redirect."""

    def __init__(
        self,
        trust: Trust,
        clock: Clock,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        hosts: Iterable[Host] = (),
        proxy: str | None = None,
        led: Led = lambda whose, server, to, followed: None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._trust = trust
        self._clock = clock
        self._led = led
        self._certificate, self._key = certificate, key
        self._closed = ""
        self._lent: list[HttpClient] = []  # made under the hosts and CAs that are declared now
        self._contexts: dict[tuple[str, int, str, bool, bool], tuple[tuple[bool, int], ssl.SSLContext]] = {}
        self.declare(hosts, proxy)

    def close(self, why: str) -> None:
        """Refuse every connection from now on. `why` is a sentence for those who ask."""
        self._closed = why

    def reopen(self) -> None:
        """Allow declared connections again."""
        self._closed = ""

    def declare(self, hosts: Iterable[Host], proxy: str | None) -> None:
        """Replace the configured hosts and the proxy."""
        self._hosts: dict[tuple[str, str, int], Host] = {}
        for host in hosts:
            key = host.whose, host.host.lower(), host.port
            if key not in self._hosts or host.plain:  # both are written there: each is allowed, in whatever order
                self._hosts[key] = host
        self._proxy = proxy
        self._contexts.clear()  # a host may have another CA by now
        self._lent.clear()

    def connection(self, url: str, *, anonymous: bool = False, whose: str = "") -> Connection:
        """Return the parameters to connect to `url`. Contexts are kept until the clock, the trust document or the
        client certificate changes: ask again for each connection, not for each request. `anonymous`: without the client
        certificate, which may be the cause of a refusal. `whose`: the plugin that calls, which reaches only the hosts
        that its own configuration names; "" for a part of the hub, which may reach every host of the owner's.

        Raises NotDeclared, naming the host and the remedy; AuthFailed when the CA declared for it or the client
        certificate cannot be loaded; NotReady while it is closed.
        """
        if self._closed:
            raise NotReady(phrase("nothing-is-called", "nothing is called: {reason}", reason=self._closed))
        parts, host, port = self._address(url)
        owners, configured = self._declared(whose, host, port)
        if owners is not None and parts.scheme == "https":
            return Connection(self._context(host, port, owners.ca_pem, owners=True, shown=not anonymous), self._proxy)
        if configured is not None and parts.scheme == "https":
            return Connection(self._context(host, port, configured.ca_pem, owners=False, shown=False), None)
        if configured is not None and configured.plain:
            return Connection(None, None)
        raise self._refuse(whose, parts.scheme, host, port, known=owners is not None or configured is not None)

    def _declared(self, whose: str, host: str, port: int) -> tuple[Declared | None, Host | None]:
        """Return the declarations of a host: the owner's, and the configured one of `whose`."""
        configured = self._hosts.get((whose, host, port))
        return None if whose and configured is None else egress_of(self._trust, host, port), configured

    def lead(self, url: str, location: str, *, whose: str = "") -> tuple[str, bool]:
        """Resolve a redirect: return where `url` leads when its answer names `location`, and whether that is another
        origin. User and password in `location` are left out: the server wrote them.

        Raises LedElsewhere where the caller `whose` may not go: to a host that its configuration does not name, or from
        https to http; NotReady when it is no address.
        """
        parts, host, port = self._address(url)
        here = f"{host}:{port}"
        try:
            target = urlsplit(urljoin(url, location))
            there, at = (target.hostname or "").lower(), target.port or _PORTS[target.scheme]
            if not there:
                raise ValueError
        except (ValueError, KeyError):
            self._led(whose, here, "", False)
            raise NotReady(
                phrase("redirect-without-address", "{server} redirects to what is no address", server=_server(url))
            ) from None
        user, at_sign, _ = parts.netloc.rpartition("@")
        netloc = target.netloc.rpartition("@")[2]
        if same := (target.scheme, there, at) == (parts.scheme, host, port):
            netloc = user + at_sign + netloc
        else:
            owners, configured = self._declared(whose, there, at)
            plain = configured is not None and configured.plain and parts.scheme == "http"
            named = plain if target.scheme == "http" else owners is not None or configured is not None
            to = f"{there}:{at}"[:_SHOWN].encode("ascii", "replace").decode("ascii")
            self._led(whose, here, to, named)
            if not named:
                if (parts.scheme, target.scheme) == ("https", "http"):
                    raise _Counted(
                        phrase(
                            "redirect-to-http",
                            "{server} redirects to {target}, not followed: https does not become http",
                            server=_server(url),
                            target=to,
                        )
                    )
                raise _Counted(
                    phrase(
                        "redirect-to-another-host",
                        "{server} redirects to {target}, not followed: its configuration does not name that host",
                        server=_server(url),
                        target=to,
                    )
                )
        return target._replace(netloc=netloc).geturl(), not same

    def note(self, whose: str, error: LedElsewhere) -> None:
        """Report a redirect by another protocol than HTTP."""
        if not error.counted:
            self._led(whose, "", str(error)[:_SHOWN], False)

    def named_wrongly(self, url: str, why: Exception, whose: str) -> LedElsewhere:
        """The error to raise where the name in `url` leads back here: counted as what leads elsewhere."""
        _, host, port = self._address(url)
        self._led(whose, f"{host}:{port}", "this machine", False)
        return _Counted(
            phrase("server-not-called", "{server} is not called: {reason}", server=_server(url), reason=reason_of(why))
        )

    def update_trust(self, trust: Trust) -> bool:
        """Refuse hosts and CAs that the owner's new trust document no longer names. Returns True when it names others
        than before, so that existing connections may not be what the owner wants."""
        changed = trust.egress != self._trust.egress
        self._trust = trust
        self._contexts.clear()
        if changed:
            self._lent.clear()
        return changed

    def lend(self, client: HttpClient) -> None:
        """Share the connections of this client for other requests to the owner's hosts while they are idle. An uplink
        keeps one anyway, and another handshake costs more than most requests."""
        self._lent.append(client)

    def take_back(self, client: HttpClient) -> None:
        """Stop sharing a client's connections. No error when they were not shared."""
        if client in self._lent:
            self._lent.remove(client)

    def borrowed(self, url: str) -> tuple[HttpClient, ssl.SSLContext] | None:
        """Return a client with an idle connection to this host of the owner's, and its context; None when there is
        none."""
        parts, host, port = self._address(url)
        if egress_of(self._trust, host, port) is None:
            return None
        for client in self._lent:
            context = client.idle(parts.scheme, host, port, self._proxy)
            if context is not None:
                return client, context
        return None

    def http(self) -> EgressHttp:
        """Return an HTTP client (`Session.http`) over this egress. `await close()` it in the end."""
        return EgressHttp(self)

    def hosts(self) -> list[str]:
        """Return every "host:port" that may be called, for `ilot sovereignty`."""
        owners = [(entry.host, entry.port) for entry in self._trust.egress]
        configured = [(host, port) for _, host, port in self._hosts]
        return [f"{host}:{port}" for host, port in sorted({*owners, *configured})]

    def _address(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            parts, host, port = SplitResult("", "", "", "", ""), "", 0
        if not host or not port:
            self.refused["unreadable"] += 1
            raise NotDeclared(
                phrase(
                    "url-to-call-invalid",
                    "an address to call needs http:// or https:// and a host; check the plugin's url",
                )
            )
        return parts, host, port

    def _refuse(self, whose: str, scheme: str, host: str, port: int, *, known: bool) -> NotDeclared:
        name = f"{host}:{port}"
        called = f"{whose} {name}".strip()
        self.refused[called if called in self.refused or len(self.refused) < _COUNTED else "others"] += 1
        if known:
            return NotDeclared(
                phrase(
                    "https-only",
                    "{server} may be called by https only, not {scheme}: correct the url",
                    server=name,
                    scheme=scheme,
                )
            )
        return NotDeclared(
            phrase(
                "server-not-declared",
                "{server} is not declared, so this hub does not call it. For a backend, the owner adds it to the "
                "egress of the trust document; for a device or service, name it in the plugin's configuration",
                server=name,
            )
        )

    def _context(self, host: str, port: int, ca_pem: str, *, owners: bool, shown: bool) -> ssl.SSLContext:
        sure = self._clock.sure()
        state = sure, self._age() if shown else 0
        key = host, port, ca_pem, owners, shown
        kept = self._contexts.get(key)
        if kept is not None and kept[0] == state:
            return kept[1]
        oldest = ssl.TLSVersion.TLSv1_3 if owners else ssl.TLSVersion.TLSv1_2
        try:
            context = tls.client(ca_pem, oldest=oldest, dates=sure)
        except (ssl.SSLError, ValueError) as error:
            where = (
                phrase("source-trust-document", "trust document, which the owner signs anew")
                if owners
                else phrase("source-configuration", "configuration")
            )
            raise AuthFailed(
                phrase(
                    "declared-ca-invalid",
                    "the CA declared for {host}:{port} is not a certificate; correct it in the {source}",
                    host=host,
                    port=port,
                    source=where,
                )
            ) from error
        if shown:
            self._show_certificate(context)
        self._contexts[key] = state, context
        return context

    def _show_certificate(self, context: ssl.SSLContext) -> None:
        if self._certificate is None or self._key is None or not self._certificate.exists():
            return  # not enrolled yet: the backend says so
        try:
            context.load_cert_chain(self._certificate, self._key)
        except (ssl.SSLError, OSError) as error:
            raise AuthFailed(
                phrase(
                    "client-certificate-unusable",
                    "the client certificate {certificate} and its key do not fit or cannot be read ({reason}): "
                    "restore both from the state backup, or enrol this hub again",
                    certificate=self._certificate,
                    reason=reason_of(error),
                )
            ) from error

    def _age(self) -> int:
        """Return a number that changes when the client certificate is renewed."""
        try:
            return self._certificate.stat().st_mtime_ns if self._certificate is not None else 0
        except OSError:
            return 0


class EgressHttp:
    """HTTP client of a plugin (`Session.http`): small replies, and only hosts declared for `whose`, redirects included.
    Cookies are not kept, and no proxy or netrc of the environment counts."""

    def __init__(self, egress: Egress, whose: str = "", client: HttpClient | None = None) -> None:
        self._egress, self._whose = egress, whose
        self._client = client or HttpClient()

    def of(self, whose: str) -> EgressHttp:
        """Return the client for a plugin of this name. It has no connections of its own to close."""
        return EgressHttp(self._egress, whose, self._client)

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
        """Send one request; GET and HEAD follow up to five redirects, to where `Egress.lead` lets them. After a
        redirect to another origin neither the client certificate nor private headers are sent. A 303 is followed
        without the body (RFC 9110 §15.4.4). Any other method, and a body that would have to be sent again, gets the
        redirect itself: the first server may have acted already. `anonymous`: see `connection`.

        Raises NotDeclared, LedElsewhere, NotReady (no answer, certificate refused) and DecodeError (more than 1 MiB).
        """
        said = dict(_SAID if body is None else _SAID | _BYTES)
        named = {name.lower() for name in headers or ()}
        given = {name: value for name, value in said.items() if name.lower() not in named} | dict(headers or {})
        for _ in range(_REDIRECTS + 1):
            context, proxy = self._egress.connection(url, anonymous=anonymous, whose=self._whose)
            client, there = self._client, _server(url)
            if not anonymous and (lent := self._egress.borrowed(url)) is not None:
                client, context = lent
            try:
                answer = await client.call(
                    method,
                    url,
                    context=context,
                    proxy=proxy,
                    headers=given,
                    body=body,
                    limit=MAX_REPLY,
                    timeout_s=timeout.total_seconds(),
                )
            except TooLong as error:
                raise DecodeError(
                    "too-large",
                    phrase(
                        "answer-not-http",
                        "{server} gives no valid HTTP answer: {reason}",
                        server=there,
                        reason=reason_of(error),
                    ),
                ) from error
            except ProxyRefused as error:
                says = error.status or phrase("no-answer", "no answer")
                raise NotReady(
                    phrase(
                        "server-not-reached-through-proxy",
                        "{server} is not reached through the proxy ({answer}): see link.proxy",
                        server=there,
                        answer=says,
                    )
                ) from error
            except CertificateRefused as error:
                why = tls.refusal(error)
                raise NotReady(
                    phrase(
                        "certificate-refused",
                        "{server} shows a certificate that is refused: {reason}",
                        server=there,
                        reason=why.told() if why else reason_of(error),
                    )
                ) from error
            except TimeoutError as error:
                raise NotReady(
                    phrase(
                        "does-not-answer-within",
                        "{server} does not answer within {seconds:g} s",
                        server=there,
                        seconds=timeout.total_seconds(),
                    )
                ) from error
            except OwnAddress as error:
                raise self._egress.named_wrongly(url, error, self._whose) from error
            except Unanswered as error:
                raise NotReady(
                    phrase(
                        "does-not-answer", "{server} does not answer: {reason}", server=there, reason=reason_of(error)
                    )
                ) from error
            target = next((value for name, value in answer.headers.items() if name.lower() == "location"), "")
            if not target or answer.status not in _LEADING:
                return Reply(*answer)
            if method not in ("GET", "HEAD") or (body is not None and answer.status != 303):
                with suppress(HubError):  # counted and told, where it may not lead
                    self._egress.lead(url, target, whose=self._whose)
                return Reply(*answer)
            url, elsewhere = self._egress.lead(url, target, whose=self._whose)
            if body is not None:
                body, given = None, {name: one for name, one in given.items() if name.lower()[:8] != "content-"}
            if elsewhere:
                anonymous, given = True, {name: one for name, one in given.items() if name.lower() in _FOR_ANYBODY}
        raise NotReady(
            phrase("too-many-redirects", "{server} redirects more than {times} times", server=there, times=_REDIRECTS)
        )

    async def close(self) -> None:
        await self._client.close()


_SAID = {"Accept": "*/*", "User-Agent": "ilot"}
_BYTES = {"Content-Type": "application/octet-stream"}
_FOR_ANYBODY = ("accept", "accept-language", "user-agent")
"""Headers that follow a redirect to another host: an API key has whatever name its service gave it."""


def _server(url: str) -> str:
    """Return the server of a URL for messages. User, path and query are left out: services put secrets there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def hybrid() -> bool:
    """True when this OpenSSL offers X25519MLKEM768."""
    return ssl.OPENSSL_VERSION_INFO >= (3, 5)
