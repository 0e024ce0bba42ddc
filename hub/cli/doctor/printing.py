"""Output and exit code of `ilot doctor`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from hub.cli import output
from hub.core.text import phrase
from hub.operations.doctor.findings import NOTE, OK, WRONG, Finding

MARKS = {OK: "✔", NOTE: "!", WRONG: "✘"}
EXIT_WRONG, EXIT_NOTE = 6, 9
"""Exit codes: something is wrong; nothing is, but something is to be seen to. 0 is left to a hub that is right."""


def print_lines(findings: Iterable[Finding]) -> list[Finding]:
    """Print each as JSON on a line of its own, as soon as it is there."""
    found = []
    for one in findings:
        output.data(one._asdict())
        sys.stdout.flush()
        found.append(one)
    return found


def print_findings(findings: Sequence[Finding], *, json: bool, silent: bool = False) -> None:
    """Print them; ends the command with exit code 6 when something is wrong, 9 when something is to be seen to.
    `silent`: they were printed as they were found."""
    if silent:
        pass
    elif json:
        output.data([found._asdict() for found in findings])
    else:
        output.table(("", "what", "says"), [(MARKS[f.state], f.what, f.says) for f in findings])
        for found in _unique(findings):
            output.say(phrase("remedy-for", "{what}: {remedy}", what=found.what, remedy=found.remedy))
    states = {found.state for found in findings}
    if code := EXIT_WRONG if WRONG in states else EXIT_NOTE if NOTE in states else 0:
        raise click.exceptions.Exit(code)


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Return those with a remedy, each remedy once."""
    return list({(found.what, found.remedy): found for found in findings if found.remedy}.values())
