"""`ilot release`: a maker's key and bundle out of a package, and what is shown of it. Needs dpkg-deb."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import ilot
from hub.operations.releases import offers
from hub.operations.releases.inbox import TakenInbox

sys.path.insert(0, str(Path(__file__).parents[1] / "operations" / "releases"))
from releases_kit import Place

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing: apt-get install dpkg")
BUILT = 1_790_000_000


def run(*words: object) -> Result:
    return CliRunner(env={"ILOT_RELEASE_PASSWORD": "secret", "LC_ALL": "C"}).invoke(ilot, [str(one) for one in words])


def package(folder: Path, counter: int) -> Path:
    """A package as the builder makes it, small."""
    root = folder / f"root-{counter}"
    tree = root / "usr/lib/ilot"
    (tree / "lib/python3.13/site-packages").mkdir(parents=True)
    (tree / "bin").mkdir()
    (tree / "bin/python3").symlink_to("/usr/bin/python3")
    (tree / "lib/python3.13/site-packages/code.py").write_text("x = 1\n")
    (tree / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tree / "counter").write_text(f"{counter}\n")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: ilot\nVersion: 0.1.{counter}-1\nArchitecture: arm64\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    subprocess.run(["find", str(root), "-exec", "touch", "-h", "-d", f"@{BUILT}", "{}", "+"], check=True)
    archive = folder / f"ilot_{counter}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(archive)], check=True, capture_output=True)
    return archive


@pytest.mark.real("processes")
def test_a_package_is_signed_shown_and_installed_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sync", lambda: None)
    place, key, bundle = Place(tmp_path / "place"), tmp_path / "maker.pem", tmp_path / "x.ilot-release"
    made = json.loads(run("release", "key", key, "--json").stdout)
    assert "secret" not in key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert run("release", "key", key).exit_code != 0, "a key is never overwritten"
    (place.package / "release-keys").write_text(f"threshold 1\ned25519 {made['public']} maker\n")
    signed = run("release", "sign", package(tmp_path, 101), "--key", key, "--out", bundle, "--notes", "Neu", "--json")
    assert json.loads(signed.stdout) == {"bundle": str(bundle), "counter": 101, "architecture": "arm64"}
    place.machine.today = time.time()
    outcome = place.install(bundle.read_bytes())
    assert outcome.result == "installed", outcome
    file = place.state / "releases/101/lib/python3.13/site-packages/code.py"
    assert (file.read_text(), file.stat().st_mtime) == ("x = 1\n", BUILT), "its bytecode names that time"
    assert (place.state / "releases/101/counter").read_text() == "101\n"


def test_a_bundle_is_handed_over_and_its_outcome_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "place")
    for name in ("listed", "shown"):
        real = getattr(offers, name)
        monkeypatch.setattr(
            offers,
            name,
            (lambda source, state, real=real: real(source, state, place.root, place.package))
            if name == "shown"
            else (lambda state, real=real: real(state, place.root, place.package)),
        )
    bundle = tmp_path / "x.ilot-release"
    bundle.write_bytes(place.bundle(101))
    where = ("--state-dir", place.state)
    assert json.loads(run("release", "list", *where, "--json").stdout)["wanted"] == 100
    shown = run("release", "show", bundle, *where)
    assert "release 101, version 1.0.101, for arm64" in shown.stdout
    handed = run("release", "install", bundle, "--no-wait", *where)
    assert handed.exit_code == 0, handed.output
    inbox = TakenInbox(place.state)
    with inbox.bundle() as source:
        assert source.read() == bundle.read_bytes()
    request = inbox.take()
    assert request is not None
    assert (request.do, request.by[:4]) == ("install", "cli:")
    bundle.write_bytes(b"nothing")
    assert run("release", "show", bundle, *where).exit_code != 0


@pytest.mark.real("processes")
def test_another_file_than_a_package_is_named(tmp_path: Path) -> None:
    key = tmp_path / "maker.pem"
    run("release", "key", key)
    other = tmp_path / "x.deb"
    other.write_bytes(b"x" * 500)
    signed = run("release", "sign", other, "--key", key, "--out", tmp_path / "y")
    assert signed.exit_code != 0
    assert not (tmp_path / "y").exists()
