"""`ilot backend backup` and `restore`: a verified copy of a backend in service, and the way back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.console import DIRECTORY, JSON, date, handles_errors, row, say, show
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.maintenance.copies import Restored

TELL_S = 5.0


class _Teller:
    """Says what is being done when it begins, and how far it is each TELL_S."""

    def __init__(self) -> None:
        self._what, self._at = "", 0.0

    def __call__(self, what: str, share: float) -> None:
        now = time.monotonic()
        if what == self._what and now - self._at < TELL_S:
            return
        self._what, self._at = what, now
        say(phrase("share-done", "{what}: {share:.0f}%", what=what, share=100.0 * share))


@click.command()
@DIRECTORY
@click.argument("target", type=click.Path(path_type=Path))
@JSON
@handles_errors
def backup(directory: Path, target: Path, as_json: bool) -> None:
    """Copy DIRECTORY to TARGET while the server runs, open the copy and read all of it.

    TARGET must not exist; it appears when the copy is whole and was verified. It holds what was received and the keys
    that a server needs, in clear: keep it as you keep the server. It needs neither the root key nor the recovery key,
    and holds neither.
    """
    from backend.maintenance import copies

    head = copies.make(directory, target, _Teller())
    say(
        phrase(
            "copy-made",
            "{target} is whole: {count} [hub|hubs], records up to number {records}, {size:.1f} MB. It was opened, and "
            "read to the end.",
            target=target,
            count=head.database.hubs,
            records=head.database.last_record,
            size=head.size / 1e6,
        )
    )
    facts = {
        "copy": str(target), "made_at": head.made_at, "bytes": head.size, "hubs": head.database.hubs,
        "last_record": head.database.last_record, "newest_at": head.database.newest_at,
    }  # fmt: skip
    show(facts, as_json, [row(name, value) for name, value in facts.items()])


@click.command()
@click.argument("copy", type=click.Path(path_type=Path, file_okay=False))
@DIRECTORY
@JSON
@handles_errors
def restore(copy: Path, directory: Path, as_json: bool) -> None:
    """Put COPY, made by `ilot backend backup`, back into DIRECTORY, or make DIRECTORY of it. The backend must not run.

    The copy is verified first. The database that is there is set aside, and no key that is there is replaced. Hubs are
    asked to send again what the copy lacks. It needs no root key.
    """
    from backend.maintenance import copies

    done = copies.restore(copy, directory, _Teller())
    for sentence in _told(directory, done):
        say(sentence)
    facts = {
        "directory": str(directory), "made_at": done.made_at, "hubs": done.hubs,
        "tokens_withdrawn": done.tokens_withdrawn, "since_known": done.since_known, "aside": done.aside,
    }  # fmt: skip
    show(facts, as_json, [row(name, value) for name, value in facts.items()])


def _told(directory: Path, done: Restored) -> list[str]:
    from backend.storage.opening import CITY

    told: list[str] = [
        phrase(
            "copy-put-back",
            "The copy of {moment} is in place, with {count} [hub|hubs]. Start the backend: hubs send again what it "
            "lacks, as far as their disks hold it.",
            moment=date(done.made_at),
            count=done.hubs,
        )
    ]
    if done.aside:
        told.append(
            phrase(
                "replaced-set-aside",
                "What was there lies in {folder}; remove it when it is not needed.",
                folder=done.aside,
            )
        )
    if done.tokens_withdrawn:
        told.append(
            phrase(
                "tokens-withdrawn",
                "{count} [token was|tokens were] open when the copy was made, and [is|are] withdrawn: issue new ones.",
                count=done.tokens_withdrawn,
            )
        )
    if (directory / CITY).exists():
        told.append(
            phrase(
                "people-begin-again",
                "The city's people sign in again; codes and tokens of programs are withdrawn: issue new ones. "
                "Accounts are as they were at that moment: check roles, scopes and who was disabled since.",
            )
        )
    if not done.since_known:
        told.append(
            phrase(
                "registry-since-unknown",
                "Hubs that were revoked after that moment are admitted again: revoke them (`ilot backend revoke "
                "{directory} HUB`). Those that were enrolled after it must be enrolled again.",
                directory=directory,
            )
        )
        told.append(
            phrase(
                "erasures-since",
                "What was erased after that moment is back until its hub sends the order again: where it does not, "
                "order it anew.",
            )
        )
    return told
