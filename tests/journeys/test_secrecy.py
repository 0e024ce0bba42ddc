"""What a hub leaves lying about: on its disk, in its log, on the wire, in its memory. Searched for, byte by byte.

Canaries are put in everywhere a hub is told something: ids, places, names, values, keys, secrets, the enrolment
token. `config.yaml` and `secrets.yaml` are the operator's own files and are not searched. Each search has a twin that
finds something, so that an empty result means that nothing is there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backend.owner.recipient_keys import parse
from hub.core.errors import AuthFailed, ConfigError
from hub.operations.crisis.readonly import READS
from hub.protocol.records import framing
from hub.protocol.records.opening import Epoch, load_private, open_epoch, read_epoch
from hub.protocol.records.seal import COMMIT_LABEL
from hub.rpc.control_socket import CallRefused, call

from ..proxy import Proxy, proxy
from .ending import end_all
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, network, processes")

CANARY, PEEK = (Path(__file__).with_name(name) for name in ("canary.py", "peek.py"))

DEVICE, SUCCESSOR, STRANGER = "canary:kestrel-71c9", "canary:merlin-20e4", "canary:harrier-b1d0"
PLACE, PLACE_NAME, ZONE, SITE = "peregrine-loft-5513", "Volière Zygomatique 88412", "zone-of-rooks-61", "jackdaw-906"
WORD, NUMBER = "SPARROWHAWK", 73619.284517
RADIO_KEY, NEXT_KEY = "c0dedbadfeed51ab9e77a4d3306f18e2", "5eed0fca11ab1e0ddba11ace0fba5eb0"
PASSWORD, PROXY_PASSWORD = "hobby/falcon@4471", "goshawk:3%90"
HUB_NAME = "Buzzard hub 3390"

CONFIG = f"""\
hub: {{name: {HUB_NAME}, site: {SITE}, state_dir: state}}
sites: {{{SITE}: {{name: Site, timezone: Europe/Paris}}}}
zones: {{{ZONE}: {{site: {SITE}, name: Zone}}}}
places: {{{PLACE}: {{zone: {ZONE}, name: {PLACE_NAME}}}}}
devices:
  "{DEVICE}": {{integration: canary, place: {PLACE}, key: !secret kestrel}}
integrations:
  canary:
    devices: ["{DEVICE}", "{SUCCESSOR}"]
    stranger: "{STRANGER}"
    word: {WORD}
    number: {NUMBER}
    password: !secret password
link: {{uplinks: {{https: {{url: "URL"}}}}, proxy: "PROXY", proxy_user: hub, proxy_password: !secret proxy}}
buffer: {{window: 200ms, segment_size: 64KB}}
history: {{raw_on_disk: key-file, raw_personal: true}}
"""
SECRETS = f"kestrel: {RADIO_KEY}\npassword: '{PASSWORD}'\nproxy: '{PROXY_PASSWORD}'\n"
OPERATORS = {"config.yaml", "secrets.yaml"}


def texts() -> list[str]:
    return [
        DEVICE, SUCCESSOR, STRANGER, PLACE, PLACE_NAME, ZONE, SITE, WORD, HUB_NAME, RADIO_KEY, NEXT_KEY, PASSWORD,
        PROXY_PASSWORD, str(NUMBER), *(device.partition(":")[2] for device in (DEVICE, SUCCESSOR, STRANGER)),
    ]  # fmt: skip


def needles(token: str) -> dict[str, bytes]:
    """What to search for, by a name for it: each canary as text, in hexadecimal, in base64 at all three offsets, in
    UTF-16; numbers as they lie in memory; keys raw."""
    told = json.loads(base64.urlsafe_b64decode(token.removeprefix("ilot1.") + "=="))
    raw = {text: text.encode() for text in [*texts(), token, token.removeprefix("ilot1."), told["secret"]]}
    raw["token secret, raw"] = base64.b64decode(told["secret"])
    for key in (RADIO_KEY, NEXT_KEY):
        raw[f"{key}, raw"] = bytes.fromhex(key)
    made = {}
    for name, data in raw.items():
        made |= {name: data, f"{name}, hex": data.hex().encode(), f"{name}, HEX": data.hex().upper().encode()}
        made |= {f"{name}, UTF-16": data.decode("latin-1").encode("utf-16-le")}
        for offset in range(3):  # what is sure of it wherever it begins in the bytes that were encoded
            coded = base64.b64encode(bytes(offset) + data)[4 if offset else 0 : -4]
            if len(coded) >= 8:
                made[f"{name}, base64 at {offset}"] = coded
    for form in ("<d", ">d"):
        made[f"number {form}"] = struct.pack(form, NUMBER)
    for form in ("<q", ">q"):
        made[f"number, scaled {form}"] = struct.pack(form, round(NUMBER * 1e6))
    return made


def search(data: bytes, wanted: dict[str, bytes]) -> set[str]:
    return {name for name, needle in wanted.items() if needle in data}


def search_tree(root: Path, wanted: dict[str, bytes], *, leave_out: set[str] = OPERATORS) -> dict[str, set[str]]:
    """Files below `root` in which, or in whose names, something was found."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        data = path.read_bytes() if path.is_file() and name not in leave_out else b""
        hits = search(name.encode(), wanted) | search(data, wanted)
        if hits:
            found[name] = hits
    return found


class House:
    """A hub's machine in one directory, a recording proxy, and the owner's backend in another."""

    def __init__(self, root: Path, between: Proxy) -> None:
        self.machine, self.owner = root / "machine", root / "owner"
        for directory in (self.machine, self.machine / "home", self.machine / "tmp"):
            directory.mkdir()
        self.between = between
        self.processes: list[subprocess.Popen[bytes]] = []
        self.hub: subprocess.Popen[bytes] | None = None
        self.env = {
            **os.environ, "HOME": str(self.machine / "home"), "TMPDIR": str(self.machine / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.state = self.machine / "state"
        self.config = ("--config", str(self.machine / "config.yaml"))
        try:
            self.begin()
        except BaseException:
            end_all(self.processes)
            raise

    def begin(self) -> None:
        self.ilot("backend", "init", str(self.owner))
        self.backend, facts = self.start("backend", "run", str(self.owner), "--port", "0")
        config = CONFIG.replace("URL", facts["url"].rstrip("/")).replace("PROXY", self.between.address)
        (self.machine / "config.yaml").write_text(config)
        (self.machine / "secrets.yaml").write_text(SECRETS)
        (self.machine / "secrets.yaml").chmod(0o600)
        self.token: str = self.ilot("backend", "token", str(self.owner), "--url", facts["url"])["token"]
        self.ilot("enroll", "--token-file", "-", *self.config, stdin=self.token)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(CANARY), *arguments, "--json"]

    def ilot(self, *arguments: str, stdin: str = "") -> Any:
        """A command; what it says to people goes to the same log as the hub's."""
        with (self.machine / "log").open("ab") as log:
            done = subprocess.run(
                self.command(*arguments),
                input=stdin.encode(),
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.env,
                cwd=self.machine,
                timeout=PATIENCE_S,
                check=False,
            )
        assert done.returncode in (0, 6, 9), (arguments, (self.machine / "log").read_text())
        return json.loads(done.stdout)

    def start(self, *arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        with (self.machine / "log").open("ab") as log:
            process = subprocess.Popen(
                self.command(*arguments), stdout=subprocess.PIPE, stderr=log, env=self.env, cwd=self.machine
            )
        self.processes.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], "not ready"
        return process, json.loads(process.stdout.readline())

    def run(self) -> None:
        self.hub, _ = self.start("run", *self.config, "--drain", "1")

    def taken_out(self) -> None:
        """Everything that people may carry away from a running hub, into `out` beside the owner's things: exports,
        documents, diagnostics unpacked, and what the hub answers to each call that only looks."""
        out = self.owner / "out"
        out.mkdir()
        self.ilot("diagnostics", "--out", str(out / "diagnostics.zip"), *self.config)
        with zipfile.ZipFile(out / "diagnostics.zip") as archive:
            archive.extractall(out / "diagnostics")
        (out / "support").mkdir()
        self.ilot("support", SUCCESSOR, "--out", str(out / "support" / "file.jsonl"), *self.config)
        self.ilot("crisis", "export", str(out / "export"), *self.config)
        for what in ("register", "register.csv", "dpia"):
            (out / f"privacy {what}").write_text(json.dumps(call(self.socket, "privacy.document", what=what)))
        for name in sorted(READS - {"crisis.isolate", "crisis.readonly", "crisis.end", "crisis.export", "backup"}):
            with suppress(CallRefused):  # some want to know of what
                (out / f"answer {name}").write_text(json.dumps(call(self.socket, name), ensure_ascii=False))
        (out / "form").write_text(json.dumps(call(self.socket, "config.form", at=["integrations", "canary"])))
        (out / "diff").write_text(json.dumps(call(self.socket, "config.diff")))

    @property
    def socket(self) -> Path:
        return self.state / "hub.sock"

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None and process.stdout is not None:
            process.send_signal(signal.SIGTERM)
            (self.machine / "stdout").write_bytes(process.stdout.read())
            process.wait(PATIENCE_S)
            process.stdout.close()

    def until(self, what: str, true: Any) -> None:
        end = time.monotonic() + PATIENCE_S
        while not true(self.ilot("status", *self.config)):
            assert time.monotonic() < end, (what, (self.machine / "log").read_text())
            time.sleep(0.1)


@contextmanager
def house(root: Path) -> Iterator[House]:
    with proxy(f"hub:{PROXY_PASSWORD}") as between:
        made = House(root, between)
        try:
            yield made
        finally:
            end_all(made.processes)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hub that has enrolled, sent, been asked, had a device replaced, run on its last good configuration, lost its
    backend, filled its buffer and stopped."""
    with house(tmp_path_factory.mktemp("secrecy")) as made:
        made.run()
        made.until("sent", lambda status: status["link"]["acked"] > 50 and status["quarantine"])
        (made.owner / "next.key").write_text(NEXT_KEY)
        made.ilot("device", "replace", DEVICE, SUCCESSOR, "--key-file", str(made.owner / "next.key"), *made.config)
        made.stop(made.hub)
        config = made.machine / "config.yaml"
        right = config.read_text()
        config.write_text(right.replace(f"integration: canary, place: {PLACE}", f"integration: canary, plcae: {PLACE}"))
        made.run()
        made.until("last good", lambda status: status["configuration"])
        made.stop(made.hub)
        made.stop(made.backend)
        config.write_text(right)
        made.run()
        made.until("a backlog", lambda status: status["buffer"]["readings"] > 200)
        made.ilot("doctor", *made.config, "--no-probe")
        made.taken_out()
        made.stop(made.hub)
        yield made


def test_no_file_of_the_machine_holds_anything_that_the_hub_was_told(lived: House) -> None:
    assert (lived.state / "config" / "last-good.msgpack").exists()
    assert (lived.state / "store.db").exists()
    assert list((lived.state / "buffer").rglob("*.seg"))
    assert list((lived.state / "raw").glob("*.raw"))
    assert b"last good configuration runs" in (lived.machine / "log").read_bytes()
    assert search_tree(lived.machine, needles(lived.token)) == {}


def test_the_search_finds_every_canary_in_every_form_and_the_operators_own_files(lived: House, tmp_path: Path) -> None:
    wanted = needles(lived.token)
    for number, needle in enumerate(wanted.values()):
        (tmp_path / f"{number}").write_bytes(b"\x7f" * number + needle + b"\x7f")
    found = search_tree(tmp_path, wanted)
    assert set().union(*found.values()) == set(wanted)
    assert len(found) == len(wanted)
    told = search_tree(lived.machine, wanted, leave_out=set())
    assert {DEVICE, PLACE, WORD, HUB_NAME} <= told["config.yaml"]
    assert {RADIO_KEY, PASSWORD, PROXY_PASSWORD} <= told["secrets.yaml"]
    (tmp_path / DEVICE).touch()
    assert DEVICE in search_tree(tmp_path, wanted)[DEVICE]


def secrets(lived: House) -> dict[str, bytes]:
    """What opens something, in every form: keys of devices, passwords, the token, and this hub's own keys."""
    wanted = {
        name: needle
        for name, needle in needles(lived.token).items()
        if name.startswith((RADIO_KEY, NEXT_KEY, PASSWORD, PROXY_PASSWORD, lived.token[:20], "token"))
    }
    for path in (lived.state / "keys").iterdir():
        data = path.read_bytes()
        for line in data.splitlines() if data.startswith(b"-----BEGIN PRIVATE") else [data]:
            if not line.startswith(b"-----") and len(line) >= 32:
                wanted |= {f"{path.name} {line[:4]!r}": line, f"{path.name} {line[:4]!r}, hex": line.hex().encode()}
                wanted[f"{path.name} {line[:4]!r}, base64"] = base64.b64encode(line)[:-4]
    return wanted


def test_no_export_no_diagnostic_and_no_answer_that_only_looks_holds_a_secret(lived: House) -> None:
    out, wanted = lived.owner / "out", secrets(lived)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {"diagnostics/configuration.json", "export/configuration/config.yaml", "export/state.backup"} <= names
    assert {"answer config.show", "answer audit.list", "answer status", "answer devices", "privacy dpia"} <= names
    assert len(names) > 40
    assert {one.partition(" ")[0] for one in wanted} >= {"identity.pem", "store.key", "tls.pem", RADIO_KEY, NEXT_KEY}
    assert search_tree(out, wanted, leave_out=set()) == {}
    # the same search finds them where they are
    assert search_tree(lived.state / "keys", wanted).keys() >= {"identity.pem", "store.key", "tls.pem"}
    assert search((lived.machine / "secrets.yaml").read_bytes(), wanted) >= {RADIO_KEY, PASSWORD, PROXY_PASSWORD}


def test_the_diagnostics_name_nobody_and_hold_no_reading(lived: House) -> None:
    found = search_tree(lived.owner / "out" / "diagnostics", needles(lived.token))
    options = found.pop("configuration.json", set())  # the plugin here is told by its options what to say
    assert options <= {name for name in needles(lived.token) if name.startswith((WORD, str(NUMBER)))}
    assert found == {}


def test_the_file_for_support_names_nobody_and_holds_no_reading(lived: House) -> None:
    found = search_tree(lived.owner / "out" / "support", needles(lived.token))
    options = found.pop("file.jsonl", set())  # as above: its integration is told by its options what to say
    assert options <= {name for name in needles(lived.token) if name.startswith((WORD, str(NUMBER)))}
    assert found == {}
    lines = [json.loads(line) for line in (lived.owner / "out" / "support" / "file.jsonl").read_text().splitlines()]
    assert {"support", "about", "device", "configuration"} <= {line["part"] for line in lines}


def test_the_proxy_between_sees_nothing_that_the_hub_was_told(lived: House) -> None:
    wanted = needles(lived.token)
    assert len(lived.between.up) > 10_000
    assert len(lived.between.down) > 1_000
    assert lived.between.statuses.count(200) >= 2, "the enrolment and the readings took this way"
    assert search(bytes(lived.between.up), wanted) == set()
    assert search(bytes(lived.between.down), wanted) == set()


def test_the_proxys_record_would_have_shown_what_passes_in_clear() -> None:
    with proxy() as between, socket.create_server(("127.0.0.1", 0)) as there:
        with socket.create_connection(between.server_address) as here:
            here.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % there.getsockname()[1])
            assert b"200" in here.recv(4096)
            end = there.accept()[0]
            here.sendall(f"{DEVICE} says {WORD}".encode())
            assert end.recv(4096)
            end.close()
        assert search(bytes(between.up), {"device": DEVICE.encode(), "word": WORD.encode()}) == {"device", "word"}


def epochs(lived: House) -> list[Epoch]:
    found = {}
    for segment in (lived.state / "buffer").rglob("*.seg"):
        data = segment.read_bytes()
        for item in framing.scan(data):
            if isinstance(item, framing.Damage) or item.kind != framing.EPOCH:
                continue
            epoch = read_epoch(data[item.offset : item.offset + item.size])
            found[epoch.eid] = epoch
    return list(found.values())


def candidates(data: bytes) -> Iterator[bytes]:
    """Whatever could be a key in a file: its bytes, and what its base64 and hexadecimal words stand for."""
    yield data
    for word in re.findall(rb"[A-Za-z0-9+/_-]{40,}={0,2}", data):
        whole = word.rstrip(b"=")
        whole = whole[: -1 if len(whole) % 4 == 1 else None]
        padded = whole + b"=" * (-len(whole) % 4)
        yield base64.urlsafe_b64decode(padded.replace(b"+", b"-").replace(b"/", b"_"))
        if re.fullmatch(rb"(?:[0-9a-fA-F]{2})+", word):
            yield bytes.fromhex(word.decode())
    body = b"".join(line for line in data.splitlines() if not line.startswith(b"-----"))
    if data.startswith(b"-----BEGIN"):
        yield base64.b64decode(body)


def opens(epoch: Epoch, data: bytes) -> str:
    """How `data`, a file, opens an epoch; "" when nothing in it does."""
    for candidate in candidates(data):
        for start in range(max(1, len(candidate) - 31)):
            if hashlib.sha256(COMMIT_LABEL + candidate[start : start + 32]).digest() == epoch.commitment:
                return "the epoch's key itself"
        if len(candidate) > 4096:
            continue  # no key file is as large
        seeds = {candidate[start : start + 96] for start in range(max(1, len(candidate) - 95))}
        seeds |= {(candidate[start : start + 32] * 3) for start in range(max(1, len(candidate) - 31))}
        for seed in seeds:
            for kid in epoch.kids if len(seed) == 96 else ():
                with suppress(AuthFailed):
                    open_epoch(epoch, {kid: load_private(seed)})
                    return "a recipient's private key"
    return ""


def test_nothing_on_that_disk_opens_the_backlog_of_a_stopped_hub(lived: House) -> None:
    sealed = epochs(lived)
    assert sealed
    assert {len(epoch.kids) for epoch in sealed} == {2}
    files = [path for path in lived.machine.rglob("*") if path.is_file()]
    assert {"identity.pem", "store.key", "tls.pem"} <= {path.name for path in files}
    last = sealed[-1]
    for path in files:
        data = path.read_bytes()
        with pytest.raises(ConfigError):
            parse(data)
        assert opens(last, data) == "", path
    # The twin: the same attempts, with the key that does open it lying on the disk.
    assert opens(last, (lived.owner / "recovery.key").read_bytes()) == "a recipient's private key"


def test_the_recovery_key_opens_the_backlog_and_the_canaries_are_in_it(lived: House) -> None:
    said = b""
    for segment in sorted((lived.state / "buffer" / "readings").glob("*.seg")):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hub",
                "backend",
                "open",
                str(segment),
                "--json",
                "--key-file",
                str(lived.owner / "recovery.key"),
            ],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert {SUCCESSOR, PLACE, WORD, str(NUMBER)} <= search(said, {text: text.encode() for text in texts()})


def peek(made: House, twin: str = "") -> dict[str, Any]:
    """Run the hub below `peek.py`. Root loses the one capability that would make it more than any other user."""
    closed = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"] if os.geteuid() == 0 else []
    command = [*closed, sys.executable, str(PEEK), DEVICE, *made.command("run", *made.config)]
    (made.machine / "cores").mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        env={**made.env, "CANARY_TWIN": twin},
        cwd=made.machine / "cores",
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert verdict["ready"], done.stderr.decode()
    assert verdict["aborted"]
    return verdict


def test_no_process_of_the_same_user_reads_the_hubs_memory_and_an_abort_leaves_no_core(lived: House) -> None:
    verdict = peek(lived)
    assert not verdict["read"]
    assert "ermi" in verdict["why"]  # permission denied, or not permitted
    assert not verdict["dumped"]
    assert list((lived.machine / "cores").iterdir()) == []


def test_a_hub_that_is_not_closed_is_read_and_dumped_by_the_same_peek(lived: House) -> None:
    verdict = peek(lived, twin="dumpable")
    assert verdict["read"]
    assert verdict["found"]
    assert verdict["dumped"], "this machine makes no core dumps at all: ulimit -Hc, kernel.core_pattern"
    for core in (lived.machine / "cores").iterdir():
        core.unlink()
