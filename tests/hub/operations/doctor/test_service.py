"""The installed service: its user and files from its unit, its state from systemd, the rights of its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.operations.doctor import file_owners, service
from hub.operations.doctor.findings import NOTE, OK, WRONG
from hub.operations.doctor.machine import Machine
from hub.operations.doctor.service import User

from .machine_kit import command, write

SHIPPED = Path(__file__).parents[4] / "deploy/units/ilot.service"
ACTIVE = """\
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NRestarts=0
WatchdogUSec=30s
Result=success
MainPID=700
ActiveEnterTimestampMonotonic=9000000
NeedDaemonReload=no
"""
UID, GID = 12345, 12346
USER = User("ilot", UID, GID, frozenset({GID}))
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def codes(root: Path, said: str) -> dict[str, str]:
    write(root, {"proc/uptime": "5000.0 1.0\n"})
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    write(root, {"said": said})
    command(root, "systemctl", f"cat {root}/said")
    machine = Machine(root)
    found = service.look(machine, service.Unit("/u", "ilot", (), "/etc/ilot/config.yaml", ""))
    return {one.says.code: one.state for one in found}  # type: ignore[attr-defined]


def test_the_shipped_unit_names_user_groups_configuration_and_state(tmp_path: Path) -> None:
    write(tmp_path, {"usr/lib/systemd/system/ilot.service": SHIPPED.read_text()})
    found = service.installed(Machine(tmp_path))
    assert found is not None
    assert (found.user, found.config, found.state) == ("ilot", "/etc/ilot/config.yaml", "/var/lib/ilot")
    assert {"dialout", "bluetooth"} <= set(found.groups)


def test_an_administrators_unit_hides_the_packages_and_drop_ins_change_it(tmp_path: Path) -> None:
    write(tmp_path, {
        "usr/lib/systemd/system/ilot.service": SHIPPED.read_text(),
        "etc/systemd/system/ilot.service":
            "[Unit]\nUser=no\n[Service]\nUser=hub\nExecStart=-/opt/ilot run \\\n  --config=/srv/a.yaml\n",
        "etc/systemd/system/ilot.service.d/50-user.conf": "[Service]\nUser=other\nSupplementaryGroups=tss\n",
        "usr/lib/systemd/system/ilot.service.d/50-user.conf": "[Service]\nUser=hidden\n",
    })  # fmt: skip
    found = service.installed(Machine(tmp_path))
    assert found == ("/etc/systemd/system/ilot.service", "other", ("tss",), "/srv/a.yaml", "")
    assert service.installed(Machine(tmp_path / "elsewhere")) is None


def test_a_user_or_state_that_can_be_none_is_not_believed(tmp_path: Path) -> None:
    text = "[Service]\nUser=../../x\nStateDirectory=../etc\nExecStart=/x --config 'open\n"
    write(tmp_path, {"etc/systemd/system/ilot.service": text})
    assert service.installed(Machine(tmp_path)) == ("/etc/systemd/system/ilot.service", "root", (), "", "")


@pytest.mark.real("processes")
def test_a_service_that_is_active_enabled_and_watched_is_right(tmp_path: Path) -> None:
    assert codes(tmp_path, ACTIVE) == {"service-named": OK, "service-active": OK}


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("change", "code", "state"),
    [
        (("ActiveState=active", "ActiveState=activating"), "service-not-active", WRONG),
        (("ActiveState=active", "ActiveState=failed"), "service-not-active", WRONG),
        (("UnitFileState=enabled", "UnitFileState=disabled"), "service-not-enabled", WRONG),
        (("WatchdogUSec=30s", "WatchdogUSec=0"), "service-without-watchdog", NOTE),
        (("NeedDaemonReload=no", "NeedDaemonReload=yes"), "unit-file-newer", NOTE),
        (("NRestarts=0\n", "NRestarts=3\n"), "service-active", OK),
        (("NRestarts=0\nWatchdogUSec=30s\nResult=success\nMainPID=700\nActiveEnterTimestampMonotonic=9000000",
          "NRestarts=3\nWatchdogUSec=30s\nActiveEnterTimestampMonotonic=4900000000"), "service-active", NOTE),
    ],
)  # fmt: skip
def test_each_fault_of_a_service_is_named(tmp_path: Path, change: tuple[str, str], code: str, state: str) -> None:
    assert codes(tmp_path, ACTIVE.replace(*change))[code] == state


def test_a_machine_without_a_service_or_without_systemd_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert [one.state for one in service.look(machine, None)] == [NOTE]
    unit = service.Unit("/u", "ilot", (), "", "")
    assert [one.says.code for one in service.look(machine, unit)] == ["service-named", "no-systemd-runs"]  # type: ignore[attr-defined]
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert [one.state for one in service.look(machine, unit)] == [OK, WRONG]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state and configuration of a hub, as they should be."""
    state, config = tmp_path / "state", tmp_path / "etc"
    write(
        tmp_path,
        {"state/keys/store.key": "k", "state/buffer/a.seg": "s", "etc/config.yaml": "", "etc/secrets.yaml": ""},
    )
    for path in (state, *state.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    for path in (config, *config.rglob("*")):
        path.chmod(0o770 if path.is_dir() else 0o640)
    if os.geteuid() == 0:
        for path in (state, config, *state.rglob("*"), *config.rglob("*")):
            os.chown(path, UID, GID)
    return state


def look(state: Path, *, fix: bool = False) -> list[tuple[str, str]]:
    found = file_owners.look(state, state.parent / "etc/config.yaml", USER, fix=fix)
    return [(one.says.code, one.state) for one in found]  # type: ignore[attr-defined]


@AS_ROOT
def test_files_of_root_of_others_and_open_ones_are_found_and_mended(state: Path) -> None:
    assert look(state) == [("rights-right", OK)]
    key, segment, config = state / "keys/store.key", state / "buffer/a.seg", state.parent / "etc/config.yaml"
    os.chown(key, 0, 0)
    key.chmod(0o644)
    os.chown(segment, 54321, 54321)
    os.chown(config, 0, 0)
    config.chmod(0o600)
    (state.parent / "etc/secrets.yaml").chmod(0o644)
    assert sorted(look(state)) == sorted([
        ("file-of-another-user", WRONG), ("file-of-another-user", WRONG), ("file-shut-to-user", WRONG),
        ("more-files-wrong", WRONG),
    ])  # fmt: skip
    assert look(state, fix=True) == [("rights-mended", NOTE)]
    assert look(state) == [("rights-right", OK)]
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (UID, 0o600)
    assert (config.stat().st_uid, config.stat().st_gid, config.stat().st_mode & 0o777) == (0, GID, 0o640)


@AS_ROOT
def test_neither_a_link_nor_a_file_with_two_names_nor_a_release_is_given_away(state: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text("root's")
    shadow.chmod(0o600)
    (state / "link").symlink_to(shadow)
    os.link(shadow, state / "second-name")
    write(state, {"releases/1/x": ""})
    assert look(state, fix=True) == [("file-of-another-user", WRONG)]
    assert (shadow.stat().st_uid, shadow.stat().st_mode & 0o777) == (0, 0o600)
    assert (state / "releases/1/x").stat().st_uid == 0


@AS_ROOT
def test_files_that_a_power_cut_left_half_written_are_removed_once_they_are_old(state: Path) -> None:
    old, young, own = (state / name for name in (f".trust.bin-{'a' * 16}", f".x-{'b' * 16}", ".profile"))
    for path in (old, young, own):
        path.touch(0o600)
        os.chown(path, UID, GID)
    os.utime(old, (1, 1))
    os.utime(own, (1, 1))
    assert ("files-unfinished", NOTE) in look(state)
    assert ("unfinished-removed", OK) in look(state, fix=True)
    assert (old.exists(), young.exists(), own.exists()) == (False, True, True)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "reads"),
    [(0o400, UID, 0, True), (0o040, UID, GID, False), (0o040, 0, GID, True), (0o004, 0, 0, True), (0o040, 0, 0, False)],
)
def test_owner_group_and_others_decide_in_this_order(mode: int, uid: int, gid: int, reads: bool) -> None:
    status = os.stat_result((0o100000 | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert file_owners.may(status, USER, 4) is reads
    assert file_owners.may(status, User("root", 0, 0, frozenset()), 7)
