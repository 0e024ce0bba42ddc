"""What the hub refuses is told in French on a French page, whole and with a decimal comma."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hub.automation.commands.policy import CALLED, ROLES, Order, WriteRefused, check_order
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Writable
from hub.devices.packs.archive import unpack
from hub.i18n.typography import ascii_spaces
from hub.web.presentation.refusing import french
from hub.web.words import word


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
    assert french(str(refused.value))


def test_a_sentence_that_nobody_translated_is_left_to_be_shown_as_it_is() -> None:
    assert french("the moon is full") == ""
    said = french("'setpoint' must be from 5.5 to 30 Cel, not 40")
    assert said == "la valeur va de 5,5 à 30\u202f°C\u202f; 40 est en dehors"


LAMP = Device(
    id="knx:1",
    integration="knx",
    place="p",
    writable={"light": Writable(None, None, "technicien", 1), "setpoint": Writable(5, 30, "administrateur", 10)},
)
GOOD = {"device": "knx:1", "metric": "setpoint", "value": 20.0, "by": "web:a", "role": "administrateur", "why": "cold"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"why": ""}, {"metric": "humidity"}, {"role": "technicien"}, {"value": "x"}, {"value": 40.0},
        {"metric": "light", "value": 3.0}, {"value": 21.0, "last": 99.0},
    ],
)  # fmt: skip
def test_every_command_that_is_refused_says_why_in_french(wrong: dict[str, Any]) -> None:
    last = wrong.pop("last", None)
    order = Order(**{**GOOD, **wrong})
    with pytest.raises(WriteRefused) as refused:
        check_order(order, LAMP, METRICS.get(order.metric), last, 100.0)
    assert french(str(refused.value)), refused.value


@pytest.mark.parametrize("role", ROLES[:-1])
def test_a_role_that_does_not_write_is_named_as_each_language_has_it(role: str) -> None:
    with pytest.raises(WriteRefused) as refused:
        check_order(Order(**{**GOOD, "role": role}), LAMP, METRICS["setpoint"], None, 100.0)
    said = str(refused.value)
    assert said.endswith(f"is written by an administrator, not by {CALLED[role]}")
    assert CALLED[role].split()[1] == word(f"role-{role}", "en")
    assert french(said) == f"seul le rôle administrateur commande cette grandeur, pas le rôle {role}"


@pytest.mark.parametrize(
    ("unit", "value", "english", "said"),
    [
        ("Cel", 40.5, "'setpoint' must be from 5 to 30 °C, not 40.5", "la valeur va de 5 à 30 °C ; 40,5 est en dehors"),
        ("1", 40.0, "'setpoint' must be from 5 to 30, not 40", "la valeur va de 5 à 30 ; 40 est en dehors"),
        ("Cel", True, "'setpoint' is a number in °C", "la valeur est un nombre, en °C"),
        ("1", True, "'setpoint' is a number", "la valeur est un nombre"),
    ],
)
def test_bounds_are_told_in_units_as_people_write_them(unit: str, value: float, english: str, said: str) -> None:
    metric = structs.replace(METRICS["setpoint"], unit=unit)
    with pytest.raises(WriteRefused) as refused:
        check_order(Order(**{**GOOD, "value": value}), LAMP, metric, None, 100.0)
    assert str(refused.value) == english
    assert ascii_spaces(french(english)) == said
