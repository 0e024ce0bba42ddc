"""Write what three Debian machines need to be one PostgreSQL that survives the loss of any of them.

    python deploy/district/render.py district.toml FOLDER

For each machine FOLDER gets `NAME/` with its files as they lie on it, and `NAME.user-data` for cloud-init, which
installs Debian's packages and puts the same files in place. FOLDER also gets `ca.pem`, for the workers' sslrootcert=,
and `database.pass`, for their passfile=. The authority's own key is not kept: to add a machine, render anew.

FOLDER is private: it holds keys and passwords. They are made once; a second run into the same FOLDER is refused.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import secrets
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent
PACKAGES = ("postgresql-17", "patroni", "python3-etcd", "etcd-server", "etcd-client", "haproxy", "pgbackrest")
LIFE = timedelta(days=3650)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_SIZE = re.compile(r"[0-9]+(kB|MB|GB)")


class File(NamedTuple):
    """A file of a machine. `when` "first": before the packages are installed, which look at it."""

    path: str
    text: str
    owner: str = "root:root"
    mode: int = 0o644
    first: bool = False


def settings(text: str) -> dict[str, Any]:
    """Return the settings of a file, checked. Raises ValueError."""
    told = tomllib.loads(text)
    machines = told.get("machines", [])
    if len(machines) != 3 or len({one.get("name") for one in machines} | {one.get("address") for one in machines}) != 6:
        raise ValueError("three [[machines]], each with a name and an address of its own")
    for what, value, form in (
        ("scope", told.get("scope"), _NAME),
        ("database", told.get("database"), _HOST),
        *((f"name of {one['name']}", one["name"], _NAME) for one in machines),
        *(("memory." + name, value, _SIZE) for name, value in told.get("memory", {}).items()),
    ):
        if not isinstance(value, str) or not form.fullmatch(value):
            raise ValueError(f"{what} is {value!r}: not of the form {form.pattern}")
    for one in machines:
        ipaddress.IPv4Address(one["address"])
    repository = told.get("backup", {}).get("repository")
    if not isinstance(repository, str) or not re.fullmatch(r"/[\w./-]+", repository):
        raise ValueError(f"backup.repository is {repository!r}: not a path")
    return told


def render(
    told: Mapping[str, Any], *, roots: Sequence[str] = ("", "", ""), **trial: str
) -> Iterator[tuple[str, list[File]]]:
    """Yield (name, files) of each machine, then ("", files) for the workers. `roots` are prefixes of all paths and
    `trial` replaces other values: for a trial on one machine."""
    machines = told["machines"]
    authority = Authority(f"Ilot district {told['scope']}")
    common = {
        "scope": told["scope"],
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "max_slot_wal": "8GB",
        **told.get("memory", {}),
        "ttl": "30",
        "loop_wait": "10",
        "retry_timeout": "10",
        "balancer": "127.0.0.1",
        "etcd_members": ",".join(f"{one['name']}=https://{one['address']}:2380" for one in machines),
        "etcd_hosts": ",".join(f"{one['address']}:2379" for one in machines),
        "haproxy_servers": "\n".join(f"    server {one['name']} {one['address']}:5432" for one in machines) + "\n",
        "repository": told["backup"]["repository"],
        "repository_more": _bucket(told["backup"].get("s3")),
        **{f"{name}_password": secrets.token_urlsafe(24) for name in ("ilot", "replication", "rewind", "backup")},
        **trial,
    }
    if "s3" in told["backup"]:
        common["repository"] = "/ilot"
    for root, machine in zip(roots, machines, strict=True):
        certificate, key = authority.issue([machine["name"], told["database"], machine["address"], common["balancer"]])
        values = {**common, "root": root, "name": machine["name"], "address": machine["address"]}
        files = [_from(name, path, values, *more) for name, path, *more in _FILES]
        files += [
            File("/etc/ilot-district/ca.pem", authority.pem),
            File("/etc/ilot-district/server.pem", certificate),
            File("/etc/ilot-district/etcd.key", key, "etcd:etcd", 0o400),
            File("/etc/ilot-district/postgres.key", key, "postgres:postgres", 0o400),
        ]
        yield machine["name"], files
    yield (
        "",
        [
            File("ca.pem", authority.pem),
            File("database.pass", f"*:*:ilot:ilot:{common['ilot_password']}\n", mode=0o600),
        ],
    )


_FILES: tuple[tuple[Any, ...], ...] = (
    ("createcluster.conf", "/etc/postgresql-common/createcluster.d/ilot-district.conf", "root:root", 0o644, True),
    ("etcd.env", "/etc/default/etcd"),
    ("patroni.yml", "/etc/patroni/config.yml", "postgres:postgres", 0o600),
    ("first.sh", "/etc/ilot-district/first.sh", "root:root", 0o755),
    ("first.sql", "/etc/ilot-district/first.sql", "postgres:postgres", 0o400),
    ("haproxy.cfg", "/etc/haproxy/haproxy.cfg"),
    ("pgbackrest.conf", "/etc/pgbackrest.conf", "postgres:postgres", 0o600),
    ("backup.service", "/etc/systemd/system/ilot-district-backup.service"),
    ("backup.timer", "/etc/systemd/system/ilot-district-backup.timer"),
)


def _from(name: str, path: str, values: Mapping[str, str], *more: Any) -> File:
    return File(path, Template((HERE / "machine" / name).read_text()).substitute(values), *more)


def _bucket(s3: Mapping[str, str] | None) -> str:
    if s3 is None:
        return "# on a file system that the three machines share"
    told = {"endpoint": s3["endpoint"], "region": s3["region"], "bucket": s3["bucket"]}
    lines = ["repo1-type=s3", *(f"repo1-s3-{name}={value}" for name, value in told.items())]
    return "\n".join([*lines, f"repo1-s3-key={s3['key']}", f"repo1-s3-key-secret={s3['secret']}"])


_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    **dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False),
    **dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False),
)


class Authority:
    """A certificate authority that lives as long as this process."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        builder = self._builder(self._name, self._key.public_key())
        made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(_SIGNS, critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def issue(self, names: Sequence[str]) -> tuple[str, str]:
        """Return (certificate, key) for these names and addresses, of a server that is a client of the others too."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        builder = self._builder(subject, key.public_key())
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = builder.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return signed.public_bytes(Encoding.PEM).decode(), private.decode()

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + LIFE)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def user_data(files: Sequence[File]) -> str:
    """Return the cloud-config of a machine. Contents are in base64, so that no letter of theirs is YAML."""
    lines = ["#cloud-config", "package_update: true", f"packages: [{', '.join(PACKAGES)}]", "write_files:"]
    for one in files:
        lines += [
            f"  - path: {one.path}",
            f"    owner: {one.owner}",
            f'    permissions: "{one.mode:04o}"',
            "    encoding: b64",
            f"    content: {base64.b64encode(one.text.encode()).decode()}",
            *([] if one.first else ["    defer: true"]),
        ]
    return "\n".join([*lines, "runcmd:", *(f"  - {command}" for command in COMMANDS), ""])


COMMANDS = (
    "systemctl disable --now postgresql",
    "install -d -o postgres -g postgres -m 0750 /var/lib/pgbackrest /var/log/pgbackrest /var/spool/pgbackrest",
    "install -d -o etcd -g etcd -m 0700 /var/lib/etcd/district",
    "systemctl enable etcd patroni haproxy ilot-district-backup.timer",
    "systemctl restart --no-block etcd",
    "systemctl restart --no-block patroni haproxy ilot-district-backup.timer",
)


def write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text)
    path.chmod(mode & ~(stat.S_IRWXG | stat.S_IRWXO) | stat.S_IWUSR)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    source, folder = map(Path, arguments)
    try:
        told = settings(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as error:
        print(f"{source}: {error}", file=sys.stderr)
        return 3
    if folder.exists():
        print(f"{folder} exists: its keys may be in use. Name another folder", file=sys.stderr)
        return 3
    folder.mkdir(mode=0o700, parents=True)
    for name, files in render(told):
        for one in files:
            write(folder / name / one.path.lstrip("/"), one.text, one.mode)
        if name:
            write(folder / f"{name}.user-data", user_data(files), 0o600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
