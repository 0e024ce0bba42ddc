"""The way to the backend: its name, the proxy, the connection. Blocking sockets, each answer within a deadline."""

from __future__ import annotations

import base64
import errno
import http.client
import queue
import socket
import ssl
import threading
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from hub.core.text import phrase, system_error
from hub.operations.doctor.findings import PROXY, WRONG, Finding

TIMEOUT_S = 10.0
_CORRECT_PROXY = phrase("correct-link-proxy", "correct link.proxy")


class Route(NamedTuple):
    """Route to the backend: the TLS context and proxy of `Egress.connection`; `hub` is this hub's id, `now` its clock
    in Unix seconds, and `synchronised` whether a time server keeps it, None where unknown. `speaks_http`: the other end
    is the backend itself, not a broker. `timeout_s`: for each answer that is awaited."""

    host: str
    port: int
    context: ssl.SSLContext
    proxy: str | None
    hub: str
    now: float
    speaks_http: bool = True
    synchronised: bool | None = None
    timeout_s: float = TIMEOUT_S


class StageFailed(Exception):
    """The stage that failed."""

    def __init__(self, what: str, says: str, remedy: str) -> None:
        super().__init__(says)
        self.finding = Finding(what, WRONG, says, remedy)


def reach(way: Route) -> socket.socket:
    if way.proxy is None:
        remedy = phrase("backend-or-firewall", "is the backend running, and does a firewall let this port out?")
        return _connect(way.host, way.port, "DNS", "TCP", remedy, way.timeout_s)
    proxy = urlsplit(way.proxy)
    made = _connect(proxy.hostname or "", proxy.port or 80, PROXY, PROXY, _CORRECT_PROXY, way.timeout_s)
    try:
        _tunnel(way, made, proxy.username, proxy.password)
    except BaseException:
        made.close()
        raise
    return made


def _connect(host: str, port: int, naming: str, connecting: str, remedy: str, timeout_s: float) -> socket.socket:
    try:
        addresses = _addresses(host, port, timeout_s)
    except OSError as error:
        raise StageFailed(
            naming,
            phrase(
                "name-without-address",
                "the name {host} has no address: {reason}",
                host=host,
                reason=system_error(error),
            ),
            phrase("is-the-name-right", "is the name right, and does this machine have a name server?"),
        ) from error
    said: str = ""
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        made.settimeout(timeout_s)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            said = system_error(error)
        else:
            return made
    raise StageFailed(
        connecting,
        phrase("end-silent", "{host}:{port} does not answer: {reason}", host=host, port=port, reason=said),
        remedy,
    )


def _addresses(host: str, port: int, timeout_s: float) -> list[Any]:
    """Return what a name means. Raises OSError, TimeoutError too: the C library waits for each name server for longer
    than anybody who stands before the machine."""
    answer: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.put(_no_name_server() if error.errno == socket.EAI_AGAIN else error)
        except UnicodeError as error:
            answer.put(OSError(str(error)))

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=timeout_s)
    except queue.Empty:
        raise _no_name_server() from None
    if isinstance(found, OSError):
        raise found
    return found


def _no_name_server() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, phrase("name-servers-silent", "no name server answers"))


def _tunnel(way: Route, made: socket.socket, user: str | None, password: str | None) -> None:
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
        raise StageFailed(
            PROXY,
            phrase("no-http", "it does not speak HTTP: {reason}", reason=system_error(error) or type(error).__name__),
            _CORRECT_PROXY,
        ) from None
    if answer.status == 407:
        raise StageFailed(
            PROXY,
            phrase("proxy-credentials-refused", "it wants other credentials (407)"),
            phrase("correct-proxy-user", "correct link.proxy_user and link.proxy_password"),
        )
    if answer.status != 200:
        raise StageFailed(
            PROXY,
            phrase(
                "proxy-refuses-to-connect",
                "it does not connect to {target} ({status})",
                target=target,
                status=answer.status,
            ),
            phrase("proxy-administrator-allows", "its administrator allows {target}", target=target),
        )
