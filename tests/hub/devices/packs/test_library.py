"""Shipped and installed packs: installed whole, versions only rise, what was changed afterwards is refused."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.core.errors import ConfigError, HubError
from hub.devices.packs.library import Library
from hub.devices.packs.loader import Pack, read
from hub.devices.packs.vector_tests import Verdict
from tests.hub.devices.packs.packs_kit import CODEC, PACK
from tests.hub.swap_kit import state_of, swapped_before

Make = Callable[..., Path]


def passed(pack: Pack) -> Verdict:
    return Verdict(pack.name, pack.keys.version, pack.digest, True, (), ())


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "state", tmp_path / "shipped")


def test_an_installed_pack_is_the_one_that_was_tested(library: Library, made: Make) -> None:
    pack = read(made())
    library.install(pack, passed(pack))
    assert library.names() == ["acme-thermo"]
    found = library.get("acme-thermo")
    assert (found.digest, library.origin(found)) == (pack.digest, "installed")
    assert library.install(pack, passed(pack)).is_dir(), "once more changes nothing"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs for another user")
def test_what_root_installs_is_the_hubs_users_and_no_link_of_that_user_leads_root_elsewhere(
    made: Make, tmp_path: Path
) -> None:
    state, roots, pack = tmp_path / "hub", tmp_path / "roots", read(made())
    for directory in (state, roots):
        directory.mkdir()
    os.chown(state, 12345, 12345)
    (state / "packs").symlink_to(roots)
    os.chown(state / "packs", 12345, 12345, follow_symlinks=False)
    library = Library(state / "packs", tmp_path / "shipped")
    with pytest.raises(HubError, match="chown -h root"):
        library.install(pack, passed(pack))
    assert list(roots.iterdir()) == []
    (state / "packs").unlink()
    target = library.install(pack, passed(pack))
    assert {path.stat().st_uid for path in [state / "packs", *(state / "packs").rglob("*")]} == {12345}
    assert target.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("where", ["packs", "packs/acme-thermo"])
def test_whenever_the_hubs_user_puts_a_link_in_the_way_root_installs_nothing_where_it_leads(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Between any two steps."""
    state, roots, pack = tmp_path / "hub", tmp_path / "roots", read(made())
    for directory in (state, roots):
        directory.mkdir()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of times, and no power is cut here
    before, step, tried, refused = state_of(roots), 0, True, 0

    def swap() -> None:
        at = state / where
        at.parent.mkdir(exist_ok=True)
        if os.path.lexists(at):
            at.rename(tmp_path / f"away-{step}")
        at.symlink_to(roots)
        for path in (at, at.parent):
            os.chown(path, 12345, 12345, follow_symlinks=False)

    while tried:
        step += 2  # each kind of step comes at some file
        shutil.rmtree(state)
        state.mkdir()
        os.chown(state, 12345, 12345)
        library = Library(state / "packs", tmp_path / "shipped")
        try:
            tried = swapped_before(step, swap, lambda library=library: library.install(pack, passed(pack)))
        except HubError:
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 60, "between all steps"
    assert refused > 5
    assert {path.stat().st_uid for path in [state / "packs", *(state / "packs").rglob("*")]} == {12345}


def test_the_folders_in_which_the_first_pack_appears_are_on_the_disk_too(
    library: Library, made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = list[Path](), os.fsync

    def noted(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    pack = read(made())
    target = library.install(pack, passed(pack))
    assert synced[:2] == [tmp_path, tmp_path / "state"], "a power cut leaves the name of each"
    assert synced[-1] == target.parent


def test_what_did_not_pass_or_is_not_what_was_tested_is_not_installed(library: Library, made: Make) -> None:
    pack = read(made())
    for verdict in (Verdict(pack.name, 1, pack.digest, False, (), ()), Verdict(pack.name, 1, "another", True, (), ())):
        with pytest.raises(HubError, match="does not pass its own tests"):
            library.install(pack, verdict)
    assert library.names() == []


def test_versions_only_rise(library: Library, made: Make) -> None:
    second = read(made(pack_yaml=PACK.replace("version: 1\n", "version: 2\n")))
    library.install(second, passed(second))
    for changed in (
        read(made()),
        read(made(pack_yaml=PACK.replace("version: 1\n", "version: 2\n"), codec_js=CODEC + " ")),
    ):
        with pytest.raises(HubError, match="is installed in version 2; another one needs a higher"):
            library.install(changed, passed(changed))
    third = read(made(pack_yaml=PACK.replace("version: 1\n", "version: 10\n")))
    library.install(third, passed(third))
    assert library.get("acme-thermo").keys.version == 10, "ten comes after two"


def of_version(made: Make, version: int) -> Pack:
    return read(made(pack_yaml=PACK.replace("version: 1\n", f"version: {version}\n")))


def test_a_removed_pack_is_gone_and_an_older_one_does_not_come_back(library: Library, made: Make) -> None:
    for version in (2, 3):
        pack = of_version(made, version)
        library.install(pack, passed(pack))
    assert library.remove("acme-thermo") == 3
    assert library.names() == []
    with pytest.raises(HubError, match="there is no pack 'acme-thermo'"):
        library.remove("acme-thermo")
    older = of_version(made, 2)
    with pytest.raises(HubError, match="was here in version 3 until it was removed"):
        library.install(older, passed(older))
    same = of_version(made, 3)
    library.install(same, passed(same))
    assert library.get("acme-thermo").keys.version == 3


def test_a_removal_that_is_cut_off_leaves_the_latest_version_or_none(
    library: Library, made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (2, 3):
        pack = of_version(made, version)
        library.install(pack, passed(pack))
    rename = os.rename

    def cut(source: str, target: str, **directories: int) -> None:
        if source.startswith("3-"):
            raise OSError(5, "Input/output error")
        rename(source, target, **directories)

    monkeypatch.setattr(os, "rename", cut)
    with pytest.raises(HubError, match="cannot be removed"):
        library.remove("acme-thermo")
    assert library.get("acme-thermo").keys.version == 3
    monkeypatch.setattr(os, "rename", rename)
    assert library.remove("acme-thermo") == 3
    assert [one.name for one in (tmp_path / "state/acme-thermo").iterdir()] == ["floor"]


def test_one_that_ships_with_the_hub_stays_and_counts_again(library: Library, made: Make, tmp_path: Path) -> None:
    shutil.copytree(made(), tmp_path / "shipped" / "acme-thermo")
    with pytest.raises(HubError, match="ships with the hub"):
        library.remove("acme-thermo")
    pack = of_version(made, 5)
    library.install(pack, passed(pack))
    assert library.remove("acme-thermo") == 5
    assert library.get("acme-thermo").keys.version == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize(
    "where",
    [pytest.param("packs", marks=pytest.mark.long("the other folder is tried in the short run")), "packs/acme-thermo"],
)
def test_whenever_the_hubs_user_puts_a_link_in_the_way_root_removes_nothing_where_it_leads(
    made: Make, tmp_path: Path, where: str
) -> None:
    """Between any two steps, to a directory of root's with the very same names."""
    state, roots, pack = tmp_path / "hub", tmp_path / "roots", read(made())
    at, step, tried, refused = state / where, 0, True, 0

    def swap() -> None:
        at.rename(tmp_path / f"away-{step}")
        at.symlink_to(roots)
        os.chown(at, 12345, 12345, follow_symlinks=False)

    while tried:
        step += 2  # each kind of step comes at some name
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(roots, ignore_errors=True)
        state.mkdir()
        os.chown(state, 12345, 12345)
        library = Library(state / "packs", tmp_path / "shipped")
        library.install(pack, passed(pack))
        shutil.copytree(at, roots)
        before = state_of(roots)
        try:
            tried = swapped_before(step, swap, lambda library=library: library.remove("acme-thermo"))
        except HubError:
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 60, "between all steps"
    assert refused > 5


def test_former_versions_do_not_fill_the_disk(library: Library, made: Make) -> None:
    for version in range(1, 7):
        folder = made("acme-thermo", pack_yaml=PACK.replace("version: 1\n", f"version: {version}\n"))
        pack = read(folder)
        where = library.install(pack, passed(pack))
    there = sorted(int(entry.name.partition("-")[0]) for entry in where.parent.iterdir())
    assert there == [4, 5, 6]
    assert library.get("acme-thermo").keys.version == 6


def test_a_shipped_pack_needs_no_installation_and_the_higher_version_counts(
    library: Library, made: Make, tmp_path: Path
) -> None:
    (tmp_path / "shipped").mkdir()
    made(pack_yaml=PACK.replace("version: 1\n", "version: 3\n")).rename(tmp_path / "shipped/acme-thermo")
    assert library.origin(library.get("acme-thermo")) == "shipped"
    older = read(made(pack_yaml=PACK.replace("version: 1\n", "version: 2\n")))
    with pytest.raises(HubError, match="is installed in version 3"):
        library.install(older, passed(older))
    newer = read(made(pack_yaml=PACK.replace("version: 1\n", "version: 4\n")))
    library.install(newer, passed(newer))
    assert library.origin(library.get("acme-thermo")) == "installed"
    assert library.names() == ["acme-thermo"]


def test_a_pack_that_was_changed_after_its_installation_is_refused(library: Library, made: Make) -> None:
    pack = read(made())
    folder = library.install(pack, passed(pack))
    (folder / "codec.js").write_text(CODEC.replace("i.bytes[0]", "0"))
    with pytest.raises(ConfigError, match="was changed after it was installed"):
        library.get("acme-thermo")


def test_a_half_written_installation_is_none(library: Library, made: Make, tmp_path: Path) -> None:
    (tmp_path / "state/acme-thermo/.new-abc").mkdir(parents=True)
    assert library.names() == []
    pack = read(made())
    library.install(pack, passed(pack))
    assert library.get("acme-thermo").digest == pack.digest


def test_a_disk_that_refuses_leaves_nothing_behind(
    library: Library, made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, sync = read(made()), os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("hub.devices.packs.library.os.fsync", refuse)
    with pytest.raises(HubError, match="No space left"):
        library.install(pack, passed(pack))
    assert list((tmp_path / "state/acme-thermo").iterdir()) == []


def test_a_name_that_is_none_leads_nowhere(library: Library, tmp_path: Path) -> None:
    for name in ("../../etc", "", "acme", "Acme-Thermo", "a-b/../c-d"):
        with pytest.raises(ConfigError, match="there is no pack"):
            library.get(name)
    with pytest.raises(HubError, match="no state directory"):
        Library(None, tmp_path).install(*(lambda p: (p, passed(p)))(Library().get("nke-th")))


def test_a_name_that_is_nearly_right_is_told() -> None:
    with pytest.raises(ConfigError, match=r"did you mean adeunis-temp4\?"):
        Library().get("adeunis-temp")


def test_the_stamp_of_a_pack_changes_with_any_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "shipped" / "acme"
    (folder / "deep").mkdir(parents=True)
    (folder / "pack.yaml").write_text("a")
    (folder / "deep" / "codec.js").write_text("b")
    library = Library(None, shipped=tmp_path / "shipped")
    stamps = [library.stamp("acme"), library.stamp("acme")]
    assert stamps[0] == stamps[1]
    (folder / "deep" / "codec.js").write_text("other")
    assert library.stamp("acme") != stamps[0]
