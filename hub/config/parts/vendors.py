"""Section `plugins:`: whose plugins and packs may be installed here, and who says which are revoked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hub.config.field_types import Empty, InstanceName, Section, matching
from hub.core.text import phrase

Key = Annotated[
    str,
    matching(
        r"[0-9a-f]{64}", phrase("vendor-key-wrong", "a key is the 64 hexadecimal digits that `ilot release key` prints")
    ),
]
Ships = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_-]{1,62}\*?",
        phrase(
            "vendor-ships-wrong",
            "the id of a plugin or the name of a pack, perhaps with `*` at its end, like acme_* or acme-*",
        ),
    ),
]


class Keys(Section):
    """Keys, and how many of them must have signed."""

    keys: tuple[Key, ...] = Field(
        min_length=1, max_length=8, description="Their public keys of Ed25519, in hexadecimal digits."
    )
    threshold: int = Field(default=1, ge=1, le=8, description="How many of them must have signed.")

    @model_validator(mode="after")
    def _can_be_met(self) -> Keys:
        if len(set(self.keys)) < max(len(self.keys), self.threshold):
            raise ValueError(
                phrase("vendor-threshold-wrong", "`threshold` is above the number of keys, or a key is there twice")
            )
        return self

    @property
    def raw(self) -> tuple[bytes, ...]:
        """The keys as bytes."""
        return tuple(bytes.fromhex(one) for one in self.keys)


class Vendor(Keys):
    """A vendor that the district trusts to ship something of its own."""

    ships: tuple[Ships, ...] = Field(
        min_length=1, max_length=32, description="Ids of its plugins and names of its packs; `*` ends one that goes on."
    )

    def may_ship(self, id: str) -> bool:
        """Return whether it ships what has this id."""
        return any(id.startswith(one[:-1]) if one.endswith("*") else id == one for one in self.ships)


class PluginTrust(Section):
    """Whose plugins and packs may be installed here. Without vendors: nobody's, but what ships with the hub."""

    vendors: Annotated[dict[InstanceName, Vendor], Empty] = Field(
        default={}, description="The vendors, each under a name of your choice."
    )
    index: Keys | None = Field(default=None, description="Who signs the index, which lists and revokes.")
    only_listed: bool = Field(default=False, description="Install only what the index lists.")
