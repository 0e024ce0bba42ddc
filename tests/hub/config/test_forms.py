"""A form shows what the file says, and what comes back of it means edits, or is refused; no secret is ever shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr, StringConstraints

from hub.config import forms
from hub.config.forms import edits, form
from hub.config.instances import Models
from hub.config.positions import SecretRef
from hub.config.schema import schema
from hub.sdk.options import Config


class Door(Config):
    width: int = 1


class Line(Config):
    host: str
    baudrate: Literal[9600, 19200] = 9600
    parity: Literal["none", "1"] = "none"
    retries: int | None = None
    factor: float = 1.0
    loud: bool = False
    names: tuple[str, ...] = ()
    doors: dict[Annotated[str, StringConstraints(pattern="^[a-z]+$")], Door] = Field(default_factory=dict)
    anything: dict[str, Any] = Field(default_factory=dict)
    ports: tuple[int, ...] = ()
    password: SecretStr | None = None


SCHEMA: dict[str, Any] = schema(Models(integrations={"line": (Line, None)}, notifiers={"line": Line}))
AT = ("integrations", "line")


def shown(**says: Any) -> forms.Form:
    return form(SCHEMA, {"integrations": {"line": says}}, AT)


def meant(filled: dict[str, str], **says: Any) -> list[dict[str, Any]]:
    return edits(shown(**says), filled)


def test_a_form_shows_what_the_file_says_and_what_counts_else() -> None:
    fields = {field.name: field for field in shown(host="192.0.2.1", loud=True, names=["a", "b"]).fields}
    assert (fields["host"].value, fields["host"].required) == ("192.0.2.1", True)
    assert (fields["loud"].kind, fields["loud"].value) == (forms.TRUTH, "true")
    assert (fields["names"].kind, fields["names"].value) == (forms.LIST, "a\nb")
    assert (fields["baudrate"].kind, fields["baudrate"].choices) == (forms.CHOICE, ["9600", "19200"])
    assert (fields["factor"].value, fields["factor"].default, fields["factor"].set) == ("", "1.0", False)


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("host", " meter.lan ", "meter.lan"),
        ("baudrate", "19200", 19200),  # a choice of numbers stays a number
        ("parity", "1", "1"),  # and one of words a word
        ("retries", "3", 3),
        ("factor", "0,5", 0.5),
        ("loud", "true", True),
        ("names", "1.0\r\n\r\n true ", ["1.0", "true"]),  # words stay words
        ("ports", "502\n503", [502, 503]),
        ("password", "!secret pump", {"!secret": "pump"}),
        ("password", "pump", {"!secret": "pump"}),
    ],
)
def test_what_is_filled_in_is_of_the_kind_that_the_option_wants(name: str, said: str, value: Any) -> None:
    (made,) = meant({name: said}, host="x")
    assert made == {"path": ["integrations", "line", name], "value": value}
    assert type(made["value"]) is type(value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loud", "yes"), ("retries", "many"), ("retries", "²"), ("factor", "nan"), ("factor", "-inf"),
        ("factor", "1e999"), ("baudrate", "300"), ("password", "two words"), ("ports", "502\nhttp"),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused_and_the_option_named(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        meant({name: said}, host="x")


def test_only_what_differs_is_an_edit_and_what_was_emptied_is_removed() -> None:
    says = {"host": "x", "retries": 3, "names": ["a", "b"], "password": SecretRef("pump")}
    same = {"host": "x", "retries": "3", "names": "a\r\nb\r\n", "password": "pump", "loud": "", "unknown": "1"}
    assert meant(same, **says) == []
    assert meant({"retries": " "}, **says) == [{"path": [*AT, "retries"], "remove": True}]


def test_a_secret_is_shown_by_its_name_and_one_written_into_the_file_not_at_all() -> None:
    fields = {field.name: field for field in shown(host="x", password=SecretRef("pump")).fields}
    assert (fields["password"].kind, fields["password"].value) == (forms.SECRET, "pump")
    wrong = shown(host="x", password="hunter2")
    assert "hunter2" not in repr(wrong)
    assert edits(wrong, {"password": ""}) == []


def test_what_is_of_another_kind_is_told_of_each_option_at_once() -> None:
    with pytest.raises(forms.InvalidInput) as raised:
        meant({"loud": "yes", "retries": "many", "host": "y"}, host="x")
    assert set(raised.value.found) == {"loud", "retries"}


def test_one_more_is_filled_in_before_it_is_written_and_is_written_whole() -> None:
    for section, name, kind in (("integrations", "line", "line"), ("notifiers", "second", "line")):
        new = form(SCHEMA, {}, (section, name), kind)
        assert (new.new, {field.name for field in new.fields if field.required}) == (True, {"host"})
        (edit,) = edits(new, {"host": "x", "password": "pump", "loud": ""})
        typed = {} if name == kind else {"type": kind}
        assert edit == {"path": [section, name], "value": {**typed, "host": "x", "password": {"!secret": "pump"}}}
    assert not form(SCHEMA, {"integrations": {"line": None}}, AT).new, "an entry that says nothing is there"
    for at in (("zones", "hall"), ("schedules", "day"), (*AT, "doors", "front"), ("places", "p")):
        assert form(SCHEMA, {"integrations": {"line": {"host": "x"}}}, at).new, at
    for at in (("hub",), ("link",), ("places", "p", "position")):
        assert not form(SCHEMA, {"places": {"p": {"zone": "z"}}}, at).new, at
    zone = form(SCHEMA, {}, ("zones", "hall"))
    assert edits(zone, {"site": "school"}) == [{"path": ["zones", "hall"], "value": {"site": "school"}}]


def test_durations_and_sizes_are_told_apart_from_text_and_shown_as_people_write_them() -> None:
    fields = {field.name: field for field in form(SCHEMA, {}, ("buffer",)).fields}
    assert (fields["window"].kind, fields["window"].default) == (forms.DURATION, "5s")
    assert (fields["max_size"].kind, fields["max_size"].default) == (forms.SIZE, "1GB")
    assert edits(form(SCHEMA, {}, ("buffer",)), {"max_size": "2GB"}) == [
        {"path": ["buffer", "max_size"], "value": "2GB"}
    ]


def test_a_mapping_by_names_of_a_pattern_has_a_form_and_one_of_anything_is_left_to_the_text() -> None:
    fields = {field.name: field.kind for field in shown(host="x").fields}
    assert (fields["doors"], fields["anything"]) == (forms.MAP, forms.OTHER)
    data = {"integrations": {"line": {"host": "x", "doors": {"front": {"width": 2}}}}}
    assert form(SCHEMA, data, (*AT, "doors")).entries == ["front"]
    assert [field.value for field in form(SCHEMA, data, (*AT, "doors", "front")).fields] == ["2"]
    for field in shown(host="x").fields:
        if field.kind in (forms.SECTION, forms.MAP):
            form(SCHEMA, data, (*AT, field.name))


def test_sections_by_names_list_them_and_nowhere_is_nowhere() -> None:
    data = {"integrations": {"line": {"host": "x"}}, "zones": {"rooms": {"site": "school"}}}
    zones = form(SCHEMA, data, ("zones",))
    assert (zones.is_map, zones.entries) == (True, ["rooms"])
    assert form(SCHEMA, data, ("integrations",)).types == ["line"]
    assert "zones" in [field.name for field in form(SCHEMA, data, ()).fields]
    assert "site" in [field.name for field in form(SCHEMA, data, ("zones", "rooms")).fields]
    for at in (("nothing",), ("hub", "name", "deeper"), ("hub", "name")):
        with pytest.raises(KeyError):
            form(SCHEMA, data, at)
