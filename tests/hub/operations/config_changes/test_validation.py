"""What is wrong with the configuration is judged when something that it depends on is another, and at no other look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr, field_validator

from hub.config.instances import Models
from hub.config.load import Loaded, load
from hub.operations.config_changes.validation import FileValidator
from hub.plugin_host.plugin_types import OUTWARD, _noun, installed_models
from hub.plugin_host.registry import Registry
from hub.sdk.options import Config

FIRST = "sites: {s: {}}\nzones: !include zones.yaml\nintegrations: {meter: {password: !secret door}}\n"
judged_times = 0


class Meter(Config):
    password: SecretStr | None = Field(default=None, min_length=4)

    @field_validator("password")
    @classmethod
    def _counted(cls, value: SecretStr | None) -> SecretStr | None:
        global judged_times
        judged_times += 1
        return value


class House:
    """Files, and what a look at them says."""

    def __init__(self, root: Path, **models: Any) -> None:
        self.root, self.models = root, Models(integrations={"meter": (Meter, None)}, **models)
        self.write("zones.yaml", "z: {site: s}\n")
        self.write("secrets.yaml", "door: sesame\n")
        self.write("config.yaml", FIRST)
        self.running: Loaded = load(root / "config.yaml", self.models)
        self.judging = FileValidator(root / "config.yaml", self.models, lambda: self.running)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)
        (self.root / name).chmod(0o600)

    def look(self) -> tuple[list[str], bool]:
        """What is wrong, and whether it was judged for this look."""
        before = judged_times
        return [problem.message for problem in self.judging().problems], judged_times > before


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_nobody_touched_is_judged_once(house: House) -> None:
    assert house.look() == ([], True)
    assert house.look() == ([], False)
    assert set(house.judging().texts) == {"config.yaml", "zones.yaml"}


def test_a_file_that_is_wrong_is_judged_once_and_seen_again_when_it_is_right(house: House) -> None:
    house.write("config.yaml", FIRST + "holes: 1\n")
    assert "'holes' is not an option" in house.look()[0][0]
    wrong, judged = house.look()
    assert not judged
    assert len(wrong) == 1
    house.write("config.yaml", FIRST)
    assert house.look()[0] == []


def test_a_changed_include_is_seen_at_the_next_look(house: House) -> None:
    house.look()
    house.write("zones.yaml", "z: {site: elsewhere}\n")
    assert "elsewhere" in house.look()[0][0]


def test_an_include_that_goes_and_comes_back_is_seen(house: House) -> None:
    house.look()
    (house.root / "zones.yaml").unlink()
    assert "cannot be read" in house.look()[0][0]
    assert not house.look()[1]
    house.write("zones.yaml", "z: {site: s}\n")
    assert house.look()[0] == []


def test_a_link_that_leads_to_another_file_is_seen(house: House, tmp_path: Path) -> None:
    house.write("good.yaml", "z: {site: s}\n")
    house.write("bad.yaml", "z: {site: elsewhere}\n")
    for target, wrong in (("good.yaml", 0), ("bad.yaml", 1), ("good.yaml", 0)):
        (tmp_path / "zones.yaml").unlink()
        (tmp_path / "zones.yaml").symlink_to(target)
        assert len(house.look()[0]) == wrong


def test_a_changed_secret_is_seen_at_the_next_look(house: House) -> None:
    house.look()
    house.write("secrets.yaml", "door: abc\n")
    assert house.look()[0] == ["needs at least 4 characters"]
    house.write("secrets.yaml", "other: sesame\n")
    assert "the secret 'door' is neither in" in house.look()[0][0]
    house.write("secrets.yaml", "door: sesame\n")
    assert house.look()[0] == []
    (house.root / "secrets.yaml").chmod(0o604)
    assert "everybody on this machine may use" in house.look()[0][0]


def test_a_secret_of_the_environment_counts_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.look()
    monkeypatch.setenv("ILOT_SECRET_DOOR", "abc")
    assert house.look()[0] == ["needs at least 4 characters"]


def test_what_packs_are_installed_counts_too(tmp_path: Path) -> None:
    installed: list[str] = []
    house = House(tmp_path, packs=installed, packs_stamp=lambda: tuple(installed))
    house.write(
        "config.yaml",
        FIRST + "devices: {'meter:a': {integration: meter, place: p, pack: acme-one}}\nplaces: {p: {zone: z}}\n",
    )
    assert "there is no pack 'acme-one'" in house.look()[0][0]
    installed.append("acme-one")
    assert house.look()[0] == []


def test_a_configuration_that_runs_is_shown_without_a_parser(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("the files were parsed")

    monkeypatch.setattr("hub.config.document.Document.read", parse)
    assert house.look()[0] == []


def test_the_names_of_what_ships_are_what_is_registered() -> None:
    registry, models = Registry.discover(), installed_models(Registry.discover())
    nouns = ("integration", *OUTWARD)
    found: dict[str, set[str]] = {noun: set() for noun in nouns}
    told: dict[str, set[str]] = {noun: set() for noun in nouns}
    for name, plugin in registry.plugins.items():
        if plugin.shipped:
            told[_noun(plugin)].add(name)
            known = registry.load(name)
            for noun in nouns:
                found[noun] |= {one.name for one in getattr(known, f"{noun}s") if one.name == name}
    assert told == found
    assert {noun: set(names) for noun, names in OUTWARD.items()} == {noun: found[noun] for noun in OUTWARD}
    for noun in nouns:
        assert found[noun] <= set(getattr(models, f"{noun}s"))
        assert "nothing" not in getattr(models, f"{noun}s")
