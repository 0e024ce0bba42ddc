"""A plugin lies in a directory of its own, whole or not at all, and no code of it runs when it is installed."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugins_kit import Place, bundle, files, manifest, plain, wheel

from hub.core.errors import AuthFailed, HubError
from hub.operations.plugins import installing
from hub.operations.plugins.installing import listed, look, remove
from hub.operations.plugins.offers import Offer
from hub.operations.plugins.sources import BESIDE
from hub.operations.plugins.wheels import Wheel
from hub.plugin_host.installed import (
    INSTANCES,
    forgotten,
    installed_plugins,
    note_instance,
    noted_instances,
    tree_digest,
)
from hub.plugin_host.registry import GROUP, Registry
from hub.protocol.documents.addition import MAGIC

NAME = "acme_probe-1.0-py3-none-any.whl"


def test_a_plugin_is_installed_apart_and_known_without_a_line_of_its_code(place: Place) -> None:
    done = place.install(plain())
    assert (done.version, done.vendor) == ("1.0", "acme")
    plugin = place.plugin()
    assert plugin.paths == (str(place.lib),)
    assert plugin.manifest is not None
    assert plugin.manifest.owner == "Acme SAS"
    assert (place.lib / "acme_probe" / "__init__.py").stat().st_mode & 0o777 == 0o644
    assert not place.barred()
    assert "acme_probe" not in sys.modules
    assert str(place.lib) not in sys.path
    with pytest.raises(HubError, match="own process alone"):
        Registry(installed_plugins(place.plugins)).load("acme_probe")
    assert "acme_probe" not in sys.modules


def test_a_wheel_with_its_signed_document_beside_it_is_installed_too(place: Place) -> None:
    data = plain()
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    start = len(MAGIC) + 4
    place.file(data[start : start + size], NAME + BESIDE)
    path = place.file(data[start + size :], NAME)
    assert installing.install(path, place.here(), lambda offer: True).version == "1.0"
    path.write_bytes(data[start + size :] + b"x")
    with pytest.raises(AuthFailed, match="altered or damaged"):
        look(path, place.here())
    (place.stick / (NAME + BESIDE)).unlink()
    with pytest.raises(AuthFailed, match="is not signed"):
        look(path, place.here())


def test_what_it_may_do_is_shown_before_and_nothing_stays_of_a_look(place: Place) -> None:
    found = look(place.file(plain()), place.here())
    said = "\n".join(found.lines())
    assert "Acme SAS" in said
    assert "acme" in said
    assert found.accept == found.facts()["accept"] != ""
    assert not (place.plugins / "acme_probe").exists()
    assert place.refused(plain(), lambda offer: False)


def test_an_update_that_asks_for_no_more_needs_nobody_and_one_that_does_says_what_is_new(place: Place) -> None:
    place.install(plain())
    place.install(plain("1.1", 101), lambda offer: pytest.fail("nothing to accept"))
    more = manifest("1.2", 'device_schemes: [acme], data_classes: [technical], hosts: ["a.acme.example:443"]')
    asked: list[Offer] = []

    def accept(offer: Offer) -> bool:
        asked.append(offer)
        return True

    place.install(plain("1.2", 102, more), accept)
    assert ["a.acme.example:443" in one for one in asked[0].new] == [True]
    assert place.runs() == "1.2"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acme_probe/ilot-plugin.yaml": None}, "has no ilot-plugin.yaml"),
        ({"acme_probe/ilot-plugin.yaml": b"id: acme_probe\n"}, "missing here: version"),
        ({"acme_probe-1.0.dist-info/METADATA": b"Name: other\nVersion: 1.0\n"}, "METADATA is another one's"),
        ({"acme_probe-1.0.dist-info/METADATA": None}, "has no acme_probe-1.0.dist-info/METADATA"),
        ({"acme_probe-1.0.dist-info/entry_points.txt": None}, "no entry point"),
        ({"acme_probe-1.0.dist-info/entry_points.txt": b"[hub.plugins]\nacme_probe = os\n"}, "is not in it"),
        ({"other-2.dist-info/METADATA": b""}, "not one folder"),
        ({"ACME_probe/__init__.py": b""}, "there twice"),
        ({"sitecustomize.py": b""}, "takes the place"),
        ({"/etc/evil": b""}, "lead elsewhere"),
        ({"acme_probe/a\\b": b""}, "lead elsewhere"),
        ({"acme_probe/a\nb": b""}, "lead elsewhere"),
        ({"acme_probe/" + "a" * 300: b""}, "lead elsewhere"),
        ({"acme_probe/setup.exe": b"MZ" + bytes(70)}, "another system"),
    ],
)  # fmt: skip
def test_a_wheel_that_is_not_in_order_is_refused_by_what_is_wrong(
    place: Place, change: dict[str, bytes | None], reason: str
) -> None:
    contents = {name: data for name, data in {**files(), **change}.items() if data is not None}
    assert reason in place.refused(bundle({NAME: wheel(contents)}))


def test_what_it_needs_comes_with_it_or_is_here(place: Place) -> None:
    head = b"Metadata-Version: 2.4\nName: acme-probe\nVersion: 1.0\nRequires-Dist: "
    info = "acme_probe-1.0.dist-info/METADATA"
    lacking = {**files(), info: head + b"acme-wire>=2\nRequires-Dist: msgspec\nRequires-Dist: x; extra == 'y'\n\n"}
    assert "acme-wire" in place.refused(bundle({NAME: wheel(lacking)}))
    wire = {
        "acme_wire/__init__.py": b"",
        "acme_probe-1.0.dist-info/METADATA": b"Name: acme-probe\nVersion: 1.0\n\n",
    }  # a wheel that bears another's name inside
    said = place.refused(bundle({NAME: wheel(lacking), "acme_wire-2.0-py3-none-any.whl": wheel(wire)}))
    assert "another one's" in said


def test_a_bundle_that_is_cut_anywhere_or_altered_anywhere_changes_nothing(place: Place) -> None:
    place.install(plain())
    newer = plain("1.1", 101)
    rng = random.Random(5)
    for at in sorted(rng.sample(range(len(newer)), 60)):
        bent = bytearray(newer)
        bent[at] ^= 1 << rng.randrange(8)
        assert place.refused(bytes(bent)), f"byte {at}"
        assert place.refused(newer[:at]), f"cut at {at}"
    assert place.refused(newer + b"x")
    assert place.runs() == "1.0"
    assert not place.barred()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_whatever_a_wheel_holds_it_is_unpacked_below_its_directory_or_refused(
    place: Place, data: st.DataObject
) -> None:
    good = bytearray(wheel(files()))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    path = place.file(bytes(good), NAME)
    scratch = place.stick / "scratch"
    scratch.mkdir()
    lib = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    before = {one for one in place.stick.rglob("*") if scratch not in one.parents}
    try:
        with path.open("rb") as source:
            Wheel(source, NAME, GROUP).unpack(lib, set(), 1 << 20)
    except HubError:
        pass
    finally:
        os.close(lib)
        after = {one for one in place.stick.rglob("*") if scratch not in one.parents}
        shutil.rmtree(scratch)
    assert after == before


class Killed(BaseException):
    """The process died at this call, and at every later one."""


CALLS = ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir", "open", "chmod", "fchmod", "write")


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Die at the call of this number; yield a list that holds how many there were."""
    made = [0]
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            real: Callable[..., object] = getattr(os, name)

            def call(*given: object, _real: Callable[..., object] = real, **more: object) -> object:
                made[0] += 1
                if made[0] >= number:
                    raise Killed
                return _real(*given, **more)

            patch.setattr(os, name, call)
        patch.setattr(shutil, "rmtree", lambda *said, **more: None if made[0] >= number else _rmtree(*said, **more))
        yield made


_rmtree = shutil.rmtree


def _whole(place: Place) -> str:
    """The version that is installed, whole; "broken" where something is there and is not."""
    try:
        if not (place.plugins / "acme_probe" / "current").exists():
            return ""
        return "broken" if place.barred() else place.runs()
    except (HubError, ValueError):
        return "broken"


def _die_everywhere(place: Place, data: bytes) -> set[str]:
    """Install, killed at each call, always from the same state on; return what was there afterwards."""
    kept = place.state.with_name("kept")
    shutil.copytree(place.state, kept)
    found, number = set[str](), 1
    while True:
        path = place.file(data)
        with killed_at(number) as made:
            try:
                installing.install(path, place.here(), lambda offer: True)
                done = True
            except Killed:
                done = False
        found.add(_whole(place))
        if done:
            assert made[0] < number
            return found
        assert place.install(data).version  # whatever was left, it can be installed again
        assert not list(place.plugins.rglob(".new-*"))
        shutil.rmtree(place.state)
        shutil.copytree(kept, place.state)
        number += 1


def test_killed_at_any_call_the_old_plugin_or_the_new_one_is_there_whole(place: Place) -> None:
    place.install(plain())
    assert _die_everywhere(place, plain("1.1", 101)) == {"1.0", "1.1"}


def test_an_installation_that_says_it_before_it_is_done_is_caught(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: what counts is named before it is there."""
    place.install(plain())
    real = installing._place

    def too_early(found: Offer, scratch: Path, *rest: object) -> object:
        name = f"{found.addition.version}-{found.vouched.document.mark}\n"
        installing.write_atomically(scratch.parent / "current", name.encode())
        return real(found, scratch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(installing, "_place", too_early)
    assert "broken" in _die_everywhere(place, plain("1.1", 101))


def test_a_damaged_one_says_so_and_is_replaced_by_the_same(place: Place) -> None:
    place.install(plain())
    (place.lib / "acme_probe" / "__init__.py").write_text("x")
    assert "files were changed" in place.barred()
    place.install(plain())
    assert not place.barred()
    (place.plugins / "acme_probe" / "current").write_text("../../etc\n")
    assert "damaged" in place.plugin().barred
    place.install(plain())
    assert not place.barred()


def test_a_removal_says_whose_state_it_leaves_and_takes_it_on_request(place: Place) -> None:
    place.install(plain())
    note_instance(place.plugin(), "hall")
    note_instance(place.plugin(), "roof")
    note_instance(place.plugin(), "hall")
    with pytest.raises(HubError, match="take hall out first"):
        remove(place.here(), "acme_probe", used_by=["hall"])
    done = remove(place.here(), "acme_probe")
    assert (done.version, done.instances, done.forgotten) == ("1.0", ["hall", "roof"], False)
    assert not listed(place.here())
    assert not list(place.plugins.rglob("lib"))
    assert not forgotten(place.plugins)
    place.install(plain())
    assert noted_instances(place.plugins / "acme_probe") == ["hall", "roof"]
    remove(place.here(), "acme_probe", with_state=True)
    assert list(forgotten(place.plugins).values()) == [["hall", "roof"]]
    with pytest.raises(HubError, match="no plugin acme_probe"):
        remove(place.here(), "acme_probe")


def test_one_that_knows_another_api_is_not_installed(place: Place) -> None:
    said = manifest().replace(b"{from: 1, to: 1}", b"{from: 7, to: 9}")
    assert "API 7 to 9" in place.refused(plain(said=said))


def test_the_list_says_for_each_why_it_may_not_start(place: Place) -> None:
    place.install(plain())
    (row,) = listed(place.here())
    assert (row["id"], row["vendor"], row["problem"]) == ("acme_probe", "acme", "")
    (place.plugins / "index.bin").write_bytes(b"x")
    (row,) = listed(place.here())
    assert "cannot be read" in row["problem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_installs_is_the_hub_s_and_a_link_of_that_user_leads_nowhere() -> None:
    with tempfile.TemporaryDirectory() as home:  # another user can come here, unlike to a directory of pytest
        os.chmod(home, 0o755)
        _installs_as_the_hub(Place(Path(home)))


def _installs_as_the_hub(place: Place) -> None:
    os.chown(place.state, 12345, 12345)
    place.install(plain())
    assert {one.stat().st_uid for one in place.plugins.rglob("*")} == {12345}
    elsewhere = place.stick / "roots"
    elsewhere.mkdir(mode=0o700)
    shutil.rmtree(place.plugins / "acme_probe")
    (place.plugins / "acme_probe").symlink_to(elsewhere)
    os.chown(place.plugins / "acme_probe", 12345, 12345, follow_symlinks=False)
    assert place.refused(plain())
    assert not list(elsewhere.iterdir())


def test_a_file_of_instances_that_is_damaged_is_none(place: Place) -> None:
    place.install(plain())
    (place.plugins / "acme_probe" / INSTANCES).write_bytes(b"{")
    assert noted_instances(place.plugins / "acme_probe") == []


def test_the_digest_of_a_tree_tells_names_from_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    (one / "a").write_text("bc")
    (two / "ab").write_text("c")
    assert tree_digest(one) != tree_digest(two)
