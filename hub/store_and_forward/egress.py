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

import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit
from weakref import WeakSet

import msgspec

from hub.core import tls
from hub.core.clock import Clock
from hub.core.errors import AuthFailed, HubError, LedElsewhere, NotReady
from hub.core.text import phrase, reason_of
from hub.protocol.documents.trust import Egress as Declared
from hub.protocol.documents.trust import Trust, egress_of
from hub.sdk.http import HttpClient

_PORTS = {"http": 80, "https": 443}
STREAMS = {"tcp": 0, "tls": 0, "udp": 0, "mqtt": 1883, "mqtts": 8883}
"""Scheme of a connection that is none of HTTP → its port where a URL names none; 0: it must."""
DEVICE = "device"
ANY_ADDRESS = "*"
"""Of this machine, to listen on."""
_COUNTED = 256
_SHOWN = 100
"""Characters of a redirect's target that are shown: a server wrote them."""


class NotDeclared(HubError):
    """A host that neither the owner's trust document nor the configuration names. The operator declares it, or
    asks who wanted to call it."""

    exit_code = 5


class _Counted(LedElsewhere):
    counted = True


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host that the configuration lets a plugin call. `ca_pem` "": the machine's own CAs. `plain`: HTTP is
    allowed too. `whose`: the plugin's name, "" for the hub's own parts. `stream`: a scheme of STREAMS, "" for HTTP.
    `listens`: an address of this machine to listen on, ANY_ADDRESS for all, and none to call. With `stream` DEVICE,
    `host` is the path of a device file."""

    host: str
    port: int
    ca_pem: str = ""
    plain: bool = False
    whose: str = ""
    stream: str = ""
    listens: bool = False


Led = Callable[[str, str, str, bool], None]
"""Called for each redirect: whose call it was, who answered, where to (both "host:port"), and whether it was
followed."""


class Connection(NamedTuple):
    """Parameters of a connection: TLS context (None for plain HTTP) and the proxy's URL, if there is one."""

    context: ssl.SSLContext | None
    proxy: str | None


def _hears_all(one: socket.socket) -> bool:
    """Whether it is a UDP socket without a peer: shut to read it would always be ready and never give anything, which
    turns an event loop without a pause. Nothing leaves it any more; who hears goes on reading."""
    if one.type != socket.SOCK_DGRAM:
        return False
    try:
        one.getpeername()
    except OSError:
        return True
    return False


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
        self._open: WeakSet[socket.socket] = WeakSet()
        self._lent: list[HttpClient] = []  # made under the hosts and CAs that are declared now
        self._contexts: dict[tuple[str, int, str, bool, bool], tuple[tuple[bool, int], ssl.SSLContext]] = {}
        self._for_now: list[tuple[Host, ...]] = []
        self.declare(hosts, proxy)

    def close(self, why: str) -> None:
        """Refuse every connection from now on, and end the streams that are open. `why` is a sentence for those who
        ask."""
        self._closed = why
        for one in list(self._open):
            with suppress(OSError):  # it ended by itself
                one.shutdown(socket.SHUT_WR if _hears_all(one) else socket.SHUT_RDWR)

    def reopen(self) -> None:
        """Allow declared connections again."""
        self._closed = ""

    def declare(self, hosts: Iterable[Host], proxy: str | None) -> None:
        """Replace the configured hosts and the proxy."""
        self._configured, self._proxy = tuple(hosts), proxy
        self._index()
        self._contexts.clear()  # a host may have another CA by now
        self._lent.clear()

    @contextmanager
    def declared_for_now(self, hosts: Iterable[Host]) -> Iterator[None]:
        """Declare these hosts too, until the end of the block: for a search on a line that is not configured."""
        added = tuple(hosts)
        self._for_now.append(added)
        self._index()
        try:
            yield
        finally:
            self._for_now = [one for one in self._for_now if one is not added]
            self._index()

    def _index(self) -> None:
        """Sort what is declared now by how it is asked for."""
        self._hosts: dict[tuple[str, str, int], Host] = {}
        self._streams: set[tuple[str, str, str, int]] = set()
        self._listens: set[tuple[str, str, str, int]] = set()
        self._devices: set[tuple[str, str]] = set()
        for host in chain(self._configured, *self._for_now):
            if host.stream == DEVICE:
                self._devices.add((host.whose, host.host))
                continue
            if host.stream:
                declared = self._listens if host.listens else self._streams
                declared.add((host.whose, host.stream, host.host.lower(), host.port))
                continue
            key = host.whose, host.host.lower(), host.port
            if key not in self._hosts or host.plain:  # both are written there: each is allowed, in whatever order
                self._hosts[key] = host

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

    def stream(self, url: str, whose: str, *, listens: bool = False) -> tuple[str, str, int]:
        """Return scheme, host and port of a stream that this plugin may open, or listen for. Raises NotDeclared, naming
        the host and the remedy; NotReady while all is closed."""
        if self._closed:
            raise NotReady(phrase("nothing-is-called", "nothing is called: {reason}", reason=self._closed))
        parts, host, port = self._address(url)
        wanted = whose, parts.scheme, host, port
        everywhere = whose, parts.scheme, ANY_ADDRESS, port
        if wanted in self._listens or everywhere in self._listens if listens else wanted in self._streams:
            return parts.scheme, host, port
        raise self._refuse(whose, parts.scheme, host, port, known=False)

    def device(self, path: str, whose: str) -> str:
        """Return the path of a device file that this plugin may open. Raises NotDeclared."""
        if (whose, path) not in self._devices:
            called = f"{whose} {path[:_SHOWN]}"
            self.refused[called if called in self.refused or len(self.refused) < _COUNTED else "others"] += 1
            raise NotDeclared(
                phrase(
                    "device-file-not-declared",
                    "{path} is not declared: name it in the plugin's options; of a plugin of somebody else, its "
                    "manifest has to grant it too",
                    path=path[:_SHOWN],
                )
            )
        return path

    def opened(self, stream: socket.socket) -> None:
        """Remember an open stream, which `close` ends."""
        self._open.add(stream)

    def stream_context(self, host: str, port: int, ca_pem: str) -> ssl.SSLContext:
        """Return the TLS context of a plugin's stream. Raises AuthFailed when the CA is none."""
        return self._context(host, port, ca_pem, owners=False, shown=False)

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
                phrase("redirect-without-address", "{server} redirects to what is no address", server=server_of(url))
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
                            server=server_of(url),
                            target=to,
                        )
                    )
                raise _Counted(
                    phrase(
                        "redirect-to-another-host",
                        "{server} redirects to {target}, not followed: its configuration does not name that host",
                        server=server_of(url),
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
            phrase(
                "server-not-called", "{server} is not called: {reason}", server=server_of(url), reason=reason_of(why)
            )
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

    def hosts(self) -> list[str]:
        """Return every "host:port" that may be called, for `ilot sovereignty`."""
        owners = [(entry.host, entry.port) for entry in self._trust.egress]
        configured = [(host, port) for _, host, port in self._hosts]
        configured += [(host, port) for _, _, host, port in self._streams]
        return [f"{host}:{port}" for host, port in sorted({*owners, *configured})]

    def _address(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
            port = port or STREAMS.get(parts.scheme, 0)
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


def server_of(url: str) -> str:
    """Return the server of a URL for messages. User, path and query are left out: services put secrets there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def hybrid() -> bool:
    """True when this OpenSSL offers X25519MLKEM768."""
    return ssl.OPENSSL_VERSION_INFO >= (3, 5)
