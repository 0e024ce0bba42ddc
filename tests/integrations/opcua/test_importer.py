"""What a server has becomes a proposed configuration, and that configuration reads it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations.opcua import DeviceSettings, guessing, identity, importer, run
from integrations.opcua.browsing import Variable
from integrations.opcua.messages import Resolved
from tests.integrations.opcua.conftest import Keys, make_keys, plain

UNITS = {"Cel": 4408652, "%": 20529, "kW": 4937556, "bar": 4342098, "l/h": 4536626, "m3": 5067857, "Pa": 5259596}


def asked(*words: str, config: Any = None, devices: dict[str, Any] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    importer.arguments(parser)
    found = parser.parse_args(words)
    found.instance, found.config, found.devices = "opcua", config, devices or {}
    return found


@pytest.mark.real("network, processes")
async def test_what_is_proposed_reads_the_server_it_was_made_from(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    found = await importer.propose(asked("--url", peer.url, "--security", "none"))
    assert found["integrations"] == {"opcua": {"url": peer.url, "security": "none"}}
    ((name, device),) = found["devices"].items()
    assert (name, device["name"]) == ("opcua:boiler", "Chaudière")
    nodes = {at: node for at, node in device["settings"]["nodes"].items() if not at.startswith("#")}
    assert {at: node["metric"] for at, node in nodes.items()} == {
        "/Boiler/FlowTemperature": "flow_temperature", "/Boiler/ReturnTemperature": "return_temperature",
        "/Boiler/Pressure": "water_pressure", "/Boiler/Power": "power", "/Boiler/Energy": "energy",
        "/Boiler/Running": "running", "/Boiler/Setpoint": "setpoint", "/Boiler/Stubborn": "temperature",
    }  # fmt: skip
    assert nodes["/Boiler/Setpoint"]["#"] == "Setpoint, °C, writable"
    left = {at for at in device["settings"]["nodes"] if at.startswith("#")}
    assert left == {"# /Boiler/Odd", "# /Boiler/Mode", "# /Boiler/Locked", "# /Boiler/Levels"}
    settings = {
        "namespace": device["settings"]["namespace"],
        "nodes": {at: {key: said for key, said in node.items() if key != "#"} for at, node in nodes.items()},
    }
    DeviceSettings.model_validate(settings)
    session.put("opcua:boiler", settings["nodes"], settings["namespace"])
    start(run(plain(peer), session))
    await session.until(lambda: len(session.values()) == len(nodes))
    assert session.values()["return_temperature"] == 50.0
    assert await peer.sessions() == 1  # the importer closed its own


@pytest.mark.real("network, processes")
async def test_a_server_is_trusted_before_anything_is_asked_of_it(
    serve: Any, keys: Keys, ours: Path, tmp_path: Path
) -> None:
    peer = await serve(keys, PEER_ANONYMOUS="1")
    words = ["--url", peer.url, "--directory", str(ours)]
    with pytest.raises(hub.AuthFailed, match=f"trusted: \\[{keys.sha256}\\]"):
        await importer.propose(asked(*words))
    with pytest.raises(hub.AuthFailed, match="is not trusted"):
        await importer.propose(asked(*words, "--trusted", make_keys(tmp_path, "other").sha256))
    found = await importer.propose(asked(*words, "--trusted", keys.sha256))
    assert found["integrations"]["opcua"]["trusted"] == [keys.sha256]
    assert found["devices"]
    assert identity.load(ours).file.exists()


async def test_what_is_missing_is_said() -> None:
    with pytest.raises(hub.NotReady, match="--url"):
        await importer.propose(asked())
    with pytest.raises(hub.NotReady, match="SHA-1"):
        await importer.propose(asked("--url", "opc.tcp://x", "--trusted", "ab" * 20))


def variable(path: str, uri: str = "urn:v") -> Variable:
    names = path.split("/")
    return Variable(tuple((uri, name) for name in names), tuple(names), f"ns=1;s={path}")


def node(kind: str = "Double", unit: str = "", access: int = 1, *, array: bool = False) -> Resolved:
    return Resolved(0, "ns=1;s=x", kind, array, access, UNITS.get(unit), unit if unit not in UNITS else "")


@pytest.mark.parametrize(
    ("name", "found", "metric"),
    [
        ("T_Départ_Chauffage", node(unit="Cel"), "flow_temperature"),
        ("TempRetour", node(unit="Cel"), "return_temperature"),
        ("Csg_Ambiance", node(unit="Cel"), "setpoint"),
        ("Bureau12", node(unit="Cel"), "temperature"),
        ("HR_Bureau", node(unit="%"), "humidity"),
        ("V3V_Pos", node(unit="%"), "valve_position"),
        ("Vitesse", node(unit="%"), None),  # a share of what?
        ("P_Elec", node("Float", "kW"), "power"),
        ("Débit", node(unit="l/h"), "volume_flow"),
        ("Compteur_Eau", node("UInt32", "m3"), "water"),
        ("Compteur_Gaz", node("UInt32", "m3"), "gas"),
        ("CO2", node("Int32"), "co2"),
        ("Temperature", node("Float"), "temperature"),
        ("X17", node("Float"), None),
        ("Temp_Max_Bureau", node(unit="Cel"), None),
        ("SeuilAlarmeCO2", node("Int32"), None),
        ("Alarme_Generale", node("Boolean"), "fault"),
        ("Etat_Marche", node("Boolean"), "running"),
        ("M17", node("Boolean"), None),
        ("Temperature", node(unit="Cel", array=True), None),
        ("FirmwareVersion", node("String"), "firmware"),
        ("Structure", node(""), None),
    ],
)
def test_a_guess_follows_unit_type_and_name(name: str, found: Resolved, metric: str | None) -> None:
    assert guessing.metric(name, found) == metric


def test_each_object_is_a_device_and_names_stay_apart() -> None:
    devices, notes = importer.proposed(
        [
            (variable("Etage1/CTA/Temperature"), node(unit="Cel")),
            (variable("Etage2/CTA/Temperature"), node(unit="Cel")),
            (variable("Etage2/CTA/Temperature2"), node(unit="Cel")),
            (variable("Etage2/CTA/Secret"), node(unit="Cel", access=0)),
            (variable("Rien/X17"), node()),
        ],
        "gtb",
        {},
    )
    assert list(devices) == ["opcua:cta", "opcua:etage-2-cta"]
    second = devices["opcua:etage-2-cta"]
    assert second["integration"] == "gtb"
    assert second["settings"]["nodes"]["/Etage2/CTA/Temperature"]["metric"] == "temperature"
    assert second["settings"]["nodes"]["# /Etage2/CTA/Temperature2"].startswith("another temperature")
    assert second["settings"]["nodes"]["# /Etage2/CTA/Secret"] == "cannot be read"
    assert notes == ["3 variables have no known meaning here; the file names them as comments"]


def test_what_the_file_reads_already_is_not_proposed_twice() -> None:
    known = {"opcua:cta": {"nodes": {"ns=1;s=other": {"metric": "temperature"}}}}
    again = importer.proposed([(variable("CTA/Temperature"), node(unit="Cel"))], "opcua", known)
    assert again == ({}, [])
