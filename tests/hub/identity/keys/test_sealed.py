"""Keys of a hub that its TPM holds: a software TPM and its tools stand for the chip."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.cli.doctor.identity import look_at_enrolment, look_at_keys
from hub.cli.main import ilot
from hub.core.errors import ConfigError, NotReady
from hub.core.state_dir import StateDir
from hub.identity import keys
from hub.identity.keys import SEALED, sealed, tpm
from hub.operations import factory_reset
from hub.operations.doctor.findings import OK, WRONG
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.pem import private_pem
from tests.hub.identity.keys.chip import chip


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state")
    keys.create(made.keys)
    return made


@pytest.fixture
def board(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with chip(short_path / "a", monkeypatch):
        yield


@pytest.fixture
def openly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TPM is asked: what is sealed lies open. For tests of all the rest."""
    monkeypatch.setattr(tpm, "seal", lambda secret, label: lp(label, secret))
    monkeypatch.setattr(tpm, "unseal", lambda blob, label: unlp(blob)[1])


def secrets_of(directory: Path) -> list[bytes]:
    """Each secret in the shapes in which it might lie somewhere."""
    had = keys.load(directory, {})
    pem = had.tls_key.read_bytes()
    lines = [line for line in pem.splitlines() if not line.startswith(b"-")]
    return [had.identity.private_bytes_raw(), had.store_key, private_pem(had.identity).splitlines()[1], lines[1]]


def run(*words: str, state: StateDir) -> Result:
    return CliRunner().invoke(ilot, ["keys", *words, "--state-dir", str(state.path), "--json"])


@pytest.mark.real("processes")
def test_sealed_keys_are_the_same_keys_and_no_byte_of_them_is_in_a_file(state: StateDir, board: None) -> None:
    had, secrets = keys.load(state.keys, {}), secrets_of(state.keys)
    pem = had.tls_key.read_bytes()
    keys.move_to_tpm(state.keys)
    assert [path.name for path in state.keys.iterdir()] == [SEALED]
    assert stat.S_IMODE((state.keys / SEALED).stat().st_mode) == 0o600
    assert not any(secret in (state.keys / SEALED).read_bytes() for secret in secrets)
    found = keys.load(state.keys, {})
    assert (found.identity_public, found.store_key) == (had.identity_public, had.store_key)
    assert found.tls_key.read_bytes() == found.tls_key.read_bytes() == pem
    assert Path(os.readlink(found.tls_key)).name.startswith("memfd:")
    keys.move_to_tpm(state.keys)  # again: nothing to do
    keys.move_to_files(state.keys)
    assert sorted(path.name for path in state.keys.iterdir()) == sorted(keys.FILES.values())
    assert secrets_of(state.keys) == secrets


@pytest.mark.real("processes")
def test_the_key_in_memory_opens_a_client_certificate_and_no_child_inherits_it(state: StateDir, board: None) -> None:
    keys.move_to_tpm(state.keys)
    path = keys.load(state.keys, {}).tls_key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificate = state.path / "hub.crt"
    certificate.write_text(self_signed(path))
    context.load_cert_chain(certificate, path)
    assert not os.get_inheritable(int(path.name))
    inode = str(path.stat().st_ino)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if "memfd:tls" in line]
    assert inode in [line.split()[4] for line in mapped], "what is not mapped, mlockall does not keep out of swap"


def self_signed(key_file: Path) -> str:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(9))  # type: ignore[arg-type]
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()  # type: ignore[arg-type]


@pytest.mark.real("clock, processes")
def test_keys_that_a_tpm_held_from_the_start_were_never_in_a_file(tmp_path: Path, board: None) -> None:
    written: list[str] = []
    real = os.open

    def seen(path: object, flags: int, *more: object, **options: object) -> int:
        if flags & os.O_CREAT:
            written.append(os.path.basename(os.fspath(path)))  # type: ignore[call-overload]
        return real(path, flags, *more, **options)  # type: ignore[arg-type, call-overload]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", seen)
        made = keys.create(tmp_path / "keys", by_tpm=True)
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [SEALED]
    assert not [name for name in written if any(file in name for file in keys.FILES.values())]
    assert keys.load(tmp_path / "keys", {}).hub_id == made.hub_id


@pytest.mark.real("clock, processes")
def test_in_another_board_nothing_opens_and_what_to_do_is_said(
    state: StateDir, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chip(short_path / "a", monkeypatch):
        keys.move_to_tpm(state.keys)
    with chip(short_path / "a", monkeypatch):  # switched off and on
        keys.load(state.keys, {})
    with chip(short_path / "b", monkeypatch):
        for way in (lambda: keys.load(state.keys, {}), lambda: keys.move_to_files(state.keys)):
            with pytest.raises(NotReady, match=r"sealed\.tpm: the TPM refuses .*restore the state backup"):
                way()
        assert [path.name for path in state.keys.iterdir()] == [SEALED]


def lockout_counter() -> int:
    said = subprocess.run(["tpm2_getcap", "properties-variable"], capture_output=True, text=True, check=True).stdout
    return int(said.partition("TPM2_PT_LOCKOUT_COUNTER:")[2].split()[0], 16)


@pytest.mark.real("clock, processes")
def test_power_cuts_do_not_lock_the_tpm_against_the_hub(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, at = bytes(range(32)), short_path / "a"
    with chip(at, monkeypatch):
        blob = tpm.seal(secret, b"l")
    for _ in range(4):  # this one locks after three; each ends by a kill, which is a power cut to it
        with chip(at, monkeypatch):
            assert tpm.unseal(blob, b"l") == secret
            assert lockout_counter() == 0


@pytest.mark.real("processes")
def test_what_a_former_release_sealed_still_opens(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with chip(short_path / "a", monkeypatch):
        with tpm._Tools() as tools:
            tools.session(exempt=False)
            tools(
                "create",
                "-C",
                "primary",
                "-P",
                "session:session",
                "-i",
                "-",
                "-u",
                "public",
                "-r",
                "private",
                given=b"of before",
            )
            blob = lp(b"l", tools.read("public"), tools.read("private"))
        assert tpm.unseal(blob, b"l") == b"of before"


@pytest.mark.real("clock, processes")
@pytest.mark.parametrize("fault", ["something else", "no answer"])
def test_a_tpm_that_does_not_give_back_what_it_sealed_changes_nothing(
    state: StateDir, board: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    before = secrets_of(state.keys)

    def unseal(blob: bytes, label: bytes) -> bytes:
        if fault == "no answer":
            raise NotReady("tpm2_unseal does not answer")
        return bytes(32)

    with monkeypatch.context() as patch:
        patch.setattr(tpm, "unseal", unseal)
        with pytest.raises(NotReady, match="nothing was changed" if fault == "something else" else "does not answer"):
            keys.move_to_tpm(state.keys)
    assert sorted(path.name for path in state.keys.iterdir()) == sorted(keys.FILES.values())
    assert secrets_of(state.keys) == before, "the hub starts as ever"


@pytest.mark.parametrize("way", ["seal", "unseal"])
def test_a_cut_at_any_moment_leaves_keys_that_work_and_the_same_command_ends_it(
    tmp_path: Path, openly: None, way: str
) -> None:
    """Before each call that changes a file the power goes. What is half shredded by then is noise."""
    work = {"seal": keys.move_to_tpm, "unseal": keys.move_to_files}[way]

    class Cut(BaseException):
        pass

    def cut_after(calls: Iterator[int], real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is None:
                raise Cut
            return real(*arguments, **options)

        return call

    cuts = 0
    for n in range(100):
        directory = tmp_path / f"{n}"
        had = keys.create(directory, by_tpm=way == "unseal")
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Cut):
            calls = iter(range(n))
            for name in ("pwrite", "unlink", "replace", "rename", "fsync"):
                patch.setattr(os, name, cut_after(calls, getattr(os, name)))
            work(directory)
            break
        cuts += 1
        found = keys.load(directory, {})
        assert (found.hub_id, found.store_key) == (had.hub_id, had.store_key)
        if keys.held_by_tpm(directory) or way == "seal":
            work(directory)
        found = keys.load(directory, {})
        assert (found.hub_id, found.store_key) == (had.hub_id, had.store_key)
        assert keys.held_by_tpm(directory) == (way == "seal")
        assert bool(keys.key_files(directory)) == (way == "unseal")
    assert 8 <= cuts < 99


@pytest.mark.real("clock, processes")
def test_a_credential_takes_the_place_of_a_sealed_key_and_where_all_three_come_so_no_tpm_is_asked(
    state: StateDir, tmp_path: Path, board: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = keys.create(tmp_path / "other")
    given_ = tmp_path / "given"
    given_.mkdir()
    keys.move_to_tpm(state.keys)

    def give(name: str) -> None:
        (given_ / f"ilot-{name}").write_bytes((tmp_path / "other" / keys.FILES[name]).read_bytes())
        (given_ / f"ilot-{name}").chmod(0o400)

    give("store")
    found = keys.load(state.keys, {"CREDENTIALS_DIRECTORY": str(given_)})
    assert found.store_key == other.store_key
    assert found.hub_id != other.hub_id
    give("identity")
    give("tls")
    monkeypatch.setattr(tpm, "unseal", lambda *a: pytest.fail("asked"))
    assert keys.load(state.keys, {"CREDENTIALS_DIRECTORY": str(given_)}).hub_id == other.hub_id


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_is_damaged_is_refused_with_the_remedy(tmp_path: Path, openly: None, data: st.DataObject) -> None:
    sealed.write(tmp_path, {"identity": b"a", "store": bytes(range(32)), "tls": b"c"})
    whole = (tmp_path / SEALED).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :]
    (tmp_path / SEALED).write_bytes(data.draw(st.sampled_from([whole[:at], whole + b"\0", flipped])))
    with pytest.raises(ConfigError, match=r"sealed\.tpm .*restore the state backup"):
        sealed.read(tmp_path)


@pytest.mark.real("clock, processes")
def test_the_command_says_seals_gives_back_and_refuses_what_runs(state: StateDir, board: None) -> None:
    assert json.loads(run("show", state=state).output)["held"] == "key-files"
    with state.locked():
        held = run("seal", state=state)
    assert held.exit_code != 0
    assert "another hub" in str(held.exception)
    assert json.loads(run("seal", state=state).output) == {
        "held": "tpm", "files": [SEALED], "problem": "", "directory": str(state.keys),
    }  # fmt: skip
    (state.keys / "store.key").write_bytes(b"left over")
    shown = json.loads(run("show", state=state).output)
    assert "store.key" in shown["problem"]
    assert "ilot keys seal" in shown["problem"]
    run("seal", state=state)
    assert json.loads(run("show", state=state).output)["problem"] == ""
    assert json.loads(run("unseal", state=state).output)["held"] == "key-files"
    assert isinstance(run("unseal", state=state).exception, ConfigError)


def test_a_user_who_may_not_look_at_the_keys_is_told_whom_to_ask_as(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = os.stat

    def stat_of(path: Any, *more: Any, **options: Any) -> os.stat_result:
        if isinstance(path, Path) and state.keys in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return true(path, *more, **options)

    monkeypatch.setattr(os, "stat", stat_of)
    shown = CliRunner().invoke(ilot, ["keys", "show", "--state-dir", str(state.path)])
    assert isinstance(shown.exception, ConfigError)
    assert "ask as the user of the hub, or as root" in str(shown.exception)
    with pytest.raises(ConfigError, match="as the user of the hub"):
        keys.load(state.keys, {})
    assert (look_at_keys(state.path).state, "as the user of the hub" in look_at_keys(state.path).says) == (WRONG, True)


def test_doctor_advises_no_enrolment_where_only_the_tpm_is_silent(
    state: StateDir, openly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli.doctor import link_check as way
    from hub.identity import enrolment

    keys.move_to_tpm(state.keys)

    def silent(blob: bytes, label: bytes) -> bytes:
        raise NotReady("tpm2_load does not answer")

    monkeypatch.setattr(tpm, "unseal", silent)
    monkeypatch.setattr(enrolment, "load", lambda path: (None, None))
    none = state.path / "none.yaml"
    for finding in (look_at_enrolment(state.path), *way.look(none, state.path)):
        assert finding.state == WRONG
        assert "restore the state backup" in finding.says
        assert "token" not in finding.remedy


@pytest.mark.real("processes")
def test_doctor_says_who_could_read_the_keys(state: StateDir, board: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_at_keys(state.path).state == OK
    keys.move_to_tpm(state.keys)
    assert look_at_keys(state.path).state == OK
    (state.keys / "tls.pem").touch()
    assert (look_at_keys(state.path).state, "tls.pem" in look_at_keys(state.path).says) == (WRONG, True)
    (state.keys / "tls.pem").unlink()
    monkeypatch.setattr(tpm, "unavailable_reason", lambda: "no TPM here")
    assert (look_at_keys(state.path).state, look_at_keys(state.path).remedy) == (WRONG, "no TPM here")


@pytest.mark.real("processes")
def test_key_files_that_a_restoration_set_aside_or_a_power_cut_left_are_named_with_what_destroys_them(
    state: StateDir, board: None
) -> None:
    shutil.copytree(state.keys, state.path / "former-1795859893" / "keys")
    (state.path / ".keys-x" / "keys").mkdir(parents=True)
    (state.path / ".keys-x" / "keys" / "store.key").write_bytes(bytes(32))
    left = [".keys-x/keys/store.key", *(f"former-1795859893/keys/{name}" for name in sorted(keys.FILES.values()))]
    problem = json.loads(run("seal", state=state).output)["problem"]
    _, command, destroyed = problem.partition("shred -u ")
    assert command
    assert destroyed.split() == [str(state.path / name) for name in left]
    assert all((state.path / name).exists() for name in left), "they may be of another hub: a person says"
    assert all(str(state.path / name) in look_at_keys(state.path).says for name in left)
    assert look_at_keys(state.path).state == WRONG
    assert not keys.only_in_tpm(state.keys), "nor does a report say so"
    subprocess.run(["shred", "-u", *destroyed.split()], check=True)
    assert json.loads(run("show", state=state).output)["problem"] == ""
    assert look_at_keys(state.path).state == OK
    assert keys.only_in_tpm(state.keys)
    (state.keys / "tls.pem").touch()
    assert not keys.only_in_tpm(state.keys)


@pytest.mark.real("clock, processes")
def test_a_factory_reset_destroys_what_the_tpm_sealed(state: StateDir, board: None) -> None:
    keys.move_to_tpm(state.keys)
    assert factory_reset.reset(state).keys == [f"keys/{SEALED}"]
    assert not (state.keys / SEALED).exists()
