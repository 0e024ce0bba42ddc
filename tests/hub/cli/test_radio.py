"""`ilot capture`, `discover`, `sim` and `device key`, as a shell sees them where there is no radio and no hub."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.key_input import key_of
from hub.cli.radio import discover

KEY = "231d39c1d7cc1ab1aee224cd096db932"
NOWHERE = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere", "PATH": "/usr/bin:/bin"}


def ilot(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        capture_output=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**NOWHERE, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("capture", "ble", "--seconds", "1"), 4, "system D-Bus does not answer"),
        (("discover", "ble", "--scan", "1"), 4, "system D-Bus does not answer"),
        (("discover", "ble"), 4, "no hub runs here; listening for 10 seconds"),
        (("discover", "bel"), 2, "nothing here listens to 'bel'; it can be bacnet, ble"),
        (("capture", "bel"), 2, "nothing here listens to 'bel'"),
        (("sim", "bel"), 2, "nothing here simulates 'bel'"),
        (("replay", "ble", "nothing.jsonl"), 2, "the capture nothing.jsonl cannot be read"),
        (("device", "key", "ble:A4:C1:38:01:02:03"), 2, "either --key-file FILE or --forget"),
        (("device", "key", "ble:A4:C1:38:01:02:03", "--key-file", "nothing"), 2, "the key file cannot be read"),
        (("device", "key", "ble:A4:C1:38:01:02:03", "--forget"), 4, "no hub answers"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_right_exit_code(
    arguments: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    got, out, err = ilot(*arguments, cwd=tmp_path)
    assert (got, out) == (code, ""), err
    assert says in err
    assert "Traceback" not in err


@pytest.mark.real("processes")
def test_a_capture_needs_no_hub_and_no_configuration(tmp_path: Path) -> None:
    lines = [
        {"address": "54:48:E6:8F:80:A5", "rssi": -60, "time": 1.7e9, "service_data": {"fcd2": "40000902c40903bf13"}},
        {"address": "5A:00:00:00:00:01", "private": True, "time": 1.7e9, "manufacturer_data": {"0x004c": "1005"}},
        {"address": "54:48:E6:8F:80:A6", "time": 1.7e9, "service_data": {"fcd2": "4002"}},
    ]
    (tmp_path / "capture.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "config.yaml").write_text("integrations: {bluetooth: {capture: capture.jsonl}}\n")
    code, out, err = ilot("capture", "ble", "--seconds", "4", cwd=tmp_path)
    assert code == 0, err
    said = [json.loads(line) for line in out.splitlines()]
    assert [line["address"] for line in said] == [lines[0]["address"], lines[2]["address"]], "the cut one too"
    assert "2 written; left out: 1 private, 0 not sensors" in err
    code, out, err = ilot("discover", "ble", "--scan", "4", "--json", cwd=tmp_path)
    assert code == 0, err
    found = json.loads(out)
    [candidate] = found["candidates"]
    assert (candidate["id"], candidate["rssi"]) == ("ble:54:48:E6:8F:80:A5", -60)
    assert candidate["values"] == {"temperature": 25.0, "humidity": 50.55}
    assert found["counted"] == {"private-address": 1, "not-a-sensor": 0, "truncated": 1}


@pytest.mark.real("processes")
def test_a_reader_that_has_enough_ends_a_capture_quietly(tmp_path: Path) -> None:
    line = {"address": "54:48:E6:8F:80:A5", "service_data": {"fcd2": "40000902c40903bf13"}}
    lines = [json.dumps({**line, "time": 1.7e9 + n / 100}) for n in range(1000)]
    (tmp_path / "capture.jsonl").write_text("\n".join(lines))
    (tmp_path / "config.yaml").write_text("integrations: {bluetooth: {capture: capture.jsonl}}\n")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m hub capture ble --seconds 600 | head -2"],
        capture_output=True,
        timeout=300,
        check=True,
        cwd=tmp_path,
        env={**NOWHERE, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert len(done.stdout.splitlines()) == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.upper() + "\n",
        "23:1d:39:c1:d7:cc:1a:b1:ae:e2:24:cd:09:6d:b9:32",
        f"KEY={KEY};MAC=5448E68F80A5",
        f"a {KEY} and {KEY.upper()}",
    ],
)
def test_a_key_is_found_in_what_people_and_qr_codes_say(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    assert key_of(file) == bytes.fromhex(KEY)


@pytest.mark.parametrize("text", ["", " \n", "no key here", f"{KEY} or {KEY[::-1]}", f"x{KEY}ff"])
def test_a_text_with_no_key_or_with_two_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(click.UsageError, match="expected one key of 32 hexadecimal digits"):
        key_of(file)


@given(st.binary(max_size=100))
def test_whatever_a_key_file_holds_it_is_a_key_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "key"
    file.write_bytes(data)
    with contextlib.suppress(click.UsageError):
        assert len(key_of(file)) > 0


@pytest.mark.parametrize(
    ("protocol", "running", "said"),
    [
        ("ble", ["host"], "the running hub hears no ble: it has none of bluetooth below `integrations:`"),
        ("ble", ["bluetooth"], "not listed"),
        ("bel", ["bluetooth"], "nothing here listens to 'bel'; it can be bacnet, ble"),
    ],
)
def test_an_empty_list_of_a_running_hub_says_whether_it_listens_at_all(
    protocol: str, running: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "devices": {"quarantine": []},
        "status": {"counts": {}, "plugins": [{"type": kind} for kind in running]},
    }
    monkeypatch.setattr("hub.rpc.control_socket.call", lambda path, name, **more: answers[name])
    done = CliRunner().invoke(discover, [protocol])
    assert said in done.stderr
    assert ("hears no" in done.stderr) is ("hears no" in said)
