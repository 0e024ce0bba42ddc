"""Make a bundle out of a package, and the keys that sign it: on the maker's machine, offline."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import AuthFailed, ConfigError, StorageError
from hub.core.state_dir import STATE_READS, STATE_WRITES
from hub.core.text import phrase, reason_of
from hub.operations.releases import bundle
from hub.operations.releases.package import Package
from hub.protocol.documents.release import Release, sign_release

HOME = "./usr/lib/ilot/"


class Facts(NamedTuple):
    """What the maker says of a release beside what its package says."""

    issued: float
    expires: float
    after: int = 0
    notes: str = ""
    keys: tuple[bytes, ...] = ()
    threshold: int = 0


def bundle_of_package(package: Path, target: Path, keys: Iterable[Ed25519PrivateKey], facts: Facts) -> Release:
    """Write the bundle of what a package holds below /usr/lib/ilot. The formats of the state are those of this program,
    so the package must be of its release. Raises ConfigError, StorageError, AuthFailed."""
    with tempfile.TemporaryDirectory(prefix="ilot-release-") as scratch:
        tree = Path(scratch) / "tree"
        built = _unpacked(package, tree)
        release = Release(
            counter=Package(tree).counter(),
            version=_field(package, "Version"),
            architecture=_field(package, "Architecture"),
            python=_python(tree),
            issued=facts.issued,
            expires=facts.expires,
            built=built,
            after=facts.after,
            writes=STATE_WRITES,
            reads=STATE_READS,
            notes=facts.notes,
            keys=facts.keys,
            threshold=facts.threshold,
            files=bundle.listed(tree),
        )
        document = sign_release(release, keys)
        try:
            with target.open("xb") as file:
                bundle.write(document, tree, release.files, file)
        except OSError as error:
            raise StorageError(reason_of(error)) from error
    return release


def _unpacked(package: Path, tree: Path) -> int:
    """Unpack a package's tree and return the time of its files. Links are left out: a hub makes those it needs."""
    built = 0
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    try:
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as archive,
            tarfile.open(fileobj=archive.stdout, mode="r|") as members,
        ):
            for member in members:
                source = members.extractfile(member) if member.isfile() and member.name.startswith(HOME) else None
                if source is not None:
                    path = tree / member.name.removeprefix(HOME)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(source.read())
                    path.chmod(member.mode)
                    built = max(built, int(member.mtime))
    except (OSError, tarfile.TarError) as error:
        raise _no_package(package, reason_of(error)) from error
    if archive.returncode or not built:
        raise _no_package(package, "dpkg-deb")
    return built


def _no_package(package: Path, reason: str) -> ConfigError:
    return ConfigError(
        phrase("release-no-package", "{path} is no package of the hub: {reason}", path=package, reason=reason)
    )


def _field(package: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "-f", str(package), name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _python(tree: Path) -> str:
    """Return the version of Python that a tree is compiled for."""
    found = sorted(one.name.removeprefix("python") for one in (tree / "lib").glob("python3.*"))
    return found[0] if found else ""


def new_key(path: Path, password: bytes) -> bytes:
    """Make a key that signs releases, encrypted by a password, and return its public half. Raises StorageError."""
    if path.exists():
        raise StorageError(phrase("release-key-exists", "{path} is there already: it is not overwritten", path=path))
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )
    try:
        write_atomically(path, pem)
    except OSError as error:
        raise StorageError(reason_of(error)) from error
    return key.public_key().public_bytes_raw()


def load_key(path: Path, password: bytes) -> Ed25519PrivateKey:
    """Raises AuthFailed: no such file, another kind of key, a wrong password."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password or None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthFailed(
            phrase(
                "release-key-unreadable",
                "{path} cannot be opened as a key that signs releases: wrong file or password",
                path=path,
            )
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AuthFailed(phrase("release-key-other", "{path} is another kind of key", path=path))
    return key
