"""Findings of `ilot doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from hub.cli import output
from hub.core.text import phrase

OK, NOTE, WRONG = "ok", "note", "wrong"

STATE_DIRECTORY = phrase("state-directory", "state directory")
KEYS_AT_REST = phrase("keys-at-rest", "keys at rest")
RAW_HISTORY = phrase("raw-history", "raw history")
MEMORY = phrase("finding-memory", "memory")
DISK = phrase("finding-disk", "disk")
CLOCK = phrase("finding-clock", "clock")
NETWORK = phrase("finding-network", "network")
ENROLMENT = phrase("finding-enrolment", "enrolment")
CERTIFICATE = phrase("finding-certificate", "certificate")
CONFIGURATION = phrase("finding-configuration", "configuration")
LINK = phrase("finding-link", "link")
TRUST = phrase("finding-trust", "trust")
CONNECTION = phrase("finding-connection", "connection")
PROXY = phrase("finding-proxy", "proxy")
INTERCEPTION = phrase("finding-tls-interception", "TLS interception")
ADMISSION = phrase("finding-admission", "admission")
REFUSAL = phrase("finding-refusal", "refusal")
"""What is checked."""


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
        marks = {OK: phrase("mark-ok", "ok"), NOTE: "!", WRONG: phrase("mark-wrong", "WRONG")}
        output.table(("", "what", "says"), [(marks[f.state], f.what, f.says) for f in findings])
        for found in findings:
            if found.remedy:
                output.say(phrase("remedy-for", "{what}: {remedy}", what=found.what, remedy=found.remedy))
    if any(found.state == WRONG for found in findings):
        raise click.exceptions.Exit(6)
