"""What a plugin says and may do, and whether it may be installed here: verified in a scratch directory, shown to a
person, and only then installed. Blocking."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.config.parts.vendors import PluginTrust
from hub.core.errors import ConfigError
from hub.core.text import Phrase, phrase
from hub.devices.vendor_index import stored_index
from hub.operations.plugins.sources import Source, other_bytes
from hub.operations.plugins.wheels import MAX_UNPACKED, Said, Wheel, normal, sync_folders
from hub.plugin_host.installed import LIB, SIGNED, Placed, other_api, tree_digest
from hub.plugin_host.manifest import FILE, Manifest, Permissions, widened
from hub.plugin_host.manifest_file import lines, read_manifest
from hub.plugin_host.registry import GROUP
from hub.plugin_host.vendor_trust import Vouched, revocation, vouched
from hub.protocol.documents.addition import PLUGIN, Addition
from hub.protocol.documents.signed_payload import key_id

_VALUE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?::[A-Za-z_][A-Za-z0-9_.]*)?")
_OURS = frozenset({"ilot", "ilot-sdk"})


class Refused(ConfigError):
    """The plugin is its vendor's, and not for this hub or not now."""

    def __init__(self, said: str) -> None:
        super().__init__(said)


class Floor(msgspec.Struct, frozen=True):
    """The highest counter of a plugin that was installed here, and who signed it: it stays when the plugin goes, so
    that nobody brings an old one with a known hole back."""

    counter: int
    signers: tuple[bytes, ...]


class Here(NamedTuple):
    """What is known here: the plugins' directory, whose word counts, the names of types that somebody has, and the
    time, Unix seconds."""

    plugins: Path
    trust: PluginTrust
    names: Collection[str]
    now: float


class Offer(NamedTuple):
    """A verified plugin, unpacked in a scratch directory. `new`: what it may do beyond the one that is installed, a
    sentence for each; `accept`: the word by which a person accepts exactly that, "" where there is nothing to
    accept."""

    vouched: Vouched
    manifest: Manifest
    entry_points: dict[str, str]
    distribution: str
    tree: str
    before: Placed | None
    new: tuple[Phrase, ...]
    accept: str

    @property
    def addition(self) -> Addition:
        return self.vouched.document.addition

    def lines(self) -> list[str]:
        """Return what a person reads before the installation."""
        said = lines(self.manifest)
        said.append(phrase("offer-vendor", "signed by {vendor}", vendor=self.vouched.vendor))
        if self.before is not None:
            said.append(phrase("offer-before", "installed: {version}", version=self.before.version))
            said += [phrase("offer-new", "new: {permission}", permission=one) for one in self.new]
        return said

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "id": self.addition.id,
            "version": self.addition.version,
            "counter": self.addition.counter,
            "digest": self.vouched.document.digest,
            "vendor": self.vouched.vendor,
            "manifest": msgspec.to_builtins(self.manifest),
            "types": sorted(self.entry_points),
            "installed": None if self.before is None else self.before.version,
            "new": [str(one) for one in self.new],
            "accept": self.accept,
        }


def offer(source: Source, scratch: Path, here: Here, before: Placed | None, floor: Floor | None) -> Offer:
    """Verify a plugin and unpack it into `scratch`, an empty directory. Raises HubError and OSError; nothing of the
    scratch directory may be used then."""
    signed = vouched(source.document, here.trust)
    addition = signed.document.addition
    if addition.kind != PLUGIN:
        raise Refused(phrase("addition-is-a-pack", "{id} is a pack: `ilot pack install FILE`", id=addition.id))
    expect_allowed(signed, here, before, floor)
    said, manifest = _unpacked(source, scratch)
    if manifest.id != addition.id or manifest.version != addition.version or said.version != addition.version:
        raise Refused(
            phrase("offer-says-two-things", "{id} {version}: its manifest, its wheel and what is signed name "
                                            "different ids "
                   "or versions: tell its vendor", id=addition.id, version=addition.version)
        )  # fmt: skip
    if not manifest.serves:
        raise Refused(other_api(manifest))
    _expect_names(said, manifest, here, before)
    (scratch / SIGNED).write_bytes(source.raw)
    new = widened(before.manifest.permissions if before is not None else _NONE, manifest.permissions)
    return Offer(
        signed, manifest, said.entry_points, said.name, tree_digest(scratch / LIB), before, new,
        accepting(addition.id, manifest.permissions) if new else "",
    )  # fmt: skip


_NONE = Permissions(data_classes=())


def accepting(id: str, may: Permissions) -> str:
    """Return the word by which a person accepts exactly these permissions of this plugin."""
    return hashlib.sha256(id.encode() + b"\0" + msgspec.json.encode(may)).hexdigest()[:8]


def expect_allowed(signed: Vouched, here: Here, before: Placed | None, floor: Floor | None) -> None:
    """Raise Refused for what is revoked, not listed, expired, older, or another vendor's."""
    addition = signed.document.addition
    index = stored_index(here.plugins)
    if why := revocation(index, signed):
        raise Refused(why)
    if here.trust.only_listed and (index is None or not index.lists(signed.document.digest)):
        raise Refused(
            phrase("plugin-not-listed", "{id} {version} is not in the district's index, and only what it lists is "
                   "installed here: ask for a newer index", id=addition.id, version=addition.version)
        )  # fmt: skip
    seen = max(here.now, index.issued if index is not None else 0.0)
    if seen >= addition.expires:
        raise Refused(
            phrase("plugin-expired", "{id} {version} was to be installed before its expiry, which is past: ask its "
                                     "vendor "
                   "for a newer one", id=addition.id, version=addition.version)
        )  # fmt: skip
    if before is not None and before.vendor != signed.vendor and before.vendor in here.trust.vendors:
        raise Refused(
            phrase("plugin-of-other-vendor", "{id} is installed and of {vendor}; {other} may ship it only once it is "
                   "removed", id=addition.id, vendor=before.vendor, other=signed.vendor)
        )  # fmt: skip
    known = _counting(floor, here.trust)
    if before is not None and before.digest != signed.document.digest:
        known = max(known, _counting(Floor(before.counter + 1, before.signers), here.trust))
    if addition.counter < known:
        raise Refused(
            phrase("plugin-not-newer", "{id} {version} is not newer than what this hub had already: nothing to do",
                   id=addition.id, version=addition.version)
        )  # fmt: skip


def _counting(floor: Floor | None, trust: PluginTrust) -> int:
    """Return the floor, as far as one of its signers is still trusted: whoever stole a key cannot shut out what comes
    after its end."""
    known = {key_id(key) for vendor in trust.vendors.values() for key in vendor.raw}
    return floor.counter if floor is not None and known & set(floor.signers) else 0


def _unpacked(source: Source, scratch: Path) -> tuple[Said, Manifest]:
    """Unpack all wheels, each verified before it is opened. Return what the plugin's own says, and its manifest."""
    lib = scratch / LIB
    lib.mkdir(mode=0o755)
    lib.chmod(0o755)
    at = os.open(lib, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found, room, taken = list[Said](), MAX_UNPACKED, set[str]()
        manifest: Manifest | None = None
        for file, pieces in source.contents():
            packed = scratch / "wheel"
            with packed.open("wb") as target:
                for piece in pieces:
                    target.write(piece)
            with packed.open("rb") as content:
                wheel = Wheel(content, file.path, GROUP)
                room -= wheel.unpack(at, taken, room)
                if not found:
                    manifest = manifest_of(wheel)
                found.append(wheel.said)
            packed.unlink()
    finally:
        os.close(at)
    sync_folders(lib)
    if not found or manifest is None:
        raise other_bytes("the list of files")
    _expect_alone(found)
    return found[0], manifest


def manifest_of(wheel: Wheel) -> Manifest:
    """Read the manifest of a plugin's own wheel. Raises ConfigError without one, or without an entry point."""
    points = wheel.said.entry_points
    if not points:
        raise wheel.wrong(phrase("wheel-no-plugin", "it registers no plugin: it has no entry point of hub.plugins"))
    for value in points.values():
        top = value.partition(":")[0].partition(".")[0]
        if not _VALUE.fullmatch(value) or top not in wheel.said.modules:
            raise wheel.wrong(
                phrase("wheel-entry-point-wrong", "its entry point {value} is not in it", value=value[:100])
            )
        content = wheel.read(f"{top}/{FILE}")
        if content is not None:
            return read_manifest(content, f"{wheel.filename}/{top}/{FILE}")
    raise wheel.wrong(
        phrase("wheel-no-manifest", "it has no {file} in the package of its entry point: without a manifest nothing is "
               "installed", file=FILE)
    )  # fmt: skip


def _expect_alone(found: list[Said]) -> None:
    """Raise Refused unless the wheels go together: one plugin, and what it needs."""
    for one in found[1:]:
        if one.entry_points:
            raise Refused(
                phrase("offer-second-plugin", "{name} is a plugin too: each is installed by itself", name=one.name)
            )
    have = {normal(one.name) for one in found} | _OURS
    needed = set[str]().union(*(one.requires for one in found)) - have
    if needed:
        needed -= {normal(one.metadata["Name"] or "") for one in distributions()}
    if needed:
        raise Refused(
            phrase("offer-lacks-wheels", "it needs {names}, which are neither with it nor on this hub: its vendor "
                                         "signs "
                   "all its wheels together", names=sorted(needed))
        )  # fmt: skip


def _expect_names(said: Said, manifest: Manifest, here: Here, before: Placed | None) -> None:
    """Raise Refused for names of types that are not its own."""
    own = set() if before is None else set(before.entry_points)
    for name in said.entry_points:
        if name != manifest.id and not name.startswith(manifest.id + "_"):
            raise Refused(
                phrase("offer-name-not-own", "it registers {name}, and its types are named {id} or {id}_…", name=name,
                       id=manifest.id)
            )  # fmt: skip
        if name in here.names and name not in own:
            raise Refused(
                phrase("offer-name-taken", "{name} is the name of a plugin that this hub has already", name=name)
            )
