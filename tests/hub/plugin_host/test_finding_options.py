"""The options of a new line, as a finder names them: a phrase for each, and a choice where there are a few."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import pytest

import hub
from hub.core.errors import HubError, PluginError
from hub.core.text import phrase
from hub.plugin_host.finding_texts import choices_of
from hub.sdk.finding import Finder
from integrations.mbus import Config as MBus

from .test_finding import _nothing, _reads, finding, registry

LABELS = {"host": phrase("acme.host", "Address of the gateway")}


class Wire(hub.Config):
    port: str = ""
    speed: Literal[300, 2400, 9600] = 2400
    parity: Literal["E", "N"] = "E"


def test_an_option_of_a_few_is_a_choice_the_default_first_whatever_its_type() -> None:
    assert choices_of(Wire, "speed") == {"2400": 2400, "300": 300, "9600": 9600}
    assert list(choices_of(Wire, "parity")) == ["E", "N"]
    assert choices_of(Wire, "port") == {}


async def test_a_line_says_its_title_its_labels_and_its_choices() -> None:
    made = Finder(_nothing, _reads, options=("host",), title=phrase("acme.title", "Acme"), labels=LABELS)
    (line,) = (await finding(finder=made).calls()["find.lines"]({}))["lines"]
    assert (line["title"], line["labels"], line["choices"]) == ("Acme", ["Address of the gateway"], [[]])


async def test_a_number_that_a_person_chose_as_text_is_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Finder(_nothing, _reads, options=("port", "baudrate"))
    here = finding()
    known = SimpleNamespace(name="acme", config=MBus, finder=made, device=None, metrics=())
    monkeypatch.setattr(here._here.registry, "integration", lambda name: known)
    asked: dict[str, Any] = {"type": "acme", "options": {"port": "tcp://127.0.0.1:9", "baudrate": "9600"}}
    started = await here.calls()["find.start"](asked)
    assert here._searches[started["id"]].options == {"port": "tcp://127.0.0.1:9", "baudrate": 9600}
    asked["options"]["baudrate"] = "9601"
    with pytest.raises(HubError, match="baudrate"):
        await here.calls()["find.start"](asked)


def test_a_label_of_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(PluginError, match="finder"):
        registry(Finder(_nothing, _reads, options=("host",), labels={"port": "Port"})).integration("acme")
