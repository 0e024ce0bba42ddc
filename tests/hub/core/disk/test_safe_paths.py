"""Root writes where it looked, whatever is put in the way meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.core.disk.atomic_files import StrangeLink
from hub.core.disk.safe_paths import leading
from tests.hub.swap_kit import state_of, swapped_before

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
THEIRS = 12345 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """What the hub's user must not touch."""
    made = tmp_path / "roots"
    (made / "deep").mkdir(parents=True)
    for name in ("file", "deep/file"):
        (made / name).write_text("root's own")
    return made


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A directory of the hub's user."""
    made = tmp_path / "hub"
    (made / "conf.d/deep").mkdir(parents=True)
    for path in (made, made / "conf.d", made / "conf.d/deep"):
        (path / "file").write_text("former")
    for path in [made, *made.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, THEIRS, THEIRS)
    return made


def link(at: Path, leads_to: Path | str, maker: int = THEIRS) -> None:
    at.symlink_to(leads_to)
    if os.geteuid() == 0:
        os.chown(at, maker, maker, follow_symlinks=False)


def test_a_file_is_written_where_its_way_leads_and_its_rights_are_told(hub: Path) -> None:
    with leading(hub / "conf.d/file", hub) as spot:
        assert spot.found is not None
        assert spot.found.st_uid == THEIRS
        spot.write(b"new", 0o640)
    with leading(hub / "conf.d/fresh", hub) as spot:
        assert spot.found is None
        spot.write(b"fresh")
    assert (hub / "conf.d/file").read_bytes() == b"new"
    assert {path.name for path in (hub / "conf.d").iterdir()} == {"deep", "file", "fresh"}


@ROOT
@pytest.mark.parametrize("where", ["file", "conf.d/file", "conf.d/deep/file"])
@pytest.mark.parametrize("maker", [0, THEIRS])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_is_followed_as_its_maker_may_have_it(
    hub: Path, roots: Path, where: str, maker: int, absolute: bool
) -> None:
    """One that root made leads anywhere, another user's to what is that user's."""
    for name, leads_to, allowed in (
        ("to-roots", roots, maker == 0), ("to-theirs", hub / "conf.d", True), ("to-nothing", hub / "no", maker == 0),
    ):  # fmt: skip
        at = hub / "links" / name
        at.parent.mkdir(exist_ok=True)
        link(at, leads_to if absolute else os.path.relpath(leads_to, at.parent), maker)
        path = at / where.removeprefix("conf.d/")
        before = state_of(roots)
        try:
            with leading(path, hub) as spot:
                spot.write(b"new")
        except FileNotFoundError:
            assert name == "to-nothing" or not path.parent.exists()
        except StrangeLink as error:
            told = str(error)
            assert (allowed, told.startswith(f"{at} is a link"), "chown -h root" in told) == (False, True, True)
        else:
            assert (allowed, path.read_bytes()) == (True, b"new")
        assert allowed or state_of(roots) == before


@ROOT
def test_a_link_in_the_last_place_leads_to_the_file_that_is_meant_or_is_replaced(hub: Path, roots: Path) -> None:
    link(hub / "mine", roots / "file", maker=0)
    with leading(hub / "mine", hub) as spot:
        spot.write(b"by root's link")
    assert (hub / "mine").is_symlink()
    assert (roots / "file").read_bytes() == b"by root's link"
    link(hub / "theirs", roots / "file")
    with pytest.raises(StrangeLink), leading(hub / "theirs", hub):
        pass
    link(hub / "dangling", roots / "none")
    with pytest.raises(StrangeLink), leading(hub / "dangling", hub):
        pass
    with leading(hub / "theirs", hub, follow=False) as spot:
        spot.write(b"new")
    assert not (hub / "theirs").is_symlink()
    assert (roots / "file").read_bytes() == b"by root's link"


def test_links_in_a_ring_and_a_file_on_the_way_are_errors_that_name_the_path(hub: Path) -> None:
    link(hub / "ring", "ring", 0)
    for path, says in (
        (hub / "ring/file", "symbolic links"), (hub / "ring", "symbolic links"), (hub / "file/x", "Not a"),
    ):  # fmt: skip
        with pytest.raises(OSError, match=says) as caught, leading(path, hub):
            pass
        assert str(caught.value.filename).startswith(str(hub))


def test_directories_are_made_only_where_they_are_asked_for_and_never_through_a_link(hub: Path, roots: Path) -> None:
    with pytest.raises(FileNotFoundError), leading(hub / "a/b/file", hub):
        pass
    told: list[int] = []
    with leading(hub / "a/b/file", hub, lambda fresh, holder: told.append(holder.st_ino)) as spot:
        spot.write(b"new")
    assert told == [hub.stat().st_ino, (hub / "a").stat().st_ino]
    link(hub / "dangling", roots / "none")
    with pytest.raises(OSError, match="No such file"), leading(hub / "dangling/c/file", hub, lambda *_: None):
        pass
    assert not (roots / "none").exists()


@ROOT
@pytest.mark.parametrize(
    ("where", "deed"),
    [
        ("conf.d", "write"), ("conf.d/deep", "write"), ("conf.d/deep/file", "write"), ("conf.d/deep", "unlink"),
        ("conf.d/deep", "move"), ("conf.d/deep/file", "move"),
    ],
)  # fmt: skip
def test_whenever_a_link_is_put_in_the_way_root_stays_where_it_looked(
    hub: Path, roots: Path, where: str, deed: str
) -> None:
    before, step, tried, refused = state_of(roots), 0, True, 0

    def swap() -> None:
        (hub / where).rename(hub / f"{where}-away")
        link(hub / where, roots / Path(where).name if where.endswith("file") else roots)

    def do() -> None:
        with leading(hub / "conf.d/deep/file", hub) as spot:
            if deed == "write":
                spot.write(b"by root", 0o644, lambda descriptor: os.fchown(descriptor, THEIRS, THEIRS))
            elif deed == "unlink":
                spot.unlink()
            else:
                with leading(hub / "moved", hub) as other:
                    spot.move_to(other)

    while tried:
        step += 1
        for path in (hub / where, hub / f"{where}-away", hub / "moved"):
            if path.is_symlink() or path.is_file():
                path.unlink()
        if (away := hub / f"{where}-away").exists():
            away.rename(hub / where)
        (hub / "conf.d/deep/file").write_text("former")
        try:
            tried = swapped_before(step, swap, do)
        except (StrangeLink, FileNotFoundError, NotADirectoryError):
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 30, "between all steps"
    assert refused > 5
