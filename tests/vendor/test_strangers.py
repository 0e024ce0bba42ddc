"""Two vendors whom nobody here knows, from their own machine to a hub in service and away again.

Boreal ships an integration that finds, reads and sets mixing units over TCP. Nordet ships the pack of a leak sensor and
a notifier. Each certifies, builds and signs on a machine that has the SDK alone. A district installs what they hand
over on a Debian with the packages, a real systemd and no network, and runs it: each in a process and as a user of its
own.
"""

from __future__ import annotations

import json
import re
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ..package.conftest import commit, first
from ..package.machine import NATIVE, Machine, booted, copy_of, needs
from ..package.packages import Files
from .conftest import ROOT, environment, said, wheel

__all__ = ["commit", "first"]

pytestmark = pytest.mark.long("builds packages, boots a Debian and certifies two distributions, minutes")
PASSWORD = {"ILOT_RELEASE_PASSWORD": "four words of theirs"}
BACKEND = "/var/lib/ilot-backend"
PREPARE = f"""set -e
ilot-backend init {BACKEND} --owner Ville --host-name 127.0.0.1 --port 9443
chown -R ilot-backend: {BACKEND}
mkdir -p /etc/systemd/system/ilot-backend.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/ilot-backend run {BACKEND} --host 127.0.0.1 --port 9443\\n' \\
    >/etc/systemd/system/ilot-backend.service.d/port.conf
systemctl daemon-reload
systemctl restart ilot-backend
systemctl stop ilot
runuser -u ilot -- ilot enroll "$(runuser -u ilot-backend -- ilot-backend token {BACKEND})"
systemctl start ilot
systemd-run -q --unit=gateway python3 /srv/gateway.py 4100
systemd-run -q --unit=centre python3 /srv/centre.py 4200
"""
CENTRE = """
import http.server, sys
class Centre(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = self.rfile.read(int(self.headers["Content-Length"]))
        right = self.headers["Authorization"] == "Bearer of-the-town"
        if right:
            with open("/srv/called", "ab") as file:
                file.write(told + b"\\n")
        self.send_response(202 if right else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Centre).serve_forever()
"""
OWN_USERS = range(69632, 70144)


class Shipped(NamedTuple):
    """What a vendor hands over: its public key, the signed files, and what it certified."""

    key: str
    files: tuple[Path, ...]
    certificates: tuple[Path, ...]


@pytest.fixture(scope="module")
def vendor(sdk_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The machine of a vendor: the SDK from its wheel, and other people's packages."""
    folder = tmp_path_factory.mktemp("vendor")
    _, env = environment(folder / "venv")
    said(env, folder, "pip", "install", "--quiet", "--no-index", "--no-deps", sdk_wheel)
    (site,) = (folder / "venv/lib").glob("python3.*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder, {**env, **PASSWORD}


def shipped(vendor: tuple[Path, dict[str, str]], name: str, packs: tuple[str, ...] = ()) -> Shipped:
    """Certify, build and sign a distribution and its packs, as the tutorials say."""
    work, env = vendor
    folder = work / name
    shutil.copytree(ROOT / "tests/vendor" / name, folder)
    said(env, folder, "ilot", "texts", name)
    line = said(env, work, "ilot", "release", "key", f"{name}.key")
    (key,) = re.findall(r"ed25519 ([0-9a-f]{64})", line)
    files, certificates = [], []
    for project in (folder, *(folder / pack for pack in packs)):
        certificate = work / f"{project.name}.ilot-certificate"
        judged = said(env, work, "ilot", "certify", project, "--key", f"{name}.key", "--out", certificate)
        assert " is certified, by version " in judged, judged
        assert "FAILED" not in judged
        certificates.append(certificate)
    built = wheel(folder, work / "wheels")
    said(env, work, "ilot", "plugin", "sign", built, "--key", f"{name}.key")
    files.append(built.with_suffix(".ilot-plugin"))
    for pack in packs:
        files.append(work / f"{pack}.ilot-pack")
        said(env, work, "ilot", "pack", "sign", folder / pack, "--key", f"{name}.key", "--out", files[-1])
    return Shipped(key, tuple(files), tuple(certificates))


@pytest.fixture(scope="module")
def boreal(vendor: tuple[Path, dict[str, str]]) -> Shipped:
    return shipped(vendor, "boreal_mixer")


@pytest.fixture(scope="module")
def nordet(vendor: tuple[Path, dict[str, str]]) -> Shipped:
    return shipped(vendor, "nordet_call", packs=("nordet-leak",))


@pytest.fixture(scope="module")
def machine(first: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A hub in service and its backend, beside a gateway of Boreal and the watch centre of Nordet."""
    needs("systemd-nspawn", "debootstrap")
    tree = copy_of(NATIVE, tmp_path_factory.mktemp("strangers") / "tree")
    with booted(tree) as machine:
        machine.install(first[f"ilot_{NATIVE}.deb"], first[f"ilot-backend_{NATIVE}.deb"])
        prepare(machine)
        yield machine
    shutil.rmtree(tree, ignore_errors=True)


def prepare(machine: Machine) -> None:
    shutil.copy(ROOT / "tests/vendor/boreal_mixer/tests/gateway.py", machine.tree / "srv/gateway.py")
    (machine.tree / "srv/centre.py").write_text(CENTRE)
    (machine.tree / "srv/called").touch()
    machine.run("sh", "-c", PREPARE)


class District:
    """What an operator does at the hub of a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def asked(self, *words: str, code: int | None = 0) -> Any:
        """What a command says as JSON. `code`: how it ends, None: whichever way."""
        done = self.machine.run("ilot", *words, "--json", check=False)
        assert code is None or done.returncode == code, (
            f"{words}: {done.stdout}\n{done.stderr}\n{self.machine.journal()}"
        )
        return json.loads(done.stdout)

    def eventually(self, look: Callable[[], Any], what: str) -> Any:
        """What `look` finds, as soon as it finds something."""
        for _ in range(120):
            if found := look():
                return found
            self.machine.run("sleep", "0.5")
        raise AssertionError(f"not seen: {what}\n{self.machine.said('ilot', 'status')}\n{self.machine.journal()}")

    def configures(self, what: dict[str, Any], why: str, secrets: dict[str, str] | None = None) -> None:
        """Apply a configuration to the running hub, which takes it back where it does not get through. A text that
        begins with `!secret` is none in JSON, and one in the file."""
        etc = self.machine.tree / "etc/ilot"
        (etc / "secrets.yaml").write_text("".join(f'{name}: "{text}"\n' for name, text in (secrets or {}).items()))
        self.machine.run("chmod", "600", "/etc/ilot/secrets.yaml")
        self.machine.run("chown", "ilot:ilot", "/etc/ilot/secrets.yaml")
        text = re.sub(r'"(!secret [a-z0-9-]+)"', r"\1", json.dumps(what))
        (self.machine.tree / "srv/new.yaml").write_text(text)
        self.machine.run("ilot", "config", "apply", "/srv/new.yaml", "--reason", why)

    def installs(self, file: Path) -> dict[str, Any]:
        """Install what a vendor handed over, after a look at what it may do."""
        shutil.copy(file, self.machine.tree / "srv" / file.name)
        place, kind = f"/srv/{file.name}", "pack" if file.suffix == ".ilot-pack" else "plugin"
        if kind == "pack":
            answer: dict[str, Any] = self.asked("pack", "install", place)
            return answer
        shown = self.asked("plugin", "show", place)
        assert self.machine.run("ilot", "plugin", "install", place, check=False).returncode != 0, "nobody accepted it"
        self.asked("plugin", "install", place, "--accept", shown["accept"])
        return {**shown}

    def calls(self, name: str, **arguments: Any) -> Any:
        """Ask the running hub what the pages ask it."""
        code = (
            "import json, sys; from pathlib import Path; from hub.cli.hub_client import ask; "
            f"print(json.dumps(ask(Path('/etc/ilot/config.yaml'), None, {name!r}, **json.loads(sys.argv[1]))))"
        )
        python = ("/usr/lib/ilot/bin/python3", "-I", "-c")
        return json.loads(self.machine.said(*python, code, json.dumps(arguments)))

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.asked("status", code=None)
        return answer

    def plugin(self, name: str) -> dict[str, Any]:
        """What the status says of an instance, {} where there is none."""
        return next((one for one in self.status()["plugins"] if one["name"] == name), {})

    def last(self) -> dict[str, Any]:
        return {one["series"]: one["value"] for one in self.status()["last"]}

    def at_the_backend(self) -> set[tuple[str, str]]:
        """(device or place, metric) of each series that the backend has."""
        code = (
            "import json, sqlite3; db = sqlite3.connect('file:/var/lib/ilot-backend/backend.db?mode=ro', uri=True); "
            "print(json.dumps(db.execute('SELECT DISTINCT device, metric FROM series').fetchall()))"
        )
        return {(device, metric) for device, metric in json.loads(self.machine.python(code))}

    def users(self) -> list[int]:
        """The user of each process of a plugin of others."""
        listed = self.machine.said("sh", "-c", "stat -c '%u' /proc/[0-9]* 2>/dev/null || true").split()
        return sorted(int(user) for user in listed if int(user) in OWN_USERS)


def building(boreal: Shipped, nordet: Shipped) -> dict[str, Any]:
    """A building whose district trusts both vendors, without anything of theirs."""
    return {
        "hub": {"name": "École", "site": "school", "state_dir": "/var/lib/ilot"},
        "sites": {"school": {"name": "École", "timezone": "Europe/Paris"}},
        "zones": {"plant": {"site": "school"}},
        "places": {"hub": {"zone": "plant"}},
        "integrations": {"host": {}},
        "devices": {"host:local": {"integration": "host", "place": "hub"}},
        "link": {"uplinks": {"https": {}}},
        "web": {},
        "plugins": {
            "vendors": {
                "boreal": {"keys": [boreal.key], "ships": ["boreal_*"]},
                "nordet": {"keys": [nordet.key], "ships": ["nordet_*", "nordet-*"]},
            }
        },
    }


def with_strangers(building: dict[str, Any], sensor: dict[str, Any]) -> dict[str, Any]:
    """The building with a gateway of Boreal, and with Nordet's sensor and watch centre. `sensor`: what the simulator of
    the pack says that the configuration needs."""
    told: dict[str, Any] = json.loads(json.dumps(sensor).replace('"ZONE"', '"plant"'))
    mixers = {"type": "boreal_mixer", "url": "tcp://127.0.0.1:4100", "interval": "1s"}
    setpoint = {"low": 20, "high": 60, "role": "technicien"}
    mixer = {"integration": "mixers", "place": "mixer-3", "settings": {"unit": 3}, "writable": {"setpoint": setpoint}}
    watch = {"type": "nordet_call", "url": "http://127.0.0.1:4200/", "token": "!secret watch", "duty": "heating"}
    return {
        **building,
        "places": {**building["places"], "mixer-3": {"zone": "plant"}, **told["places"]},
        "integrations": {**building["integrations"], **told["integrations"], "mixers": mixers},
        "devices": {**building["devices"], **told["devices"], "boreal:3": mixer},
        "rules": {"water": {"template": "water_leak"}},
        "notifiers": {"watch": watch},
    }


def test_two_strangers_are_certified_installed_run_apart_seen_everywhere_and_gone_again(
    machine: Machine, boreal: Shipped, nordet: Shipped
) -> None:
    district, bare = District(machine), building(boreal, nordet)
    for vendor in (boreal, nordet):
        for certificate in vendor.certificates:  # the district checks what the vendor signed, by the key that it knows
            shutil.copy(certificate, machine.tree / "srv")
            words = ("certify", f"/srv/{certificate.name}", "--public", vendor.key)
            assert district.asked(*words)["certified"]
    district.configures(bare, "trust two vendors")
    installed = [district.installs(file) for vendor in (boreal, nordet) for file in vendor.files]
    assert [one.get("id", one.get("pack")) for one in installed] == ["boreal_mixer", "nordet_call", "nordet-leak"]

    sensor = sensor_of(district, "nordet-leak")
    secrets = {**sensor["secrets"], "watch": "of-the-town"}
    district.configures(with_strangers(bare, sensor), "mixers, and a watch over leaks", secrets)
    _arrive(district)
    _are_reported(district)
    _obey_and_are_found(district)
    _go(district, bare)


def sensor_of(district: District, pack: str) -> dict[str, Any]:
    """Start a simulated device of a pack, and return what the configuration needs for it."""
    play = (
        f"systemd-run -q --unit=sensor -p StandardOutput=file:/srv/played ilot sim --pack {pack} --json --interval 2s"
    )
    district.machine.run("sh", "-c", play)
    played = district.machine.tree / "srv/played"
    line = district.eventually(lambda: played.exists() and played.read_text().partition("\n")[0], "the lines of a pack")
    found: dict[str, Any] = json.loads(line)
    return found


def _arrive(district: District) -> None:
    """Readings and an alert come from both, each out of a process of its own."""
    wanted = {("boreal:3", "flow_temperature"), ("boreal:3", "setpoint")}
    district.eventually(lambda: wanted <= district.at_the_backend(), "readings of Boreal at the backend")
    district.eventually(
        lambda: [metric for device, metric in district.at_the_backend() if device.startswith("lorawan:")
                 and metric == "leak"], "the leak at the backend")  # fmt: skip
    called = district.machine.tree / "srv/called"
    told = district.eventually(lambda: called.read_text().splitlines(), "a call of the watch centre")
    assert json.loads(told[0])["duty"] == "heating"
    assert "fuite d'eau" in json.loads(told[0])["text"]
    assert district.users() == [*OWN_USERS[:2]], "each has one process, under a user of its own"


def _are_reported(district: District) -> None:
    """Status, doctor and the commissioning report say whose they are, where they run and what they may do."""
    mixers, watch = district.plugin("mixers"), district.plugin("watch")
    for one, owner in ((mixers, "Boreal Oy, Oulu"), (watch, "Nordet SARL, Brest")):
        assert (one["state"], one["error"], one["runs"], one["apart"], one["owner"]) == (
            "running", "", "process", True, owner
        )  # fmt: skip
        assert "calls hosts: configured" in one["may"]
        assert one["memory"] > 0
        assert one["cpu_s"] > 0
    assert {(one["id"], one["vendor"], one["problem"]) for one in district.asked("plugin", "list")["plugins"]} == {
        ("boreal_mixer", "boreal", ""),
        ("nordet_call", "nordet", ""),
    }
    assert "each gets a user, namespaces" in district.machine.run("ilot", "doctor", check=False).stdout


def _obey_and_are_found(district: District) -> None:
    """A command gets its answer, and what nobody configured is found: heard, searched for, and tried."""
    assert district.asked("command", "set", "boreal:3", "setpoint", "41.5")["state"] == "done"
    district.eventually(lambda: district.last().get("mixer-3/setpoint") == 41.5, "the new set point")
    assert {one["id"] for one in district.status()["quarantine"]} == {"boreal:8"}
    search = district.calls("find.start", line="mixers")["id"]
    found = district.eventually(
        lambda: (state := district.calls("find.state", id=search))["state"] != "running" and state, "a search"
    )
    assert found["error"] == ""
    assert {one["address"]: one["known"] for one in found["found"]} == {"3": "boreal:3", "8": ""}
    tried = district.calls("find.read", id=search, settings={"unit": 8})
    assert {one["metric"]: one["value"] for one in tried["values"]} == {"flow_temperature": 29.5, "setpoint": 30.0}
    as_hub = ("runuser", "-u", "ilot", "--", "ilot", "check", "--probe", "--json")
    probed = {one["name"]: one["said"] for one in json.loads(district.machine.said(*as_hub))["probes"]}
    assert probed["mixers"] == "2 units behind the gateway"
    district.machine.run("ilot", "notify", "test", "watch")
    assert '"key": "test-' in (district.machine.tree / "srv/called").read_text()


def _go(district: District, bare: dict[str, Any]) -> None:
    """In use nothing goes; afterwards all goes, but for what keeps an older version out."""
    machine = district.machine
    for words in (("plugin", "remove", "boreal_mixer"), ("plugin", "remove", "nordet_call"),
                  ("pack", "remove", "nordet-leak")):  # fmt: skip
        assert machine.run("ilot", *words, check=False).returncode != 0, words
    machine.run("systemctl", "stop", "sensor")
    district.configures(bare, "neither is wanted any more")
    assert district.users() == []
    assert district.plugin("mixers") == district.plugin("watch") == {}
    for words in (("plugin", "remove", "boreal_mixer", "--with-state"),
                  ("plugin", "remove", "nordet_call", "--with-state"), ("pack", "remove", "nordet-leak")):  # fmt: skip
        district.asked(*words)
    assert district.asked("plugin", "list")["plugins"] == []
    left = machine.said("sh", "-c", "find /var/lib/ilot/plugins /var/lib/ilot/packs -type f | sort").splitlines()
    assert {Path(one).name for one in left} <= {".lock", "floor", "floor.json", "forget.json", "instances.json"}
    known = {one["name"] for one in district.asked("plugins", code=None)}
    assert not known & {"boreal_mixer", "nordet_call"}
    (machine.tree / "srv/new.yaml").write_text(json.dumps({**bare, "integrations": {"boreal_mixer": {}}}))
    refused = machine.run("ilot", "config", "check", "/srv/new.yaml", check=False)
    assert refused.returncode != 0
    assert "boreal_mixer" in refused.stdout + refused.stderr
    journal = machine.said("journalctl", "--no-pager", "-u", "ilot")
    assert [line for line in journal.splitlines() if " ERROR " in line] == []
