"""What systemd itself says of the units: it knows each line, and what they leave open is little."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted([*(DEPLOY / "units").glob("*.service"), *(DEPLOY / "units").glob("*.socket")])
SERVICES = [unit for unit in UNITS if unit.name in ("ilot.service", "ilot-backend.service")]
STARTER = DEPLOY / "units/ilot-plugins.service"
TENTHS, STARTER_TENTHS = 16, 27
"""The most exposure that `systemd-analyze security` may find, in tenths: 0 is closed, 100 open. The starter of plugins
is root's, mounts, and makes namespaces."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: apt-get install systemd"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.real("processes")
@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_units_leave_little_open(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={TENTHS}", str(unit))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real("processes")
@needs_systemd
def test_the_starter_of_plugins_leaves_open_what_it_is_there_for() -> None:
    done = analyze("security", "--offline=true", f"--threshold={STARTER_TENTHS}", str(STARTER))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_starter_of_plugins_sees_nothing_of_the_hubs_state_but_plugins_and_releases() -> None:
    lines = STARTER.read_text().splitlines()
    assert "TemporaryFileSystem=/var/lib/ilot:ro,mode=755" in lines
    (shown,) = (line.split("=")[1].split() for line in lines if line.startswith("BindReadOnlyPaths="))
    assert shown == ["-/var/lib/ilot/plugins", "-/var/lib/ilot/releases"]
    (restricted,) = (line.split("=")[1].split() for line in lines if line.startswith("RestrictNamespaces="))
    assert "user" not in restricted


@pytest.mark.real("processes")
@needs_systemd
def test_a_unit_that_may_do_all_is_found_open(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert analyze("security", "--offline=true", f"--threshold={TENTHS}", str(bare)).returncode != 0


@pytest.mark.real("processes")
@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_knows_each_line_of_the_units(unit: Path, tmp_path: Path) -> None:
    assert complaints(unit, tmp_path) == []


@pytest.mark.real("processes")
@needs_systemd
def test_a_line_that_systemd_does_not_know_is_found(tmp_path: Path) -> None:
    bent = tmp_path / "bent.service"
    bent.write_text(SERVICES[0].read_text() + "\n[Service]\nMemoryMost=1G\n")
    assert complaints(bent, tmp_path)


def complaints(unit: Path, scratch: Path) -> list[str]:
    """What systemd says of one unit; that nothing is installed here yet is no fault of it."""
    folder = scratch / "tried"
    folder.mkdir(exist_ok=True)
    copy = folder / unit.name
    for one in {unit, *(other for other in UNITS if other.stem == unit.stem)}:  # a socket and its service
        lines = one.read_text().splitlines(keepends=True)
        (folder / one.name).write_text(
            "".join(
                f"{line.partition('=')[0]}=/bin/true\n" if line.startswith("Exec") and "/ilot" in line else line
                for line in lines
            )
        )
    said = analyze("verify", "--man=no", str(copy)).stderr.splitlines()
    return [line for line in said if line.startswith((str(copy), unit.name))]


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_started_again_for_ever_and_holds_no_more_than_its_share(unit: Path) -> None:
    lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    assert lines["Restart"] == "always"
    assert lines["StartLimitIntervalSec"] == "0"
    assert {"MemoryHigh", "MemoryMax", "TasksMax", "LimitNOFILE"} <= lines.keys()
