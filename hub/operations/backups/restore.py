"""Restoration of a hub from its state backup, on a new machine: the same identity, no sensor touched. Blocking.

    receive windows   stay: a frame that the old machine had accepted is refused here too
    sent counters     jump ahead (`backup.ahead`): the old machine may have spent more since the backup
    run               a new one begins: no segment, no number and no ack set of the old machine is restored
    generation        jumps as far, so that the backend's next STATE shows that this hub was restored
    note              stays in the state directory, in the directory of the backup and on the stick that the
                      configuration names (`hub.operations.backups.generation_notes`): the same backup restored again
                      begins beyond it

The files are written into an empty state directory under its lock, `enrolment.json` last: a state without it is no hub,
and the notes are written before. After an error before that, the written files are removed again, except for notes
elsewhere: the next restoration then skips more than it must. Existing files stop it, or are moved aside where that was
requested: into `former-<Unix seconds>` of the same directory, never deleted.

Files that root writes belong to the owner of the state directory or of the configuration's directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.config.source import read_all
from hub.config.state_dir import named_in
from hub.core import store as stores
from hub.core.clock import SystemClock
from hub.core.disk import backup_directory
from hub.core.disk.atomic_files import (
    Owner,
    StrangeLink,
    give,
    hand_over_all,
    make_directory,
    owner_of,
    write_atomically,
)
from hub.core.disk.safe_paths import Made, Spot, leading
from hub.core.errors import AuthFailed, ConfigError, DecodeError, HubError, StorageError
from hub.core.nesting import shallow_json
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of, system_error
from hub.identity import enrolment, keys
from hub.identity.enrolment import Enrolment
from hub.operations.backups import generation_notes
from hub.operations.backups.keeper import LAST_KEY
from hub.operations.plugins.installing import FLOOR
from hub.operations.plugins.offers import Floor
from hub.plugin_host.installed import RESTORED
from hub.protocol.documents import backup
from hub.protocol.documents.recovery_key_file import RECOVERY, RecipientKey
from hub.protocol.documents.trust import Trust, read_trust
from hub.protocol.ranges import Ranges
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer

_log = logging.getLogger("hub.backup")

_KEY_FILES = {"identity": "identity.pem", "store": "store.key", "tls": "tls.pem"}
_NOT_RESTORED = {LAST_KEY}  # left out, so that a new backup is made at once
_ALLOWED = {"lock", "lost+found", "releases"}
_PLAUSIBLE = 1 << 20
"""Upper bound of a hub's starts and backups: a typing error beyond it would carry its counters out of every device's
reach."""


class Plan(msgspec.Struct, frozen=True):
    """A checked restoration. `undelivered` counts records that were durable and not acknowledged when the backup was
    made: they are on the old machine's disk, if it can still be read. `plugins` are those to install again. `lived` is
    the highest generation of this hub that is known here, 0 for none; sent counters and the generation go `jump` ahead,
    so that it starts from `starts_at`."""

    hub: str
    url: str
    generation: int
    made: float
    trust_version: int
    lived: int
    jump: int
    starts_at: int
    state_dir: str
    config: str
    files: list[str]
    windows: int
    undelivered: int
    set_aside: list[str]
    plugins: list[str]


class KnownHub(NamedTuple):
    """What a person knows of the hub to restore: its id ("": any), the lowest generation that its backup may have, and
    the highest one that it is known to have lived to, from its backend for instance."""

    hub: str = ""
    at_least: int = 0
    lived: int = 0


class Restoration:
    """A backup, opened and checked. `plan` describes what `apply` will do."""

    def __init__(
        self,
        data: bytes,
        key: RecipientKey,
        *,
        config_dir: Path,
        state_dir: Path | None = None,
        known: KnownHub | None = None,
        came_from: Path | None = None,
        set_aside: bool = False,
        now: float | None = None,
    ) -> None:
        """`key` is the owner's recovery key. `came_from`: the directory of the backup. `set_aside`: move existing files
        away. `now`: Unix seconds. Raises DecodeError, AuthFailed, ConfigError."""
        hub, at_least, lived = known or KnownHub()
        sealed = backup.read(data)
        head = sealed.head
        if hub and head.hub != hub:
            raise AuthFailed(
                phrase(
                    "backup-of-another-hub", "this is the backup of {hub}, not of {wanted}", hub=head.hub, wanted=hub
                )
            )
        if head.generation < at_least:
            raise AuthFailed(
                phrase(
                    "backup-too-old",
                    "this backup of {hub} is generation {generation}, older than the {wanted} that is asked "
                    "for: take the newest (`ilot backend backups`)",
                    hub=head.hub,
                    generation=head.generation,
                    wanted=at_least,
                )
            )
        self._contents = contents = backup.open_backup(sealed, key.kid, key.private)
        enrolled, trust = _checked(contents, head, key.kid)
        text = contents.files[contents.config].decode(errors="replace")
        self._state = StateDir(state_dir or _named(text, config_dir))
        self._config_dir, self._trust, self._hub = config_dir, trust, enrolled.hub
        self._aside = self._former() if set_aside else ""
        self._now = time.time() if now is None else now
        places = dict.fromkeys((came_from, _stick(contents, config_dir)))
        self._remember_in = [path for path in places if path is not None]
        self.forgotten: list[str] = []
        here = [*self._remember_in, self._state.path, *self._state.path.glob("former-*")]
        highest = max(
            lived, *(generation_notes.highest_generation(path, head.hub, above=head.generation) for path in here)
        )
        if highest > head.generation + _PLAUSIBLE:
            raise ConfigError(
                phrase(
                    "generation-lower-than-backup",
                    "generation {known} cannot be: the backup is {generation}. Look at --lived again",
                    known=highest,
                    generation=head.generation,
                )
            )
        self._jump = backup.ahead(head, lived=highest, now=self._now)
        self._local = {k: v for k, v in backup.jumped(contents.local, self._jump).items() if k not in _NOT_RESTORED}
        self.plan = Plan(
            hub=enrolled.hub,
            url=enrolled.url,
            generation=head.generation,
            made=head.made,
            trust_version=trust.version,
            lived=highest,
            jump=self._jump,
            starts_at=head.generation + self._jump,
            state_dir=str(self._state.path),
            config=str(config_dir / contents.config),
            files=sorted(contents.files),
            windows=sum(name.startswith("counter/") for name in contents.local),
            undelivered=sum(end.last - Ranges(end.acked).count() for end in contents.streams if end.last > 0),
            set_aside=[str(path) for path in self._in_the_way()] if set_aside else [],
            plugins=[f"{one.id} {one.version}" for one in contents.plugins],
        )

    def check(self) -> None:
        """Raise ConfigError when something is in the way, StorageError when the disk refuses. Changes nothing."""
        found = self._in_the_way()
        if not found or self._aside:
            return
        state = self._state.path
        if state / "enrolment.json" in found:
            raise ConfigError(
                phrase(
                    "state-directory-in-use",
                    "{state} is the state directory of an enrolled hub, which is never overwritten: stop that hub "
                    "and move the directory away, give another --state-dir, or use --set-aside",
                    state=state,
                )
            )
        if found[0].parent == state:
            raise ConfigError(
                phrase(
                    "state-directory-not-empty",
                    "{state} is not empty ({name}): give an empty --state-dir, or use --set-aside",
                    state=state,
                    name=found[0].name,
                )
            )
        raise ConfigError(
            phrase(
                "configuration-file-differs",
                "{path} is there and says something else: move it away, give --config-dir, or use --set-aside",
                path=found[0],
            )
        )

    def apply(self) -> int:
        """Restore; return the generation that this hub starts from. `forgotten` then names the directory in which no
        note could be written, and why. Raises ConfigError, StorageError."""
        self.check()
        with self._state.locked():
            moved, begun = list[Path](), False
            made = [path for name in self._contents.files if not (path := self._config_dir / name).exists()]
            try:
                for path in self._in_the_way():
                    moved.append(path)
                    self._move(path, aside=True)
                begun = True  # from here on, files in there are of this restoration
                self._configuration()
                return self._rebuild()
            except BaseException as error:
                if begun:
                    self._clear()
                    for path in made:
                        with contextlib.suppress(FileNotFoundError, StrangeLink), self._leading(path) as spot:
                            spot.unlink()
                for path in moved:
                    with contextlib.suppress(FileNotFoundError):  # not moved yet
                        self._move(path, aside=False)
                if isinstance(error, StrangeLink):
                    raise ConfigError(reason_of(error)) from error
                if isinstance(error, OSError):
                    raise StorageError(
                        phrase(
                            "file-cannot-be-written",
                            "cannot write {path}: {reason}",
                            path=error.filename,
                            reason=system_error(error),
                        )
                    ) from error
                raise

    def _in_the_way(self) -> list[Path]:
        """Return what would be overwritten: entries of the state directory, configuration files that differ."""
        state = self._state.path
        try:
            found = sorted(state.iterdir()) if state.exists() else []
            found = [path for path in found if path.name not in _ALLOWED and not path.name.startswith("former-")]
            for name, data in self._contents.files.items():
                path = self._config_dir / name
                if os.path.lexists(path) and (path.is_symlink() or path.read_bytes() != data):
                    found.append(path)
        except OSError as error:
            raise StorageError(
                phrase("target-not-examined", "cannot look at what is there: {reason}", reason=reason_of(error))
            ) from error
        return found

    def _former(self) -> str:
        """Return a name that is free wherever something is moved to: a clock that restarts at each boot gives the same
        one again."""
        places = {self._state.path, *((self._config_dir / name).parent for name in self._contents.files)}
        said = f"former-{time.time():.0f}"
        names = itertools.chain((said,), (f"{said}-{n}" for n in itertools.count(2)))
        return next(name for name in names if not any(os.path.lexists(place / name) for place in places))

    def _leading(self, path: Path, made: Made | None = None) -> AbstractContextManager[Spot]:
        """Open a path relative to the directory that the administrator named: below it, entries may be the hub's user's
        links."""
        state = self._state.path
        below = state if path.is_relative_to(state) else self._config_dir
        return leading(path, below, made, follow=False)

    def _move(self, path: Path, *, aside: bool) -> None:
        """Move existing files aside, or back. The new name is synced before the old one is removed: if only the removal
        reached the disk, the file would be lost."""
        former = self._leading(path.parent / self._aside / path.name, _kept_private if aside else None)
        with self._leading(path) as here, former as there:
            if aside:
                here.move_to(there)
                os.fsync(there.directory)
                os.fsync(here.directory)
            else:
                there.move_to(here)

    def _configuration(self) -> None:
        hubs = owner_of(self._state.path)

        def made(fresh: int, holder: os.stat_result) -> None:
            give(fresh, hubs)

        fresh = not self._config_dir.exists()
        make_directory(self._config_dir, 0o777)
        if fresh:
            with _open_folder(self._config_dir) as folder:
                give(folder, hubs)
        for name, data in self._contents.files.items():
            with self._leading(self._config_dir / name, made) as spot:
                holder = spot.owner()
                owner = Owner(holder.st_uid, holder.st_gid)
                if owner.uid == 0 != hubs.uid:  # owner root, readable by the hub's group, as in deploy/README.md
                    owner = Owner(0, owner.gid or hubs.gid)
                shared = os.geteuid() == 0 == owner.uid != owner.gid
                spot.write(data, 0o640 if shared else 0o600, partial(give, owner=owner))

    def _rebuild(self) -> int:
        state, hubs = self._state, owner_of(self._state.path)
        if os.geteuid() != 0 or hubs.uid == 0:
            hub_keys, generation = self._made_in(state)
        else:  # SQLite opens by path, and the directory's owner could put a link there
            with tempfile.TemporaryDirectory(prefix="ilot-", dir=_private_place()) as scratch:
                hub_keys, generation = self._made_in(StateDir(Path(scratch)))
                self._carry(Path(scratch), hubs)
        self._note(hub_keys, generation)
        hand_over_all(state.path)
        write_atomically(state.enrolment, self._contents.enrolment, owner=hubs)
        return generation

    def _made_in(self, state: StateDir) -> tuple[keys.HubKeys, int]:
        """Build everything except `enrolment.json`; return the keys and the generation."""
        contents = self._contents
        state.keys.mkdir(mode=0o700)
        for name, file in _KEY_FILES.items():
            write_atomically(state.keys / file, contents.keys[name])
        hub_keys = keys.load(state.keys, {})
        write_atomically(state.trust, contents.trust)
        write_atomically(state.path / enrolment.CERTIFICATE, contents.certificate)
        generation = stores.restore(
            state.store, hub_keys.store_key, contents.store, sent=backup.SENT_PREFIX, jump=self._jump
        )
        asyncio.run(self._remember(hub_keys, state.buffer))
        for plugin in contents.plugins:  # which nobody brings back older than it was
            folder = state.plugins / plugin.id
            folder.mkdir(mode=0o700, parents=True)
            write_atomically(folder / RESTORED, msgspec.json.encode(plugin))
            write_atomically(folder / FLOOR, msgspec.json.encode(Floor(plugin.counter, plugin.signers)))
        return hub_keys, generation

    def _carry(self, scratch: Path, hubs: Owner) -> None:
        """Copy the built files, some hundred KiB, by descriptors into the state directory."""
        given = partial(give, owner=hubs)

        def made(fresh: int, holder: os.stat_result) -> None:
            os.fchmod(fresh, 0o700)
            given(fresh)

        for path in sorted(scratch.rglob("*")):
            target = self._state.path / path.relative_to(scratch)
            if path.is_dir():
                with self._leading(target / "any", made):
                    continue
            with self._leading(target, made) as spot:
                spot.write(path.read_bytes(), give=given)

    def _note(self, hub_keys: keys.HubKeys, generation: int) -> None:
        """Write the notes. The one in the state directory must succeed; a stick that cannot be written to does not stop
        the restoration."""
        said = partial(
            generation_notes.record_generation,
            identity=hub_keys.identity,
            hub=self._hub,
            generation=generation,
            at=self._now,
        )
        said(self._state.path)
        for directory in self._remember_in:
            try:
                said(directory)
            except OSError as error:
                self.forgotten.append(
                    phrase("of-folder", "{folder}: {reason}", folder=directory, reason=system_error(error))
                )

    async def _remember(self, hub_keys: keys.HubKeys, path: Path) -> None:
        """Write the small state as the buffer does: in a LOCAL record of a run that holds nothing else."""
        buffer = await asyncio.to_thread(
            Buffer.open,
            path,
            keys=SealingKeys(self._hub, hub_keys.identity, hub_keys.store_key),
            trust=self._trust,
            clock=SystemClock(),
        )
        buffer.start(asyncio.get_running_loop())
        try:
            for name, value in self._local.items():
                buffer.put_local(name, value)
        except (ValueError, TypeError) as error:
            raise DecodeError("bad-backup", reason_of(error)) from error
        finally:
            await buffer.close()

    def _clear(self) -> None:
        for entry in self._state.path.iterdir():
            if entry.name in _ALLOWED or entry.name.startswith("former-"):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _private_place() -> str | None:
    """Return a directory that only root can write to, in memory where there is one: keys are written there."""
    return next((place for place in ("/run", "/dev/shm") if os.access(place, os.W_OK)), None)  # noqa: S108


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _kept_private(fresh: int, holder: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # vfat: there the mount says who may read, and refuses another word
        os.fchmod(fresh, 0o700)


def _checked(contents: backup.Contents, head: backup.Head, kid: bytes) -> tuple[Enrolment, Trust]:
    """Check that the parts belong together: keys, name, owner. Raises DecodeError, AuthFailed."""
    try:
        enrolled = msgspec.json.decode(shallow_json(contents.enrolment), type=Enrolment)
        trust = read_trust(contents.trust, bytes.fromhex(enrolled.root))
        identity: Any = load_pem_private_key(contents.keys["identity"], password=None)
    except (ValueError, TypeError, msgspec.DecodeError) as error:
        raise DecodeError(
            "bad-backup",
            phrase(
                "backup-enrolment-unreadable",
                "its enrolment or its identity cannot be read: {reason}",
                reason=reason_of(error),
            ),
        ) from error
    if not isinstance(identity, Ed25519PrivateKey) or identity.public_key().public_bytes_raw() != head.identity:
        raise AuthFailed(
            phrase("backup-of-another-identity", "this backup holds another identity than the one that signed it")
        )
    if enrolled.hub != head.hub:
        raise AuthFailed(
            phrase(
                "backup-with-foreign-enrolment",
                "this backup of {hub} holds the enrolment of {other}",
                hub=head.hub,
                other=enrolled.hub,
            )
        )
    if kid not in {recipient.kid for recipient in trust.recipients if recipient.role == RECOVERY}:
        raise AuthFailed(
            phrase("recovery-key-not-trusted", "the owner's trust document does not name this key as a recovery key")
        )
    return enrolled, trust


def _stick(contents: backup.Contents, config_dir: Path) -> Path | None:
    """Return `backup.directory` of its configuration if it exists now, else None."""
    found = read_all(config_dir / contents.config, contents.files).data
    part = found.get("backup") if isinstance(found, dict) else None
    named = part.get("directory") if isinstance(part, dict) else None
    path = config_dir / named if isinstance(named, str) and named else None
    try:
        return path if path is not None and path.is_dir() else None
    except OSError:  # not accessible
        return None


def _named(text: str, config_dir: Path) -> Path:
    said = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(said) if said else named_in(text, config_dir)


def read_file(path: Path, hub: str = "") -> bytes:
    """Return the bytes of a backup file; of a directory (a stick), the newest intact one of `hub`. `hub` may be left
    out when there is only one hub's. Raises ConfigError."""
    try:
        if path.is_dir():
            hubs = backup_directory.hubs(path)
            if not hub and len(hubs) != 1:
                raise ConfigError(
                    phrase(
                        "backups-of-several-hubs",
                        "{path} holds backups of {count} hubs: name one with --hub ({hubs})",
                        path=path,
                        count=len(hubs),
                        hubs=sorted(hubs)[:5],
                    )
                )
            found = backup_directory.kept(path, hub or hubs.pop())
            if not found:
                raise ConfigError(
                    phrase("backup-not-found", "{path} holds no backup of {hub}", path=path, hub=hub)
                    if hub
                    else phrase("no-backup-found", "{path} holds no backup of any hub", path=path)
                )
            path = next((one for _, one in found if _whole(one)), found[0][1])
        with path.open("rb") as file:
            return file.read(backup.MAX_DOCUMENT + 1)
    except OSError as error:
        raise ConfigError(
            phrase("file-cannot-be-read", "cannot read {path}: {reason}", path=path, reason=system_error(error))
        ) from error


def _whole(path: Path) -> bool:
    """Return whether a hub signed it; a power loss, or a stranger, may have left something else on the stick."""
    try:
        with path.open("rb") as file:
            backup.read(file.read(backup.MAX_DOCUMENT + 1))
    except (OSError, HubError) as error:
        _log.warning(
            phrase(
                "backup-incomplete",
                "{path} is no whole backup, an older one is taken if there is one: {reason}",
                path=path,
                reason=reason_of(error),
            )
        )
        return False
    return True
