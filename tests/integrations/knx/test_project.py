"""ETS projects: what xknxproject, an independent reader, finds in the same archives; and archives of ill will."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from project_kit import PROJECT, SCHEMAS, aes_archive, archive, ets6_password, inner, master
from xknxproject import XKNXProj

import hub
from integrations.knx import addresses
from integrations.knx.project import aes, hardened
from integrations.knx.project import archive as archives
from integrations.knx.project.archive import Archive
from integrations.knx.project.reader import read
from integrations.knx.project.tables import Project, Space

PASSWORDS = ["", "été à la mer"]


def spaces_of(locations: dict[str, Any], parent: str = "") -> Iterator[tuple[str, str, str, str, list[str]]]:
    for space in locations.values():
        ident = space["identifier"].rpartition("_")[2]
        yield ident, space["type"], space["name"], parent, space["devices"]
        yield from spaces_of(space["spaces"], ident)


def dpt_of(found: dict[str, int] | None) -> str:
    if found is None:
        return ""
    return f"DPT-{found['main']}" if found["sub"] is None else f"DPST-{found['main']}-{found['sub']}"


@pytest.mark.parametrize("password", PASSWORDS, ids=["clear", "password"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_layout_of_ets_reads_as_xknxproject_reads_it(tmp_path: Path, schema: int, password: str) -> None:
    path = archive(tmp_path / "p.knxproj", schema, password)
    theirs = XKNXProj(path, password=password or None).parse()
    ours = read(path, password)
    assert (ours.name, ours.schema) == (theirs["info"]["name"], schema)
    assert {(g.address, g.name, g.description) for g in ours.groups.values()} == {
        (g["raw_address"], g["name"], g["description"]) for g in theirs["group_addresses"].values()
    }
    assert {addresses.show_individual(d.address or 0): (d.name, d.model, d.space) for d in ours.devices.values()} == {
        ia: (d["name"], f"{d['manufacturer_name']} {d['hardware_name']}", space_of(theirs, ia))
        for ia, d in theirs["devices"].items()
    }
    assert [(s.id, s.kind, s.name, s.parent) for s in sorted(ours.spaces.values(), key=lambda s: s.id)] == [
        space[:4] for space in sorted(spaces_of(theirs["locations"]))
    ]
    assert links(ours) == {
        (
            c["device_address"],
            tuple(c["group_address_links"]),
            dpt_of(c["dpts"][0]),
            c["flags"]["transmit"],
            c["flags"]["read"],
        )
        for c in theirs["communication_objects"].values()
    }
    assert {(f.name, f.space, tuple(f.groups)) for f in ours.functions.values()} == {
        (f["name"], f["space_id"].rpartition("_")[2], tuple(group_id(theirs, a) for a in f["group_addresses"]))
        for f in theirs["functions"].values()
    }


def links(project: Project) -> set[tuple[Any, ...]]:
    shown = {g.id: addresses.show_group(g.address) for g in project.groups.values()}
    return {
        (
            addresses.show_individual(project.devices[link.device].address or 0),
            tuple(shown[g] for g in link.groups),
            link.dpt,
            link.sends,
            link.reads,
        )
        for link in project.links
    }


def space_of(theirs: Any, ia: str) -> str:
    return next((ident for ident, _, _, _, devices in spaces_of(theirs["locations"]) if ia in devices), "")


def group_id(theirs: Any, address: str) -> str:
    return str(theirs["group_addresses"][address]["identifier"])


@pytest.mark.parametrize(("style", "levels"), [("ThreeLevel", 3), ("TwoLevel", 2), ("Free", 1)])
def test_the_way_addresses_are_written_follows_the_project(tmp_path: Path, style: str, levels: int) -> None:
    path = archive(tmp_path / "p.knxproj", 23, style=style)
    project = read(path)
    theirs = XKNXProj(path).parse()
    assert project.levels == levels
    assert {addresses.show_group(g.address, levels) for g in project.groups.values()} == set(theirs["group_addresses"])


def test_without_databases_only_the_installation_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "p.knxproj", 23)
    project = read(path, databases=False)
    assert project.groups["GA-1"].dpt == "DPST-9-1"
    assert all(link.sends is None for link in project.links)


@pytest.mark.parametrize("schema", [20, 23])
@pytest.mark.parametrize("password", ["", "faux", "x" * 2000])
def test_a_missing_or_wrong_password_says_what_to_do(tmp_path: Path, schema: int, password: str) -> None:
    path = archive(tmp_path / "p.knxproj", schema, "juste")
    with pytest.raises(hub.DecodeError) as caught:
        read(path, password)
    assert caught.value.reason == "wrong-password"
    if not password:
        assert "--password-file, or export it without one" in caught.value.detail


def test_the_password_of_ets_6_is_derived_as_two_programs_do() -> None:
    for password in ("a", "été à la mer", "𝔘"):
        assert aes.archive_password(password) == ets6_password(password)


# ill will


def changed(path: Path, schema: int = 23, **files: str) -> Path:
    return archive(path, schema, **files)


def reason(path: Path, password: str = "") -> str:
    with pytest.raises(hub.DecodeError) as caught:
        read(path, password)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<!DOCTYPE KNX [<!ENTITY a "b">]><KNX>&a;</KNX>', "xml-doctype"),
        ('<!DOCTYPE KNX SYSTEM "file:///etc/passwd"><KNX/>', "xml-doctype"),
        ("<KNX>" + "<a>" * 100 + "</a>" * 100 + "</KNX>", "xml-depth"),
        (f'<KNX a="{"b" * (hardened.LONGEST_ATTRIBUTE + 1)}"/>', "bomb"),
        ("<KNX><a></KNX>", "xml-broken"),
        ("", "xml-broken"),
        ("<KNX>&unknown;</KNX>", "xml-broken"),
        ("<KNX><GroupRange Name='a'><GroupAddress Id='x' Address='70000'/></GroupRange></KNX>", "bad-project"),
        ("<KNX><Area Address='16'/></KNX>", "bad-project"),
        ("<KNX><Area Address='\u0661'/></KNX>", "bad-project"),
    ],
)
def test_xml_of_ill_will_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert reason(changed(tmp_path / "p.knxproj", **{"0.xml": text})) == expected


def test_a_long_attribute_is_refused_when_it_is_no_bomb(tmp_path: Path) -> None:
    noise = "".join(chr(33 + (n * 7919 + n * n * 31) % 90) for n in range(hardened.LONGEST_ATTRIBUTE + 10))
    text = "<KNX a='" + noise.replace("<", "a").replace("&", "b").replace("'", "c") + "'/>"
    assert reason(changed(tmp_path / "p.knxproj", **{"0.xml": text})) == "xml-attribute"


def test_a_zip_bomb_is_given_up_early(tmp_path: Path) -> None:
    text = "<KNX>" + " " * (64 << 20) + "</KNX>"
    assert reason(changed(tmp_path / "p.knxproj", **{"0.xml": text})) == "bomb"
    sealed = archive(tmp_path / "s.knxproj", 23, "p", **{"0.xml": text})
    assert reason(sealed, "p") == "bomb"


def test_sizes_that_the_archive_lies_about_do_not_help_it(tmp_path: Path) -> None:
    path = changed(tmp_path / "p.knxproj", **{"0.xml": "<KNX>" + " " * (1 << 20) + "</KNX>"})
    data = bytearray(path.read_bytes())
    at = data.rfind(f"{PROJECT}/0.xml".encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    data[at + 24 : at + 28] = (7).to_bytes(4, "little")  # "unpacks to 7 bytes"
    path.write_bytes(data)
    assert reason(path) in ("bomb", "zip-damaged", "xml-broken")


def test_limits_of_members_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "p.knxproj", 23)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert reason(path) == "too-large"
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50_000)
    monkeypatch.setattr(archives, "LARGEST_FILE", 10)
    assert reason(path) == "too-large"


def test_a_list_of_files_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "p.knxproj", 23)
    monkeypatch.setattr(archives, "LARGEST_DIRECTORY", 100)
    assert reason(path) == "too-large"


def test_what_is_no_project_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "a.knxproj"
    text.write_text("no zip")
    assert reason(text) == "not-a-project"
    with zipfile.ZipFile(text, "w") as zipped:
        zipped.writestr("a", "b")
    assert reason(text) == "not-a-project"
    with zipfile.ZipFile(text, "w") as zipped:
        zipped.writestr("knx_master.xml", master(23))
        zipped.writestr("M-0083/Catalog.xml", "<KNX/>")
    assert reason(text) == "not-a-project"
    with zipfile.ZipFile(text, "w") as zipped:
        zipped.writestr("knx_master.xml", "<KNX xmlns='http://example.org/1'/>")
    assert reason(text) == "unknown-schema"
    with pytest.raises(hub.NotReady, match="cannot be read"):
        read(tmp_path / "missing.knxproj")


def test_a_schema_to_come_is_refused_rather_than_misread(tmp_path: Path) -> None:
    path = tmp_path / "p.knxproj"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("knx_master.xml", master(99))
        zipped.writestr(f"{PROJECT}/0.xml", "<KNX/>")
    assert reason(path) == "unknown-schema"


def test_a_broken_seal_is_found(tmp_path: Path) -> None:
    data = bytearray(aes_archive(inner(23), ets6_password("p")))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as zipped:
        info = zipped.getinfo("0.xml")
    data[info.header_offset + 30 + 5 + 11 + info.compress_size // 2] ^= 1
    path = tmp_path / "p.knxproj"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("knx_master.xml", master(23))
        zipped.writestr(f"{PROJECT}.zip", bytes(data))
    assert reason(path, "p") == "zip-damaged"


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, str]]:
    folder = tmp_path_factory.mktemp("knx")
    made = []
    for schema, password in ((11, ""), (20, "p"), (23, ""), (23, "p")):
        made.append((archive(folder / f"{schema}{password}.knxproj", schema, password).read_bytes(), password))
    return made


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    which=st.integers(0, 3),
    places=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 1 << 20),
)
def test_an_archive_with_changed_bytes_reads_or_is_refused_and_nothing_else(
    tmp_path: Path, originals: list[tuple[bytes, str]], which: int, places: list[tuple[int, int]], cut: int
) -> None:
    original, password = originals[which]
    data = bytearray(original)
    for place, octet in places:
        data[place % len(data)] = octet
    path = tmp_path / "p.knxproj"
    path.write_bytes(bytes(data[: cut % (2 * len(data))]))
    with contextlib.suppress(hub.DecodeError):
        read(path, password)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_as_xml_are_refused_or_parsed(data: bytes) -> None:
    with contextlib.suppress(hub.DecodeError):
        hardened.parse([data], lambda name, attributes: None, lambda name: None)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.binary(max_size=80))
def test_any_seal_is_refused_or_opened(extra: bytes, data: bytes) -> None:
    with contextlib.suppress(hub.DecodeError):
        aes.opened(data, aes.sealed(extra), b"p")


def test_members_that_are_not_there_are_asked_for_in_vain(tmp_path: Path) -> None:
    opened = Archive(archive(tmp_path / "p.knxproj", 23))
    with pytest.raises(hub.DecodeError, match="there is no nothing inside"):
        opened.read("nothing")
    opened.close()


def test_a_building_that_contains_itself_ends(tmp_path: Path) -> None:
    from integrations.knx.proposal import Wish, propose

    project = read(archive(tmp_path / "p.knxproj", 23))
    project.spaces["BP-1"] = Space("BP-1", "Building", "A", "BP-2")
    found = propose(project, Wish("knx", zones="building"), {})
    assert found["zones"]


@pytest.mark.real("processes")
def test_the_product_never_loads_the_oracle_and_loads_xknx_only_to_run() -> None:
    code = (
        "import sys, integrations.knx as k, integrations.knx.importer, integrations.knx.decode; k.Config();"
        "print([m for m in ('xknx', 'xknxproject', 'pyzipper') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
    root = Path(__file__).parents[3]
    naming = [f for folder in ("hub", "integrations", "plugins") for f in (root / folder).rglob("*.py")]
    assert [f.name for f in naming if "xknxproject" in f.read_text()] == []
