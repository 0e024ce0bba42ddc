"""Findings of `ilot doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from hub.cli import output

OK, NOTE, WRONG = "ok", "note", "wrong"


class Finding(NamedTuple):
    """A checked item. `remedy` is empty when nothing is to be done."""

    what: str
    state: str
    says: str
    remedy: str = ""


def print_findings(findings: Sequence[Finding], *, json: bool) -> None:
    """Print them; ends the command with exit code 6 when something is wrong."""
    if json:
        output.data([found._asdict() for found in findings])
    else:
        marks = {OK: "ok", NOTE: "!", WRONG: "WRONG"}
        output.table(("", "what", "says"), [(marks[f.state], f.what, f.says) for f in findings])
        for found in findings:
            if found.remedy:
                output.say(f"{found.what}: {found.remedy}")
    if any(found.state == WRONG for found in findings):
        raise click.exceptions.Exit(6)
