"""A manifest is read without running anything, and each mistake stands at its line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import ConfigError
from hub.plugin_host.manifest import API, Permissions
from hub.plugin_host.manifest_file import LIMIT, lines, manifest_of_module, read_manifest

GOOD = b"""id: acme_probe
version: "1.2"
api: {from: 1, to: 1}
owner: Acme SAS, Lyon
security_contact: security@acme.example
vendor_country: FR
languages: [en, fr]
end_of_support: 2031-12-31
remote_endpoints: [api.acme.example]
permissions:
  hosts: [configured, "api.acme.example:443", "*.acme.example:8883"]
  buses: [rs485-1]
  device_files: ["/dev/ttyUSB*"]
  listens: ["tcp:8502"]
  device_schemes: [acme, acme]
  data_classes: [technical, environment]
"""


def test_a_manifest_is_read_whole() -> None:
    found = read_manifest(GOOD)
    assert (found.id, found.version, found.api, found.vendor_country) == ("acme_probe", "1.2", (1, 1), "FR")
    assert found.permissions.device_schemes == ("acme",)
    assert not found.permissions.asserts_authenticity
    assert found.serves is (API == 1)
    said = "\n".join(lines(found))
    for word in (
        "Acme SAS, Lyon",
        "2031-12-31",
        "security@acme.example",
        "/dev/ttyUSB*",
        "tcp:8502",
        "rs485-1",
        "acme",
    ):
        assert word in said


@pytest.mark.parametrize(
    ("right", "wrong", "line", "reason"),
    [
        (b"id: acme_probe", b"id: Acme", 1, "an id is letters"),
        (b'"1.2"', b"one", 2, "the version as the wheel has it"),
        (b"to: 1", b"to: 0", 3, "at least 1"),
        (b"from: 1", b"from: 3", 3, "below `from`"),
        (b"Acme SAS, Lyon", b'"a\\u202eb"', 4, "one line"),
        (b"security@acme.example", b"nobody", 5, "security contact"),
        (b"FR", b"France", 6, "two letters"),
        (b"[en, fr]", b"[]", 7, "at least 1"),
        (b"2031-12-31", b"2031-02-30", 8, "no such day"),
        (b"[api.acme.example]", b'["http://x/"]', 9, "remote endpoint"),
        (b'"api.acme.example:443"', b'"api.acme.example"', 11, "name:port"),
        (b'"api.acme.example:443"', b'"*:443"', 11, "name:port"),
        (b"/dev/ttyUSB*", b"/dev/../etc/shadow", 13, "below /dev"),
        (b"tcp:8502", b"tcp:70000", 14, "tcp:NUMBER"),
        (b"[acme, acme]", b'["*"]', 15, "before the colon"),
        (b"[technical, environment]", b"[secret]", 16, "technical"),
        (b"[technical, environment]", b"[]", 16, "speaks for devices"),
        (b"  data_classes: [technical, environment]\n", b"", 10, "speaks for devices"),
        (b"  buses:", b"  busses:", 12, "did you mean buses"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_line(right: bytes, wrong: bytes, line: int, reason: str) -> None:
    assert right in GOOD
    with pytest.raises(ConfigError) as error:
        read_manifest(GOOD.replace(right, wrong, 1))
    assert [problem.line for problem in error.value.problems] == [line]
    assert reason in str(error.value)


def test_a_notifier_which_speaks_for_no_device_says_no_class_of_data() -> None:
    lines = [
        line for line in GOOD.splitlines(keepends=True) if b"device_schemes" not in line and b"data_classes" not in line
    ]
    assert read_manifest(b"".join(lines)).permissions.data_classes == ()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1", b"a" * (LIMIT + 1), b"- a\n", b"id: &x a\nid: *x\n"])
def test_what_is_no_manifest_is_told_so(content: bytes) -> None:
    with pytest.raises(ConfigError):
        read_manifest(content)


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_whatever_bytes_come_they_are_a_manifest_or_a_problem(junk: bytes, at: int) -> None:
    for content in (junk, GOOD[:at] + junk + GOOD[at:], GOOD[:at] + GOOD[at + 7 :]):
        try:
            found = read_manifest(content)
        except ConfigError:
            continue
        assert isinstance(found.permissions, Permissions)


def test_the_manifest_of_a_package_on_the_path_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "acme_pkg_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert manifest_of_module("acme_pkg_of_a_test:part") is None
    (package / "ilot-plugin.yaml").write_bytes(GOOD)
    found = manifest_of_module("acme_pkg_of_a_test.deep:part")
    assert found is not None
    assert found.id == "acme_probe"
    assert "acme_pkg_of_a_test" not in sys.modules
    assert manifest_of_module("no_such_package_at_all") is None
