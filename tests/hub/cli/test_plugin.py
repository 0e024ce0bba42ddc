"""`ilot plugin`: a vendor signs, a district trusts, a person installs, and the district revokes; without a hub."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import ilot
from hub.core.errors import HubError
from hub.devices.packs.library import SHIPPED
from hub.plugin_host.registry import Registry

sys.path.insert(0, str(Path(__file__).parents[1] / "operations" / "plugins"))
from plugins_kit import files, manifest, wheel

VENDOR = Path(__file__).parents[2] / "vendor"


class Home:
    """A vendor's folder, and a hub's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "acme.pem"
        made = json.loads(self.run("release", "key", self.key, "--json").stdout)
        self.config = folder / "config.yaml"
        self.config.write_text(
            "hub: {state_dir: state}\n"
            "plugins:\n"
            f"  vendors: {{acme: {{keys: [{made['public']}], ships: [acme_*, abb-*]}}}}\n"
            f"  index: {{keys: [{made['public']}]}}\n"
        )
        (folder / "state").mkdir()

    def run(self, *words: object, lang: str = "C") -> Result:
        environment = {"ILOT_RELEASE_PASSWORD": "secret", "LC_ALL": lang, "LANGUAGE": ""}
        return CliRunner(env=environment).invoke(ilot, [str(one) for one in words])

    def hub(self, *words: object, lang: str = "C") -> Result:
        return self.run(*words, "--config", self.config, lang=lang)

    def refused(self, *words: object) -> str:
        """Why the command of this hub did nothing, which `ilot` says on stderr."""
        done = self.hub(*words)
        assert isinstance(done.exception, HubError), done.output
        return str(done.exception)

    def signed(self, version: str, counter: int, said: bytes | None = None) -> Path:
        path = self.folder / f"acme_probe-{version}-py3-none-any.whl"
        path.write_bytes(wheel(files(version, said), version))
        target = self.folder / f"{version}.ilot-plugin"
        done = self.run("plugin", "sign", path, "--key", self.key, "--counter", counter, "--out", target)
        assert done.exit_code == 0, done.output
        return target


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_plugin_is_signed_shown_accepted_installed_updated_revoked_and_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = home.signed("1.0", 1)
    shown = home.hub("plugin", "show", first)
    assert "Acme SAS (FR)" in shown.stdout
    assert "nobody has accepted" in home.refused("plugin", "install", first)
    word = json.loads(home.hub("plugin", "show", first, "--json").stdout)["accept"]
    assert "nobody has accepted" in home.refused("plugin", "install", first, "--accept", "00000000")
    done = home.hub("plugin", "install", first, "--accept", word, "--json")
    assert json.loads(done.stdout)["types"] == ["acme_probe"]
    assert home.hub("plugin", "install", home.signed("1.1", 2)).exit_code == 0, "no more permissions: nobody is asked"

    more = home.signed("1.2", 3, manifest("1.2", "device_schemes: [acme, ble], data_classes: [technical]"))
    assert "new: speaks for devices whose ids begin with: ble" in home.hub("plugin", "show", more).stdout
    assert "nouveau" in home.hub("plugin", "show", more, lang="fr_FR.UTF-8").stdout
    assert "nobody" in home.refused("plugin", "install", more, "--accept", word), "the word of the former permissions"

    (row,) = json.loads(home.hub("plugin", "list", "--json").stdout)["plugins"]
    assert (row["version"], row["problem"]) == ("1.1", "")
    monkeypatch.setattr(Registry, "discover", classmethod(lambda cls: cls([])))  # those that ship take seconds
    (described,) = json.loads(home.hub("plugins", "--json").stdout)
    assert described["manifest"]["owner"] == "Acme SAS"
    assert described["paths"][0].endswith("/lib")
    assert "said by itself, once it runs" in home.hub("plugins").stdout

    revoking = home.folder / "revoked.yaml"
    revoking.write_text('revoked:\n  - {id: acme_probe, through: 2, reason: "a known hole"}\n')
    index = home.folder / "x.ilot-index"
    assert home.run("plugin", "sign-index", revoking, first, "--key", home.key, "--out", index).exit_code == 0
    assert home.hub("plugin", "index", index).exit_code == 0
    assert "is revoked: a known hole" in home.hub("plugin", "list").stdout
    assert "is revoked: a known hole" in home.hub("plugins").stdout
    assert "is revoked" in home.refused("plugin", "install", home.signed("1.1.1", 2))

    written = home.config.read_text()
    for section, name in (("integrations", "acme_probe"), ("notifiers", "watch"), ("exporters", "shown")):
        home.config.write_text(f"{written}{section}: {{{name}: {{type: acme_probe}}}}\n")
        assert f"take {name} out first" in home.refused("plugin", "remove", "acme_probe")
    home.config.write_text(written)
    removed = home.hub("plugin", "remove", "acme_probe", "--json")
    assert json.loads(removed.stdout) == {"id": "acme_probe", "version": "1.1", "instances": [], "forgotten": False}
    assert "no plugin acme_probe" in home.refused("plugin", "remove", "acme_probe")


def test_a_vendor_of_whom_the_configuration_knows_nothing_is_told_where_to_name_it(home: Home) -> None:
    first = home.signed("1.0", 1)
    home.config.write_text("hub: {state_dir: state}\n")
    assert "no vendor of the configuration ships acme_probe" in home.refused("plugin", "show", first)
    home.config.write_text("hub: {state_dir: state}\nplugins: {vendors: {acme: {keys: [x], ships: [acme_*]}}}\n")
    assert "config.yaml:2" in home.refused("plugin", "show", first)


def test_a_pack_is_signed_and_installed_out_of_its_bundle(home: Home) -> None:
    source = home.folder / "abb-b23"
    shutil.copytree(SHIPPED / "abb-b23", source)
    text = (source / "pack.yaml").read_text()
    version = next(line for line in text.splitlines() if line.startswith("version:"))
    (source / "pack.yaml").write_text(text.replace(version, "version: 99"))
    target = home.folder / "abb.ilot-pack"
    assert home.run("pack", "sign", source, "--key", home.key, "--out", target).exit_code == 0
    shutil.rmtree(source)
    done = home.hub("pack", "install", target, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["version"] == 99
    written = home.config.read_text()
    home.config.write_text(written + 'devices: {"lorawan:70b3d5e75e00abcd": {pack: abb-b23}}\n')
    assert home.hub("pack", "remove", "abb-b23").exit_code == 0, "its devices go on with the one that ships"
    assert "ships with the hub" in home.refused("pack", "remove", "abb-b23")
    home.config.write_text(written)
    bent = bytearray(target.read_bytes())
    bent[-1] ^= 1
    target.write_bytes(bent)
    assert "altered or damaged" in home.refused("pack", "install", target)


@pytest.mark.real("processes")
def test_a_pack_whose_devices_are_configured_is_not_removed(home: Home) -> None:
    source = home.folder / "acme-thermo"
    shutil.copytree(VENDOR / "acme-thermo", source)
    assert home.hub("pack", "install", source).exit_code == 0
    written = home.config.read_text()
    home.config.write_text(written + 'devices: {"lorawan:70b3d5e75e00abcd": {pack: acme-thermo}}\n')
    assert "1 device is read by pack acme-thermo" in home.refused("pack", "remove", "acme-thermo")
    home.config.write_text(written)
    removed = json.loads(home.hub("pack", "remove", "acme-thermo", "--json").stdout)
    assert removed == {"pack": "acme-thermo", "version": 1, "running": False}
    assert "there is no pack" in home.refused("pack", "remove", "acme-thermo")
