"""What the hub itself remembers of the network: access point, time servers, PINs that a SIM refused.

It stands in the store, encrypted, and in its sealed backups: a hub that is restored on another card has the key that is
printed on its label.
"""

from __future__ import annotations

import secrets

import msgspec

from hub.core.store import Store

KEY = "network"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike on a label."""
KEY_LENGTH = 16
"""79 bits: nobody tries them all."""
MOST_PINS = 64


def _word(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


class Facts(msgspec.Struct, kw_only=True):
    """`request`: the file on the boot partition that was answered last; `refused`: digests of SIM and PIN, with
    `salt`."""

    name: str = msgspec.field(default_factory=lambda: f"Ilot-{_word(4)}")
    key: str = msgspec.field(default_factory=lambda: _word(KEY_LENGTH))
    time_servers: tuple[str, ...] = ()
    request: str = ""
    refused: list[str] = []
    salt: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))


class OwnFacts:
    """`facts` are complete after `load`; `save` writes them. Both raise StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.facts = Facts()
        self.loaded = False

    async def load(self) -> None:
        """Read them, once; the first time they are made."""
        if self.loaded:
            return
        kept = await self._store.get(KEY)
        if kept is not None:
            self.facts = msgspec.msgpack.decode(kept, type=Facts)
        else:
            await self.save()
        self.loaded = True

    async def save(self) -> None:
        await self._store.put(KEY, msgspec.msgpack.encode(self.facts))

    def new_key(self) -> None:
        self.facts.key = _word(KEY_LENGTH)
