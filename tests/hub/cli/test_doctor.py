"""`ilot doctor` on machines and hubs that are broken in one way each: it names the fault and its remedy."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.cli.doctor.configuration import open_configuration, ports_of, reported
from hub.cli.doctor.identity import look_at_enrolment
from hub.cli.doctor.link_route import Route, StageFailed, reach
from hub.cli.doctor.parallel import together
from hub.cli.doctor.printing import print_findings
from hub.core import tls
from hub.core.errors import NotReady
from hub.core.state_dir import StateDir
from hub.core.text import phrase
from hub.identity import keys
from hub.operations.doctor import running, serial_ports
from hub.operations.doctor.findings import NOTE, OK, WRONG, Finding
from hub.operations.doctor.machine import Machine
from tests.hub.operations.doctor.machine_kit import write
from tests.interpreters import needs_python_of_all

CONFIG = "hub: {state_dir: state}\nsites: {s: {timezone: Europe/Paris}}\n"
NOBODY = 12345
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


def ilot(*words: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "hub", *words], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(("states", "code"), [([OK], 0), ([OK, NOTE], 9), ([NOTE, WRONG, OK], 6)])
def test_the_exit_code_is_zero_only_where_nothing_is_to_be_done(
    states: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Finding("a", state, "says", "" if state == OK else "do it") for state in states]
    ended = 0
    try:
        print_findings(found, json=False)
    except Exception as error:
        ended = error.exit_code  # type: ignore[attr-defined]
    assert ended == code
    printed = capsys.readouterr()
    assert [line[0] for line in printed.out.splitlines()[1:]] == [
        {OK: "✔", NOTE: "!", WRONG: "✘"}[one] for one in states
    ]
    assert printed.err.count("do it") == (1 if code else 0), "a remedy is said once"


def test_what_hangs_does_not_keep_the_rest_waiting_and_what_it_had_found_is_told() -> None:
    never = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding("way", OK, "first stage")
        never.wait(30)

    def away() -> Iterator[Finding]:
        raise NotReady(phrase("x", "it is away"))
        yield

    found = together({"way": hangs, "other": away, "right": lambda: [Finding("right", OK, "")]}, 2.0)
    never.set()
    assert [(one.what, one.state) for one in found] == [("way", OK), ("way", WRONG), ("other", WRONG), ("right", OK)]


def test_a_name_server_that_never_answers_costs_the_deadline_and_is_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(30))
    with pytest.raises(StageFailed) as caught:
        reach(Route("backend.example", 443, tls.unverified(), None, "hub-a", 0.0, timeout_s=0.2))
    never.set()
    assert caught.value.finding.what == "DNS"
    assert "no name server answers" in caught.value.finding.says


def test_keys_that_are_roots_get_back_their_owner_and_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateDir(tmp_path)
    keys.create(state.keys)
    never = look_at_enrolment(tmp_path)
    assert "ilot enroll TOKEN" in never.remedy
    state.enrolment.write_text("{}")
    torn = look_at_enrolment(tmp_path)
    assert ("ilot restore" in torn.remedy, "ilot enroll" in torn.remedy) == (True, False)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    shut = look_at_enrolment(tmp_path)
    assert ("sudo ilot doctor" in shut.remedy, "enroll" in shut.remedy) == (True, False)


@pytest.mark.real("processes")
def test_a_library_that_is_missing_is_named_with_what_installs_it_by_doctor_and_check(
    config: Path, tmp_path: Path
) -> None:
    config.write_text(CONFIG + "buses: {a: {port: tcp://127.0.0.1:1}}\nintegrations: {plant: {type: modbus, bus: a}}\n")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pymodbus'] = None\n")
    code, found = ilot("doctor", "--config", str(config), "--no-probe", "--json", PYTHONPATH=str(tmp_path))
    (plant,) = (one for one in found if one["what"] == "plant")
    assert (code, plant["state"]) == (6, WRONG)
    assert "not installed: pymodbus" in plant["says"]
    assert "pip install pymodbus" in plant["remedy"]
    code, checked = ilot("check", "--config", str(config), "--json", PYTHONPATH=str(tmp_path))
    assert code == 6
    assert "not installed: pymodbus" in checked["will_not_run"]["plant"]  # type: ignore[call-overload]


@pytest.fixture
def line() -> Iterator[tuple[str, int]]:
    """A serial line that another process has open."""
    leader, follower = pty.openpty()
    name = os.ttyname(follower)
    os.set_inheritable(follower, True)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[follower]
    )
    os.close(follower)
    yield name, holder.pid
    holder.kill()
    holder.communicate()
    os.close(leader)


@pytest.mark.real("processes")
def test_a_serial_port_that_another_process_holds_is_wrong_and_the_process_is_named(line: tuple[str, int]) -> None:
    port, holder = line
    held = serial_ports.holders(Machine())
    (found,) = serial_ports.look({port: "rtu"}, held, set(), all_seen=True)
    assert (found.state, f"{port} (rtu) is held by " in found.says, str(holder) in found.says) == (WRONG, True, True), (
        found.says
    )
    pids = {one.pid for one in held[serial_ports.key_of(os.stat(port))]}
    (own,) = serial_ports.look({port: "rtu"}, held, pids, all_seen=True)
    assert (own.state, "held by the running hub" in own.says) == (OK, True)
    (free,) = serial_ports.look({port: "rtu"}, {}, set(), all_seen=True)
    assert free.state == OK
    (unseen,) = serial_ports.look({port: "rtu"}, {}, set(), all_seen=False)
    assert (unseen.state, "root" in unseen.says) == (NOTE, True)


def test_a_port_that_is_not_there_or_no_device_or_shut_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    ports = {str(tmp_path / "none"): "a", str(tmp_path / "file"): "b", "/dev/null": "c"}
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = list(serial_ports.look(ports, {}, set(), all_seen=True))
    assert [one.says.code for one in found] == ["port-not-there", "port-is-no-device", "port-not-permitted"]  # type: ignore[attr-defined]
    assert all(one.state == WRONG and one.remedy for one in found)


def test_ports_of_buses_and_of_integrations_are_looked_at(config: Path) -> None:
    config.write_text(
        CONFIG + "buses: {a: {port: /dev/ttyUSB7}, far: {port: 'tcp://127.0.0.1:1'}}\n"
        "integrations: {meter: {type: linky, port: /dev/ttyUSB1}, off: {type: mbus, port: /dev/x, enabled: false}}\n"
    )
    loaded = open_configuration(config, None).loaded
    assert loaded is not None
    assert ports_of(loaded) == {"/dev/ttyUSB7": "a", "/dev/ttyUSB1": "meter"}


STATUS: dict[str, Any] = {
    "buffer": {"error": "", "oldest_age_s": 60.0, "readings": 4}, "link": {"error": "", "last_ack_s": 5.0},
    "clock": {"ahead_s": 0.2}, "degraded": [], "plugins": [],
}  # fmt: skip


def states(**changes: Any) -> dict[str, str]:
    return {str(one.what): one.state for one in running.look({**STATUS, **changes})}


def test_a_running_hub_is_right_only_where_buffer_link_and_clock_are() -> None:
    assert set(states().values()) == {OK}
    assert states(buffer={**STATUS["buffer"], "error": "Input/output error"})["buffer"] == WRONG
    assert states(buffer={**STATUS["buffer"], "oldest_age_s": 7200.0})["buffer"] == NOTE
    assert states(link={"error": "backend away", "last_ack_s": 9000.0})["link"] == WRONG
    assert states(link={"error": "", "last_ack_s": None})["link"] == NOTE
    late = phrase("clock-ahead", "this machine's clock is {duration} ahead", duration="1 day")
    assert states(degraded=[late])["clock"] == WRONG
    assert states(degraded=[phrase("buffer-full-soon", "full soon")])["running hub"] == NOTE
    gateways = {"gateways": [{"id": "gateway:1", "silent": True}, {"id": "gateway:2", "silent": False}]}
    assert [one.state for one in running.radios(gateways)] == [WRONG, OK]


@pytest.mark.parametrize(
    ("state", "remedy"), [("quarantined", "ilot logs"), ("stopped", "restart"), ("waiting", "wired")]
)
def test_a_plugin_that_does_not_run_gets_a_remedy_for_its_state(state: str, remedy: str) -> None:
    found = reported("plant", {"name": "plant", "state": state, "error": "bad"})
    assert (found.state, remedy in found.remedy) == (WRONG, True)


EXAMINE = """
import json, os, pwd, sys
from pathlib import Path
from hub.cli.doctor import examine
from hub.operations.doctor.machine import Machine
pwd.getpwnam = lambda name: pwd.struct_passwd((name, "x", 12345, 12345, "", "/", "/bin/false"))
os.getgrouplist = lambda name, gid: [gid]
root = Path(sys.argv[1])
found = list(examine(Machine(root), None, Path("nowhere.yaml"), None, probe=False, fix=sys.argv[2] == "fix"))
print(json.dumps({"uid": os.getuid(), "found": [(str(f.what), f.state, str(f.says)) for f in found]}))
"""


@pytest.mark.real("processes")
@AS_ROOT
@needs_python_of_all
def test_root_finds_the_services_user_and_file_looks_as_that_user_and_mends_what_is_roots(shared_path: Path) -> None:
    state, config = shared_path / "state", shared_path / "etc/config.yaml"
    unit = f"[Service]\nUser=ilot\nExecStart=/usr/bin/ilot run --config {config}\n"
    write(shared_path, {
        "machine/usr/lib/systemd/system/ilot.service": unit,
        "etc/config.yaml": CONFIG.replace("state_dir: state", f"state_dir: {state}"),
    })  # fmt: skip
    keys.create(StateDir(state).keys)
    StateDir(state).enrolment.write_text("{}")
    StateDir(state).enrolment.chmod(0o600)
    config.chmod(0o600)
    os.chown(state, NOBODY, NOBODY)

    def examined(fix: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", EXAMINE, str(shared_path / "machine"), fix], capture_output=True, text=True,
            timeout=300, check=False, env={key: value for key, value in os.environ.items() if key != "STATE_DIRECTORY"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        assert said["uid"] == NOBODY
        return said

    found = examined("")["found"]
    assert ["service", OK, f"ilot.service runs as ilot with {config}"] in found
    rights = [says for what, state, says in found if what == "files and rights" and state == WRONG]
    assert any("belongs to user 0, not to ilot" in one for one in rights)
    assert any(what == "enrolment" and "may not be read by this user" in says for what, _, says in found)
    assert any(what == "configuration" and state == WRONG for what, state, _ in found)
    found = examined("fix")["found"]
    assert any("rights of" in says and "mended" in says for _, _, says in found)
    found = examined("")["found"]
    assert [state for what, state, _ in found if what == "files and rights"] == [OK]
    assert any(what == "configuration" and state == OK and str(config) in says for what, state, says in found)
