"""An owner's directory: made whole, read strictly, honest about its grade."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.owner import badges, broker, page_authority, pki, recipient_keys
from backend.owner import directory as owners
from backend.owner import key_rotation as rotation
from backend.owner.key_files import owner_root
from backend.storage.sqlite.schema import open_database
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.protocol.documents.trust import read_trust
from hub.protocol.enrolment import make_csr


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville", port=4433)
    return tmp_path / "owner"


def test_trust_names_two_recipients_the_ack_key_and_every_name(directory: Path) -> None:
    made = owners.load(directory)
    trust = read_trust((directory / "trust.bin").read_bytes(), bytes.fromhex(made.settings.root))
    assert [r.role for r in trust.recipients] == ["ingest", "recovery"]
    assert [(e.host, e.port) for e in trust.egress] == [("localhost", 4433), ("127.0.0.1", 4433), ("::1", 4433)]
    assert set(made.recipients) == {trust.recipients[0].kid}
    assert recipient_keys.load(directory / "recovery.key").kid == trust.recipients[1].kid
    assert owner_root(directory / "root", made.settings.root)


def test_everything_private_is_for_the_owner_alone(directory: Path) -> None:
    public = {"ca.pem", "server.pem", "trust.bin", "backend.json", "README.md"}
    for path in directory.rglob("*"):
        if path.is_file() and path.name not in public:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_it_is_demo_grade_until_root_and_recovery_key_are_away(directory: Path) -> None:
    made = owners.load(directory)
    assert made.demo_grade
    assert "demo grade" in (directory / "README.md").read_text()
    shutil.rmtree(directory / "root")
    assert made.demo_grade
    (directory / "recovery.key").unlink()
    assert not made.demo_grade
    assert owners.load(directory)


def test_an_owner_is_never_overwritten(directory: Path) -> None:
    with pytest.raises(ConfigError, match="never overwritten"):
        owners.init(directory, owner="Other")


@pytest.mark.parametrize("name", ["", "no host", "é.example", "-x", "http://x", "a" * 300])
def test_what_is_no_host_name_makes_no_owner(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="host name"):
        owners.init(tmp_path / "owner", owner="Ville", names=(name,))
    assert list(tmp_path.iterdir()) == []


def test_another_port_raises_the_version_and_keeps_the_rest(directory: Path) -> None:
    before = owners.load(directory)
    after = owners.serve_at(before, 4434)
    assert (after.trust.version, after.settings.url) == (2, "https://localhost:4434")
    assert {e.port for e in after.trust.egress} == {4434}
    assert after.trust.recipients == before.trust.recipients
    assert owners.serve_at(after, 4434).trust.version == 2


def test_without_the_root_another_port_is_refused_with_the_remedy(directory: Path) -> None:
    shutil.rmtree(directory / "root")
    with pytest.raises(ConfigError, match=r"port 4433, not 4434.*bring the owner root back"):
        owners.serve_at(owners.load(directory), 4434)
    assert owners.serve_at(owners.load(directory), 4433)


@pytest.mark.parametrize("name", ["backend.json", "trust.bin", "ca.pem", "ca.key", "ack.key", "api.token"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\0"])
def test_a_missing_or_damaged_file_is_a_clear_error(directory: Path, name: str, content: bytes | None) -> None:
    (directory / name).unlink()
    if content is not None:
        (directory / name).write_bytes(content)
    with pytest.raises(ConfigError):
        owners.load(directory)


def test_an_ack_key_that_trust_does_not_name_is_refused(directory: Path, tmp_path: Path) -> None:
    owners.init(tmp_path / "other", owner="Other")
    shutil.copy(tmp_path / "other" / "ack.key", directory / "ack.key")
    with pytest.raises(ConfigError, match="hubs would refuse every acknowledgement"):
        owners.load(directory)


def test_no_secret_shows_in_a_repr(directory: Path) -> None:
    made = owners.load(directory)
    assert made.api_token not in repr(made)
    assert "PrivateKey" not in repr(made)


# -- two commands at once ----------------------------------------------------------------------------------------


def test_what_changes_an_owner_at_once_is_all_there_each_under_a_version_of_its_own(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign, versions = owners.sign_trust, list[int]()

    def slow(root: Any, trust: Any) -> bytes:
        time.sleep(0.1)  # the others may read what is there until now, where they can
        versions.append(trust.version)
        return sign(root, trust)

    for module in (owners, rotation, badges):
        monkeypatch.setattr(module, "sign_trust", slow)
    stale = owners.load(directory)
    changes: list[Callable[[], object]] = [
        lambda: owners.with_broker(stale, "one.example", 8883), lambda: owners.with_broker(stale, "two.example", 8883),
        lambda: rotation.rotate(directory), lambda: badges.make_key(directory),
        lambda: owners.serve_at(stale, 4434),
    ]  # fmt: skip
    with ThreadPoolExecutor(len(changes)) as threads:
        assert [done.exception() for done in [threads.submit(change) for change in changes]] == [None] * 5
    found = owners.load(directory)
    assert sorted(versions) == [2, 3, 4, 5, 6]
    assert {name for name, _ in found.settings.brokers} == {"one.example", "two.example"}
    assert {(one.host, one.port) for one in found.trust.egress} >= {("one.example", 8883), ("localhost", 4434)}
    assert (len(found.trust.badge_publics), len(found.trust.ack_keys), found.settings.port) == (1, 2, 4434)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_what_root_changes_the_servers_user_can_read_and_what_root_keeps_to_itself_stays_so(directory: Path) -> None:
    for path in [directory, *directory.rglob("*")]:
        if path.name != "recovery.key":
            os.chown(path, 12345, 12345)
    rotation.rotate(directory)
    page_authority.authority(directory, "Ville")
    page_authority.grant(directory, "hub-x", ["page.example"])
    badges.make_key(directory)
    badges.revoke(directory, badges.issue(directory, name="A", role="lecteur", sites=("school",), days=1)[0].id)
    broker.prepare(directory, directory.parent / "broker", broker.Address("localhost", 8883))
    owners.serve_at(owners.load(directory), 5544)
    kept = open_database(directory / "backend.db")
    kept.execute("insert into meta values ('a', 'b')")
    owned = {path.name: path.stat().st_uid for path in [directory, *directory.rglob("*")]}
    kept.close()
    assert {"backend.db", "backend.db-wal", "acks", "pages-ca.key", "pages.json", "mqtt.key"} <= set(owned)
    roots = ("recovery.key", badges.KEY, badges.ISSUED)
    assert owned == dict.fromkeys(owned, 12345) | dict.fromkeys(roots, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
@pytest.mark.parametrize("says", [errno.EPERM, errno.EINVAL])
def test_root_works_in_a_directory_on_a_share_that_lets_nobody_give_files_away(
    directory: Path, monkeypatch: pytest.MonkeyPatch, says: int
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(says, os.strerror(says))

    os.chown(directory, 12345, 12345)
    monkeypatch.setattr("hub.core.disk.atomic_files.os.fchown", refuse)
    open_database(directory / "backend.db").close()
    assert rotation.rotate(directory).trust.version == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
def test_root_writes_no_key_and_no_database_through_a_link_of_the_servers_user(directory: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots"
    (roots / "broker").mkdir(parents=True)
    (directory / "recipients").rename(tmp_path / "kept")
    shutil.copytree(tmp_path / "kept", roots / "recipients")
    for name, leads_to in (
        ("recipients", roots / "recipients"), ("backend.db", roots / "new.db"), ("broker", roots / "broker"),
    ):  # fmt: skip
        (directory / name).symlink_to(leads_to)
        os.chown(directory / name, 12345, 12345, follow_symlinks=False)
    before = sorted(roots.rglob("*"))
    with pytest.raises(StorageError, match="chown -h root"):
        rotation.rotate(directory)
    with pytest.raises(StorageError, match="chown -h root"):
        open_database(directory / "backend.db")
    with pytest.raises(StorageError, match="chown -h root"):
        broker.prepare(directory, directory / "broker", broker.Address("localhost", 8883))
    assert sorted(roots.rglob("*")) == before


def test_what_two_hubs_pages_are_granted_at_once_is_all_there(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = page_authority.granted

    def slow(where: Path) -> dict[str, list[str]]:
        known = real(where)
        time.sleep(0.1)
        return known

    monkeypatch.setattr(page_authority, "granted", slow)
    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(page_authority.grant, directory, f"hub-{n}", [f"{n}.example"]) for n in "ab"]
        assert [one.exception() for one in done] == [None, None]
    assert real(directory) == {"hub-a": ["a.example"], "hub-b": ["b.example"]}


# -- recipient keys ----------------------------------------------------------------------------------------------


def test_a_recipient_key_reads_back_the_same() -> None:
    key, file = recipient_keys.generate("recovery")
    read = recipient_keys.parse(file)
    assert (read.role, read.kid, read.public) == ("recovery", key.kid, key.public)


def test_a_recipient_file_whose_key_is_not_its_own_is_refused() -> None:
    one, two = (msgspec.json.decode(recipient_keys.generate("ingest")[1]) for _ in range(2))
    with pytest.raises(ConfigError, match="damaged"):
        recipient_keys.parse(msgspec.json.encode(one | {"kid": two["kid"]}))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_bytes_that_are_no_recipient_file_give_one_clear_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        recipient_keys.parse(data)


# -- certificates ------------------------------------------------------------------------------------------------

CA_KEY = pki.new_key()
CA = pki.make_ca(CA_KEY, "Ville")


def test_a_hub_is_called_what_the_authority_says_not_what_it_asked_for() -> None:
    key = pki.new_key()
    made = pki.make_hub_certificate(CA, CA_KEY, make_csr(key, "hub-somebody-else"), "hub-mine")
    assert made.subject.rfc4514_string() == "CN=hub-mine"
    assert made.public_key() == key.public_key()
    made.verify_directly_issued_by(CA)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH] if hasattr(x509, "ExtendedKeyUsageOID") else usage
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_a_request_with_another_kind_of_key_is_refused() -> None:
    csr = make_csr(ec.generate_private_key(ec.SECP384R1()), "x")
    with pytest.raises(DecodeError, match="P-256"):
        pki.make_hub_certificate(CA, CA_KEY, csr, "x")


REQUEST = make_csr(pki.new_key(), "x")
UNUSED = 129
"""Where the request's last BIT STRING says how many of its bits are not used. It is outside of what is signed."""


@given(st.binary(max_size=200), st.integers(0, 500), st.integers(1, 255))
@example(b"", UNUSED, 1)
@settings(max_examples=100, deadline=None)
def test_no_broken_request_is_certified(data: bytes, at: int, change: int) -> None:
    csr = x509.load_pem_x509_csr(REQUEST)
    der = bytearray(csr.public_bytes(pki.Encoding.DER))
    at %= len(der)
    der[at] ^= change
    altered = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    )
    for bad in (data, altered, bytes(10_000)):
        try:
            made = pki.make_hub_certificate(CA, CA_KEY, bad, "x")
        except DecodeError:
            continue
        assert (bad, at) == (altered, UNUSED), "a signature holds that was made for something else"
        assert made.public_key() == csr.public_key()
