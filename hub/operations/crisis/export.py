"""Folder that `ilot crisis export` writes: the data of this hub that others need, made with no network.

    LISEZ-MOI.txt         contents, in French and English
    MANIFEST.json         {hub, identity, made, files: {name: [bytes, SHA-256 in hex]}}; identity: Ed25519, base64
    MANIFEST.sig          Ed25519 by the hub's identity over "ilot/crisis/1\0" and the bytes of MANIFEST.json, base64
    buffer/<stream>/…     segments of the buffer as they are on the disk: sealed, only the owner opens them
    state.backup          the state backup, sealed to the owner's recovery key
    configuration/…       the files of the configuration; secrets are references in them
    status.json devices.json alerts.json audit.json
    <name>.error.txt      in place of a file that this hub could not make or read: the reason. The others are there

Blocking: never on the event loop. A verifier needs the hub's id alone, which is derived from the identity.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.disk.atomic_files import sync_directory
from hub.core.errors import HubError, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of, system_error
from hub.protocol.hub_id import hub_id

DOMAIN = b"ilot/crisis/1\0"
ERROR = ".error.txt"
MANIFEST, SIGNATURE = "MANIFEST.json", "MANIFEST.sig"
README = """\
Export de crise d'un concentrateur Îlot.

buffer/ contient les relevés scellés : seul le propriétaire peut les ouvrir (clé de secours).
  ilot buffer send les remet au serveur ; ilot buffer export --key-file les lit.
state.backup est la sauvegarde scellée de l'état : ilot restore la remet sur un autre matériel.
MANIFEST.sig prouve que ce dossier vient de ce concentrateur : ilot crisis verify DOSSIER.

Crisis export of an Îlot hub. buffer/ holds the sealed readings, state.backup the sealed state; only the owner opens
them. ilot crisis verify FOLDER checks that this folder is whole and comes from this hub.
"""


def write(
    directory: Path, *, hub: str, made: float, identity: Ed25519PrivateKey, buffer: Path, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Write a new folder; return {directory, files, bytes, missing}: `missing` names the files replaced by an error.

    Raises HubError when the folder exists already, StorageError when the disk refuses: then the folder stays without
    its manifest and proves nothing.
    """
    try:
        directory.mkdir(parents=False)
    except FileExistsError:
        raise HubError(
            phrase("export-folder-exists", "{folder} is there already: an export is a new folder", folder=directory)
        ) from None
    except OSError as error:
        raise StorageError(
            phrase(
                "folder-not-made",
                "{folder} cannot be made: {reason}",
                folder=directory,
                reason=system_error(error),
            )
        ) from error
    listed: dict[str, list[Any]] = {}
    try:
        for name, data in _parts(buffer, files):
            _put(directory / name, data)
            listed[name] = [len(data), hashlib.sha256(data).hexdigest()]
        manifest = json.dumps(
            {
                "hub": hub,
                "identity": base64.b64encode(identity.public_key().public_bytes_raw()).decode(),
                "made": made,
                "files": listed,
            },
            ensure_ascii=False,
            indent=1,
        ).encode()
        _put(directory / SIGNATURE, base64.b64encode(identity.sign(DOMAIN + manifest)))
        _put(directory / MANIFEST, manifest)
        sync_directory(directory)
    except OSError as error:
        raise StorageError(
            phrase(
                "export-broke-off",
                "the export to {folder} broke off: {reason}",
                folder=directory,
                reason=system_error(error),
            )
        ) from error
    return {
        "directory": str(directory), "files": len(listed), "bytes": sum(size for size, _ in listed.values()),
        "missing": sorted(name.removesuffix(ERROR) for name in listed if name.endswith(ERROR)),
    }  # fmt: skip


async def gathered(parts: Mapping[str, Callable[[], Awaitable[bytes]]]) -> dict[str, bytes]:
    """Return the files of an export by name; one that cannot be made is replaced by its error, and the others are
    kept."""
    found = {}
    for name, make in parts.items():
        try:
            found[name] = await make()
        except (HubError, OSError) as error:
            found[name + ERROR] = f"{error}\n".encode()
    return found


def _parts(buffer: Path, files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    yield "LISEZ-MOI.txt", README.encode()
    yield from files.items()
    for stream in sorted(entry for entry in buffer.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        for segment in sorted(stream.iterdir()):
            if segment.is_file() and not segment.name.startswith("."):
                name = f"buffer/{stream.name}/{segment.name}"
                try:
                    data = segment.read_bytes()
                except FileNotFoundError:  # acknowledged and deleted meanwhile
                    continue
                except OSError as error:
                    name, data = name + ERROR, f"{error}\n".encode()
                yield name, data


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(descriptor)


def verify(directory: Path, hub: str) -> list[str]:
    """Return the problems of such a folder, one sentence each; empty when it is complete and of this hub."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        manifest = (directory / MANIFEST).read_bytes()
        signature = base64.b64decode((directory / SIGNATURE).read_bytes(), validate=True)
        told = json.loads(shallow_json(manifest))
        identity = base64.b64decode(told["identity"], validate=True)
        if hub_id(identity) != hub:
            said = phrase(
                "export-of-another-hub", "this export is of {hub}, not of {wanted}", hub=hub_id(identity), wanted=hub
            )
            return [said]
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, DOMAIN + manifest)
        pairs = {str(name): (int(size), str(digest)) for name, (size, digest) in told["files"].items()}
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        return [phrase("export-incomplete", "{file} is missing: the export broke off, or this is none", file=name)]
    except InvalidSignature:
        return [phrase("manifest-signature-wrong", "the manifest was not signed by this hub, or was changed")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [phrase("manifest-unreadable", "the manifest cannot be read: {reason}", reason=reason_of(error))]
    wrong: list[str] = []
    for name, (size, digest) in pairs.items():
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            wrong.append(phrase("file-outside-of-export", "{file} is outside of the folder", file=name))
            continue
        try:
            data = path.read_bytes()
        except OSError:
            wrong.append(phrase("file-missing-in-export", "{file} is missing", file=name))
            continue
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            wrong.append(phrase("file-changed-in-export", "{file} was changed", file=name))
    there = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    added = sorted(there - pairs.keys() - {MANIFEST, SIGNATURE})
    return [*wrong, *(phrase("file-added-to-export", "{file} was added", file=name) for name in added)]
