"""Finds devices whose key or password is still a maker's default. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from hub.devices.packs.format import DefaultKeys


class Credential(NamedTuple):
    """A credential an integration logs in with. `user` is empty for a token, or where there is none."""

    user: str
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.user!r})"


def credentials_of(config: BaseModel) -> Iterator[Credential]:
    """Yield every non-empty secret in an integration's options, with the `user` beside it."""
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
    """Return the listed default that equals the device's key or its integration's credential, or None."""
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
    """Return whether one of the device's keys is the default; a device with two keys has them concatenated."""
    size = len(default)
    return any(hmac.compare_digest(default, key[at : at + size]) for at in range(0, len(key), size))


def _within(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else (value,)
