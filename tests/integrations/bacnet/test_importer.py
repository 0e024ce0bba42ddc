"""`ilot import bacnet`: from a device's own list of objects to a configuration that is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bacnet_kit import OWN, config, device, last, running, until
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
from hub.cli.check import check
from hub.cli.import_config import importing
from hub.cli.radio import discover
from hub.core.errors import HubError
from integrations.bacnet import names
from integrations.bacnet.names import ObjectId
from integrations.bacnet.proposing import Seen, objects
from integrations.bacnet.settings import DeviceSettings

FILE = "sites: {school: {}}\nzones:\n  plant: {site: school} # cellar\n"


async def ilot(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    """A command as a shell would run it in `cwd`, in a thread of this process: starting Python takes longer."""
    command = {"import": importing, "check": check, "discover": discover}[arguments[0]]
    config = ["-c", str(cwd / "config.yaml")]
    rest = list(arguments[1:])
    rest[1:1] = config if arguments[0] != "check" else []
    rest += config if arguments[0] == "check" else []
    done = await asyncio.to_thread(CliRunner().invoke, command, rest)
    code = done.exception.exit_code if isinstance(done.exception, HubError) else done.exit_code
    return code, done.stdout, done.stderr + (str(done.exception) if done.exception else "")


@pytest.fixture(autouse=True)
def _answers_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.bacnet.importer.ANSWERS_S", 1.0)


@pytest.mark.real("network, processes")
async def test_what_a_device_has_becomes_a_configuration_that_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(FILE)
    async with device("--extra", "40") as peer:
        ask = ("import", "bacnet", "--address", peer.address, "--own", OWN)
        code, out, err = await ilot(*ask, cwd=tmp_path)
        assert code == 0, err
        assert "analog-input:1: {metric: flow_temperature}  # AHU supply temperature; After the coil: 21.5 Cel" in out
        assert "nothing was written" in err
        assert file.read_text() == FILE
        code, _, err = await ilot(*ask, "--yes", cwd=tmp_path)
        assert code == 0, err
        assert "plant: {site: school} # cellar\n" in file.read_text()
        code, out, err = await ilot("check", cwd=tmp_path)
        assert (code, out) == (0, f"{file}: right. 1 integration, 1 device\n"), err
        code, out, err = await ilot(*ask, "--yes", cwd=tmp_path)
        assert (code, out) == (0, "")
        assert "nothing to add" in err

        settings = YAML(typ="safe").load(file.read_text())["devices"]["bacnet:1201"]["settings"]
        assert len(settings["objects"]) == 54
        read = hub.Device(id="bacnet:1201", integration="bacnet", place="p", settings=settings)
        async with running(config(notifications="none"), [read]) as session:
            await until(lambda: len(last(session)) == 54, "every object that was proposed is read")
            assert {reason for _, reason in session.drops} == set()
    code, _, err = await ilot(*ask, cwd=tmp_path)
    assert code == 4
    assert "no device answers" in err


@pytest.mark.real("network, processes")
async def test_a_broadcast_is_sent_only_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(FILE)
    code, _, err = await ilot("import", "bacnet", cwd=tmp_path)
    assert code == 4
    assert "say whom to ask: --address, or --broadcast" in err
    async with device("--segmentation", "noSegmentation", "--extra", "100", "--no-multiple") as peer:
        where = f"127.255.255.255:{peer.port}"
        code, out, err = await ilot(
            "import", "bacnet", "--broadcast", where, "--own", OWN, "--device", "7", "--json", cwd=tmp_path
        )
        assert code == 4, "device 7 is not there"
        (tmp_path / "config.yaml").write_text(FILE + f"integrations: {{bacnet: {{max_rate: 1000, address: {OWN}}}}}\n")
        code, out, err = await ilot("import", "bacnet", "--broadcast", where, "--dry-run", cwd=tmp_path)
        assert code == 0, err
        assert out.count("metric: zone_") == 100, "also where the list comes one by one"
        code, out, err = await ilot("discover", "bacnet", "--scan", "1", cwd=tmp_path)
        assert code == 4
        assert "nothing is broadcast unless `discover` is configured" in err
        (tmp_path / "config.yaml").write_text(
            FILE + f"integrations: {{bacnet: {{address: {OWN}, discover: {{broadcast: '{where}'}}}}}}\n"
        )
        code, out, err = await ilot("discover", "bacnet", "--scan", "1", cwd=tmp_path)
        assert (code, "bacnet:1201" in out) == (0, True), err


text = st.text(max_size=40)
seen = st.lists(
    st.builds(
        Seen,
        st.builds(ObjectId, st.sampled_from(sorted(names.READABLE)), st.integers(0, 4_194_302)),
        text,
        text,
        st.none() | st.integers(0, 300),
        st.lists(text, max_size=3).map(tuple),
        st.none() | st.integers(0, 9) | st.floats() | text,
    ),
    unique_by=lambda one: one.object,
    min_size=1,
    max_size=30,
)


@given(seen)
def test_whatever_objects_are_called_what_is_proposed_is_a_right_configuration(found: list[Seen]) -> None:
    proposed = objects(found, {})
    assert set(proposed) == {str(one.object) for one in found}
    plain = {name: {key: value for key, value in point.items() if key != "#"} for name, point in proposed.items()}
    settings = DeviceSettings.model_validate({"objects": plain})
    assert len({point.metric for point in settings.objects.values()}) == len(found)


def test_what_the_file_has_is_not_proposed_again_nor_its_metric_twice() -> None:
    found = [Seen(ObjectId(0, 1), "Supply", units=62), Seen(ObjectId(0, 2), "Supply 2", units=62)]
    assert objects(found, {"analog-input:1": {"metric": "flow_temperature"}}) == {
        "analog-input:2": {"metric": "temperature", "#": "Supply 2"}
    }
    assert (
        objects(found, {"analog-input:9": {"metric": "flow_temperature"}})["analog-input:1"]["metric"] == "temperature"
    )


@pytest.mark.parametrize(
    ("one", "metric", "privacy"),
    [
        (Seen(ObjectId(0, 1), "T° départ chaudière", units=62), "flow_temperature", None),
        (Seen(ObjectId(2, 1), "Consigne ambiance", units=62), "setpoint", None),
        (Seen(ObjectId(0, 1), "CO2 salle 12", units=96), "co2", None),
        (Seen(ObjectId(0, 1), "Hygrométrie reprise", units=98), "humidity", None),
        (Seen(ObjectId(3, 1), "Défaut pompe 1"), "fault", None),
        (Seen(ObjectId(3, 1), "Marche pompe 1"), "running", None),
        (Seen(ObjectId(3, 1), "Badge salle des maîtres"), "badge_salle_des_maitres", "personal"),
        (Seen(ObjectId(3, 1), "Filtre CTA encrassé"), "filtre_cta_encrasse", "technical"),
        (Seen(ObjectId(0, 1), "Débit gaine", units=98), "debit_gaine", "personal"),
        (Seen(ObjectId(2, 1), "Seuil haut T° salle", units=62), "seuil_haut_t_salle", "environment"),
        (Seen(ObjectId(2, 1), "Room_Temp_Low_Limit", units=62), "room_temp_low_limit", "environment"),
        (Seen(ObjectId(19, 4), "12"), "mv4", "personal"),
        (Seen(ObjectId(19, 4), ""), "mv4", "personal"),
        (Seen(ObjectId(0, 1), "temperature", units=95), "temperature_ai1", "personal"),
    ],
)
def test_a_name_suggests_a_metric_and_doubt_is_personal(one: Seen, metric: str, privacy: str | None) -> None:
    point = objects([one], {})[str(one.object)]
    assert (point["metric"], point.get("privacy")) == (metric, privacy)
