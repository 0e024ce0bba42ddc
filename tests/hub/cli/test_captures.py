"""`ilot capture` and `ilot replay`: what never gets into a capture, its bounds, and what a hostile one gets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.captures import lines as files
from hub.cli.captures.capture import capture
from hub.cli.captures.lines import Bad, lines_of
from hub.cli.captures.redaction import MASK, Redactor
from hub.cli.captures.replay import replay
from hub.core.errors import HubError

PASSWORD, KEY = "Tr0ub4dor-3", "231d39c1d7cc1ab1aee224cd096db932"
SECRETS = {"broker": PASSWORD, "salle": KEY, "jeton": "e30.c2VjcmV0.c2ln"}
CONFIG = """\
hub: {name: t, site: s}
sites: {s: {name: S, timezone: Europe/Paris}}
zones: {z: {site: s, name: Z}}
places: {p: {zone: z}, q: {zone: z}}
integrations:
  bluetooth: {capture: heard.jsonl}
  mqtt_devices: {host: broker, user: hub, password: !secret broker}
  lorawan: {gateways: {"0016c00100000001": {}}}
devices:
  "ble:54:48:E6:8F:80:A5": {integration: bluetooth, place: p, key: !secret salle}
  "lorawan:0102030405060708":
    {integration: lorawan, place: q, pack: cayenne-lpp, key: !secret abp, settings: {address: "26011bda"}}
"""
FRAME = "40da1b012600050002592b5d5d63d15340"
"""By npm lora-packet 0.9: DevAddr 26011bda, counter 5, port 2, payload 016700d7, with the keys in `ABP`."""
ABP = "00112233445566778899aabbccddeeff" + "ffeeddccbbaa99887766554433221100"


def home(tmp_path: Path, heard: list[dict[str, Any]]) -> Path:
    (tmp_path / "heard.jsonl").write_text("".join(json.dumps(line) + "\n" for line in heard))
    (tmp_path / "config.yaml").write_text(CONFIG.replace("heard.jsonl", str(tmp_path / "heard.jsonl")))
    kept = tmp_path / "secrets.yaml"
    kept.write_text("".join(f'{name}: "{value}"\n' for name, value in {**SECRETS, "abp": ABP}.items()))
    kept.chmod(0o600)
    return tmp_path / "config.yaml"


def ilot(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def advert(**more: Any) -> dict[str, Any]:
    return {"address": "54:48:E6:8F:80:A5", "time": 1.7e9, "service_data": {"fcd2": "40000902c40903bf13"}, **more}


def test_no_secret_of_the_configuration_gets_into_a_capture(tmp_path: Path) -> None:
    raw = bytes.fromhex(KEY)
    hidden = [
        KEY,
        KEY.upper(),
        raw.hex(":"),
        raw[::-1].hex(),
        base64.b64encode(raw).decode(),
        PASSWORD,
        *SECRETS.values(),
    ]
    heard = [advert(name=f"capteur {one}", time=1.7e9 + n / 1000) for n, one in enumerate(hidden)]
    heard += [advert(service_data={"fcd2": "40000902c409" + KEY}), advert(name="jean.dupont@ville.fr 06 12 34 56 78")]
    config = home(tmp_path, [*heard, advert(name="salle")])
    done = ilot(capture, "ble", "--seconds", "5", "-c", str(config))
    assert done.exit_code == 0, done.stderr
    written = done.stdout.casefold()
    for secret in (*hidden, "dupont", "34 56"):
        assert secret.casefold() not in written, secret
    assert "frame left out, because a key or a password of the configuration is in it" in done.stderr
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == [f"capteur {MASK}"] * len(hidden) + [f"{MASK} {MASK}", "salle"]


@given(st.text(min_size=4, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_secret_is_it_is_not_in_the_line(secret: str, before: str, after: str) -> None:
    line = Redactor([secret]).line({"topic": before + secret + after, "payload": {secret: [secret]}, "n": 1})
    assert line is None or secret not in json.dumps(line, ensure_ascii=False).replace(MASK, "")


def test_a_field_that_names_a_secret_loses_its_value_whatever_it_is() -> None:
    said = {"payload": {"wifi": {"password": "x", "ssid": "hall"}, "t": 21.5, "token": 7, "pin": True}}
    told = Redactor([]).line(said)
    assert told == {"payload": {"wifi": {"password": MASK, "ssid": "hall"}, "t": 21.5, "token": MASK, "pin": True}}


def test_a_capture_ends_when_it_is_as_large_as_it_may_be(tmp_path: Path) -> None:
    config = home(tmp_path, [advert(name=f"{n}", time=1.7e9 + n / 1000) for n in range(300)])
    done = ilot(capture, "ble", "--seconds", "60", "--size", "0.005", "-c", str(config))
    assert done.exit_code == 0, done.stderr
    assert 0 < len(done.stdout) <= 5000
    assert "as large as it may be" in done.stderr


@pytest.mark.parametrize("protocol", ["opcua", "chirpstack", "things_stack", "http_json", "host"])
def test_what_is_not_captured_says_why(protocol: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(capture, [protocol, "-c", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert f"{protocol} is not captured: " in done.stderr


def test_every_protocol_that_is_read_is_captured_or_says_why_not() -> None:
    from hub.cli.captures.sources import captured, why_not
    from hub.cli.radio import everything

    registry = everything()
    kinds = {
        one.name: {decoder.kind for decoder in plugin.decoders} or {one.name}
        for plugin in registry.plugins.values()
        if plugin.shipped and not why_not(plugin)
        for one in plugin.integrations
    }
    there = set(captured())
    assert kinds
    assert [name for name, of in kinds.items() if not of & there] == []


HOSTILE = [
    (b'{"time": "x"}', "`time` is a number"),
    (b"[1, 2]", "a frame is a JSON object or hexadecimal"),
    (b"\x00\xff\xfe", "no hexadecimal digit"),
    (b'{"raw": 7}', "hexadecimal stands in quotes"),
    (b"{" * 5000, "nested"),
    (b'{"raw": "40"}', ""),
    (b"4" * 200_000, "characters"),
]


@pytest.mark.parametrize(("line", "says"), HOSTILE)
def test_a_hostile_line_is_told_with_its_number_and_the_others_are_read(line: bytes, says: str, tmp_path: Path) -> None:
    config = home(tmp_path, [])
    file = tmp_path / "capture.jsonl"
    good = json.dumps({"address": "54:48:E6:8F:80:A6", "service_data": {"fcd2": "40000902c40903bf13"}}).encode()
    file.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    done = ilot(replay, "ble", str(file), "-c", str(config))
    assert done.exit_code == 6, done.output
    assert f"{file}:2: " in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "ble:54:48:E6:8F:80:A6  temperature      2" in done.stdout, "both lines around it"


@given(st.binary(max_size=3000))
def test_whatever_a_file_holds_each_line_is_an_object_or_told(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_bytes(data)
    numbers = []
    for one in lines_of(file):
        numbers.append(one.number if isinstance(one, Bad) else one[0])
        assert isinstance(one, Bad) or isinstance(one[1], dict)
    assert numbers == sorted(set(numbers))


def test_a_capture_that_is_too_large_names_the_line_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_LINES", 3)
    file = tmp_path / "capture.jsonl"
    file.write_text('{"raw": "00"}\n' * 5)
    with pytest.raises(HubError, match=r"capture\.jsonl:4: a capture has at most 3 lines"):
        list(lines_of(file))
    with pytest.raises(HubError, match="cannot be read"):
        list(lines_of(tmp_path / "none"))


@pytest.mark.real("processes")
def test_a_capture_of_lorawan_is_read_by_the_pack_where_the_keys_are_known(tmp_path: Path) -> None:
    config = home(tmp_path, [])
    file = tmp_path / "capture.jsonl"
    file.write_text(
        json.dumps({"raw": FRAME}) + "\n" + json.dumps({"raw": FRAME.replace("da1b0126", "db1b0126")}) + "\n"
    )
    done = ilot(replay, "lorawan", str(file), "-c", str(config), "--json")
    assert done.exit_code == 6
    told = json.loads(done.stdout)
    assert [(one["device"], one["metric"], one["last"]) for one in told["series"]] == [
        ("lorawan:0102030405060708", "temperature", 21.5)
    ]
    assert told["refused"] == {"needs-key": 1}
    assert told["wrong"][0]["line"] == 2
