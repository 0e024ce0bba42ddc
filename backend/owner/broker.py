"""Set-up of an MQTT broker between hubs and this backend: certificates, configuration, and its address in TRUST.

The broker's certificate is of the owner's CA, the only one that hubs trust. It authorises by certificate name alone: a
hub reads and writes its own topics, the backend those of all hubs, and nobody else any.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from backend.owner import directory as owners
from backend.owner import pki
from backend.owner.directory import Owner
from backend.owner.key_files import write_key_file
from backend.owner.lock import locked
from hub.core.disk.atomic_files import refuse_strange_links, write_atomically
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase
from hub.protocol.pem import private_pem

NAME = "ilot-backend"
"""Common name of the backend's client certificate for brokers, and so its name in the broker's ACL."""

SPACES = "ilot-spaces"
"""Common name of the certificate by which the city's view reads what providers publish."""
PROVIDER = "provider."
"""Beginning of a provider's user name, before the number of its key: no hub's name has a point."""

_ACL = f"""\
# Who may do what, by the common name of the client certificate.
user {NAME}
topic read ilot/v1/+/up/+
topic read ilot/v1/+/state
topic write ilot/v1/+/ack

user {SPACES}
topic read ilot/spaces/+/+/files/#
topic read ilot/spaces/+/+/readings/#
topic write ilot/spaces/+/+/answer

pattern write ilot/v1/%u/up/+
pattern write ilot/v1/%u/state
pattern read ilot/v1/%u/ack

# A provider, by the name that its password belongs to: ilot/spaces/NAME/SPACE/...
pattern write ilot/spaces/%u/+/files/#
pattern write ilot/spaces/%u/+/readings/#
pattern read ilot/spaces/%u/+/answer
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

_PROVIDERS = """
# Providers, by name and password: `mosquitto_passwd {where}/providers provider.NUMBER`, and the key as the password.
listener {port}
cafile {where}/ca.pem
certfile {where}/server.pem
keyfile {where}/server.key
tls_version tlsv1.3
password_file {where}/providers
use_username_as_clientid true
"""


class Address(NamedTuple):
    """Address of a broker that speaks TLS 1.3."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """Parse HOST or HOST:PORT, an IPv6 address in brackets; the default port is 8883. Raises ConfigError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@\[\]]+))(?::(\d{1,5}))?", text)
    port = int(match[3] or 8883) if match is not None else 0
    if match is None or not 1 <= port <= 65535:
        raise ConfigError(phrase("broker-address-wrong", "{text!r} is no HOST:PORT of a broker", text=text[:80]))
    return Address((match[1] or match[2]).lower(), port)


def prepare(
    directory: Path,
    out: Path,
    address: Address,
    *,
    websocket: int | None = None,
    providers: int | None = None,
    where: str = "/etc/mosquitto/ilot",
) -> Owner:
    """Write the broker's files to `out` and the backend's certificate for it to `directory`; add the broker to TRUST.

    `websocket` is a second port, for MQTT over WebSocket; `providers` one for providers, who have no certificate, by
    the passwords in a file that is never overwritten; `where` is the folder in which the broker will find its
    files. Calling it again renews the certificates. Raises ConfigError when `out` holds other files or TRUST must
    change and the root is not available, StorageError.
    """
    if out.exists() and not (out / "ilot.conf").exists() and any(out.iterdir()):
        raise ConfigError(
            phrase(
                "broker-folder-not-empty",
                "{folder} is not empty: name a folder for the broker's files alone",
                folder=out,
            )
        )
    owner = owners.load(directory)
    for port in (address.port, websocket):
        owner = owner if port is None else owners.with_broker(owner, address.host, port)
    server_key, client_key = pki.new_key(), pki.new_key()
    server = pki.make_server_certificate(owner.ca, owner.ca_key, server_key.public_key(), [address.host])
    client = pki.make_client_certificate(owner.ca, owner.ca_key, client_key.public_key(), NAME)
    configuration = _CONFIGURATION.format(where=where) + _LISTENER.format(where=where, port=address.port, protocol="")
    if websocket is not None:
        configuration += _LISTENER.format(where=where, port=websocket, protocol="protocol websockets\n")
    if providers is not None:
        configuration += _PROVIDERS.format(where=where, port=providers)
    files = [
        (out / "server.key", private_pem(server_key), 0o600),
        (out / "server.pem", pki.pem(server), 0o644),
        (out / "ca.pem", pki.pem(owner.ca), 0o644),
        (out / "acl", _ACL.encode(), 0o644),
        (out / "ilot.conf", configuration.encode(), 0o644),
    ]
    if providers is not None and not (out / "providers").exists():
        files.append((out / "providers", b"", 0o600))
    spaces_key = pki.new_key()
    spaces = pki.make_client_certificate(owner.ca, owner.ca_key, spaces_key.public_key(), SPACES)
    with locked(directory):  # two at once would mix the key of one and the certificate of the other
        try:
            if out.is_relative_to(directory):
                refuse_strange_links(out, directory)  # before anything is written
            write_key_file(directory, "mqtt.key", private_pem(client_key))
            write_key_file(directory, "mqtt.pem", pki.pem(client), 0o644)
            write_key_file(directory, "mqtt_spaces.key", private_pem(spaces_key))
            write_key_file(directory, "mqtt_spaces.pem", pki.pem(spaces), 0o644)
            for path, data, mode in files:
                _write(path, directory, data, mode)
        except OSError as error:
            raise StorageError(file_not_written(out, error)) from error
    return owner


def _write(path: Path, owners_directory: Path, data: bytes, mode: int) -> None:
    """Write a file into the owner's directory, which belongs to the server's user; follow no link of that user. Raises
    OSError."""
    if not path.is_relative_to(owners_directory):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, data, mode)
        return
    with leading(path, owners_directory, lambda fresh, holder: os.fchmod(fresh, 0o700), follow=False) as spot:
        spot.write(data, mode)
