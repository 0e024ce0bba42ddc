"""`ilot pack`, `ilot new pack` and `pack:` in the configuration, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.main import ilot
from hub.config.instances import Models
from hub.config.load import load
from hub.core.errors import ConfigError, HubError
from hub.devices.packs import reference
from hub.devices.packs.library import Library
from tests.hub.devices.packs.importing_kit import TTN, lay
from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS

Make = Callable[..., Path]
Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """One command with a state directory of its own: (exit code or error, stdout, stderr)."""
    monkeypatch.setenv("ILOT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int | str, str, str]:
        done = CliRunner().invoke(ilot, arguments)
        if isinstance(done.exception, HubError):
            return str(done.exception), done.stdout, done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.mark.real("processes")
def test_a_pack_is_started_filled_in_tested_and_installed(call: Call, tmp_path: Path) -> None:
    code, _, said = call("new", "pack", "acme-thermo")
    assert code == 0
    assert "ilot pack test" in said
    assert call("new", "pack", "acme-thermo")[0] == "acme-thermo is there already; remove it, or choose another place"
    code, _, said = call("pack", "test", "acme-thermo")
    assert code == 0, "a whole example, until it is changed for a device"
    for name, text in {"pack.yaml": PACK, "codec.js": CODEC, "vectors/data.yaml": VECTORS}.items():
        (tmp_path / "acme-thermo" / name).write_text(text)
    code, out, _ = call("pack", "test", "acme-thermo", "--json")
    (verdict,) = json.loads(out)
    assert (code, verdict["ok"], len(verdict["outcomes"]), verdict["untested"]) == (0, True, 3, [])
    assert verdict["outcomes"][0]["source"] == "Acme: Thermo manual, 2, p. 3"
    code, out, _ = call("pack", "install", "acme-thermo")
    assert (code, out) == (0, "acme-thermo 1 is installed; 3 vectors pass\n")
    assert "acme-thermo" in Library(tmp_path / "state/packs").names()


@pytest.mark.real("processes")
def test_a_pack_that_fails_is_not_installed_and_says_where(call: Call, made: Make) -> None:
    folder = made(vectors_yaml=VECTORS.replace("21.5", "22"))
    error, _, said = call("pack", "install", str(folder))
    assert error == "pack acme-thermo does not pass its own tests; it is not installed"
    assert (
        "vectors/data.yaml:1: readings.temperature is 21.5, not 22.0: read from t by pack.yaml:17 (Acme: Thermo" in said
    )
    code, _, said = call("pack", "test", str(folder))
    assert code == 6


def test_problems_of_a_pack_are_shown_with_their_line_and_a_caret(call: Call, made: Make) -> None:
    code, _, said = call("pack", "test", str(made(pack_yaml=PACK.replace("vendor:", "vendr:"))))
    assert code == 3
    assert "pack.yaml:3:1: 'vendr' is not an option of this pack" in said
    assert "^ did you mean 'vendor'?" in said.replace("vendor?", "'vendor'?")


@pytest.mark.real("processes")
def test_all_packs_of_a_folder_are_tested_and_a_folder_without_any_is_said(
    call: Call, made: Make, tmp_path: Path
) -> None:
    made("acme-one")
    made("acme-two")
    code, out, _ = call("pack", "test", str(tmp_path))
    assert (code, out.splitlines()) == (0, ["acme-one 1: 3 of 3 vectors pass", "acme-two 1: 3 of 3 vectors pass"])
    (tmp_path / "empty").mkdir()
    code, _, said = call("pack", "test", str(tmp_path / "empty"))
    assert code == 2
    assert "there is no pack.yaml in" in said


def test_packs_are_listed_and_shown_with_their_sources(call: Call) -> None:
    code, out, _ = call("pack", "list", "--json")
    listed = {entry["pack"]: entry for entry in json.loads(out)}
    assert code == 0
    assert listed["nke-th"]["from"] == "shipped"
    code, out, _ = call("pack", "list")
    assert "adeunis-temp4" in out
    code, out, _ = call("pack", "show", "decentlab-dl-pm")
    assert "downlink period: Period of measuring and sending (seconds 60 to 65535 s); it sets a sensor" in out
    assert "source: Decentlab, TheThingsNetwork/lorawan-devices, vendor/decentlab/dl-pm-codec.yaml" in out
    code, out, _ = call("pack", "show", "nke-th", "--json")
    assert json.loads(out)["metrics"][0]["fr"] == "Température"
    assert "did you mean nke-th?" in call("pack", "show", "nke-t")[0]


@pytest.mark.real("processes")
def test_a_folder_of_others_is_imported_reviewed_tested_and_installed(call: Call, tmp_path: Path) -> None:
    folder = lay(tmp_path / "windco", TTN)
    code, out, said = call("pack", "import", str(folder), "--json")
    told = json.loads(out)
    assert code == 6, "codecs of some were missing"
    bare, wind = sorted(told["made"], key=lambda one: str(one["pack"]))
    assert (bare["pack"], bare["untested"], bare["undecided"]) == ("windco-bare", True, 0)
    assert (wind["pack"], wind["untested"], wind["vectors"], wind["undecided"]) == ("windco-wind", False, 2, 3)
    assert wind["proposed"][0] == {
        "path": "temperature",
        "sample": 21.5,
        "metric": "temperature",
        "confidence": wind["proposed"][0]["confidence"],
    }
    assert set(told["left_out"]) == {"gone-codec", "up-codec"}
    code, out, said = call("pack", "test", "windco-wind")
    assert (code, "3 values for a person to decide" in said) == (6, True)
    assert "does not pass its own tests" in str(call("pack", "install", "windco-wind")[0])
    file = tmp_path / "windco-wind/pack.yaml"
    file.write_text(file.read_text().replace(", decision: ask", ", decision: leave"))
    assert call("pack", "test", "windco-wind")[0] == 0
    assert call("pack", "install", "windco-wind")[0] == 0
    assert "windco-bare is there already" in str(call("pack", "import", str(folder))[0])
    code, out, said = call("pack", "import", str(folder), "--device", "wind", "--out", "other")
    assert code == 0
    assert "2 vectors; 3 values for a person to decide" in out
    assert "Their licence is for you to respect" in said


@pytest.mark.real("processes")
def test_an_untested_pack_is_asked_about_and_shown_as_such(call: Call, tmp_path: Path) -> None:
    lay(tmp_path, {"acme-thermo.js": "function Decode(port, bytes) { return { temperature: bytes[0] / 10 }; }"})
    assert call("pack", "import", "acme-thermo.js", "--payload", "nonsense")[0] == 2
    code, out, _ = call("pack", "import", "acme-thermo.js", "--payload", "2:d7", "--vendor", "Acme")
    assert code == 0
    assert "untested; 1 value for a person to decide" in out
    assert "does not pass its own tests" in str(call("pack", "install", "acme-thermo")[0])
    file = tmp_path / "acme-thermo/pack.yaml"
    file.write_text(file.read_text().replace(", decision: ask", ", decision: take"))
    assert call("pack", "test", "acme-thermo")[0] == 0
    assert "pack acme-thermo is untested" in str(call("pack", "install", "acme-thermo")[0]), "nobody is there to ask"
    assert call("pack", "install", "acme-thermo", "--untested")[0] == 0
    _, out, _ = call("pack", "list")
    (line,) = [line for line in out.splitlines() if line.startswith("acme-thermo")]
    assert line.endswith("untested")
    assert "untested: no example shows that it reads its payloads right" in call("pack", "show", "acme-thermo")[1]
    assert json.loads(call("pack", "show", "acme-thermo", "--json")[1])["untested"] is True


@pytest.mark.real("processes")
def test_nothing_is_installed_whose_fields_the_hub_chooses(call: Call, tmp_path: Path) -> None:
    call("new", "pack", "acme-thermo")
    automatic = PACK[: PACK.index("fields:")] + "fields: automatic\n" + PACK[PACK.index("ignore:") :]
    vectors = VECTORS.replace(
        "readings: {temperature: 21.5, probe_2: 5, door: true}", "data: {t: 215, t2: 50, open: 1, debug: {n: 3}}"
    )
    for name, content in {"pack.yaml": automatic, "codec.js": CODEC, "vectors/data.yaml": vectors}.items():
        (tmp_path / "acme-thermo" / name).write_text(content)
    assert "has fields that no person has decided" in str(call("pack", "install", "acme-thermo")[0])


CONFIG = """\
sites: {ecole: {}}
zones: {classes: {site: ecole}}
places: {air: {zone: classes}}
integrations: {radio: {type: stub}}
devices:
  stub:1:
    integration: radio
    place: air
    pack: PACK
"""


def test_a_device_names_its_pack_and_one_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    from hub.sdk.options import Config

    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("PACK", "nke-th"))
    models = Models(integrations={"stub": (Config, None)}, packs=Library().names())
    (device,) = load(file, models).devices
    assert device.pack == "nke-th"
    for wrong, says in (
        (
            "nke-ht",
            "config.yaml:9:11: there is no pack 'nke-ht'; `ilot pack list` shows those that are there (did you mean",
        ),
        ("NKE", "a pack is named vendor-model: small letters, digits and '-'"),
    ):
        file.write_text(CONFIG.replace("PACK", wrong))
        with pytest.raises(ConfigError) as caught:
            load(file, models)
        assert says in str(caught.value)
    file.write_text(CONFIG.replace("PACK", "acme-unknown"))
    assert load(file, Models(integrations=models.integrations)).devices[0].pack == "acme-unknown", "nobody asked"


def test_the_reference_page_is_what_the_code_says() -> None:
    page = Path(__file__).parents[4] / "docs/reference/packs.md"
    assert page.read_text() == reference.render(), "python -m hub.devices.packs.reference > docs/reference/packs.md"
