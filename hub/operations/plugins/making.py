"""Signed bundles of plugins and packs, and signed indexes: on the maker's machine, offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.config.document import Document
from hub.config.positions import Positions
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase, system_error
from hub.operations.plugins.offers import manifest_of
from hub.operations.plugins.sources import BESIDE
from hub.operations.plugins.wheels import Wheel
from hub.plugin_host.registry import GROUP
from hub.protocol.documents.addition import MAGIC, PACK, PLUGIN, Addition, read_unverified, sign_addition
from hub.protocol.documents.plugin_index import Listed, PluginIndex, Revoked, sign_index
from hub.protocol.documents.release import File
from hub.protocol.documents.signed_payload import key_id


class Times(NamedTuple):
    """When it is signed and until when it may be installed, Unix seconds; `counter` 0: the seconds."""

    issued: float
    expires: float
    counter: int = 0

    @property
    def rising(self) -> int:
        return self.counter or int(self.issued)


def sign_plugin(
    wheels: list[Path], target: Path | None, keys: Iterable[Ed25519PrivateKey], times: Times
) -> tuple[Path, Addition]:
    """Write the bundle of a plugin's wheel and the wheels that it needs; without a `target`, the document alone, beside
    its wheel. Raises HubError for what a hub would refuse to read."""
    contents = {one.name: _content(one) for one in wheels}
    with wheels[0].open("rb") as source:
        manifest = manifest_of(Wheel(source, wheels[0].name, GROUP))
    made = _addition(PLUGIN, manifest.id, manifest.version, contents, times)
    document = sign_addition(made, keys)
    if target is None:
        target = wheels[0].with_name(wheels[0].name + BESIDE)
        return _written(target, [document]), made
    return _written(target, [_head(document), *contents.values()]), made


def sign_pack(
    name: str, version: int, files: Mapping[str, bytes], target: Path, keys: Iterable[Ed25519PrivateKey], times: Times
) -> tuple[Path, Addition]:
    """Write the bundle of a pack. Raises HubError."""
    made = _addition(PACK, name, str(version), dict(sorted(files.items())), times)
    return _written(target, [_head(sign_addition(made, keys)), *dict(sorted(files.items())).values()]), made


def sign_index_of(
    text: str, file: str, bundles: Iterable[Path], target: Path, keys: Iterable[Ed25519PrivateKey], times: Times
) -> PluginIndex:
    """Write a signed index that lists these bundles. `text` is YAML: `revoked:` with a list of `id` and `through`, of
    `digest`, or of `key`, each with its `reason`. Raises HubError."""
    data = Document(Positions(), [], set()).read(text, file) if text.strip() else {}
    listed = []
    for one in bundles:
        signed = read_unverified(_document(_content(one)))
        listed.append(Listed(signed.addition.id, signed.addition.version, signed.digest))
    try:
        revoked = tuple(_revoked(one) for one in (data or {}).get("revoked", ()))
    except (AttributeError, KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(
            phrase("index-text-wrong", "{file}: `revoked` is a list of id and through, digest, or key, each with its "
                   "reason", file=file)
        ) from error  # fmt: skip
    index = PluginIndex(
        counter=times.rising, issued=times.issued, expires=times.expires, listed=tuple(listed), revoked=revoked
    )
    _written(target, [sign_index(index, keys)])
    return index


def _revoked(one: dict[str, Any]) -> Revoked:
    signer = key_id(bytes.fromhex(one["key"])) if "key" in one else b""
    return Revoked(
        reason=str(one["reason"]),
        id=str(one.get("id", "")),
        through=int(one.get("through", 0)),
        digest=str(one.get("digest", "")),
        signer=signer,
    )


def _document(content: bytes) -> bytes:
    """Return the document of a bundle, or of a file that is one."""
    if not content.startswith(MAGIC):
        return content
    start = len(MAGIC) + 4
    return content[start : start + int.from_bytes(content[len(MAGIC) : start], "big")]


def _addition(kind: Any, id: str, version: str, contents: Mapping[str, bytes], times: Times) -> Addition:
    files = tuple(File(name, len(data), hashlib.sha256(data).digest()) for name, data in contents.items())
    return Addition(
        kind=kind, id=id, version=version, counter=times.rising, issued=times.issued, expires=times.expires, files=files
    )


def _head(document: bytes) -> bytes:
    return MAGIC + len(document).to_bytes(4, "big") + document


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=path, reason=system_error(error))
        ) from error


def _written(target: Path, parts: Iterable[bytes]) -> Path:
    try:
        with target.open("xb") as file:
            for part in parts:
                file.write(part)
    except OSError as error:
        raise StorageError(
            phrase("file-not-made", "{file} cannot be written: {reason}", file=target, reason=system_error(error))
        ) from error
    return target
