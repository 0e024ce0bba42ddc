"""A hub's keys come whole or not at all, and are read only where nobody else can."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub.core.errors import ConfigError, StorageError
from hub.identity import keys
from hub.protocol.hub_id import hub_id
from hub.protocol.pem import private_pem


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys"


def test_made_keys_read_back_the_same(directory: Path) -> None:
    made, read = keys.create(directory), keys.load(directory, {})
    assert made.identity_public == read.identity_public
    assert made.store_key == read.store_key
    assert made.hub_id == read.hub_id == hub_id(made.identity_public)
    assert len(read.store_key) == 32


def test_a_hub_id_is_sixteen_characters_of_base32_after_hub() -> None:
    # SHA-256 of 32 zero bytes begins 66687aadf862bd776c8f; RFC 4648 base32 of these 10 bytes:
    assert hub_id(bytes(32)) == "hub-mzuhvlpymk6xo3ep"


def test_two_hubs_have_nothing_in_common(tmp_path: Path) -> None:
    one, two = keys.create(tmp_path / "a"), keys.create(tmp_path / "b")
    assert one.hub_id != two.hub_id
    assert one.store_key != two.store_key
    assert one.tls_key.read_bytes() != two.tls_key.read_bytes()


def test_nobody_else_can_read_the_files(directory: Path) -> None:
    keys.create(directory)
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_keys_are_on_the_disk_under_their_name_when_they_are_handed_out(directory: Path, disk_calls: list[str]) -> None:
    keys.create(directory)
    state_directory = "directory"  # is made with them
    assert disk_calls == [state_directory, *["file", "rename", "directory"] * 3, "rename", "directory"]


def test_keys_are_never_overwritten(directory: Path) -> None:
    before = keys.create(directory).hub_id
    with pytest.raises(ConfigError, match="never overwritten"):
        keys.create(directory)
    assert keys.load(directory, {}).hub_id == before


def test_a_failure_half_way_leaves_no_keys(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = keys.write_atomically, []

    def failing(path: Path, data: bytes, mode: int = 0o600) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(path, data, mode)

    monkeypatch.setattr(keys, "write_atomically", failing)
    with pytest.raises(StorageError, match="No space left"):
        keys.create(directory)
    assert not directory.exists()
    assert list(directory.parent.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(directory: Path, mode: int) -> None:
    keys.create(directory)
    (directory / "store.key").chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600 .*store\.key"):
        keys.load(directory, {})


@pytest.mark.parametrize("name", ["identity.pem", "store.key", "tls.pem"])
def test_a_missing_key_is_named(directory: Path, name: str) -> None:
    keys.create(directory)
    (directory / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} is missing"):
        keys.load(directory, {})


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 5000])
@pytest.mark.parametrize("name", ["identity.pem", "store.key", "tls.pem"])
def test_a_damaged_key_is_named(directory: Path, name: str, content: bytes) -> None:
    keys.create(directory)
    (directory / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        keys.load(directory, {})


def test_a_key_of_another_kind_is_refused(directory: Path) -> None:
    keys.create(directory)
    for name, wrong in (
        ("identity.pem", ec.generate_private_key(ec.SECP256R1())),
        ("tls.pem", ec.generate_private_key(ec.SECP384R1())),
        ("tls.pem", ed25519.Ed25519PrivateKey.generate()),
    ):
        right = (directory / name).read_bytes()
        (directory / name).write_bytes(private_pem(wrong))
        with pytest.raises(ConfigError, match=name):
            keys.load(directory, {})
        (directory / name).write_bytes(right)
    assert keys.load(directory, {})


def test_a_credential_of_systemd_takes_the_place_of_its_file(directory: Path, tmp_path: Path) -> None:
    keys.create(directory)
    other, credentials = keys.create(tmp_path / "other"), tmp_path / "credentials"
    credentials.mkdir()
    shutil.copy(tmp_path / "other" / "identity.pem", credentials / "ilot-identity")
    read = keys.load(directory, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert read.hub_id == other.hub_id
    assert read.store_key == keys.load(directory, {}).store_key


def test_no_key_shows_in_a_repr(directory: Path) -> None:
    made = keys.create(directory)
    assert repr(made.store_key) not in repr(made)
    assert "PrivateKey" not in repr(made)


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, how: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """As another writer has it."""
    return key.private_bytes(Encoding.PEM, how, NoEncryption())


def test_keys_are_written_as_others_write_them() -> None:
    identity, tls = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    assert private_pem(identity) == pem(identity)
    assert private_pem(tls) == pem(tls)


@pytest.mark.parametrize("spelled", [bytes, lambda said: said.replace(b"\n", b"\r\n"), lambda said: b"a note\n" + said])
def test_an_identity_is_read_however_its_pem_is_laid_out(directory: Path, spelled: Callable[[bytes], bytes]) -> None:
    made = keys.create(directory)
    path = directory / "identity.pem"
    path.write_bytes(spelled(path.read_bytes()))
    assert keys.load(directory, {}).identity_public == made.identity_public


@pytest.mark.parametrize("how", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_tls_key_is_taken_in_each_spelling_and_on_no_other_curve(directory: Path, how: PrivateFormat) -> None:
    keys.create(directory)
    path = directory / "tls.pem"
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), how))
    assert keys.load(directory, {}).tls_key == path
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256K1()), how))
    with pytest.raises(ConfigError, match=r"tls\.pem is not an ECDSA P-256 key"):
        keys.load(directory, {})


@pytest.mark.parametrize("name", ["identity.pem", "tls.pem"])
def test_a_key_that_was_cut_or_is_of_the_other_kind_is_refused_by_name(directory: Path, name: str) -> None:
    keys.create(directory)
    path, others = directory / name, {"identity.pem": "tls.pem", "tls.pem": "identity.pem"}
    whole = path.read_bytes()
    head, body, foot = whole.partition(b"\n")[0], b"".join(whole.split(b"\n")[1:-2]), whole.split(b"\n")[-2]
    for wrong in (
        whole[:-10], whole[:60], b"", (directory / others[name]).read_bytes(),
        b"\n".join([head, body[:-4], foot, b""]), b"\n".join([head, body + b"AAAA", foot, b""]),
        b"\n".join([head, b"!" + body, foot, b""]),
    ):  # fmt: skip
        path.write_bytes(wrong)
        with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
            keys.load(directory, {})
