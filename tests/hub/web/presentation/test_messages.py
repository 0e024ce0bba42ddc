"""What a hub complains of in `ilot status` is said in French on a page, all of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hub
from hub.web.presentation.messages import message

ROOT = Path(hub.__file__).parent
WHOLE = 4
"""Fewer words are a part of a sentence."""


def _ways(node: ast.expr) -> list[str]:
    """A sentence with its parts filled in, in the ways that there are."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if not isinstance(node, ast.JoinedStr):
        return []
    made = []
    for other in ("x", "7", "key", "2027-08-31", "school holidays, zone B"):
        text = "".join(
            part.value
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
            else repr(other)
            if isinstance(part, ast.FormattedValue) and part.conversion == ord("r")
            else "2027-08-31"
            if isinstance(part, ast.FormattedValue)
            and part.format_spec is not None
            and "%Y" in ast.unparse(part.format_spec)
            else other
            for part in node.values
        )
        made.append(text)
    return made


def complaints() -> Iterator[tuple[str, list[str]]]:
    """(where, the sentence in its ways) of every function `complaints` of the hub."""
    for path in sorted(ROOT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef) or function.name != "complaints":
                continue
            inside = {
                id(part) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for part in node.values
            }
            for node in ast.walk(function):
                if isinstance(node, ast.JoinedStr) and id(node) not in inside:
                    ways = _ways(node)
                    if ways and len(ways[0].split()) >= WHOLE:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", ways


PARTS = (
    "are observed at it", "the time is known within", "ends in x days", "a raised period is asked for",
    "the former period is being", "readings carry this one's time", "what is dated by it", "the client certificate x",
)  # fmt: skip
"""Of sentences that are put together: others show that they are said in French, whole."""


def test_every_complaint_is_told_in_french() -> None:
    found = [(where, ways) for where, ways in complaints() if not any(part in ways[0] for part in PARTS)]
    left = [f"{where}: {ways[0]}" for where, ways in found if not any(message(way, "fr").text for way in ways)]
    assert left == []
    assert len(found) > 30


def test_a_date_in_a_complaint_is_written_as_french_does() -> None:
    said = message("school holidays, zone B: known until 2027-08-31 only; renew it", "fr")
    assert said.text == "Vacances scolaires, zone B\u00a0: connues jusqu'au 31/08/2027 seulement, à compléter"
    assert message("the boiler is on fire", "fr") == ("", "the boiler is on fire")
