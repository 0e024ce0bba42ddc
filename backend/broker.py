"""What an MQTT broker needs to stand between hubs and this backend: certificates, configuration, a line in TRUST.

The broker belongs to the owner's CA, as hubs pin no other. It is told who may do what by certificate name alone: a
hub reads and writes its own topics, the backend those of all hubs, and nobody else anything.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from backend import owner as owners
from backend import pki
from backend.directory_lock import alone
from backend.key_files import keep
from backend.owner import Owner
from hub.core.disk.atomic_files import refuse_strange_links, write_atomically
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError, StorageError
from hub.protocol.pem import private_pem

NAME = "ilot-backend"
"""Common name of the certificate that the backend shows to a broker, and so its name in the broker's ACL."""

_ACL = f"""\
# Who may do what, by the common name of the client certificate.
user {NAME}
topic read ilot/v1/+/up/+
topic read ilot/v1/+/state
topic write ilot/v1/+/ack

pattern write ilot/v1/%u/up/+
pattern write ilot/v1/%u/state
pattern read ilot/v1/%u/ack
"""

_CONFIGURATION = """\
# mosquitto 2 for Îlot. Nothing is kept on disk: hubs keep what was not acknowledged.
per_listener_settings false
allow_anonymous false
acl_file {where}/acl
persistence false
max_packet_size 4200000
"""

_LISTENER = """
listener {port}
{protocol}cafile {where}/ca.pem
certfile {where}/server.pem
keyfile {where}/server.key
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
# One connection per certificate: nobody can push out another by taking its client id.
use_username_as_clientid true
"""


class Address(NamedTuple):
    """A broker: TLS 1.3 at `host` and `port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """HOST or HOST:PORT, an IPv6 address in brackets; the port is 8883 unless told. Raises ConfigError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@\[\]]+))(?::(\d{1,5}))?", text)
    port = int(match[3] or 8883) if match is not None else 0
    if match is None or not 1 <= port <= 65535:
        raise ConfigError(f"{text[:80]!r} is no HOST:PORT of a broker")
    return Address((match[1] or match[2]).lower(), port)


def prepare(
    directory: Path, out: Path, address: Address, *, websocket: int | None = None, where: str = "/etc/mosquitto/ilot"
) -> Owner:
    """Write the broker's files to `out` and the backend's certificate for it to `directory`; let TRUST name the broker.

    `websocket` is a second port, for MQTT in a WebSocket; `where` the folder in which the broker will find its files.
    Doing it again renews the certificates. Raises ConfigError when `out` holds something else or TRUST must change
    and the root is away, StorageError.
    """
    if out.exists() and not (out / "ilot.conf").exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty: name a folder for the broker's files alone")
    owner = owners.load(directory)
    for port in (address.port, websocket):
        owner = owner if port is None else owners.with_broker(owner, address.host, port)
    server_key, client_key = pki.new_key(), pki.new_key()
    server = pki.make_server_certificate(owner.ca, owner.ca_key, server_key.public_key(), [address.host])
    client = pki.make_client_certificate(owner.ca, owner.ca_key, client_key.public_key(), NAME)
    configuration = _CONFIGURATION.format(where=where) + _LISTENER.format(where=where, port=address.port, protocol="")
    if websocket is not None:
        configuration += _LISTENER.format(where=where, port=websocket, protocol="protocol websockets\n")
    files = (
        (out / "server.key", private_pem(server_key), 0o600),
        (out / "server.pem", pki.pem(server), 0o644),
        (out / "ca.pem", pki.pem(owner.ca), 0o644),
        (out / "acl", _ACL.encode(), 0o644),
        (out / "ilot.conf", configuration.encode(), 0o644),
    )
    with alone(directory):  # of two at once, the key of one would lie beside the certificate of the other
        try:
            if out.is_relative_to(directory):
                refuse_strange_links(out, directory)  # before anything is written
            keep(directory, "mqtt.key", private_pem(client_key))
            keep(directory, "mqtt.pem", pki.pem(client), 0o644)
            for path, data, mode in files:
                _write(path, directory, data, mode)
        except OSError as error:
            raise StorageError(f"cannot write {out}: {error.strerror or error}") from error
    return owner


def _write(path: Path, owners_directory: Path, data: bytes, mode: int) -> None:
    """In the owner's directory, which the server's user has, through no link of that user's. Raises OSError."""
    if not path.is_relative_to(owners_directory):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, data, mode)
        return
    with leading(path, owners_directory, lambda fresh, holder: os.fchmod(fresh, 0o700), follow=False) as spot:
        spot.write(data, mode)
