"""A pack of a vendor comes in a signed bundle, and one that is revoked is not used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plugins_kit import DAY, KEY, NOW, OTHER, Place, plain

from hub.config.parts.vendors import PluginTrust, Vendor
from hub.core.errors import AuthFailed, ConfigError, HubError
from hub.devices.packs.library import SHIPPED, Library
from hub.devices.packs.loader import read
from hub.operations.plugins.making import Times, sign_pack
from hub.operations.plugins.packs import unpack_pack
from hub.protocol.documents.plugin_index import Revoked

NAME = "adeunis-pulse4"
TIMES = Times(NOW - DAY, NOW + DAY, 7)


def signed(place: Place, key: Any = KEY, version: int = 7) -> Path:
    """A bundle of a shipped pack, in a version of its vendor's own."""
    source = read(SHIPPED / NAME)
    text = source.files["pack.yaml"].replace(f"version: {source.keys.version}".encode(), f"version: {version}".encode())
    target = place.stick / f"{version}.ilot-pack"
    files = {**source.files, "pack.yaml": text}
    return sign_pack(NAME, version, files, target, [key], TIMES._replace(counter=version))[0]


@pytest.fixture
def vendor(place: Place) -> Place:
    acme = Vendor(keys=place.trust.vendors["acme"].keys, ships=("adeunis-*",))
    place.trust = PluginTrust(vendors={"acme": acme}, index=place.trust.index)
    return place


def install(place: Place, folder: Path) -> Library:
    library = Library(place.state / "packs")
    pack = read(folder)
    verdict: Any = SimpleNamespace(digest=pack.digest, ok=True)
    library.install(pack, verdict, untested=True)
    return library


def test_a_pack_out_of_a_signed_bundle_is_the_one_that_was_signed(vendor: Place, tmp_path: Path) -> None:
    folder = unpack_pack(signed(vendor), tmp_path / "into", vendor.here())
    assert folder.name == NAME
    assert read(folder).keys.version == 7
    assert install(vendor, folder).get(NAME).keys.version == 7


def test_a_pack_with_one_flipped_byte_or_of_another_vendor_is_refused(vendor: Place, tmp_path: Path) -> None:
    path = signed(vendor)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), max(1, len(data) // 40)):
        bent = bytearray(data)
        bent[at] ^= 4
        path.write_bytes(bent)
        with pytest.raises(HubError):
            unpack_pack(path, tmp_path / str(at), vendor.here())
    path.unlink()
    with pytest.raises(AuthFailed, match="not signed by the keys of acme"):
        unpack_pack(signed(vendor, OTHER), tmp_path / "other", vendor.here())


def test_a_plugin_is_no_pack(place: Place, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="is a plugin"):
        unpack_pack(place.file(plain()), tmp_path / "into", place.here())


def test_a_revoked_pack_is_not_used_and_not_installed_and_a_newer_one_is(
    vendor: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = install(vendor, unpack_pack(signed(vendor), tmp_path / "into", vendor.here()))
    vendor.take_index(1, Revoked(reason="a wrong scale", id=NAME, through=7))
    with pytest.raises(ConfigError, match="is revoked: a wrong scale"):
        library.get(NAME)
    (vendor.stick / "7.ilot-pack").unlink()
    with pytest.raises(ConfigError, match="is revoked: a wrong scale"):
        unpack_pack(signed(vendor), tmp_path / "again", vendor.here())
    install(vendor, unpack_pack(signed(vendor, version=8), tmp_path / "newer", vendor.here()))
    assert library.get(NAME).keys.version == 8
    monkeypatch.setattr(Library, "_expect_not_revoked", lambda self, pack: None)  # the twin uses it all the same
    vendor.take_index(2, Revoked(reason="a wrong scale", id=NAME, through=8))
    assert library.get(NAME).keys.version == 8
