"""The credentials of the field, and those with which devices leave the factory. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from hub.devices.packs.format import DefaultKeys


class Credential(NamedTuple):
    """What an integration signs in with. `user` is empty for a token, or where there is none."""

    user: str
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.user!r})"


def credentials_of(config: BaseModel) -> Iterator[Credential]:
    """Every secret in an integration's options, each with the `user` beside it; those that are empty are none."""
    user = getattr(config, "user", "")
    for name in type(config).model_fields:
        for value in _within(getattr(config, name)):
            if isinstance(value, BaseModel):
                yield from credentials_of(value)
            elif isinstance(value, SecretStr) and value.get_secret_value():
                yield Credential(user if isinstance(user, str) else "", value.get_secret_value())


def still_default(
    defaults: Iterable[DefaultKeys], credentials: Iterable[Credential], key: bytes | None
) -> DefaultKeys | None:
    """The listed default that a device's key, or what its integration signs in with, is; None where it is none."""
    signs_in = list(credentials)
    for default in defaults:
        if default.key is not None:
            if key is not None and _is_key(bytes.fromhex(default.key), key):
                return default
        elif any(
            default.user in ("", one.user)
            and hmac.compare_digest((default.password or "").encode(), one.secret.encode())
            for one in signs_in
        ):
            return default
    return None


def _is_key(default: bytes, key: bytes) -> bool:
    """A device may have two keys, one behind the other: one of them is enough."""
    size = len(default)
    return any(hmac.compare_digest(default, key[at : at + size]) for at in range(0, len(key), size))


def _within(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else (value,)
