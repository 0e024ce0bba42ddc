"""Into a directory of its own, by one rename and one word; and removal. Blocking.

Killed at any moment, the old plugin or the new one is there, whole: see `hub.plugin_host.installed`. No code of a
plugin runs here. What root installs, it makes as the hub's user: a link of that user leads nowhere else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.core.disk.atomic_files import (
    make_directory,
    owner_of,
    sync_directory,
    write_atomically,
)
from hub.core.errors import ConfigError, HubError, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, system_error
from hub.operations.plugins.offers import Floor, Here, Offer, Refused, offer
from hub.operations.plugins.sources import Source, opened
from hub.plugin_host.installed import (
    CURRENT,
    FACTS,
    FORGET,
    LIB,
    RESTORED,
    Placed,
    barred_now,
    current,
    installed_plugins,
    noted_instances,
    placed,
    restored,
    tree_digest,
)

FLOOR, LOCK = "floor.json", ".lock"
SPARE = 64 << 20
"""Bytes that stay free for readings."""


class Removed(NamedTuple):
    """What a removal leaves. `instances`: whose small state the buffer keeps; `forgotten`: it goes at the hub's next
    start. The highest counter stays in any case."""

    id: str
    version: str
    instances: list[str]
    forgotten: bool


def look(file: Path, here: Here) -> Offer:
    """Verify a file and return what it says; nothing stays of it. Raises HubError."""
    with _prepared(file, here) as (found, _):
        return found


def install(file: Path, here: Here, accept: Callable[[Offer], bool], by: str = "") -> Placed:
    """Install a plugin. `accept` is asked where it may do more than the one before. Raises HubError."""
    with _prepared(file, here) as (found, scratch):
        if found.new and not accept(found):
            raise Refused(
                phrase("plugin-not-accepted", "{id} {version} may do what nobody has accepted yet: `ilot plugin "
                                              "show FILE` "
                       "says what; install it with `--accept {word}`", id=found.addition.id,
                       version=found.addition.version, word=found.accept)
            )  # fmt: skip
        return _place(found, scratch, here, by)


def remove(here: Here, id: str, *, with_state: bool = False, used_by: Collection[str] = ()) -> Removed:
    """Remove a plugin. Raises HubError where there is none, and while instances of the configuration (`used_by`) are
    of it."""
    if used_by:
        raise HubError(
            phrase("plugin-in-use", "the configuration has instances of {id}: take {instances} out first", id=id,
                   instances=list(used_by))
        )  # fmt: skip
    with locked(here.plugins):
        folder = here.plugins / id
        try:
            known = placed(folder) if folder.is_dir() else None
            there = (folder / CURRENT).exists() or (folder / RESTORED).exists()
        except ConfigError:
            known, there = None, True
        if not there:
            raise HubError(
                phrase("plugin-not-installed-apart", "no plugin {id} is installed here: `ilot plugin list`", id=id)
            )
        instances, about = noted_instances(folder), known or restored(folder)
        try:
            if known is not None:
                _raise_floor(folder, known)
            if with_state:
                write_atomically(folder / FORGET, msgspec.json.encode(instances))
            for name in (CURRENT, RESTORED):
                (folder / name).unlink(missing_ok=True)
            sync_directory(folder)
            _sweep(folder, set())
        except OSError as error:
            raise _failed(id, error) from error
    return Removed(id, about.version if about is not None else "", instances, with_state)


def listed(here: Here) -> list[dict[str, Any]]:
    """Return what is installed, each with why it may not start, "" when it may. For people, and for a page."""
    rows = []
    for plugin in installed_plugins(here.plugins):
        folder = Path(plugin.paths[0]) if plugin.manifest is None else Path(plugin.paths[0]).parents[1]
        known = _before(folder)
        noted = restored(folder) if known is None else None
        types = sorted(known.entry_points if known else noted.types if noted else ())
        if types and plugin.name != types[0]:
            continue  # one row for all of its types
        about = known or noted
        rows.append({
            "id": folder.name, "version": plugin.version, "vendor": about.vendor if about else "",
            "types": types, "instances": noted_instances(folder),
            "manifest": None if plugin.manifest is None else msgspec.to_builtins(plugin.manifest),
            "problem": barred_now(plugin, here.plugins, here.trust),
        })  # fmt: skip
    return rows


@contextlib.contextmanager
def _prepared(file: Path, here: Here) -> Iterator[tuple[Offer, Path]]:
    """Yield a verified plugin in a scratch directory, which is gone afterwards unless it was moved away."""
    with opened(file) as source, locked(here.plugins):
        folder = here.plugins / source.document.addition.id
        scratch = folder / f".new-{secrets.token_hex(8)}"
        try:
            _expect_room(source, here.plugins)
            folder.mkdir(mode=0o700, exist_ok=True)
            scratch.mkdir(mode=0o700)
            yield offer(source, scratch, here, _before(folder), _floor(folder)), scratch
        except OSError as error:
            raise _failed(folder.name, error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # where nothing was installed before, and nothing now


def _before(folder: Path) -> Placed | None:
    with contextlib.suppress(ConfigError):  # a damaged one is replaced
        return placed(folder)
    return None


def _place(found: Offer, scratch: Path, here: Here, by: str) -> Placed:
    addition, folder = found.addition, scratch.parent
    facts = Placed(
        id=addition.id, version=addition.version, counter=addition.counter, digest=found.vouched.document.digest,
        signers=found.vouched.signers, vendor=found.vouched.vendor, distribution=found.distribution,
        entry_points=found.entry_points, manifest=found.manifest, tree=found.tree, at=here.now, by=by,
    )  # fmt: skip
    write_atomically(scratch / FACTS, msgspec.json.encode(facts))
    sync_directory(scratch)
    before = _current_name(folder)
    name = f"{addition.version}-{found.vouched.document.mark}"
    if (folder / name).exists() and not _is_whole(folder / name, found.tree):
        name = f"{name}-{secrets.token_hex(4)}"
    if not (folder / name).exists():
        scratch.rename(folder / name)
        sync_directory(folder)
    sync_directory(here.plugins)
    write_atomically(folder / CURRENT, f"{name}\n".encode())
    (folder / RESTORED).unlink(missing_ok=True)
    _raise_floor(folder, facts)
    _sweep(folder, {name, before})
    return facts


def _is_whole(directory: Path, tree: str) -> bool:
    with contextlib.suppress(OSError):
        return tree_digest(directory / LIB) == tree and (directory / FACTS).is_file()
    return False


def _current_name(folder: Path) -> str:
    with contextlib.suppress(ConfigError):
        directory = current(folder)
        return directory.name if directory is not None else ""
    return ""


def _sweep(folder: Path, kept: set[str]) -> None:
    """Delete other versions, and what killed installations left. The one before stays: its process may read it."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink() and one.name not in kept:
            shutil.rmtree(one, ignore_errors=True)


def _floor(folder: Path) -> Floor | None:
    try:
        return msgspec.json.decode(shallow_json((folder / FLOOR).read_bytes()), type=Floor)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StorageError(
            phrase("plugin-floor-damaged", "{file} is damaged: it says which versions are too old. Remove it if you "
                                           "vouch "
                   "for what you install", file=folder / FLOOR)
        ) from error  # fmt: skip


def _raise_floor(folder: Path, known: Placed) -> None:
    floor = _floor(folder)
    if floor is None or floor.counter <= known.counter or not set(floor.signers) & set(known.signers):
        write_atomically(folder / FLOOR, msgspec.json.encode(Floor(known.counter, known.signers)))


@contextlib.contextmanager
def locked(plugins: Path) -> Iterator[None]:
    """One installation at a time, whoever asks for it, and as the hub's user."""
    with _as_owner(plugins.parent):
        try:
            make_directory(plugins)
            lock = os.open(plugins / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _failed("", error) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise HubError(phrase("plugin-install-busy", "another plugin is being installed: try again")) from error
            yield
        finally:
            os.close(lock)


@contextlib.contextmanager
def _as_owner(state: Path) -> Iterator[None]:
    """Act as the owner of the state directory, where root does it. Raises StorageError without such a directory."""
    try:
        owner = owner_of(state)
    except OSError as error:
        raise StorageError(
            phrase(
                "no-state-directory-for-plugins", "there is no state directory {path} to install plugins in", path=state
            )
        ) from error
    if os.geteuid() != 0 or owner.uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.gid)
    os.seteuid(owner.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _expect_room(source: Source, plugins: Path) -> None:
    disk = os.statvfs(plugins)
    needed, free = 4 * source.document.addition.size + SPARE, disk.f_bavail * disk.f_frsize
    if free < needed:
        raise StorageError(
            phrase("plugin-no-room", "the disk has not the room for it ({needed} bytes needed, {free} free): nothing "
                   "changed", needed=needed, free=free)
        )  # fmt: skip


def _failed(id: str, error: OSError) -> StorageError:
    return StorageError(
        phrase("plugin-not-written", "plugin {id} could not be written ({reason}): nothing changed", id=id,
               reason=system_error(error))
    )  # fmt: skip
