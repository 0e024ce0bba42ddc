"""Options of the commands that sign: the keys of a maker, and for how long what is signed may be installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

F = TypeVar("F", bound=Callable[..., Any])
DAY_S = 86_400.0
PASSWORD = "ILOT_RELEASE_PASSWORD"  # noqa: S105 - the name of a variable


def key_option(command: F) -> F:
    return click.option(
        "--key", "keys", type=click.Path(path_type=Path, exists=True), multiple=True, required=True,
        help="A key that signs, made by `ilot release key`; more of them where the hubs ask for several.",
    )(command)  # fmt: skip


def days_option(command: F) -> F:
    return click.option(
        "--days", type=click.IntRange(1, 3650), default=365, show_default=True,
        help="Days within which it may be installed.",
    )(command)  # fmt: skip


def loaded_keys(paths: tuple[Path, ...]) -> list[Ed25519PrivateKey]:
    """Raises AuthFailed for a wrong file or password."""
    from hub.operations.releases.making import load_key

    password = password_of(new=False)
    return [load_key(path, password) for path in paths]


def password_of(*, new: bool) -> bytes:
    """Return the password of a key that signs: of the environment, else asked for."""
    given = os.environ.get(PASSWORD)
    if given is None:
        given = click.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
    return given.encode()
