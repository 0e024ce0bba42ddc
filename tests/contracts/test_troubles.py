"""What an integration, an uplink, an exporter or a notifier says when it cannot go on, and what comes of a command,
stands on pages in the reader's language: each such sentence is a phrase, with a code and translations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polib
import pytest

import hub
from hub.automation.commands.service import STATES
from hub.core.text import Phrase
from hub.sdk.sigfox.callback import ANSWERS
from integrations.lorawan.orders import DONE

ROOT = Path(hub.__file__).parents[1]
RAISED = {"NotReady", "LedElsewhere", "_Counted", "AuthFailed", "StorageError", "DiskRefuses", "BufferFull"}
PARTS = (
    "integrations", "plugins", "hub/plugin_host", "hub/sdk", "hub/devices/codecs", "hub/history/archive",
    "hub/store_and_forward/link", "hub/store_and_forward/egress.py", "hub/store_and_forward/buffer/commits.py",
    "hub/store_and_forward/buffer/journal.py", "hub/operations/backups/keeper.py",
    "hub/identity/certificate_renewal.py",
)  # fmt: skip
"""What runs all the time."""
HELPERS = {"_proxy_says", "complaint", "sentence", "unavailable_reason"}
"""Functions that give such a sentence, or a part of one, to what raises it."""
SHELL = {"sim.py"}
"""What only simulators or tests of a plugin say."""
OWN = {"the buffer was not started"}
"""Mistakes of the hub itself, in its log."""


def plain(node: ast.expr) -> str | None:
    """Return a sentence that is no phrase, `{}` where something is filled in; None for what is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return None


def sources(*parts: str) -> Iterator[Path]:
    for part in parts:
        root = ROOT / part
        for path in root.rglob("*.py") if root.is_dir() else (root,):
            if path.name not in SHELL and not {"sim", "testing"} & set(path.relative_to(ROOT).parts):
                yield path


def sentences() -> Iterator[tuple[str, str]]:
    """Yield (where, sentence) of what is raised as plain text."""
    for path in sources(*PARTS):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node, "func", None)
            name = getattr(called, "id", "") or getattr(called, "attr", "")
            given: list[ast.expr] = []
            if isinstance(node, ast.FunctionDef) and node.name in HELPERS:
                given = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
            if isinstance(node, ast.Call) and name in RAISED:
                given = node.args[:1]
            for one in given:
                if (said := plain(one)) and said not in OWN:
                    yield f"{path.relative_to(ROOT)}:{one.lineno}", said


def outcomes() -> Iterator[tuple[str, str]]:
    """Yield (where, sentence) of what is answered to a command as plain text: `answer(…, "failed", "…")`, or such a
    pair."""
    for path in sources("integrations", "hub/automation/commands"):
        for node in ast.walk(ast.parse(path.read_text())):
            given = getattr(node, "args", ()) if isinstance(node, ast.Call) else getattr(node, "elts", ())
            for state, detail in pairwise(given if isinstance(given, list) else ()):
                said = plain(detail) or ""
                if isinstance(state, ast.Constant) and state.value in STATES and " " in said:  # no list of states
                    yield f"{path.relative_to(ROOT)}:{state.lineno}", said


def test_every_sentence_with_which_a_plugin_or_a_part_of_the_hub_goes_away_is_a_phrase() -> None:
    assert list(sentences()) == [], 'phrase("code", "English", …): it stands on a page, see docs/how-to/translate.md'


def test_what_comes_of_a_command_is_a_phrase() -> None:
    assert list(outcomes()) == [], 'phrase("code", "English", …): it stands on the page of commands'
    assert all(isinstance(said, Phrase) for said in (*ANSWERS.values(), *DONE.values()))


def test_plain_text_is_found() -> None:
    assert plain(ast.parse('f"{url} hums in {key}"', mode="eval").body) == "{} hums in {}"
    assert plain(ast.parse('phrase("hums", "it hums")', mode="eval").body) is None


CATALOGUES = [path for part in ("hub", "integrations", "plugins") for path in (ROOT / part).rglob("*.po")]


@pytest.mark.parametrize("path", sorted(CATALOGUES), ids=lambda path: path.name)
def test_an_option_is_named_in_each_language_as_in_english(path: Path) -> None:
    """The pages set what stands in backticks as code; « url » beside it looks like another thing."""
    named = re.compile(r"`[^` $]+`")  # what one types at length may have a word of the language
    for entry in polib.pofile(str(path)):
        assert set(named.findall(entry.msgstr)) <= set(named.findall(entry.msgid)), entry.msgctxt
