"""The list of all options that forms show."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from hub.config import forms
from hub.config.instances import Models
from hub.config.option_list import Option, options
from hub.config.schema import schema


class Polled(BaseModel):
    """A server that is polled."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(description="Address of the server.")
    token: str = Field("", description="What it asks for.")


DATA = {
    "hub": {"state_dir": "/tmp"},
    "zones": {"cellar": {"site": "s"}},
    "integrations": {"polled": {"url": "http://x", "token": "hush"}, "second": {"type": "polled", "url": "y"}},
}


def listed() -> list[Option]:
    return list(options(schema(Models(integrations={"polled": (Polled, None)})), DATA))


def test_every_option_leads_to_a_form_that_shows_it() -> None:
    made = schema(Models(integrations={"polled": (Polled, None)}))
    found = listed()
    assert len(found) > 80
    for one in found:
        shown = forms.form(made, DATA, tuple(one.at))
        assert shown.is_map or one.at[-1:] == [one.name] or one.name in [field.name for field in shown.fields], one


def test_the_options_of_configured_plugins_are_there_and_no_value_of_the_file_is() -> None:
    found = {(".".join(one.at), one.name): one for one in listed()}
    assert found["integrations.polled", "url"].about == "Address of the server."
    assert ("integrations.second", "token") in found
    assert ("web", "port") in found
    assert not any(one.at[:1] == ["zones"] and len(one.at) > 1 for one in found.values()), "a zone is no setting"
    assert "hush" not in repr(found)
