"""The plugins that are installed apart from the hub's environment, listed without importing anything of them.

    <state directory>/plugins/index.bin                         the index that lists and revokes
    <state directory>/plugins/<id>/current                      the name of the directory that counts
    <state directory>/plugins/<id>/floor.json                   the highest counter that ever was
                                  …/instances.json              whose small state is here
                                  …/forget.json                 whose small state the next start removes
                  …/restored.json               what a restored hub had, until it is installed again
    <state directory>/plugins/<id>/<version>-<mark>/signed.bin  the document that its vendor signed
                                                   …/facts.json what was found in it: `Placed`
                                                   …/lib/       its wheels, unpacked: an import path of its process

A directory appears whole, by one rename, and counts from the moment that `current` names it. `hub.operations.plugins`
writes here. Blocking: never on the event loop.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hub.config.parts.vendors import PluginTrust
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, HubError
from hub.core.nesting import shallow_json
from hub.core.text import Phrase, phrase, reason_of, system_error
from hub.devices.vendor_index import stored_index
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.manifest import API, OLDEST_API, Manifest
from hub.plugin_host.registry import Plugin
from hub.plugin_host.vendor_trust import revocation, revoked, vouched
from hub.protocol.documents.addition import MAX_DOCUMENT, read_unverified
from hub.protocol.documents.plugin_index import PluginIndex

if TYPE_CHECKING:
    from hub.protocol.documents.backup import InstalledPlugin

CURRENT, SIGNED, FACTS, LIB = "current", "signed.bin", "facts.json", "lib"
INSTANCES, FORGET, RESTORED = "instances.json", "forget.json", "restored.json"
_MOST = 256 * 1024


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """An installed plugin. `entry_points`: names of its types and the modules that register them; `vendor`: its name in
    the configuration at the time; `tree`: digest of its files; `at`: Unix seconds; `by`: who installed it."""

    id: str
    version: str
    counter: int
    digest: str
    signers: tuple[bytes, ...]
    vendor: str
    distribution: str
    entry_points: dict[str, str]
    manifest: Manifest
    tree: str
    at: float = 0.0
    by: str = ""


def placed(folder: Path) -> Placed | None:
    """Return the one that counts in the folder of a plugin, None without one. Raises ConfigError for a damaged one."""
    directory = current(folder)
    if directory is None:
        return None
    try:
        with (directory / FACTS).open("rb") as file:
            return msgspec.json.decode(shallow_json(file.read(_MOST)), type=Placed)
    except (OSError, ValueError) as error:
        said = system_error(error) if isinstance(error, OSError) else reason_of(error)
        raise damaged(folder.name, said) from error


def restored(folder: Path) -> InstalledPlugin | None:
    """Return what a restored hub had in the folder of a plugin, None without such a note, or with a damaged one."""
    with contextlib.suppress(OSError, ValueError), (folder / RESTORED).open("rb") as file:
        from hub.protocol.documents.backup import InstalledPlugin  # late: a vendor who signs has no zstd

        return msgspec.json.decode(shallow_json(file.read(_MOST)), type=InstalledPlugin)
    return None


def to_install_again(plugins: Path) -> list[InstalledPlugin]:
    """Return the plugins that a backup notes: what is installed, and what was and is not yet again."""
    from hub.protocol.documents.backup import MOST_PLUGINS, InstalledPlugin

    found = []
    for folder in folders(plugins):
        try:
            one = placed(folder)
        except ConfigError:
            one = None
        if one is not None:
            found.append(
                InstalledPlugin(
                    id=one.id,
                    version=one.version,
                    counter=one.counter,
                    digest=one.digest,
                    signers=one.signers,
                    vendor=one.vendor,
                    types=sorted(one.entry_points),
                )
            )
        elif (noted := restored(folder)) is not None:
            found.append(noted)
    return found[:MOST_PLUGINS]


def current(folder: Path) -> Path | None:
    """Return the directory that counts, None without one. Raises ConfigError."""
    try:
        name = (folder / CURRENT).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(folder.name, reason_of(error)) from error
    if not name or "/" in name or name.startswith("."):
        raise damaged(folder.name, CURRENT)
    return folder / name


def damaged(id: str, reason: str) -> ConfigError:
    return ConfigError(
        phrase(
            "plugin-damaged",
            "the installed plugin {id} is damaged ({reason}): install it again",
            id=id,
            reason=reason,
        )
    )


def folders(plugins: Path) -> list[Path]:
    """Return the folders of all plugins that are or were installed, sorted."""
    try:
        return sorted(Path(one.path) for one in os.scandir(plugins) if one.is_dir(follow_symlinks=False))
    except OSError:
        return []


def installed_plugins(plugins: Path) -> Iterator[Plugin]:
    """Yield each installed plugin, a type each; one that may not run says why in `barred`."""
    found = folders(plugins)
    index, no_index = None, ""
    if found:
        try:
            index = stored_index(plugins)
        except ConfigError as error:
            no_index = reason_of(error)
    for folder in found:
        try:
            one = placed(folder)
        except ConfigError as error:
            broken = Entry(folder.name, folder.name, folder.name, "")
            yield Plugin(folder.name, folder.name, "", broken, paths=(str(folder),), barred=reason_of(error))
            continue
        directory = current(folder)
        if one is None or directory is None:
            if (noted := restored(folder)) is not None:
                yield from _missing(folder, noted)
            continue
        barred = no_index or _barred(one, index)
        for name, value in one.entry_points.items():
            entry = Entry(name, value, one.distribution, one.version)
            yield Plugin(
                name, one.distribution, one.version, entry,
                paths=(str(directory / LIB),), manifest=one.manifest, barred=barred,
            )  # fmt: skip


def _missing(folder: Path, noted: InstalledPlugin) -> Iterator[Plugin]:
    """Yield the types of a plugin that a restored hub had: they do not start, and say what to install."""
    why = phrase(
        "plugin-to-install-again",
        "{id} {version} of {vendor} was installed on the machine whose backup this is: install it again with `ilot "
        "plugin install FILE`",
        id=noted.id,
        version=noted.version,
        vendor=noted.vendor,
    )
    for name in noted.types:
        entry = Entry(name, noted.id, noted.id, noted.version)
        yield Plugin(name, noted.id, noted.version, entry, paths=(str(folder),), barred=why)


def _barred(one: Placed, index: PluginIndex | None) -> str:
    found = None if index is None else index.revocation(one.id, one.counter, one.digest, one.signers)
    if found is not None:
        return revoked(one.id, one.version, found.reason)
    return "" if one.manifest.serves else other_api(one.manifest)


def other_api(manifest: Manifest) -> Phrase:
    return phrase(
        "plugin-of-other-api",
        "{id} {version} knows the plugin API {first} to {last}, and this hub has {oldest} to {newest}: take another "
        "version of it",
        id=manifest.id,
        version=manifest.version,
        first=manifest.api[0],
        last=manifest.api[1],
        oldest=OLDEST_API,
        newest=API,
    )


def barred_now(plugin: Plugin, plugins: Path, trust: PluginTrust) -> str:
    """Return why an installed plugin may not start, "" when it may: its vendor is trusted no more, it is revoked, or
    its files are not those that were installed. For each start, with the configuration at hand."""
    if not plugin.paths:
        return ""
    if plugin.barred:
        return plugin.barred
    directory = Path(plugin.paths[0]).parent
    try:
        with (directory / SIGNED).open("rb") as file:
            one = vouched(read_unverified(file.read(MAX_DOCUMENT + 1)), trust)
        if why := revocation(stored_index(plugins), one):
            return why
        known = placed(directory.parent)
        if known is None or known.tree != tree_digest(directory / LIB) or known.digest != one.document.digest:
            return reason_of(damaged(directory.parent.name, phrase("plugin-files-changed", "its files were changed")))
    except OSError as error:
        return reason_of(damaged(directory.parent.name, system_error(error)))
    except HubError as error:
        return reason_of(error)
    return ""


def noted_instances(folder: Path) -> list[str]:
    """Return the names of the instances of a plugin that ever started: their small state outlives it."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(shallow_json((folder / INSTANCES).read_bytes()), type=list[str])
    return []


def note_instance(plugin: Plugin, instance: str) -> None:
    """Note whose small state a removal would leave, before there is any. Raises OSError."""
    if plugin.paths:
        folder = Path(plugin.paths[0]).parents[1]
        known = noted_instances(folder)
        if instance not in known:
            write_atomically(folder / INSTANCES, msgspec.json.encode([*known, instance]))


def forgotten(plugins: Path) -> dict[Path, list[str]]:
    """Return the notes of removals whose instances' small state is to go: file → names."""
    notes = {}
    for folder in folders(plugins):
        with contextlib.suppress(OSError, ValueError):
            raw = (folder / FORGET).read_bytes()
            notes[folder / FORGET] = msgspec.json.decode(shallow_json(raw), type=list[str])
    return notes


def tree_digest(lib: Path) -> str:
    """Return SHA-256, in hex, over the names and contents of all files. Raises OSError."""
    whole = hashlib.sha256()
    for at, directories, names in os.walk(lib, onerror=_raise):
        directories.sort()
        for name in sorted(names):
            path = Path(at) / name
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256")
            short = path.relative_to(lib).as_posix().encode()
            whole.update(len(short).to_bytes(4, "big") + short + content.digest())
    return whole.hexdigest()


def _raise(error: OSError) -> None:
    raise error
