"""`ilot keys`: where this hub's keys are, and whether its TPM holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.config.state_dir import state_of
from hub.core.errors import ConfigError
from hub.core.state_dir import StateDir
from hub.core.text import phrase
from hub.identity import keys as hub_keys

BY_TPM, FILES = "tpm", "key-files"


@click.group(cls=output.Group)
def keys() -> None:
    """The keys of this hub: whether they are files of its card, or held by this machine's TPM."""


@keys.command()
@output.with_hub
def show(config: Path, state_dir: Path | None, json: bool) -> None:
    """Where the keys lie, and what is wrong with that."""
    state = _state(config, state_dir)
    _print_keys(state, json)


@keys.command()
@output.with_hub
def seal(config: Path, state_dir: Path | None, json: bool) -> None:
    """Have this machine's TPM 2.0 hold the keys, and destroy their files. Stop the hub first.

    From then on a card without its board gives up neither the identity of the hub nor what it keeps for itself. When
    the TPM is cleared or the board breaks, the state backup is the only way back: be sure that there is one.
    """
    state = _state(config, state_dir)
    with state.locked():
        hub_keys.move_to_tpm(state.keys)
    _print_keys(state, json)


@keys.command()
@output.with_hub
def unseal(config: Path, state_dir: Path | None, json: bool) -> None:
    """Make the keys files again, for instance before the card moves to another board. Stop the hub first."""
    state = _state(config, state_dir)
    with state.locked():
        if not hub_keys.held_by_tpm(state.keys):
            raise ConfigError(
                phrase("keys-files-already", "the keys in {directory} are files already", directory=state.keys)
            )
        hub_keys.move_to_files(state.keys)
    _print_keys(state, json)


def _state(config: Path, state_dir: Path | None) -> StateDir:
    state = StateDir(state_of(config, state_dir))
    if not hub_keys.held_by_tpm(state.keys) and not state.keys.is_dir():
        raise ConfigError(
            phrase(
                "no-keys-in-directory",
                "there are no keys in {directory}: enrol this hub with `ilot enroll`",
                directory=state.keys,
            )
        )
    return state


def _print_keys(state: StateDir, json: bool) -> None:
    found = _found(state)
    if json:
        output.data(found)
        return
    held = output.word("keys", found["held"])
    output.echo(phrase("keys-held-in", "{held}: {files}", held=held, files=found["files"]))
    if found["problem"]:
        output.say(found["problem"])


def _found(state: StateDir) -> dict[str, Any]:
    by_tpm, plain = hub_keys.held_by_tpm(state.keys), hub_keys.key_files(state.keys)
    problem: str = ""
    if by_tpm and plain:
        problem = phrase(
            "key-files-lie-there", "key files lie there too ({files}): `ilot keys seal` destroys them", files=plain
        )
    elif by_tpm:
        from hub.identity.keys.tpm import unavailable_reason

        apart = " ".join(map(str, hub_keys.stray_key_files(state.keys)))
        problem = unavailable_reason() or (
            apart
            and phrase(
                "key-files-in-clear",
                "key files lie in clear apart. Once they are not needed: shred -u {files}",
                files=apart,
            )
        )
    return {
        "held": BY_TPM if by_tpm else FILES, "files": [hub_keys.SEALED] if by_tpm else plain, "problem": problem,
        "directory": str(state.keys),
    }  # fmt: skip
