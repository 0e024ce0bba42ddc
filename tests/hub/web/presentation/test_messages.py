"""What a hub complains of in `ilot status`, and what it refuses, is said in French on a page, all of it."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

import hub
from hub.automation.commands.policy import CALLED, ROLES, Order, WriteRefused, check_order
from hub.core.actor import actor, who
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Writable
from hub.core.text import Phrase, phrase, reason_of
from hub.devices.packs.archive import unpack
from hub.i18n.catalogues import is_translated, translate
from hub.i18n.typography import ascii_spaces
from hub.page_kit.messages import message
from hub.web.words import word

ROOT = Path(hub.__file__).parent
WHOLE = 4
"""Fewer words are a part of a sentence."""


def _plain_texts(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Texts of a function that are no part of a phrase, nor its docstring."""
    apart = {id(node) for node in ast.walk(function) if isinstance(node, ast.Expr) for node in ast.walk(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "phrase":
            apart |= {id(part) for argument in node.args for part in ast.walk(argument)}
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node


def complaints() -> Iterator[tuple[str, ast.FunctionDef]]:
    """(where, function) of every function `complaints` of the hub."""
    for path in sorted(ROOT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name == "complaints":
                yield str(path.relative_to(ROOT)), function


def test_every_complaint_is_a_phrase() -> None:
    found = list(complaints())
    left = [
        f"{where}:{node.lineno}: {node.value}"
        for where, function in found
        for node in _plain_texts(function)
        if isinstance(node, ast.Constant) and len(str(node.value).split()) >= WHOLE
    ]
    assert left == []
    assert len(found) > 15


def test_a_date_in_a_complaint_is_written_as_french_does() -> None:
    ends = phrase("calendar-ends-soon", "{calendar}: known until {until} only; renew it",
                  calendar=phrase("calendar-named", "calendar {name}", name="B"), until=date(2027, 8, 31))  # fmt: skip
    assert ends == "calendar B: known until 2027-08-31 only; renew it"
    assert "31/08/2027" in message(ends, "fr").text
    assert message("the boiler is on fire", "fr") == ("", "the boiler is on fire")
    assert message("the boiler is on fire", "en") == ("the boiler is on fire", "")


@pytest.mark.parametrize(
    "by", ["cli", "hub", "configuration", "backend", "cli:jeanne", "web:anne", "rule:night",
           "backend:anne", "token:x", "somebody"],
)  # fmt: skip
def test_who_did_it_is_named_in_a_sentence_as_elsewhere(by: str) -> None:
    assert actor(by) == by
    assert translate(actor(by), "fr") == translate(who(by), "fr")


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"no archive", zipped("a/readme"), zipped("pack.yaml"), zipped("a/pack.yaml", "b/pack.yaml"), b"x" * (2 << 20)],
)  # fmt: skip
def test_every_archive_that_is_no_pack_is_refused_in_french(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(HubError) as refused:
        unpack(data, tmp_path)
    assert is_translated(reason_of(refused.value), "fr")


LAMP = Device(
    id="knx:1",
    integration="knx",
    place="p",
    writable={
        "light": Writable(None, None, "technicien", 1),
        "setpoint": Writable(5, 30, "administrateur", 10, "always"),
    },
)
GOOD = {"device": "knx:1", "metric": "setpoint", "value": 20.0, "by": "web:a", "role": "administrateur", "why": "cold"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"why": ""}, "say-why-in-characters"), ({"metric": "humidity"}, "metric-read-only"),
        ({"role": "technicien"}, "metric-of-another-role"), ({"value": "x"}, "value-is-number-in-unit"),
        ({"value": 40.0}, "value-out-of-bounds-in-unit"), ({"metric": "light", "value": 3.0}, "value-is-flag"),
        ({"value": 21.0, "last": 99.0}, "written-too-recently"),
    ],
)  # fmt: skip
def test_every_command_that_is_refused_says_why_in_french(wrong: dict[str, Any], code: str) -> None:
    last = wrong.pop("last", None)
    order = Order(**{**GOOD, **wrong})
    with pytest.raises(WriteRefused) as refused:
        check_order(order, LAMP, METRICS.get(order.metric), last, 100.0)
    said = reason_of(refused.value)
    assert isinstance(said, Phrase)
    assert said.code == code
    assert is_translated(said, "fr")


@pytest.mark.parametrize("role", ROLES[:-1])
def test_a_role_that_does_not_write_is_named_as_each_language_has_it(role: str) -> None:
    with pytest.raises(WriteRefused) as refused:
        check_order(Order(**{**GOOD, "role": role}), LAMP, METRICS["setpoint"], None, 100.0)
    said = reason_of(refused.value)
    assert said.endswith(f"is written by an administrator, not by {CALLED[role]}")
    assert CALLED[role].split()[1] == word(f"role-{role}", "en")
    assert translate(said, "fr").endswith(f"seul le rôle administrateur commande cette grandeur, pas le rôle {role}")


@pytest.mark.parametrize(
    ("unit", "value", "english", "french"),
    [
        ("Cel", 40.5, "'setpoint' must be from 5 to 30 °C, not 40.5", "va de 5 à 30 °C ; 40,5 est en dehors"),
        ("1", 40.0, "'setpoint' must be from 5 to 30, not 40", "va de 5 à 30 ; 40 est en dehors"),
        ("Cel", True, "'setpoint' is a number in °C", "est un nombre, en °C"),
        ("1", True, "'setpoint' is a number", "est un nombre"),
    ],
)
def test_bounds_are_told_in_units_as_people_write_them(unit: str, value: float, english: str, french: str) -> None:
    metric = structs.replace(METRICS["setpoint"], unit=unit)
    with pytest.raises(WriteRefused) as refused:
        check_order(Order(**{**GOOD, "value": value}), LAMP, metric, None, 100.0)
    said = reason_of(refused.value)
    assert said == english
    assert ascii_spaces(translate(said, "fr")) == f"« setpoint » {french}"
