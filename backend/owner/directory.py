"""Owner's directory: everything one backend needs, made by `init`, read by `run`.

    backend.json            owner, names, port, URL last served, fingerprint of the owner root
    trust.bin               the signed TRUST document
    root/                   the owner root: Ed25519 and ML-DSA-65 (take it away after init)
    ca.pem ca.key           certificate authority of server and hubs
    server.pem server.key   the server's certificate
    recipients/*.key        ingest keys, retired ones too: records that still wait on a hub are sealed to them
    recovery.key            the recovery key (take it away: it opens everything)
    ack.key                 Ed25519, signs acknowledgements
    acks/N.key              the key that signed while TRUST had version N or less: for hubs that follow no newer one yet
    api.token               the operator API's bearer token
    backend.db              received data
    backups/                the newest state backups of each hub, sealed to the recovery key

As long as the root or the recovery key lies beside the server, the directory is *demo grade*: whoever takes the server
can sign as the owner.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from backend.owner import pki, recipient_keys
from backend.owner.key_files import certificate_key, file_damaged, owner_root, read, signing_key, write_key_file
from backend.owner.lock import locked
from hub.core.disk.atomic_files import make_directory, sync_directory, write_atomically
from hub.core.errors import ConfigError, HubError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of
from hub.protocol.documents.trust import AckKey, Egress, Recipient, Root, Trust, fingerprint, read_trust, sign_trust
from hub.protocol.pem import private_pem
from hub.protocol.records.seal import kid_of

DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1")
DEFAULT_PORT = 8443
NEXT_ACK_KEY = "ack.next"
"""A new ack.key before TRUST names it; if the machine stops right after that, it is used from here."""
MIN_API_TOKEN = 32

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

_README = """\
# {owner}: an Îlot backend, demo grade

This directory was made by `ilot backend init`. It holds every key of the owner, beside the server that the keys
should judge. That is fit for a trial, not for a district. Before real use:

1. `recovery.key` opens everything that any hub ever sealed, and nothing else can when the ingest key is lost.
   Copy it to two offline media, then delete it here.
2. `root/` is the owner root. It signs who may read, acknowledge and be called. Move it to an offline machine.
   Without it the server runs on; a new port, name or key needs it back for one command.
3. Keep `ca.key` as you keep the server: it makes hubs.

`ilot backend run` says `demo_grade: true` until 1 and 2 are done.
"""


class Settings(msgspec.Struct, kw_only=True):
    """Contents of backend.json. `root` is the fingerprint in hex; `created` Unix seconds; `brokers` hosts and ports of
    MQTT; `certificate_days` the life of a hub's certificate, which the hub renews after two thirds of it."""

    owner: str
    names: tuple[str, ...]
    port: int
    url: str
    root: str
    created: float
    brokers: tuple[tuple[str, int], ...] = ()
    certificate_days: float = 824.0


@dataclass(slots=True)
class Owner:
    """Contents of an owner's directory. Private keys never show in a repr."""

    directory: Path
    settings: Settings
    trust_document: bytes = field(repr=False)
    trust: Trust = field(repr=False)
    ca: x509.Certificate = field(repr=False)
    ca_key: ec.EllipticCurvePrivateKey = field(repr=False)
    ack_key: ed25519.Ed25519PrivateKey = field(repr=False)
    retired_ack_keys: Mapping[int, ed25519.Ed25519PrivateKey] = field(repr=False)
    recipients: Mapping[bytes, MLKEM768X25519PrivateKey] = field(repr=False)
    api_token: str = field(repr=False)

    @property
    def demo_grade(self) -> bool:
        """Return whether the root or the recovery key still lies beside the server."""
        return (self.directory / "root").exists() or (self.directory / "recovery.key").exists()

    def certify(self, csr: bytes, hub: str) -> bytes:
        """Return a client certificate (PEM) for `hub`. Raises DecodeError when the request is invalid."""
        life = timedelta(days=self.settings.certificate_days)
        return pki.pem(pki.make_hub_certificate(self.ca, self.ca_key, csr, hub, life))

    def renew_own_certificate(self, now: float) -> bool:
        """Renew the server's certificate, for the same key, once two thirds of its life are over; return whether it was
        renewed.

        `now` is Unix seconds. Raises ConfigError, StorageError.
        """
        path = self.directory / "server.pem"
        try:
            shown = x509.load_pem_x509_certificate(read(path))
            begin, end = shown.not_valid_before_utc.timestamp(), shown.not_valid_after_utc.timestamp()
            if now < begin + (end - begin) * 2 / 3:
                return False
            public = certificate_key(self.directory / "server.key").public_key()
            made = pki.make_server_certificate(self.ca, self.ca_key, public, list(self.settings.names))
            write_atomically(path, pki.pem(made), 0o644)
        except ValueError as error:
            raise ConfigError(file_damaged(path, error)) from error
        except OSError as error:
            raise StorageError(file_not_written(path, error)) from error
        return True

    def ack_key_for(self, version: int | None) -> ed25519.Ed25519PrivateKey:
        """Return the key whose acknowledgements a hub at TRUST `version` accepts; None: the newest one."""
        known = [last for last in self.retired_ack_keys if version is not None and version <= last]
        return self.retired_ack_keys[min(known)] if known else self.ack_key

    @property
    def database(self) -> Path:
        return self.directory / "backend.db"

    @property
    def backups(self) -> Path:
        return self.directory / "backups"


def init(directory: Path, *, owner: str, names: tuple[str, ...] = DEFAULT_NAMES, port: int = DEFAULT_PORT) -> Owner:
    """Create an owner: root, CA, server certificate, recipients, ack key, API token, TRUST version 1.

    The directory appears whole or not at all. Raises ConfigError when something is in the way or a name is no host
    name, StorageError when the disk refuses.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(
            phrase(
                "owner-directory-not-empty",
                "{directory} is not empty: an owner's keys are never overwritten",
                directory=directory,
            )
        )
    if not names or not owner.strip():
        raise ConfigError(
            phrase("owner-without-name", "an owner needs a name, and its server at least one host name or address")
        )
    names = tuple(dict.fromkeys(name.lower() for name in names))
    if wrong := [name for name in names if not _is_host(name)]:
        raise ConfigError(
            phrase(
                "no-host-name-or-address",
                "{name!r} is no host name or IP address (RFC 1123; write xn-- for accents)",
                name=wrong[0][:80],
            )
        )
    try:
        make_directory(directory.parent, 0o777)
        scratch = Path(tempfile.mkdtemp(prefix=".ilot-owner-", dir=directory.parent))
        try:
            _fill(scratch, owner.strip(), names, port)
            scratch.replace(directory)
            sync_directory(directory.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    return load(directory)


def check_made(directory: Path) -> None:
    """Raise ConfigError where no owner's directory was made."""
    if not (directory / "backend.json").is_file():
        raise ConfigError(
            phrase(
                "no-backend-in-directory",
                "{directory} holds no backend: make one with `ilot backend init {directory}`",
                directory=directory,
            )
        )


def load(directory: Path) -> Owner:
    """Read an owner's directory. Raises ConfigError naming the file that is missing or wrong."""
    check_made(directory)
    try:
        settings = msgspec.json.decode(read(directory / "backend.json"), type=Settings)
        trust_document = read(directory / "trust.bin")
        trust = read_trust(trust_document, bytes.fromhex(settings.root))
        keys = [recipient_keys.load(path) for path in sorted((directory / "recipients").glob("*.key"))]
        owner = Owner(
            directory=directory,
            settings=settings,
            trust_document=trust_document,
            trust=trust,
            ca=x509.load_pem_x509_certificate(read(directory / "ca.pem")),
            ca_key=certificate_key(directory / "ca.key"),
            ack_key=_ack_key(directory, trust),
            retired_ack_keys={int(path.stem): signing_key(path) for path in (directory / "acks").glob("*.key")},
            recipients={key.kid: key.private for key in keys},
            api_token=read(directory / "api.token").decode("ascii").strip(),
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise ConfigError(file_damaged(directory, error)) from error
    except HubError as error:
        raise ConfigError(
            phrase(
                "directory-damaged", "{directory} is damaged: {reason}", directory=directory, reason=reason_of(error)
            )
        ) from error
    if len(owner.api_token) < MIN_API_TOKEN:
        raise ConfigError(
            phrase(
                "api-token-too-short",
                "{directory}/api.token has fewer than {count} characters: put a long random one there",
                directory=directory,
                count=MIN_API_TOKEN,
            )
        )
    if not _names(owner.trust, owner.ack_key):
        raise ConfigError(
            phrase(
                "ack-key-not-in-trust",
                "{directory}/ack.key is not named by trust.bin: hubs would refuse every acknowledgement",
                directory=directory,
            )
        )
    return owner


def serve_at(owner: Owner, port: int) -> Owner:
    """Put `port` into TRUST and backend.json. Raises ConfigError when TRUST must change and the root is not
    available."""
    with locked(owner.directory):
        owner = load(owner.directory)
        settings = msgspec.structs.replace(owner.settings, port=port, url=url_of(owner.settings.names[0], port))
        known = sorted({owner.settings.port, *(entry.port for entry in owner.trust.egress)})
        refused = phrase(
            "port-not-in-trust",
            "the trust document lets hubs call port {ports}, not {port}: run on that port, or bring the owner root "
            "back to {directory}/root for this once",
            ports=known,
            port=port,
            directory=owner.directory,
        )
        return _save_settings(owner, settings, refused)


def with_broker(owner: Owner, host: str, port: int) -> Owner:
    """Add an MQTT broker to TRUST and backend.json. Raises ConfigError like `serve_at`, or when `host` is no host."""
    if not _is_host(host):
        raise ConfigError(
            phrase(
                "no-host-name-or-address",
                "{name!r} is no host name or IP address (RFC 1123; write xn-- for accents)",
                name=host[:80],
            )
        )
    with locked(owner.directory):
        owner = load(owner.directory)
        brokers = tuple(dict.fromkeys((*owner.settings.brokers, (host, port))))
        refused = phrase(
            "broker-needs-root",
            "only the owner adds a broker: bring the owner root back to {directory}/root for this once",
            directory=owner.directory,
        )
        return _save_settings(owner, msgspec.structs.replace(owner.settings, brokers=brokers), refused)


def _save_settings(owner: Owner, settings: Settings, refused: str) -> Owner:
    """Write `settings` under the directory's lock, TRUST first where it must change; `refused` is the error when the
    root is not available."""
    directory, ca_pem = owner.directory, pki.pem(owner.ca).decode()
    hosts = (*((name, settings.port) for name in settings.names), *settings.brokers)
    wanted = tuple(Egress(host=name, port=port, ca_pem=ca_pem) for name, port in hosts)
    if owner.trust.egress != wanted:
        if not (directory / "root").exists():
            raise ConfigError(refused)
        trust = msgspec.structs.replace(owner.trust, version=owner.trust.version + 1, egress=wanted, issued=time.time())
        root = owner_root(directory / "root", settings.root)
        write_key_file(directory, "trust.bin", sign_trust(root, trust), 0o644)
    if settings != owner.settings:
        write_key_file(directory, "backend.json", msgspec.json.format(msgspec.json.encode(settings)), 0o644)
    return load(directory)


def _fill(directory: Path, owner: str, names: tuple[str, ...], port: int) -> None:
    root, ca_key, server_key, ack_key = (
        Root.generate(), pki.new_key(), pki.new_key(), ed25519.Ed25519PrivateKey.generate()
    )  # fmt: skip
    ca = pki.make_ca(ca_key, owner)
    try:
        server = pki.make_server_certificate(ca, ca_key, server_key.public_key(), list(names))
    except ValueError as error:
        raise ConfigError(
            phrase(
                "names-not-hosts",
                "{names} are no host names or IP addresses: {reason}",
                names=names,
                reason=reason_of(error),
            )
        ) from error
    ingest, ingest_file = recipient_keys.generate("ingest")
    recovery, recovery_file = recipient_keys.generate("recovery")
    ack_public = ack_key.public_key().public_bytes_raw()
    now = time.time()
    trust = Trust(
        version=1,
        owner=owner,
        recipients=tuple(Recipient(kid=k.kid, role=k.role, public=k.public) for k in (ingest, recovery)),
        ack_keys=(AckKey(kid=kid_of(ack_public), public=ack_public),),
        egress=tuple(Egress(host=name, port=port, ca_pem=pki.pem(ca).decode()) for name in names),
        issued=now,
    )
    pinned = fingerprint(root.public).hex()
    settings = Settings(owner=owner, names=names, port=port, url=url_of(names[0], port), root=pinned, created=now)
    for sub in ("root", "recipients"):
        (directory / sub).mkdir(mode=0o700)
    for name, data in {
        "root/ed25519.pem": private_pem(root.ed25519),
        "root/mldsa65.seed": root.mldsa65.private_bytes_raw(),
        "ca.key": private_pem(ca_key),
        "server.key": private_pem(server_key),
        f"recipients/ingest-{ingest.kid.hex()[:8]}.key": ingest_file,
        "recovery.key": recovery_file,
        "ack.key": private_pem(ack_key),
        "api.token": secrets.token_urlsafe(32).encode() + b"\n",
    }.items():
        write_atomically(directory / name, data)
    for name, data in {
        "ca.pem": pki.pem(ca),
        "server.pem": pki.pem(server),
        "trust.bin": sign_trust(root, trust),
        "backend.json": msgspec.json.format(msgspec.json.encode(settings)),
        "README.md": _README.format(owner=owner).encode(),
    }.items():
        write_atomically(directory / name, data, 0o644)


def _ack_key(directory: Path, trust: Trust) -> ed25519.Ed25519PrivateKey:
    if (directory / NEXT_ACK_KEY).exists():
        coming = signing_key(directory / NEXT_ACK_KEY)
        if _names(trust, coming):
            return coming
    return signing_key(directory / "ack.key")


def _names(trust: Trust, key: ed25519.Ed25519PrivateKey) -> bool:
    return key.public_key().public_bytes_raw() in {known.public for known in trust.ack_keys}


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))
    return True


def url_of(name: str, port: int) -> str:
    """Return the address of a server of this name."""
    return f"https://[{name}]:{port}" if ":" in name else f"https://{name}:{port}"
