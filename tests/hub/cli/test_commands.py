"""The commands that need no running hub, as a shell sees them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli.doctor import _network
from hub.cli.hex_input import parse_line, to_hex
from hub.cli.main import ilot as every_command
from hub.core.errors import DecodeError
from hub.operations.doctor.machine import Machine

PLAIN = '{"address":"54:48:E6:8F:80:A5","rssi":-60,"service_data":{"fcd2":"40000902c40903bf13"}}'
SEALED = '{"address":"54:48:E6:8F:80:A5","service_data":{"fcd2":"41a47266c95f730011223378237214"}}'
KEY = "231d39c1d7cc1ab1aee224cd096db932"  # of the BTHome specification's own example
RUUVI = (
    '{"address":"CB:B8:33:4C:88:4F","manufacturer_data":{"0x0499":"0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F"}}'
)


def ilot(*arguments, stdin=""):
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments], input=stdin.encode(), capture_output=True, timeout=180, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.real("processes")
def test_decode_reads_frames_from_stdin_and_one_bad_line_costs_only_itself():
    code, out, err = ilot("decode", "ble", stdin=f"{PLAIN}\nnonsense\n[]\n\n{SEALED}\n{RUUVI}\n")
    answers = lines(out)
    assert [(a["metric"], a["value"], a["unit"]) for a in answers[:2]] == [
        ("temperature", 25.0, "Cel"),
        ("humidity", 50.55, "%"),
    ]
    assert [(a["error"], a["line"]) for a in answers if "error" in a] == [
        ("not-hex", 2),
        ("not-json", 3),
        ("needs-key", 5),
    ]
    assert {a["metric"]: a["value"] for a in answers if a.get("device") == "ble:CB:B8:33:4C:88:4F"}[
        "pressure"
    ] == 1000.44
    assert (code, err) == (6, "")


@pytest.mark.real("processes")
def test_decode_opens_a_sealed_frame_with_a_key_from_a_file_or_an_argument(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    for how in (("--key-file", str(file)), ("--key", KEY)):
        code, out, _ = ilot("decode", "ble", *how, SEALED)
        assert code == 0
        assert [(a["value"], a["authenticated"]) for a in lines(out)] == [(25.06, True), (50.55, True)]


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("decode", "smoke-signals", "00"), "there are decoders for bacnet, ble"),
        (("decode", "ble", "--key", "xyz", PLAIN), "not hexadecimal"),
        (("statu",), "did you mean 'status'?"),
        (("enroll",), "give the token"),
    ],
)
def test_a_wrong_call_says_what_would_be_right_with_exit_code_2(arguments, says):
    code, out, err = ilot(*arguments)
    assert (code, out) == (2, "")
    assert says in err


@given(st.text(max_size=200))
@settings(max_examples=500)
def test_any_line_is_an_object_or_a_decode_error(text):
    try:
        answer = parse_line(text)
    except DecodeError as error:
        answer = {"error": error.reason}
    assert isinstance(answer, dict)


@pytest.mark.parametrize(
    "text",
    ["8104ff00", "81 04 FF 00", "81:04:ff:00", "81-04-ff-00", "0x8104ff00", "0x81, 0x04, 0xff, 0x00", "8104.ff00",
     "\\x81\\x04\\xff\\x00", " 8104\tff00\n", "0X81;04;FF;00"],
)  # fmt: skip
def test_hexadecimal_is_read_as_other_tools_print_it(text):
    assert to_hex(text).lower() == "8104ff00"
    assert parse_line(text) == {"raw": to_hex(text)}
    assert parse_line(json.dumps({"raw": text, "address": "x"})) == {"raw": to_hex(text), "address": "x"}


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        ("012", "odd-hex", "3 hexadecimal digits, and two make a byte: a leading zero is missing"),
        ("0", "odd-hex", "1 hexadecimal digit, and two make a byte"),
        ("81:4:ff", "odd-hex", "part 2, '4', has an odd number of digits: a byte is written with two, 05 and not 5"),
        ("0x81 0x4", "odd-hex", "part 2, '4'"),
        ("0x81 8x", "not-hex", "'x' at character 7 is no hexadecimal digit"),
        ("81 0g", "not-hex", "'g' at character 5 is no hexadecimal digit"),
        ("gQT/AA==", "not-hex", "'g' is no hexadecimal digit. As Base64 it would be 8104ff00: give it so"),
        ("\u0661\u0662", "not-hex", "at character 1"),
        ("::", "not-hex", "there is no hexadecimal digit"),
        ('{"raw": 0123}', "not-json", "invalid number"),
        ('{"raw": 123}', "not-hex", "stands in quotes"),
        ('{"raw": "123"}', "odd-hex", "3 hexadecimal digits"),
        ("[1]", "not-json", "Expected `object`"),
        ("00" * 40_000, "oversized", "at most 65536 characters"),
    ],
)
def test_what_is_no_frame_is_refused_with_its_place_and_the_remedy(text, reason, says):
    with pytest.raises(DecodeError) as caught:
        parse_line(text)
    assert caught.value.reason == reason
    assert says in caught.value.detail


@given(st.binary(min_size=1, max_size=64), st.sampled_from(["", " ", ":", "-", ", ", " 0x"]))
def test_bytes_come_back_whatever_stands_between_them(data, between):
    assert bytes.fromhex(to_hex(between.join(f"{byte:02x}" for byte in data))) == data


@pytest.mark.real("processes")
def test_a_payload_is_read_with_the_same_eyes(tmp_path):
    codec = tmp_path / "codec.js"
    codec.write_text("function decodeUplink(i) { return {data: {bytes: i.bytes.join()}} }")
    lines_in = ["01:0a", "0x010a", "10a", '{"bytes": "01 0a"}', '{"bytes": "10a"}', '{"bytes": ""}', '{"bytes": [1]}']
    code, out, _ = ilot("decode", "payload", "--codec", str(codec), stdin="\n".join(lines_in))
    said = [one.get("error") or one["data"]["bytes"] for one in lines(out)]
    assert said == ["1,10", "1,10", "odd-hex", "1,10", "odd-hex", "", "1"]
    assert code == 6


@pytest.mark.real("processes")
def test_a_key_may_have_separators_and_is_never_shown(tmp_path):
    colons = ":".join(KEY[n : n + 2] for n in range(0, 32, 2))
    assert ilot("decode", "ble", "--key", colons, SEALED)[0] == 0
    code, _, err = ilot("decode", "ble", "--key", KEY[1:], SEALED)
    assert code == 2
    assert "not hexadecimal" in err
    assert KEY[1:9] not in err.replace(" ", "")


@pytest.mark.real("processes")
def test_plugins_lists_what_ships_and_what_each_registers():
    code, out, _ = ilot("plugins", "--json")
    described = {plugin["name"]: plugin for plugin in json.loads(out)}
    assert code == 0
    assert {"bluetooth", "host", "modbus", "https"} <= set(described)
    assert [i["name"] for i in described["modbus"]["integrations"]] == ["modbus"]
    assert "host" in described["modbus"]["integrations"][0]["schema"]["properties"]


def test_a_strangers_distribution_adds_no_command_and_takes_none(tmp_path, monkeypatch):
    record = tmp_path / "acme-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Name: acme\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[ilot.commands]\nbackend = acme_bad:x\nacme = acme_bad:x\n")
    (tmp_path / "acme_bad.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    context = click.Context(every_command)
    names = every_command.list_commands(context)
    assert "backend" in names
    assert "acme" not in names
    assert every_command.get_command(context, "acme") is None
    assert every_command.get_command(context, "backend").name == "backend"


@pytest.mark.real("processes")
def test_version_names_what_a_bug_report_needs():
    code, out, _ = ilot("version", "--json")
    assert code == 0
    assert set(json.loads(out)) == {"ilot", "python", "cryptography", "openssl", "machine"}


@pytest.mark.real("processes")
def test_doctor_on_an_empty_machine_says_what_to_do_first(tmp_path):
    code, out, _ = ilot(
        "doctor", "--config", str(tmp_path / "config.yaml"), "--state-dir", str(tmp_path / "s"), "--json"
    )
    findings = {found["what"]: found for found in json.loads(out)}
    assert code == 6
    assert findings["enrolment"]["state"] == "wrong"
    assert "ilot enroll" in findings["enrolment"]["remedy"]


@pytest.mark.parametrize(
    ("forwards", "cards", "state"), [("0", 2, "ok"), ("1", 1, "note"), ("1", 2, "wrong"), ("", 2, "ok")]
)
def test_doctor_says_when_a_machine_passes_packets_from_one_network_to_another(tmp_path, forwards, cards, state):
    switch = tmp_path / "proc/sys/net/ipv4/ip_forward"
    switch.parent.mkdir(parents=True)
    if forwards:
        switch.write_text(f"{forwards}\n")
    for card in range(cards):
        (tmp_path / f"sys/class/net/eth{card}/device").mkdir(parents=True)
    (tmp_path / "sys/class/net/lo").mkdir()
    (found,) = _network(Machine(tmp_path))
    assert found.state == state
    assert bool(found.remedy) == (state != "ok")


@pytest.mark.real("processes")
def test_schema_is_draft_07_and_knows_the_installed_integrations():
    code, out, _ = ilot("schema")
    schema = json.loads(out)
    assert code == 0
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "modbus" in out


@pytest.mark.real("processes")
@pytest.mark.parametrize(("command", "known"), [("import", "knx"), ("sim", "modbus")])
def test_a_command_that_hands_its_options_on_explains_itself_and_names_what_there_is(command, known):
    code, out, err = ilot(command, "--help")
    assert code == 0, err
    assert re.search(rf"Usage: ilot {command} \[OPTIONS\] \[?PROTOCOL", out)
    assert known in out.partition("PROTOCOL: ")[2]
