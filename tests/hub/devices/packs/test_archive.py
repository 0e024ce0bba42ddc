"""A pack in a ZIP file, as somebody uploads it."""

from __future__ import annotations

import contextlib
import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.devices.packs.archive import MAX_ARCHIVE_BYTES, MAX_FILES, unpack


def zipped(files: dict[str, bytes], *, links: frozenset[str] = frozenset()) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, content)
    return out.getvalue()


def test_the_folder_of_the_pack_is_found_wherever_it_stands_and_nothing_else_is_written(tmp_path: Path) -> None:
    data = zipped({"a/acme-th/pack.yaml": b"x", "a/acme-th/vectors/v.yaml": b"y", "a/README": b"z"})
    folder = unpack(data, tmp_path)
    assert folder == tmp_path / "a/acme-th"
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [
        "a/acme-th/pack.yaml",
        "a/acme-th/vectors/v.yaml",
    ]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"../acme/pack.yaml": b""}, "plain files below its folder"),
        ({"/acme/pack.yaml": b""}, "plain files below its folder"),
        ({"acme/pack.yaml": b"", "acme\\..\\..\\x": b""}, "plain files below its folder"),
        ({"pack.yaml": b""}, "pack the folder itself"),
        ({"a/pack.yaml": b"", "b/pack.yaml": b""}, "several packs"),
        ({"a/other.yaml": b""}, "no pack.yaml"),
        ({f"a/{n}": b"" for n in range(MAX_FILES + 1)}, "files at most"),
        ({"a/pack.yaml": b"", "a/bomb": bytes(8 << 20)}, "4 MiB at most"),
    ],
)
def test_what_is_no_pack_or_wants_out_is_refused(files: dict[str, bytes], why: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(HubError, match=why):
        unpack(zipped(files), inside)
    assert [p for p in tmp_path.iterdir() if p != inside] == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="plain files"):
        unpack(zipped({"a/pack.yaml": b"/etc/passwd"}, links=frozenset({"a/pack.yaml"})), tmp_path)


def test_an_archive_that_is_too_large_is_not_even_opened(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="1 MiB at most"):
        unpack(bytes(MAX_ARCHIVE_BYTES + 1), tmp_path)


@given(st.binary(max_size=300), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_any_bytes_are_a_pack_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, flip: bytes
) -> None:
    whole = bytearray(zipped({"a/pack.yaml": b"x" * 40}))
    whole[at : at + len(flip)] = flip
    for data in (noise, bytes(whole)):
        scratch = tmp_path_factory.mktemp("archive")
        with contextlib.suppress(HubError):
            assert unpack(data, scratch).is_relative_to(scratch)
