"""The root key of raw history: a file, a credential, or a TPM; a software TPM and its tools stand for the chip."""

import contextlib
import os
import socket
import subprocess

import pytest

from hub.core.errors import ConfigError, DecodeError, DiskRefuses, NotReady
from hub.history.archive import keys
from hub.identity.keys import tpm
from hub.protocol.length_prefix import lp
from tests.hub.identity.keys.chip import chip


def test_a_key_file_is_made_once_is_private_and_is_read_again(tmp_path):
    made = keys.root_key("key-file", tmp_path, {})
    assert len(made) == 32
    assert (tmp_path / "raw.key").stat().st_mode & 0o777 == 0o600
    assert keys.root_key("key-file", tmp_path, {}) == made
    assert keys.existing_keys(tmp_path) == ["key-file"]
    keys.destroy("key-file", tmp_path)
    keys.destroy("key-file", tmp_path)
    assert keys.existing_keys(tmp_path) == []
    assert keys.root_key("key-file", tmp_path, {}) != made


def test_a_credential_takes_the_place_of_the_key_file(tmp_path):
    (tmp_path / "given").mkdir()
    credential = tmp_path / "given" / "ilot-raw"
    credential.write_bytes(b"c" * 32)
    credential.chmod(0o400)
    assert keys.root_key("key-file", tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "given")}) == b"c" * 32
    assert keys.existing_keys(tmp_path) == []


def test_a_key_file_that_others_may_read_or_that_is_cut_short_is_refused_and_not_replaced(tmp_path):
    path = tmp_path / "raw.key"
    path.write_bytes(b"k" * 31)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="31 bytes, not 32"):
        keys.root_key("key-file", tmp_path, {})
    path.write_bytes(b"k" * 32)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        keys.root_key("key-file", tmp_path, {})
    assert path.read_bytes() == b"k" * 32


def test_a_disk_that_takes_no_key_is_said(tmp_path):
    with pytest.raises(DiskRefuses, match=r"raw\.key cannot be written"):
        keys.root_key("key-file", tmp_path / "nowhere", {})


def test_a_machine_without_tools_or_chip_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("TPM2TOOLS_TCTI", raising=False)
    monkeypatch.setattr(tpm, "which", lambda name: None)
    with pytest.raises(NotReady, match="apt install tpm2-tools"):
        keys.root_key("tpm", tmp_path)
    monkeypatch.setattr(tpm, "which", lambda name: name)
    monkeypatch.setattr(tpm, "DEVICE", tmp_path / "tpmrm0")
    with pytest.raises(NotReady, match="no TPM"):
        keys.root_key("tpm", tmp_path)
    assert keys.existing_keys(tmp_path) == []


@pytest.mark.real("clock, processes")
def test_a_tpm_gives_the_key_back_after_a_restart_and_another_one_does_not(short_path, tmp_path, monkeypatch):
    with chip(short_path / "a", monkeypatch):
        made = keys.root_key("tpm", tmp_path)
        assert len(made) == 32
        assert [keys.root_key("tpm", tmp_path) for _ in range(3)] == [made] * 3  # nothing is left loaded in the chip
    assert made not in (tmp_path / "raw.tpm").read_bytes()
    assert (tmp_path / "raw.tpm").stat().st_mode & 0o777 == 0o600
    with chip(short_path / "a", monkeypatch):  # the board was switched off and on
        assert keys.root_key("tpm", tmp_path) == made
    with chip(short_path / "b", monkeypatch):  # the card is in another board
        with pytest.raises(NotReady, match=r"another machine.*remove .*raw\.tpm"):
            keys.root_key("tpm", tmp_path)
        assert (tmp_path / "raw.tpm").exists()


@pytest.mark.real("processes")
def test_a_tpm_that_was_cleared_gives_nothing_back(short_path, tmp_path, monkeypatch):
    with chip(short_path / "a", monkeypatch):
        keys.root_key("tpm", tmp_path)
        subprocess.run(["tpm2_clear"], check=True, capture_output=True)
        with pytest.raises(NotReady, match="integrity check failed"):
            keys.root_key("tpm", tmp_path)


@pytest.mark.real("clock, processes")
def test_the_secret_never_travels_to_or_from_the_tpm_in_clear(short_path, tmp_path, monkeypatch):
    """A listener on the bus: everything that passes between the tools and the chip is recorded."""
    with chip(short_path / "a", monkeypatch):
        secret = os.urandom(32)
        heard = recorded(short_path, monkeypatch, lambda: tpm.unseal(tpm.seal(secret, b"l"), b"l"))
        assert len(heard) > 1000
        assert secret not in heard
        # the twin: without the session that encrypts, the same listener has it
        monkeypatch.setattr(tpm._Tools, "__call__", _plain(tpm._Tools.__call__))
        heard = recorded(short_path, monkeypatch, lambda: tpm.unseal(tpm.seal(secret, b"l"), b"l"))
        assert secret in heard


def _plain(call):
    def plain(self, tool, *arguments, **options):
        text = " ".join(arguments)
        kept = text.replace("-P session:session", "").replace("-p session:session", "").split()
        return call(self, tool, *kept, **options)

    return plain


def recorded(directory, monkeypatch, work):
    """What passes while `work` runs: the tools speak to a socket that hands on and remembers."""
    import threading

    heard = bytearray()
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(directory / "r"))
    (directory / "r.ctrl").symlink_to(directory / "a" / "s.ctrl")
    door.listen(8)

    def hand_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                heard.extend(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(directory / "a" / "s"))
                back = threading.Thread(target=hand_on, args=(far, near), daemon=True)
                back.start()
                hand_on(near, far)
                back.join(5)
                near.close()
                far.close()

    threading.Thread(target=serve, daemon=True).start()
    before = os.environ["TPM2TOOLS_TCTI"]
    monkeypatch.setenv("TPM2TOOLS_TCTI", f"swtpm:path={directory / 'r'}")
    try:
        work()
    finally:
        monkeypatch.setenv("TPM2TOOLS_TCTI", before)
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        (directory / "r").unlink()
        (directory / "r.ctrl").unlink()
    return bytes(heard)


@pytest.mark.parametrize("blob", [b"", b"x", lp(b"a", b"b"), lp(b"ilot/other\0", b"", b"")])
def test_a_blob_that_no_tpm_made_is_refused_before_any_tool_is_asked(tmp_path, monkeypatch, blob):
    monkeypatch.setattr(tpm.subprocess, "run", lambda *a, **k: pytest.fail("asked"))
    with pytest.raises(DecodeError):
        tpm.unseal(blob, keys.LABEL)
    (tmp_path / "raw.tpm").write_bytes(blob)
    with pytest.raises(NotReady, match=r"raw\.tpm is damaged, remove it"):
        keys.root_key("tpm", tmp_path)
