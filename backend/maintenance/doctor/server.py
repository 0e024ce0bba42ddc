"""The server that runs: asked over TLS as a hub would, at this machine, by the name that hubs call."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from importlib.metadata import version

import msgspec

from backend.maintenance.doctor import machine
from backend.maintenance.doctor.findings import OK, SERVER, WRONG, Finding
from backend.owner.directory import Owner
from hub.core import tls
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

ANSWER_S = 3.0
MAX_ANSWER = 1 << 20


class _Process(msgspec.Struct):
    release: str


class _Stats(msgspec.Struct):
    """The part of `/v1/stats` that is looked at; a server of a former release does not say its own."""

    release: str = ""
    processes: list[_Process] = []

    def other_release(self, installed: str) -> str:
        """Return the release of a process that is not of the installed one, else the server's."""
        return next((one.release for one in self.processes if one.release != installed), self.release)


class _ToThisMachine(http.client.HTTPConnection):
    """Connection to an address of this machine whose certificate must be of a name that hubs call."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext) -> None:
        super().__init__(address, port, timeout=ANSWER_S)
        self._name, self._context = name, context

    def connect(self) -> None:
        made = socket.create_connection((self.host, self.port), ANSWER_S)
        self.sock = self._context.wrap_socket(made, server_hostname=self._name)


def look(owner: Owner) -> Iterator[Finding]:
    """Yield whether it answers, with which certificate, and whether it is of the release that is installed."""
    error: Exception | None = None
    port = owner.settings.port
    for address in dict.fromkeys(("127.0.0.1", "::1", owner.settings.names[0])):
        try:
            stats = _asked(owner, address)
        except (OSError, http.client.HTTPException, ValueError, msgspec.DecodeError) as failure:
            error = error if isinstance(error, ssl.SSLError) else failure  # that one tells most
            continue
        says = phrase("server-answers", "it answers at {address} port {port}", address=address, port=port)
        yield Finding(SERVER, OK, says)
        yield from machine.releases(stats.other_release(version("ilot")))
        return
    says = phrase(
        "server-silent",
        "it does not answer at port {port}: {reason}",
        port=port,
        reason=reason_of(error) if error is not None else "",
    )
    remedy = phrase(
        "start-backend",
        "`systemctl start ilot-backend`; `journalctl -u ilot-backend -n 50` says why it does not run",
    )
    yield Finding(SERVER, WRONG, says, remedy)
    yield from machine.releases()


def _asked(owner: Owner, address: str) -> _Stats:
    context = tls.client(file=owner.directory / "ca.pem", oldest=ssl.TLSVersion.TLSv1_3)
    connection = _ToThisMachine(address, owner.settings.port, owner.settings.names[0], context)
    try:
        connection.request("GET", "/v1/stats", headers={"Authorization": f"Bearer {owner.api_token}"})
        reply = connection.getresponse()
        body = reply.read(MAX_ANSWER)
    finally:
        connection.close()
    if reply.status != 200:
        raise ValueError(phrase("server-answers-status", "it answers with status {status}", status=reply.status))
    return msgspec.json.decode(shallow_json(body), type=_Stats)
