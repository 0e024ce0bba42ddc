"""The README and the examples say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import hub
from integrations import bluetooth
from integrations.bluetooth import advert, atc, bthome, eddystone, gatt_layout, ruuvi, sig
from integrations.bluetooth.strangers import lines, mapping

HERE = Path(bluetooth.__file__).parent
README = (HERE / "README.md").read_text()
DECODERS = {
    "bthome": bthome.decode,
    "ruuvi": ruuvi.decode,
    "atc": atc.decode,
    "eddystone": eddystone.decode,
    "gatt": gatt_layout.decode,
    "sig": sig.decode,
    "others": mapping.decode,
}
EXAMPLES: list[dict[str, Any]] = YAML(typ="safe").load((HERE / "examples.yaml").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_every_example_means_what_it_says(example: dict[str, Any]) -> None:
    frame = advert.line(example["line"])
    key = bytes.fromhex(example["key"]) if "key" in example else None
    decoders = DECODERS.values()
    if "error" in example:
        with pytest.raises(hub.DecodeError) as error:
            [decode(frame, lambda device: key) for decode in decoders]
        assert error.value.reason == example["error"]
        return
    answers = [said for decode in decoders if (said := decode(frame, lambda device: key)) is not None]
    if "device" not in example:
        assert answers == []
        return
    [answer] = answers
    assert answer == hub.Decoded(
        device=example["device"],
        values=example["values"],
        model=example.get("model", ""),
        proof=hub.Proof(**example["proof"]),
        skipped=tuple(example.get("skipped", ())),
    )


def test_the_readme_has_its_four_headings() -> None:
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == ["Devices", "Configuration", "Readings", "Limits"]


def test_the_readmes_configuration_is_the_default_and_names_every_option() -> None:
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block
    yaml = YAML(typ="rt").load(block[1])
    options = dict(yaml["integrations"]["bluetooth"])
    assert set(options) == set(bluetooth.Config.model_fields)
    assert bluetooth.Config(**options) == bluetooth.Config()


def test_the_readme_names_every_metric_beyond_the_catalogue() -> None:
    own = [
        m.key
        for m in (*bthome.METRICS, *ruuvi.METRICS, *sig.METRICS, *mapping.METRICS)
        if not re.search(r"_[2-8]$", m.key)
    ]
    assert own
    assert [key for key in own if f"`{key}`" not in README] == []


def test_what_is_registered_is_what_the_package_offers() -> None:
    integrations: list[Any] = []
    decoders: list[Any] = []
    bluetooth.register_integrations(lambda *a, **k: integrations.append((a, k)))
    bluetooth.register_decoders(lambda *a, **k: decoders.append((a, k)))
    assert [a[:2] for a, _ in integrations] == [("bluetooth", bluetooth.Config)]
    assert [a for a, _ in decoders] == [(name, "ble", decode) for name, decode in DECODERS.items()]
    assert all(k["line"] is lines.line for _, k in decoders)


def test_the_simulator_knows_nothing_of_the_hub_and_its_decoders() -> None:
    for module in (HERE / "sim").glob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) (\S+)", module.read_text(), re.MULTILINE)
        own = [name for name in imports if name.split(".")[0] in ("hub", "integrations")]
        assert all(name.startswith("integrations.bluetooth.sim") for name in own), module
