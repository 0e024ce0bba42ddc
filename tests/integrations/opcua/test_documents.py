"""The README says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

import integrations.opcua
from integrations.opcua import Config, DeviceSettings
from integrations.opcua.settings import NodeSettings

HERE = Path(integrations.opcua.__file__).parent
README = (HERE / "README.md").read_text()


def test_the_configuration_block_is_right_and_shows_every_option_of_the_server() -> None:
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    text = re.sub(r"!secret (\w+)", r"\1", block[1])
    data = YAML(typ="safe").load(text)
    options = dict(data["integrations"]["opcua"])
    for name in ("publishing", "interval", "refresh", "timeout", "clock_tolerance"):
        assert re.fullmatch(r"\d+(s|min)", options.pop(name)), name
    Config.model_validate(options)
    (device,) = data["devices"].values()
    for node in device["settings"]["nodes"].values():
        node.pop("sampling", None)
    DeviceSettings.model_validate(device["settings"])
    assert [name for name in Config.model_fields if f"{name}:" not in text and name != "user_key"] == []
    table = README.partition("| of a node |")[2]
    assert [name for name in NodeSettings.model_fields if f"`{name}`" not in table] == []


def test_every_reason_that_is_counted_stands_in_the_readme_and_no_other() -> None:
    sources = [path for path in HERE.glob("*.py") if path.name not in ("messages.py", "sim.py")]
    counted = {slug for path in sources for slug in re.findall(r'"(opcua-[a-z-]+)"', path.read_text())}
    assert counted == set(re.findall(r"`(opcua-[a-z-]+)`", README))
