"""Entry points are found as `importlib.metadata` finds them."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin_host.entry_points import Entry, installed
from hub.plugin_host.registry import GROUP

GROUPS = (GROUP, "console_scripts", "pytest11", "ilot.commands", "no.such.group")


def theirs(group: str, path: list[str] | None = None) -> list[tuple[str, str, str, str]]:
    found = (
        importlib.metadata.entry_points(group=group)
        if path is None
        else [
            entry
            for dist in importlib.metadata.distributions(path=path)
            for entry in dist.entry_points
            if entry.group == group
        ]
    )
    return sorted((one.name, one.value, one.dist.name, one.dist.version) for one in found if one.dist)


@pytest.mark.parametrize("group", GROUPS)
def test_of_what_is_installed_here_the_same_is_found(group: str) -> None:
    assert sorted(installed(group)) == theirs(group)


def record(directory: Path, name: str, text: str, metadata: str = "", kind: str = "METADATA") -> None:
    (directory / name).mkdir(parents=True)
    (directory / name / "entry_points.txt").write_text(text, encoding="utf-8")
    (directory / name / kind).write_text(metadata, encoding="utf-8")


def test_a_distribution_counts_where_it_is_first_on_the_path_and_is_named_as_it_names_itself(tmp_path: Path) -> None:
    text = (
        "[console_scripts]\nx = y:z\n\n[hub.plugins]\nacme = acme_thermo\n# none = of:this\n"
        "  other=acme:part.of [tls]\n[more]\na=b\n"
    )
    record(
        tmp_path / "a",
        "Acme_Thermo-1.0.dist-info",
        text,
        "Metadata-Version: 2.1\nName: Acme.Thermo\nVersion: 1.0\n\nName: no\n",
    )
    record(tmp_path / "b", "acme.thermo-2.0.dist-info", text, "Name: acme.thermo\nVersion: 2.0\n")
    record(tmp_path / "b", "old-3-py3.11.egg-info", "[hub.plugins]\nold = old\n", "Name: old\nVersion: 3\n", "PKG-INFO")
    (tmp_path / "b" / "none-1.dist-info").mkdir()
    path = [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "gone")]
    assert installed(GROUP, path) == [
        Entry("acme", "acme_thermo", "Acme.Thermo", "1.0"),
        Entry("other", "acme:part.of [tls]", "Acme.Thermo", "1.0"),
        Entry("old", "old", "old", "3"),
    ]


def test_a_distribution_that_bears_another_s_name_in_its_metadata_is_called_as_it_was_installed(tmp_path: Path) -> None:
    record(tmp_path, "acme-1.0.dist-info", "[hub.plugins]\nacme = acme\n", "Name: ilot\nVersion: 1.0\n")
    assert installed(GROUP, [str(tmp_path)]) == [Entry("acme", "acme", "acme", "1.0")]


def test_an_entry_is_imported_when_it_is_asked_for_and_a_wrong_one_says_so() -> None:
    assert Entry("x", "hub.plugin_host.registry:Registry.discover", "", "").load().__qualname__ == "Registry.discover"
    assert Entry("x", "hub.plugin_host.registry", "", "").load() is sys.modules["hub.plugin_host.registry"]
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Entry("x", "no_such_module:a", "", "").load()
    with pytest.raises(AttributeError, match="nothing"):
        Entry("x", "hub.plugin_host.registry:nothing", "", "").load()


WORD = st.text("abcdefghijklmnopqrstuvwxyz_.0123456789", min_size=1, max_size=8).filter(lambda text: text.strip("."))


@given(st.dictionaries(st.sampled_from([GROUP, "other", "hub.plugin"]), st.dictionaries(WORD, WORD), max_size=3))
def test_whatever_sections_a_file_has_the_same_is_read(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, dict[str, str]]
) -> None:
    directory = tmp_path_factory.mktemp("site")
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
        for group, lines in said.items()
    )
    text = "".join(sections)
    record(directory, "thing-1.dist-info", text, "Name: thing\nVersion: 1\n")
    assert sorted(installed(GROUP, [str(directory)])) == theirs(GROUP, [str(directory)])
