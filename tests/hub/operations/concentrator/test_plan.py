"""Choices become files and edits, or a refusal that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.core.text import Phrase
from hub.operations.concentrator import store
from hub.operations.concentrator.plan import OVERSEAS, Choice, Endpoint, Refused, eui_of_mac, make, read_eui
from tests.hub.operations.concentrator.radio_kit import EUI

HERE = Endpoint("lorawan", False)


def code(error: Refused) -> str:
    said = error.args[0]
    assert isinstance(said, Phrase)
    return said.code


def test_a_hub_without_a_network_server_gets_one_on_loopback_alone() -> None:
    made = make(Choice("rak5146", EUI), Endpoint())
    assert made.edits == [
        {"path": ["integrations", "lorawan"],
         "value": {"gateways": {EUI: {}}, "udp": None, "station": {"address": "127.0.0.1", "port": 3001}}}
    ]  # fmt: skip
    assert made.document["files"]["tc.uri"] == "ws://127.0.0.1:3001\n"
    assert made.document["lines"] == {"reset": 17}


def test_a_network_server_that_is_there_is_only_added_to() -> None:
    made = make(Choice("wm1302", EUI, antenna_gain=2.5), Endpoint("radio", True, gateways={"00" * 8: 0.0}))
    assert [edit["path"] for edit in made.edits] == [
        ["integrations", "radio", "station"], ["integrations", "radio", "gateways", EUI],
    ]  # fmt: skip
    assert made.edits[1]["value"] == {"antenna_gain": 2.5}
    again = make(Choice("wm1302", EUI), Endpoint("radio", False, gateways={EUI: 0.0}))
    assert again.edits == []
    kept = make(Choice("wm1302", EUI), Endpoint("radio", False, gateways={EUI: 2.0}))
    assert kept.edits == []
    assert '"antenna_gain": 2.0' in kept.document["files"]["station.conf"]
    louder = make(Choice("wm1302", EUI, antenna_gain=3.0), Endpoint("radio", False, gateways={EUI: 0.0}))
    assert louder.edits == [{"path": ["integrations", "radio", "gateways", EUI, "antenna_gain"], "value": 3.0}]


def test_over_tls_the_forwarder_gets_token_trust_and_a_name(tmp_path: Path) -> None:
    pem = tmp_path / "lns.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    here = Endpoint("lorawan", False, "0.0.0.0", 3002, str(pem), "secret", ("hub.local", "localhost"))
    made = make(Choice("rak5146", EUI), here)
    files = made.document["files"]
    assert files["tc.uri"] == "wss://localhost:3002\n"
    assert files["tc.key"] == "Authorization: secret\r\n"
    assert "secret" not in json.dumps(made.shown(), default=str)
    store.write(made.document, tmp_path / "radio.json")
    written = store.read(tmp_path / "radio.json")
    assert written is not None
    assert written["files"]["tc.trust"] == pem.read_text()
    assert (tmp_path / "radio.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("choice", "endpoint", "refusal"),
    [
        (Choice("rak9999", EUI), HERE, "radio-model-unknown"),
        (Choice("rak5146", "12345"), HERE, "radio-eui-malformed"),
        (Choice("rak5146", "0" * 16), HERE, "radio-eui-malformed"),
        (Choice("rak5146", EUI, device="/etc/shadow"), HERE, "radio-device-malformed"),
        (Choice("rak5146", EUI, device="/dev/../etc/shadow"), HERE, "radio-device-malformed"),
        (Choice("rak5146", EUI, reset=54), HERE, "radio-pin-out-of-range"),
        (Choice("wm1302", EUI, reset=18), HERE, "radio-pin-twice"),
        (Choice("rak5146", EUI, region="US915"), HERE, "radio-region-not-spoken"),
        (Choice("rak5146", EUI, where="XX"), HERE, "radio-where-unknown"),
        (Choice("rak5146", EUI, where="PF"), HERE, "radio-region-to-be-said"),
        (Choice("rak5146", EUI), Endpoint("lorawan", False, token="t"), "radio-token-needs-tls"),
        (Choice("rak5146", EUI), Endpoint("lorawan", False, certificate="c.pem"), "radio-certificate-without-name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(choice: Choice, endpoint: Endpoint, refusal: str) -> None:
    with pytest.raises(Refused) as caught:
        make(choice, endpoint)
    assert code(caught.value) == refusal


def test_overseas_nobody_but_the_person_says_which_plan_is_right() -> None:
    for where in OVERSEAS:
        made = make(Choice("corecell", EUI, where=where, region="eu868"), HERE)
        assert [note.code for note in made.notes] == ["radio-region-by-you"], where
    assert make(Choice("corecell", EUI), HERE).notes == []


def test_a_board_without_the_sensor_that_the_library_wants_is_said_to_need_a_patch() -> None:
    made = {
        key: make(Choice(key, EUI), HERE)
        for key in ("rak2287", "rak5146", "pg1302", "wm1302", "rak5146-usb", "rak2245")
    }
    noted = {key for key, one in made.items() if "radio-no-temperature-sensor" in [note.code for note in one.notes]}
    assert noted == {"rak2287", "rak5146", "pg1302"}


def test_an_eui_is_read_as_people_and_semtechs_tool_write_it() -> None:
    for text in ("0016C001FF10D3E5", "00:16:c0:01:ff:10:d3:e5", "00-16-C0-01-FF-10-D3-E5", "0x0016c001ff10d3e5",
                 "Opening SPI communication interface\n\nINFO: concentrator EUI: 0x0016C001FF10D3E5\n\n"):  # fmt: skip
        assert read_eui(text) == EUI
    assert eui_of_mac("dc:a6:32:01:02:03") == "dca632fffe010203"
