"""Builder of a state backup's contents from the open parts of one hub; seals it (`hub.protocol.documents.backup`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hub.config import source
from hub.core.clock import SystemClock
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.identity import enrolment, keys
from hub.identity.keys import HubKeys
from hub.protocol.documents import backup
from hub.protocol.documents.backup import Contents, InstalledPlugin, StreamEnd
from hub.protocol.length_prefix import lp
from hub.protocol.pem import private_pem
from hub.protocol.records.seal import H, SealingKeys
from hub.store_and_forward.buffer import Buffer

_PICTURES = ("plans",)
"""Entries left out of a backup that would otherwise be too large to be read again."""

_log = logging.getLogger("hub.backup")


class Gatherer:
    """Maker of sealed backups of one hub from its open parts. `config` is the first file and `files` all that it
    includes, relative to its directory."""

    def __init__(
        self, *, state: StateDir, hub_keys: HubKeys, store: Store, buffer: Buffer, config: Path, files: Iterable[str]
    ) -> None:
        self._state, self._keys, self._store, self._buffer = state, hub_keys, store, buffer
        self._config, self._files = config, sorted({config.name, *files})

    def changed(self, files: Iterable[str]) -> None:
        """Replace the list of the configuration's files."""
        self._files = sorted({self._config.name, *files})

    async def make(self, now: float) -> tuple[int, bytes]:
        """Return the generation and the sealed document; `now` is Unix seconds. Raises StorageError, AuthFailed,
        DecodeError."""
        generation = await self._store.next_generation()
        local = {name: value for name, value in self._buffer.local.items() if not name.startswith("buffer/")}
        ends = [
            StreamEnd(s.stream, s.run, s.last, list(self._buffer.acks.of(s.stream, s.run)))
            for s in self._buffer.streams()
        ]
        try:
            image = await self._store.image()
            return generation, await asyncio.to_thread(self._seal, generation, now, image, local, ends)
        except DecodeError as error:
            _log.warning(
                phrase(
                    "backup-without-plans",
                    "the backup is made without plans of floors and photographs, remove some of them: {reason}",
                    reason=error.detail,
                )
            )
            image = await self._store.image(without=_PICTURES)
            return generation, await asyncio.to_thread(self._seal, generation, now, image, local, ends)

    def fingerprint(self) -> str:
        """Return a digest of what the hub does not write itself: configuration, secrets, trust, enrolment, and which
        plugins are installed. Blocking. Raises OSError, ValueError."""
        parts = [part for name, data in sorted(self._configuration().items()) for part in (name.encode(), data)]
        parts += [f"{one.id} {one.digest}".encode() for one in self._plugins()]
        return H(lp(*parts, *self._papers())).hex()

    def _plugins(self) -> list[InstalledPlugin]:
        if not self._state.plugins.is_dir():
            return []
        from hub.plugin_host.installed import to_install_again  # late: most hubs have none

        return to_install_again(self._state.plugins)

    def _papers(self) -> tuple[bytes, bytes, bytes]:
        state = self._state
        return (
            state.trust.read_bytes(), state.enrolment.read_bytes(), (state.path / enrolment.CERTIFICATE).read_bytes(),
        )  # fmt: skip

    def _seal(self, generation: int, now: float, image: bytes, local: dict[str, Any], ends: list[StreamEnd]) -> bytes:
        try:
            _, owner = enrolment.load(self._state.path)  # read now: the owner may have changed the recovery key
            trust, enrolled, certificate = self._papers()
            contents = Contents(
                config=self._config.name,
                files=self._configuration(),
                keys={
                    "identity": private_pem(self._keys.identity),
                    "store": self._keys.store_key,
                    "tls": self._keys.tls_key.read_bytes(),
                },
                trust=trust,
                enrolment=enrolled,
                certificate=certificate,
                store=image,
                local=local,
                streams=ends,
                plugins=self._plugins(),
            )
        except (OSError, ValueError) as error:
            raise StorageError(
                phrase("backup-not-made", "no backup can be made: {reason}", reason=reason_of(error))
            ) from error
        return backup.seal(
            contents,
            identity=self._keys.identity,
            generation=generation,
            made=now,
            trust_version=owner.version,
            recipients=owner.recipients,
        )

    def _configuration(self) -> dict[str, bytes]:
        directory = self._config.parent
        held = {name: source.load_bytes(directory / name) for name in self._files}
        secrets = directory / source.SECRETS
        return held | ({source.SECRETS: source.load_bytes(secrets)} if secrets.exists() else {})


async def of_stopped(state: StateDir, config: Path) -> bytes:
    """Return a backup of a hub that does not run. Raises StorageError when it does, ConfigError when it is not
    enrolled."""
    with state.locked():
        hub_keys, (enrolled, trust) = keys.load(state.keys), enrolment.load(state.path)
        clock = SystemClock()
        try:
            files = list((await asyncio.to_thread(source.read, config)).files)
        except ConfigError:
            files = []  # an invalid file is backed up as it is; its includes are unknown
        store = await Store.open(state.store, hub_keys.store_key)
        try:
            buffer = await asyncio.to_thread(
                Buffer.open,
                state.buffer,
                keys=SealingKeys(enrolled.hub, hub_keys.identity, hub_keys.store_key),
                trust=trust,
                clock=clock,
            )
            gatherer = Gatherer(state=state, hub_keys=hub_keys, store=store, buffer=buffer, config=config, files=files)
            _, data = await gatherer.make(clock.now())
            await buffer.close()
            return data
        finally:
            await store.close()
