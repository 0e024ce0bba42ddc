"""A hub whose keys its TPM holds, with the real programs; a software TPM and its tools stand for the chip."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.identity import keys
from tests.hub.identity.keys.chip import chip
from tests.hub.identity.keys.test_sealed import secrets_of

from ..faults.rig import Rig, ilot, run

pytestmark = pytest.mark.real("clock, network, processes")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory with a short name: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tpm") as made:
        yield Path(made)


def lying(root: Path, secrets: list[bytes]) -> list[str]:
    """The files below `root` that hold a secret."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(path.name for path in files if any(secret in path.read_bytes() for secret in secrets))


def test_sealed_keys_run_a_hub_outlive_a_kill_and_open_nothing_on_another_board(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chip(short_path / "a", monkeypatch):
        rig = Rig(tmp_path)
        try:
            rig.start_hub(per_second=100.0)
            rig.wait_durable(3)
            at = ["--config", str(rig.config), "--json"]
            refused = run("keys", "seal", *at)
            assert refused.returncode != 0
            assert "another hub" in refused.stderr.decode()
            rig.stop(rig.hub)
            secrets = secrets_of(rig.state / "keys")
            assert lying(rig.state, secrets) == ["identity.pem", "store.key", "tls.pem"], (
                "the search finds what is there"
            )
            assert ilot("keys", "seal", *at)["held"] == "tpm"
            assert lying(rig.state, secrets) == []

            rig.start_hub(per_second=100.0)
            rig.wait_durable(3)
            rig.kill(rig.hub)
            rig.start_hub(per_second=100.0)
            rig.wait_durable(3)
            rig.stop_delivered()
            assert lying(rig.state, secrets) == []
            verdict = rig.verdict("keys in a TPM", 1)
            assert verdict.held, verdict
        finally:
            rig.close()
    with chip(short_path / "b", monkeypatch):
        ended = run("run", *at)
        assert ended.returncode == 4
        assert "restore the state backup" in ended.stderr.decode()
        assert keys.held_by_tpm(rig.state / "keys")


def test_a_hub_that_is_enrolled_with_its_tpm_is_restored_from_its_backup_on_another_board(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved.backup"
    rig = Rig(tmp_path)
    at = ["--config", str(rig.config), "--json"]
    try:
        with chip(short_path / "a", monkeypatch):
            shutil.rmtree(rig.state)
            url = rig.config.read_text().partition('url: "')[2].partition('"')[0]
            token = ilot("backend", "token", str(rig.backend_dir), "--url", url, "--json")["token"]
            hub = ilot("enroll", "--tpm", "--token-file", "-", *at, stdin=token)["hub"]
            assert [path.name for path in (rig.state / "keys").iterdir()] == [keys.SEALED]
            rig.start_hub(per_second=100.0)
            rig.wait_durable(3)
            rig.stop_delivered()
            ilot("backup", "--out", str(saved), *at)
        shutil.rmtree(rig.state)
        with chip(short_path / "b", monkeypatch):
            key = ["--recovery-key-file", str(rig.backend_dir / "recovery.key")]
            ilot("restore", str(saved), *key, "--config-dir", str(rig.root), "--set-aside", "--json")
            assert ilot("keys", "seal", *at)["held"] == "tpm"
            assert keys.load(rig.state / "keys", {}).hub_id == hub
            rig.start_hub(per_second=100.0)
            rig.wait_durable(3)
            rig.stop_delivered()
        verdict = rig.verdict("restored on another board", 1)
        assert verdict.held, verdict
    finally:
        rig.close()
