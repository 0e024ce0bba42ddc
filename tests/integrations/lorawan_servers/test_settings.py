"""Options: what is refused and how it reads, topics, the README's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

import integrations.lorawan_servers
from hub.sdk.testing import FakeSession
from integrations.lorawan_servers import chirpstack, things_stack

HERE = Path(integrations.lorawan_servers.__file__).parent


def test_chirpstacks_topics_are_its_own_templates() -> None:
    config = chirpstack.Config(host="broker")
    assert config.topics == ("application/+/device/+/event/+",)
    other = chirpstack.Config(
        host="broker",
        application="17c82e96-be03-4f38-aef3-f83d48582d97",
        event_topic="ville/{{ event }}/{{application_id}}/{{dev_eui}}",
    )
    assert other.topics == ("ville/+/17c82e96-be03-4f38-aef3-f83d48582d97/+",)
    server = chirpstack.ChirpStack(other, FakeSession())
    assert server.read("ville/location/17c82e96-be03-4f38-aef3-f83d48582d97/0101010101010101", b"") is None


def test_the_things_stacks_topics_are_those_of_its_server_or_of_a_pub_sub() -> None:
    config = things_stack.Config(host="eu1.cloud.thethings.network", application="app1@ttn")
    assert (config.user, config.port, config.tls, config.protocol, config.qos) == ("app1@ttn", 8883, True, "3.1.1", 0)
    assert config.topics[0] == "v3/app1@ttn/devices/+/up"
    assert "v3/app1@ttn/devices/+/down/push" not in config.topics
    pubsub = things_stack.Config(host="broker", application="app1", pubsub="ttn/ville", user="hub")
    assert (pubsub.topics[0], pubsub.user, pubsub.qos) == ("ttn/ville/up", "hub", 1)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: chirpstack.Config(host=""), "at least 1 character"),
        (lambda: chirpstack.Config(host="b", application="my-app"), "from ChirpStack's page"),
        (lambda: chirpstack.Config(host="b", event_topic="application/+/event"), "one whole level"),
        (lambda: chirpstack.Config(host="b", event_topic="a/{{application_id}}x/{{dev_eui}}/{{event}}"), "whole level"),
        (lambda: chirpstack.Config(host="b", command_topic="{{application_id}}/{{dev_eui}}"), "whole level"),
        (lambda: chirpstack.Config(host="b", certificate=Path("a")), "belong together"),
        (lambda: chirpstack.Config(host="b", ca=Path("a")), "say `tls: true`"),
        (lambda: chirpstack.Config(host="b", keep=1), "60|minute"),
        (lambda: chirpstack.Config(host="b", client_id="a b"), "pattern"),
        (lambda: things_stack.Config(host="b"), "application"),  # type: ignore[call-arg]
        (lambda: things_stack.Config(host="b", application="App"), "an application's id"),
        (lambda: things_stack.Config(host="b", application="app1", pubsub="a/#"), "pattern"),
        (lambda: chirpstack.DeviceSettings(decoded={"nonsense": {"path": "a"}}), "not in the catalogue"),
        (lambda: chirpstack.DeviceSettings(decoded={"temperature": {"path": "a..b"}}), "pattern"),
        (lambda: things_stack.DeviceSettings(device_id="A b"), "pattern"),
    ],
)
def test_each_wrong_option_is_refused(made: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        made()


def test_a_password_is_not_shown() -> None:
    config = chirpstack.Config(host="b", password="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in repr(config)
    assert "hunter2" not in config.model_dump_json()


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0].replace("!secret ", ""))
    chirpstack.Config.model_validate(block["integrations"]["chirpstack"])
    things_stack.Config.model_validate(block["integrations"]["things_stack"])
    kinds = {"chirpstack": chirpstack.DeviceSettings, "things_stack": things_stack.DeviceSettings}
    for device in block["devices"].values():
        kinds[device["integration"]].model_validate(device.get("settings", {}))
