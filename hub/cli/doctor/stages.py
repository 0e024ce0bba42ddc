"""The way to the backend, one stage after the other, until one fails: name, proxy, connection, TLS, certificate,
clock, admission. Blocking sockets, nothing of the hub's own link: so it also tells when that is what is broken."""

from __future__ import annotations

import base64
import datetime as dt
import email.utils
import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from hub.cli.doctor.findings import NOTE, OK, WRONG, Finding

TIMEOUT_S = 10.0
MAX_SKEW_S = 300.0
_NOT_YET, _EXPIRED, _HOST, _ADDRESS = 9, 10, 62, 64  # X509_V_ERR_… of OpenSSL's x509_vfy.h
_STRANGERS = {18, 19, 20, 21}  # self-signed, or issued by nobody that is trusted


class Way(NamedTuple):
    """Where to go and how: the TLS context and proxy of `Egress.connection`; `hub` is this hub's id, `now` its clock
    in Unix seconds. `speaks_http`: the other end is the backend itself, not a broker."""

    host: str
    port: int
    context: ssl.SSLContext
    proxy: str | None
    hub: str
    now: float
    speaks_http: bool = True


class _Fails(Exception):
    """The stage at which it ends."""

    def __init__(self, what: str, says: str, remedy: str) -> None:
        super().__init__(says)
        self.finding = Finding(what, WRONG, says, remedy)


def walk(way: Way) -> Iterator[Finding]:
    """Each stage that was passed, then the one that fails, if one does."""
    try:
        with _reach(way) as raw:
            yield Finding("connection", OK, f"{way.host}:{way.port} answers{' through the proxy' if way.proxy else ''}")
            with _secure(way, raw) as secure:
                yield Finding("TLS", OK, f"{secure.version()}, {(secure.cipher() or ('?',))[0]}, the owner's CA")
                if way.speaks_http:
                    yield from _ask(way, secure)
    except _Fails as failure:
        yield failure.finding


def _reach(way: Way) -> socket.socket:
    if way.proxy is None:
        return _connect(
            way.host, way.port, "DNS", "TCP", "is the backend running, and does a firewall let this port out?"
        )
    proxy = urlsplit(way.proxy)
    made = _connect(proxy.hostname or "", proxy.port or 80, "proxy", "proxy", "correct link.proxy")
    try:
        _tunnel(way, made, proxy.username, proxy.password)
    except BaseException:
        made.close()
        raise
    return made


def _connect(host: str, port: int, naming: str, connecting: str, remedy: str) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _Fails(
            naming, f"the name {host} has no address: {error.strerror or error}",
            "is the name right, and does this machine have a name server?",
        ) from error  # fmt: skip
    said = ""
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        made.settimeout(TIMEOUT_S)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            said = str(error.strerror or error)
        else:
            return made
    raise _Fails(connecting, f"{host}:{port} does not answer: {said}", remedy)


def _tunnel(way: Way, made: socket.socket, user: str | None, password: str | None) -> None:
    target = f"{way.host}:{way.port}"
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if user is not None:
        pair = base64.b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
        request += f"Proxy-Authorization: Basic {pair}\r\n"
    try:
        made.sendall(f"{request}\r\n".encode())
        answer = http.client.HTTPResponse(made, method="CONNECT")
        answer.begin()
    except (OSError, http.client.HTTPException) as error:
        raise _Fails(
            "proxy", f"it does not speak HTTP: {error or type(error).__name__}", "correct link.proxy"
        ) from None
    if answer.status == 407:
        raise _Fails("proxy", "it wants other credentials (407)", "correct link.proxy_user and link.proxy_password")
    if answer.status != 200:
        raise _Fails(
            "proxy", f"it does not connect to {target} ({answer.status})", f"its administrator allows {target}"
        )


def _secure(way: Way, raw: socket.socket) -> ssl.SSLSocket:
    try:
        return way.context.wrap_socket(raw, server_hostname=way.host)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(way, error) from error
    except (ssl.SSLError, OSError) as error:
        raise _Fails(
            "TLS", f"no TLS 1.3 with {way.host}: {_plain(error)}",
            "something on the way takes part in TLS, or this is not the backend's port",
        ) from error  # fmt: skip


def _distrusted(way: Way, error: ssl.SSLCertVerificationError) -> _Fails:
    """Why a certificate was refused: a second look at it, without trust, sends nothing."""
    issuer, begins, ends = _shown(way)
    clock = f"this machine's clock says {_date(way.now)}"
    if error.verify_code in _STRANGERS:
        return _Fails(
            "TLS interception", f"another CA answers for {way.host}: {issuer}, not the one the owner named",
            "a proxy or firewall opens TLS here: its administrator exempts this host. If the owner has a new CA, the "
            "owner signs a new trust document",
        )  # fmt: skip
    if error.verify_code == _NOT_YET:
        return _Fails(
            "clock",
            f"the backend's certificate begins {begins}, {clock}",
            "set the clock, or let it reach a time server",
        )
    if error.verify_code == _EXPIRED:
        return _Fails(
            "certificate", f"the backend's certificate ended {ends}, {clock}",
            "the backend's operator renews it, unless the clock is wrong",
        )  # fmt: skip
    names = error.verify_code in (_HOST, _ADDRESS)
    return _Fails(
        "certificate", f"the backend's certificate is not good for {way.host}: {error.verify_message}",
        "call the backend by a name in its certificate" if names else "the backend's operator renews it",
    )  # fmt: skip


def _shown(way: Way) -> tuple[str, str, str]:
    """Issuer, begin and end of the certificate that is shown."""
    from cryptography import x509

    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    try:
        with _reach(way) as raw, blind.wrap_socket(raw, server_hostname=way.host) as secure:
            shown = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    except (_Fails, OSError, ValueError):
        return "an unreadable one", "?", "?"
    begin, end = (f"{when:%Y-%m-%d %H:%M} UTC" for when in (shown.not_valid_before_utc, shown.not_valid_after_utc))
    return shown.issuer.rfc4514_string() or "one without a name", begin, end


def _ask(way: Way, secure: ssl.SSLSocket) -> Iterator[Finding]:
    """An empty message: the backend looks at who sends before it looks at what."""
    asking = http.client.HTTPConnection(way.host, way.port)
    asking.sock = secure
    try:
        asking.request("POST", f"/v1/hubs/{way.hub}/records", b"")
        reply = asking.getresponse()
        said = reply.read(300).decode(errors="replace").strip()
    except ssl.SSLError as error:
        raise _Fails(
            "certificate", f"the backend refuses this hub's certificate: {_plain(error)}",
            "its operator looks at its log; `ilot doctor` says how long the certificate lasts",
        ) from error  # fmt: skip
    except (OSError, http.client.HTTPException) as error:
        raise _Fails(
            "admission", f"no answer to a message: {error or type(error).__name__}", "is this the backend?"
        ) from error
    skew = _skew(reply.headers.get("Date", ""), way.now)
    if skew is not None:
        wrong = abs(skew) > MAX_SKEW_S
        yield Finding(
            "clock", NOTE if wrong else OK, f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the backend's",
            "readings carry this clock's time: let it reach a time server" if wrong else "",
        )  # fmt: skip
    if reply.status in (401, 403):
        raise _Fails(
            "refusal", f"the backend refuses {way.hub} ({reply.status}): {said}", "its operator admits it again"
        )
    if reply.status not in (200, 400):  # 400: an empty message is none, but it was looked at
        raise _Fails("admission", f"the answer is {reply.status}: {said}", "is this the backend, and is it well?")
    yield Finding("admission", OK, f"the backend knows {way.hub}")


def _skew(date: str, now: float) -> float | None:
    try:
        return now - email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _plain(error: OSError) -> str:
    """What OpenSSL says, in words."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error.strerror or error or "cut off")


def _date(unix_s: float) -> str:
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%d %H:%M} UTC"
