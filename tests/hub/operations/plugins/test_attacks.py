"""Attacks by what is installed: each is refused, and each is seen to succeed on a hub that lacks the defence."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from plugins_kit import KEY, NOW, OTHER, Place, bundle, files, manifest, plain, record, wheel, zipped

from hub.config.parts.vendors import PluginTrust, Vendor
from hub.operations.plugins import index, machine_tags, offers, sources, wheels
from hub.plugin_host import installed, vendor_trust
from hub.protocol.documents import addition
from hub.protocol.documents.plugin_index import Revoked, read_stored_index
from tests.hub.operations.any_bytes import take_any_bytes

Patch = pytest.MonkeyPatch
NAME = "acme_probe-1.0-py3-none-any.whl"


class Attack(NamedTuple):
    """An attack returns whether it got what it wanted; `twin` takes away what stands against it."""

    name: str
    succeeds: Callable[[Place], bool]
    twin: Callable[[Patch], None]


def _of(contents: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    return bundle({NAME: wheel(contents, change=change)})


def path_out(place: Place) -> bool:
    """A file whose path leads to the configuration of the hub."""
    place.refused(_of({**files(), "../../../../evil": b"x"}))
    return any(place.state.rglob("evil"))


def link(place: Place) -> bool:
    """A link to the hub's keys, under a name that somebody reads."""

    def bend(info: zipfile.ZipInfo) -> None:
        if info.filename == "acme_probe/link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    return not place.refused(_of({**files(), "acme_probe/link": b"../../keys"}, bend))


def _nothing_strange(patch: Patch) -> None:
    patch.setattr(wheels.Wheel, "_strange", lambda self, info: False)


def bomb(place: Place) -> bool:
    """Some kilobytes that unpack into more than the disk has."""
    return not place.refused(_of({**files(), "acme_probe/zeros": bytes(8 << 20)}))


def _any_size(patch: Patch) -> None:
    patch.setattr(wheels, "MAX_UNPACKED", 1 << 40)
    patch.setattr(offers, "MAX_UNPACKED", 1 << 40)


def many_files(place: Place) -> bool:
    more = {f"acme_probe/{number}": b"" for number in range(300)}
    return not place.refused(_of({**files(), **more}))


def _any_number(patch: Patch) -> None:
    patch.setattr(wheels, "MAX_ENTRIES", 1 << 40)


def pth(place: Place) -> bool:
    """A file that Python runs at the start of every program that has its directory."""
    return not place.refused(_of({**files(), "acme.pth": b"import os\n"}))


def takes_the_hubs_module(place: Place) -> bool:
    return not place.refused(_of({**files(), "hub/sdk/seccomp.py": b""}))


def takes_pythons_module(place: Place) -> bool:
    return not place.refused(_of({**files(), "socket.py": b""}))


def _any_target(patch: Patch) -> None:
    patch.setattr(wheels.Wheel, "_target", lambda self, name: name)


def other_than_recorded(place: Place) -> bool:
    """A file that is not what RECORD says: somebody unpacked, changed and packed the wheel again."""
    honest = files()
    info = "acme_probe-1.0.dist-info"
    changed = {**honest, f"{info}/RECORD": record(honest, info), "acme_probe/__init__.py": b"evil"}
    return not place.refused(bundle({NAME: zipped(changed)}))


def beside_the_record(place: Place) -> bool:
    honest = files()
    info = "acme_probe-1.0.dist-info"
    more = {**honest, f"{info}/RECORD": record(honest, info), "acme_probe/more.py": b"evil"}
    return not place.refused(bundle({NAME: zipped(more)}))


def _no_record(patch: Patch) -> None:
    patch.setattr(wheels.Wheel, "_record", lambda self: {})


def for_another_machine(place: Place) -> bool:
    name = "acme_probe-1.0-cp311-cp311-win_amd64.whl"
    return not place.refused(bundle({name: wheel(files())}))


def _any_tags(patch: Patch) -> None:
    patch.setattr(wheels, "expect_tags", lambda *said: None)


def code_of_another_machine(place: Place) -> bool:
    """Machine code in a wheel that says that it has none."""
    elf = machine_tags.ELF + bytes([2, 1, 1]) + bytes(11) + (3).to_bytes(2, "little") + bytes(40)
    return not place.refused(_of({**files(), "acme_probe/fast.so": elf}))


def _any_code(patch: Patch) -> None:
    patch.setattr(wheels, "expect_native", lambda *said, pure: None)


def altered(place: Place) -> bool:
    """One byte of the wheel, flipped on its way: it is in a comment of the archive, which nothing else would notice."""
    data = bytearray(plain())
    start = bytes(data).index(b"PK\x03\x04")
    at = start + 10  # the time of the first file, of which nothing depends
    data[at] ^= 1
    return not place.refused(bytes(data))


def _any_bytes(patch: Patch) -> None:
    take_any_bytes(patch, sources)


def signed_by_a_stranger(place: Place) -> bool:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(9, 41)))
    return not place.refused(bundle({NAME: wheel(files())}, stranger))


def _any_signature(patch: Patch) -> None:
    patch.setattr(vendor_trust, "verified", lambda label, payload, signatures, keys: tuple(signatures))


def another_vendors_id(place: Place) -> bool:
    """A vendor that the district trusts, for its own plugins, ships a newer one of somebody else's."""
    place.install(plain())
    newer = bundle({"acme_probe-2.0-py3-none-any.whl": wheel(files("2.0"), "2.0")}, OTHER, version="2.0", counter=200)
    place.trust = PluginTrust(
        vendors={"other": place.trust.vendors["other"], "acme": place.trust.vendors["acme"]}, index=place.trust.index
    )
    place.refused(newer)
    return place.runs() == "2.0"


def _ships_anything(patch: Patch) -> None:
    patch.setattr(Vendor, "may_ship", lambda self, id: True)
    real = offers.expect_allowed
    patch.setattr(offers, "expect_allowed", lambda signed, here, before, floor: real(signed, here, None, floor))


def rollback(place: Place) -> bool:
    """A version with a known hole, which its vendor signed once."""
    place.install(plain("1.1", 101))
    place.refused(plain("1.0", 100))
    return place.runs() == "1.0"


def rollback_after_a_removal(place: Place) -> bool:
    from hub.operations.plugins.installing import remove

    place.install(plain("1.1", 101))
    remove(place.here(), "acme_probe")
    place.refused(plain("1.0", 100))
    return place.runs() == "1.0"


def _any_counter(patch: Patch) -> None:
    patch.setattr(offers, "_counting", lambda floor, trust: 0)


def fast_forward_by_a_thief(place: Place) -> bool:
    """A stolen key signs the highest counter. Once the key is withdrawn, the vendor's own must count again."""
    place.install(plain("9.0", 9_999_999_999))
    acme = Vendor(keys=(OTHER.public_key().public_bytes_raw().hex(),), ships=("acme_*",))
    place.trust = PluginTrust(vendors={"acme": acme}, index=place.trust.index)
    name = "acme_probe-1.1-py3-none-any.whl"
    place.refused(bundle({name: wheel(files("1.1"), "1.1")}, OTHER, version="1.1", counter=101))
    return place.runs() != "1.1"


def _counts_for_ever(patch: Patch) -> None:
    patch.setattr(offers, "_counting", lambda floor, trust: floor.counter if floor is not None else 0)


def expired(place: Place) -> bool:
    return not place.refused(bundle({NAME: wheel(files())}, expires=NOW - 1))


def _never_expires(patch: Patch) -> None:
    real = offers.expect_allowed
    patch.setattr(
        offers, "expect_allowed", lambda signed, here, before, floor: real(signed, here._replace(now=0), before, floor)
    )


def more_permissions_unseen(place: Place) -> bool:
    """An update that may do more, installed by a machine: nobody has read what it asks for."""
    place.install(plain())
    more = manifest("1.1", "device_schemes: [acme, ble], data_classes: [technical], asserts_authenticity: true")
    place.refused(plain("1.1", 101, more), accept=lambda offer: False)
    return place.runs() == "1.1"


def _nothing_is_more(patch: Patch) -> None:
    patch.setattr(offers, "widened", lambda old, new: ())


def revoked_and_installed(place: Place) -> bool:
    place.take_index(1, Revoked(reason="a known hole", id="acme_probe", through=100))
    return not place.refused(plain())


def revoked_and_started(place: Place) -> bool:
    place.install(plain())
    place.take_index(1, Revoked(reason="a known hole", id="acme_probe", through=100))
    return not place.barred()


def revoked_key_and_started(place: Place) -> bool:
    place.install(plain())
    stolen = hashlib.sha256(KEY.public_key().public_bytes_raw()).digest()
    place.take_index(1, Revoked(reason="a stolen key", signer=stolen))
    return not place.barred()


def _nothing_revoked(patch: Patch) -> None:
    patch.setattr("hub.protocol.documents.plugin_index.PluginIndex.revocation", lambda *said: None)


def index_of_yesterday(place: Place) -> bool:
    """Who stands between gives an index that does not know the revocation yet."""
    place.take_index(2, Revoked(reason="a known hole", id="acme_probe", through=100))
    with pytest.MonkeyPatch.context():
        try:
            place.take_index(1)
        except index.Refused:
            return False
    return True


def _forgets_its_index(patch: Patch) -> None:
    patch.setattr(index, "_before", lambda plugins: None)


def index_of_a_vendor(place: Place) -> bool:
    from hub.core.errors import AuthFailed

    try:
        place.take_index(1, key=KEY)
    except AuthFailed:
        return False
    return True


def _any_index(patch: Patch) -> None:
    patch.setattr(index, "read_index", lambda document, trusted: read_stored_index(document))


def name_of_another(place: Place) -> bool:
    """It registers a type that the hub has: whoever configures modbus would get it."""
    points = b"[hub.plugins]\nacme_probe = acme_probe\nmodbus = acme_probe\n"
    return not place.refused(_of({**files(), "acme_probe-1.0.dist-info/entry_points.txt": points}))


def _any_names(patch: Patch) -> None:
    patch.setattr(offers, "_expect_names", lambda *said: None)


def vendor_no_more_trusted(place: Place) -> bool:
    place.install(plain())
    place.trust = PluginTrust(vendors={})
    return not place.barred()


def _trusted_once(patch: Patch) -> None:
    real = vendor_trust.vouched
    acme = Vendor(keys=(KEY.public_key().public_bytes_raw().hex(),), ships=("acme_*",))
    patch.setattr(installed, "vouched", lambda document, trust: real(document, PluginTrust(vendors={"acme": acme})))


def changed_on_the_disk(place: Place) -> bool:
    place.install(plain())
    (place.lib / "acme_probe" / "__init__.py").write_text("evil")
    return not place.barred()


def _any_tree(patch: Patch) -> None:
    patch.setattr(installed, "tree_digest", place_digest)


def place_digest(lib: object) -> str:
    """What the installed one noted: nobody looks at its files."""
    from pathlib import Path

    known = installed.placed(Path(str(lib)).parents[1])
    return known.tree if known is not None else ""


def says_two_things(place: Place) -> bool:
    """What is signed is version 1.0, and the manifest that a person reads is another's."""
    return not place.refused(_of(files(said=manifest("3.0"))))


def _any_version(patch: Patch) -> None:
    real = offers.offer

    def offer(*given: object) -> object:
        patch.setattr(offers, "read_manifest", lambda content, file: _as_signed(content))
        return real(*given)  # type: ignore[arg-type]

    from hub.operations.plugins import installing

    patch.setattr(installing, "offer", offer)


def _as_signed(content: bytes) -> object:
    from hub.plugin_host.manifest_file import read_manifest

    return read_manifest(content.replace(b'"3.0"', b'"1.0"'))


ATTACKS = (
    Attack("path out", path_out, _nothing_strange),
    Attack("link", link, _nothing_strange),
    Attack("bomb", bomb, _any_size),
    Attack("many files", many_files, _any_number),
    Attack("pth", pth, _any_target),
    Attack("takes the hub's module", takes_the_hubs_module, _any_target),
    Attack("takes Python's module", takes_pythons_module, _any_target),
    Attack("other than recorded", other_than_recorded, _no_record),
    Attack("beside the record", beside_the_record, _no_record),
    Attack("for another machine", for_another_machine, _any_tags),
    Attack("code of another machine", code_of_another_machine, _any_code),
    Attack("altered", altered, _any_bytes),
    Attack("signed by a stranger", signed_by_a_stranger, _any_signature),
    Attack("another vendor's id", another_vendors_id, _ships_anything),
    Attack("rollback", rollback, _any_counter),
    Attack("rollback after a removal", rollback_after_a_removal, _any_counter),
    Attack("fast forward by a thief", fast_forward_by_a_thief, _counts_for_ever),
    Attack("expired", expired, _never_expires),
    Attack("more permissions unseen", more_permissions_unseen, _nothing_is_more),
    Attack("revoked and installed", revoked_and_installed, _nothing_revoked),
    Attack("revoked and started", revoked_and_started, _nothing_revoked),
    Attack("revoked key and started", revoked_key_and_started, _nothing_revoked),
    Attack("index of yesterday", index_of_yesterday, _forgets_its_index),
    Attack("index of a vendor", index_of_a_vendor, _any_index),
    Attack("name of another", name_of_another, _any_names),
    Attack("vendor no more trusted", vendor_no_more_trusted, _trusted_once),
    Attack("changed on the disk", changed_on_the_disk, _any_tree),
    Attack("says two things", says_two_things, _any_version),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test reaches quickly."""
    monkeypatch.setattr(wheels, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(offers, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(wheels, "MAX_ENTRIES", 200)
    assert addition.MAX_BYTES > wheels.MAX_UNPACKED


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_by_a_plugin_s_file_is_refused_and_a_hub_without_the_defence_is_taken(
    attack: Attack, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not attack.succeeds(place)
    (place.state.parent / "twin").mkdir()
    attack.twin(monkeypatch)
    assert attack.succeeds(Place(place.state.parent / "twin")), "the twin is not caught: does the attack reach it?"
