"""Packages built, checked, installed, upgraded and removed, in a Debian of their own without network."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from .machine import NATIVE, OTHER, ROOT, Machine, base, booted, copy_of, emulated, needs
from .packages import Files, build, clone, version_in

pytestmark = pytest.mark.long("builds packages and boots a Debian for each test, minutes")
HUB = f"ilot_{NATIVE}.deb"
MOST_MB = 190
CLAIM = """
import ssl, urllib.request
page = urllib.request.urlopen("https://127.0.0.1:8443/claim", context=ssl._create_unverified_context())
print(page.status)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    needs("systemd-nspawn", "debootstrap")
    with booted(copy_of(NATIVE, tmp_path / "tree")) as one:
        yield one
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)


@pytest.fixture(scope="module")
def installed(first: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian where the hub was installed, somebody named the building, something was measured, and that was shut
    down."""
    needs("systemd-nspawn", "debootstrap")
    tree = copy_of(NATIVE, tmp_path_factory.mktemp("installed") / "tree")
    with booted(tree) as machine:
        machine.install(first[HUB])
        machine.run("sed", "-i", "s/^  name: .*/  name: Mairie/", "/etc/ilot/config.yaml")
        machine.run("runuser", "-u", "ilot", "--", "sh", "-c", "echo kept >/var/lib/ilot/kept")
    yield tree
    shutil.rmtree(tree, ignore_errors=True)


@pytest.fixture
def hub(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    """That machine, started again."""
    subprocess.run(["cp", "-a", installed, tmp_path / "tree"], check=True)
    with booted(tmp_path / "tree") as one:
        yield one
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)


def version_of(machine: Machine, package: str = "ilot") -> str:
    return machine.run("dpkg-query", "-W", "-f", "${Version}", package, check=False).stdout


def runs(machine: Machine, of: Files) -> None:
    """The hub of that release is in service, and its pages answer."""
    assert machine.run("systemctl", "is-active", "ilot", check=False).stdout == "active\n", machine.journal()
    version = version_in(of[HUB])
    assert version_of(machine) == version
    assert f"{machine.said('ilot', '--version')}-1" == f"ilot {version}"
    assert machine.python(CLAIM) == "200"


def test_the_same_commit_gives_the_same_bytes_elsewhere(first: Files, commit: str, tmp_path: Path) -> None:
    def sums(files: Files) -> dict[str, str]:
        return {name: sha256(file.read_bytes()).hexdigest() for name, file in files.items()}

    again = build(clone(tmp_path / "a longer way to another", commit), tmp_path / "again", NATIVE)
    assert {HUB, f"ilot-backend_{NATIVE}.deb"} < again.keys()
    assert sums(again) == sums(first)


@pytest.mark.parametrize("package", ["ilot", "ilot-backend"])
@pytest.mark.parametrize("architecture", [NATIVE, OTHER])
def test_lintian_has_nothing_to_say(package: str, architecture: str, request: pytest.FixtureRequest) -> None:
    needs("lintian")
    files: Files = request.getfixturevalue("first" if architecture == NATIVE else "foreign")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
         files[f"{package}_{architecture}.deb"]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


VALID = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or "") or 0)
"""


def test_the_list_of_parts_is_valid_and_names_each_with_its_hash(first: Files, foreign: Files, tmp_path: Path) -> None:
    library = ["--target", str(tmp_path / "library"), "cyclonedx-python-lib[json-validation]==11.12.0"]
    clean = os.environ | {"PIP_CONSTRAINT": "/dev/null"}
    got = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *library], env=clean, check=False, capture_output=True
    )
    if got.returncode:
        pytest.skip(f"the schema of CycloneDX could not be fetched: {got.stderr[-200:].decode()}")
    for file in [file for files in (first, foreign) for name, file in files.items() if name.endswith(".cdx.json")]:
        command = [sys.executable, "-c", VALID, file]
        done = subprocess.run(command, env={"PYTHONPATH": library[1]}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        components = json.loads(file.read_text())["components"]
        bare = {one["name"] for one in components if "hashes" not in one}
        assert {"ilot", "cryptography", "pydantic-core"} <= {one["name"] for one in components}
        assert bare == {"qr"}


def test_a_hub_installed_without_network_can_be_claimed(machine: Machine, first: Files) -> None:
    machine.install(first[HUB])
    runs(machine, first)
    assert re.search(r"\bclaim", machine.said("ilot", "label")), "no claim code"
    assert machine.said("systemctl", "--failed", "--plain", "--no-legend") == ""
    assert machine.run("dpkg", "--verify", "ilot").stdout == ""
    assert machine.said("stat", "-c", "%U %a", "/etc/ilot/config.yaml", "/var/lib/ilot").startswith("ilot 6")
    assert int(machine.said("du", "-sm", "/usr/lib/ilot").split()[0]) <= MOST_MB
    unresolved = machine.said(
        "sh", "-c", "find /usr/lib/ilot -name '*.so*' -type f -exec ldd {} + 2>&1 | grep 'not found' || true"
    )
    assert unresolved == ""


def test_an_upgrade_keeps_configuration_and_state_and_asks_nothing(hub: Machine, later: Files) -> None:
    done = hub.install(later[HUB])
    assert "Configuration file" not in done.stdout + done.stderr  # dpkg's question
    runs(hub, later)
    assert "name: Mairie" in hub.said("cat", "/etc/ilot/config.yaml")
    assert hub.said("cat", "/var/lib/ilot/kept") == "kept"


def test_a_service_that_somebody_disabled_stays_disabled(hub: Machine, later: Files) -> None:
    hub.run("systemctl", "disable", "-q", "--now", "ilot")
    hub.install(later[HUB])
    assert hub.run("systemctl", "is-enabled", "ilot", check=False).stdout == "disabled\n"


def test_a_truncated_package_changes_nothing_and_the_hub_goes_on(
    hub: Machine, first: Files, later: Files, tmp_path: Path
) -> None:
    whole = later[HUB]
    short = tmp_path / whole.name
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert hub.install(short, check=False).returncode != 0
    runs(hub, first)
    hub.install(whole)  # the whole one mends it
    runs(hub, later)


def test_a_package_of_another_architecture_is_refused(hub: Machine, first: Files, foreign: Files) -> None:
    refused = hub.install(foreign[f"ilot_{OTHER}.deb"], check=False)
    assert refused.returncode != 0
    runs(hub, first)


def test_removal_keeps_what_is_the_owners_and_purging_takes_it(hub: Machine, later: Files) -> None:
    hub.run("apt-get", "remove", "-y", "-q", "ilot")
    assert hub.said("cat", "/var/lib/ilot/kept") == "kept"
    assert "Mairie" in hub.said("cat", "/etc/ilot/config.yaml")
    assert hub.run("test", "-e", "/usr/lib/ilot", check=False).returncode == 1
    assert hub.run("systemctl", "is-active", "ilot", check=False).stdout == "inactive\n"
    hub.install(later[HUB])
    runs(hub, later)
    assert "Mairie" in hub.said("cat", "/etc/ilot/config.yaml")
    hub.run("apt-get", "purge", "-y", "-q", "ilot")
    left = hub.said(
        "sh", "-c", "ls -d /etc/ilot /var/lib/ilot* /usr/lib/ilot /etc/systemd/system/*/ilot* 2>/dev/null; true"
    )
    assert left == ""
    assert hub.run("id", "-u", "ilot").returncode == 0  # no other user is ever given its number


def test_the_backend_lives_beside_the_hub(hub: Machine, first: Files) -> None:
    hub.install(first[f"ilot-backend_{NATIVE}.deb"])
    assert hub.run("systemctl", "is-active", "ilot-backend", check=False).stdout == "inactive\n"  # it has no keys yet
    init = (
        "ilot-backend",
        "init",
        "/var/lib/ilot-backend",
        "--owner",
        "Ville",
        "--host-name",
        "localhost",
        "--port",
        "9443",
    )
    hub.run(*init)
    hub.run("chown", "-R", "ilot-backend:", "/var/lib/ilot-backend")
    hub.run("systemctl", "start", "ilot-backend")
    assert hub.run("systemctl", "is-active", "ilot-backend", check=False).stdout == "active\n", hub.journal()
    runs(hub, first)
    hub.run("apt-get", "purge", "-y", "-q", "ilot-backend")
    assert hub.run("test", "-e", "/var/lib/ilot-backend", check=False).returncode == 1
    runs(hub, first)


def test_a_plugin_of_somebody_elses_is_found_where_an_update_leaves_it(hub: Machine) -> None:
    place = hub.tree / "usr/local/lib/ilot"
    target = ["--no-deps", "--no-build-isolation", "--target", str(place), str(ROOT / "tests/vendor/acme_thermo")]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *target], check=True)
    assert "acme_thermo" in hub.said("ilot", "plugins")


def test_the_package_of_arm64_installs_and_runs_by_emulation(foreign: Files, tmp_path: Path) -> None:
    needs("debootstrap", "qemu-aarch64-static", "unshare")
    if platform.machine() != "x86_64":
        pytest.skip("emulates arm64 on x86-64")
    whole = base("arm64")
    if (whole / "debootstrap").exists():
        done = emulated(whole, "/debootstrap/debootstrap --second-stage")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    tree = copy_of("arm64", tmp_path / "tree")
    shutil.copy(foreign["ilot_arm64.deb"], tree / "srv")
    script = """set -e
apt-get install -y -q /srv/ilot_*.deb
ilot --version
ilot check || test $? = 3
cd / && ilot run --config /etc/ilot/config.yaml &
python3 -c 'import ssl, time, urllib.request
for _ in range(600):
    try:
        print(urllib.request.urlopen("https://127.0.0.1:8443/claim", context=ssl._create_unverified_context()).status)
        break
    except OSError:
        time.sleep(0.5)
'
kill $!
wait $!
"""
    done = emulated(tree, script.replace("&\npython3", "&\nip link set lo up 2>/dev/null || true\npython3"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"ilot {version_in(foreign['ilot_arm64.deb']).removesuffix('-1')}" in done.stdout
    assert "\n200\n" in done.stdout
