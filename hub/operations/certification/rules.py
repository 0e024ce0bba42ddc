"""The rules of a certificate, as data. Adding or tightening one raises VERSION: a report names the version it holds
for."""

from __future__ import annotations

from typing import Literal

import msgspec

from hub.core.text import Phrase, phrase
from hub.sdk.testing.contract import CONTRACT

VERSION = 1
Kind = Literal["plugin", "shipped", "pack"]
"""A plugin of a vendor · an integration of this distribution, whose manifest is the distribution · a device pack."""

SUPPORT_DAYS = 365
"""Days for which the vendor promises support, at least."""
TESTS_S = 600.0
"""Seconds that a vendor's own tests may take."""


class Rule(msgspec.Struct, frozen=True):
    """A rule: its name, what it is `of`, and what it asks."""

    name: str
    of: tuple[Kind, ...]
    asks: Phrase


BOTH: tuple[Kind, ...] = ("plugin", "shipped")
RULES: tuple[Rule, ...] = (
    Rule("distribution", ("plugin",), phrase(
        "rule-distribution", "it has a name, a version, a licence, and an entry point of hub.plugins")),
    Rule("manifest", ("plugin",), phrase(
        "rule-manifest", "its manifest is right, and of the same version as the distribution")),
    Rule("supported", ("plugin",), phrase(
        "rule-supported", "its vendor supports it for another year, and says where to report a security problem")),
    Rule("readme", BOTH, phrase("rule-readme", "it has a README that says how to use it")),
    Rule("public-api", BOTH, phrase("rule-public-api", "of the hub it imports the plugin API and the kit, no more")),
    Rule("confined", ("plugin",), phrase(
        "rule-confined", "it opens no socket and starts no process by itself, so that it can run shut in")),
    Rule("typed", ("plugin",), phrase("rule-typed", "`mypy --strict` finds nothing")),
    Rule("own-tests", ("plugin",), phrase("rule-own-tests", "its own tests pass, and none is skipped")),
    Rule("texts-complete", BOTH, phrase(
        "rule-texts-complete", "options, reasons, metrics and sentences are there in English and French")),
    Rule("ids-stable", BOTH, phrase("rule-ids-stable", "its devices keep their ids over a restart")),
    Rule("nothing-left", BOTH, phrase(
        "rule-nothing-left", "cancelled at any moment, it leaves no task, socket, thread or process")),
    Rule("outage-told-once", BOTH, phrase(
        "rule-outage-told-once", "an unreachable device is told once, and its return once")),
    Rule("loop-free", BOTH, phrase("rule-loop-free", "it holds the event loop for 50 ms at most")),
    Rule("units-valid", BOTH, phrase(
        "rule-units-valid", "what it reports is in the catalogue, in its unit, and plausible")),
    Rule("secrets-redacted", BOTH, phrase(
        "rule-secrets-redacted", "no secret among its options stands in a log, an error or a report")),
    Rule("flood-held-back", BOTH, phrase(
        "rule-flood-held-back", "ten times the load waits, and nothing is lost that was acknowledged")),
    Rule("pack-valid", ("pack",), phrase("rule-pack-valid", "the pack is right, and so is its codec or its map")),
    Rule("vectors", ("pack",), phrase(
        "rule-vectors", "each message, port and downlink has an example that passes, with its source")),
    Rule("decided", ("pack",), phrase("rule-decided", "a person has decided on each value that an import proposed")),
)  # fmt: skip


def rules_of(kind: Kind) -> list[Rule]:
    return [rule for rule in RULES if kind in rule.of]


def is_contract(rule: Rule) -> bool:
    """Return whether it is a contract test of the kit."""
    return rule.name in CONTRACT
