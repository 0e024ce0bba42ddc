"""`ilot doctor` says whether a plugin of somebody else could be confined here, and what it lacks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hub.cli.doctor import isolation_check
from hub.cli.doctor.configuration import Opened
from hub.operations.doctor.findings import NOTE, OK, WRONG, Finding
from hub.operations.doctor.machine import Machine
from hub.plugin_host.isolation import by_starter
from tests.redteam.vehicle import Place, as_hub, needs_root

NOBODY = Opened(None, None, [])


def needing(isolation: str | None = None) -> Opened:
    """A configuration with an integration that is not shipped, and one that is."""
    plugins = {"acme": SimpleNamespace(shipped=False), "modbus": SimpleNamespace(shipped=True)}
    integrations = [
        SimpleNamespace(name="acme_1", type="acme", enabled=True, isolation=isolation),
        SimpleNamespace(name="acme_2", type="acme", enabled=False, isolation=None),
        SimpleNamespace(name="modbus", type="modbus", enabled=True, isolation=None),
    ]
    loaded, registry = SimpleNamespace(integrations=integrations), SimpleNamespace(plugins=plugins)
    return Opened(cast("Any", loaded), cast("Any", registry), [])


def found(machine: Machine, opened: Opened) -> Finding:
    (finding,) = isolation_check.look(machine, opened)
    return finding


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A recorded machine that could confine plugins, but for the unit."""
    for name in ("proc/self/ns", "proc/sys/kernel/seccomp", "usr/lib/systemd/system"):
        (tmp_path / name).mkdir(parents=True)
    for name in isolation_check.NAMESPACES:
        (tmp_path / "proc/self/ns" / name).touch()
    return tmp_path


def test_a_unit_that_is_not_installed_or_not_active_is_named_with_its_remedy(tree: Path) -> None:
    missing = found(Machine(tree), needing())
    assert missing.state == WRONG
    assert missing.says.startswith("acme_1 cannot start")
    assert "not installed" in missing.says
    (tree / "usr/lib/systemd/system/ilot-plugins.socket").touch()
    off = found(Machine(tree), needing())
    assert "not active" in off.says
    assert "systemctl enable --now ilot-plugins.socket" in off.remedy


def test_where_nobody_needs_it_what_is_missing_is_told_and_nothing_is_wrong(tree: Path) -> None:
    for opened in (NOBODY, needing("none")):
        finding = found(Machine(tree), opened)
        assert (finding.state, finding.remedy) == (OK, "")
        assert "none could start here" in finding.says


def test_a_kernel_without_namespaces_or_filters_is_named(tree: Path) -> None:
    (tree / "proc/self/ns/net").unlink()
    (tree / "proc/sys/kernel/seccomp").rmdir()
    assert "lacks net, seccomp" in found(Machine(tree), needing()).says


def test_another_machine_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "armv7l")
    finding = found(Machine(tree), needing())
    assert finding.state == WRONG
    assert "armv7l" in finding.says


@pytest.mark.real("processes")
@needs_root
def test_one_is_started_for_trial_and_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="ilot-doctor-") as folder:
        Path(folder).chmod(0o755)
        place = Place(Path(folder))
        with place.starter() as path:
            monkeypatch.setattr(by_starter, "SOCKET", path)
            code = str(Path(isolation_check.__file__).resolve().parents[3])
            monkeypatch.setattr("hub.plugin_host.isolation.launch.import_path", lambda: (code,))
            with as_hub():
                assert found(Machine(), needing()).state == OK
                monkeypatch.setattr("hub.plugin_host.isolation.launch.import_path", lambda: ("/etc",))
                refused = found(Machine(), needing())
            assert refused.state == WRONG
            assert "/etc is neither" in refused.says
            os.chmod(path, 0o600)
            os.chown(path, 0, 0)
            with as_hub():
                assert found(Machine(), needing()).state == NOTE
