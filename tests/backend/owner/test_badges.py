"""Badges at the backend: issued with a key that TRUST names, withdrawn by a list that hubs fetch."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image

from backend.cli.main import backend
from backend.owner import badges
from backend.owner import directory as owners
from backend.processes.ingest_process import Running
from hub.core import password_hash
from hub.protocol.documents.badges import GROUPS, BadBadge, read_badge, read_revoked


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(backend, ["badge", *(str(argument) for argument in arguments)])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    assert invoke("key", tmp_path / "owner").exit_code == 0
    return tmp_path / "owner"


def keys(directory: Path) -> tuple[bytes, ...]:
    return owners.load(directory).trust.badge_publics


def issue(directory: Path, *more: object) -> dict[str, str]:
    done = invoke("issue", directory, "--name", "Dominique Martin", "--site", "ecole", "--json", *more)
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_badge_of_the_backend_is_one_to_a_hub_and_its_passphrase_lies_nowhere(
    directory: Path, tmp_path: Path
) -> None:
    made = issue(directory, "--out", tmp_path / "badge.png")
    badge = read_badge(made["text"], keys(directory))
    assert (badge.name, badge.role, badge.sites, badge.until - badge.begin) == (
        "Dominique Martin", "technicien", ("ecole",), 30 * 86_400,
    )  # fmt: skip
    assert password_hash.fits(badge.secret, password_hash.code_of(made["passphrase"], GROUPS))
    picture = Image.open(io.BytesIO((tmp_path / "badge.png").read_bytes()))
    codes = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    assert [one.text for one in codes] == [made["text"]]
    for path in [*directory.rglob("*"), tmp_path / "badge.png"]:
        data = path.read_bytes() if path.is_file() else b""
        assert made["passphrase"].encode() not in data, path


def test_trust_names_the_key_in_its_next_version_and_a_new_key_ends_all_badges(directory: Path) -> None:
    before, text = owners.load(directory).trust, issue(directory)["text"]
    assert (before.version, len(before.badge_publics)) == (2, 1)
    refused = invoke("key", directory)
    assert (refused.exit_code, "--new" in refused.stderr) == (3, True)
    assert invoke("key", directory, "--new").exit_code == 0
    assert owners.load(directory).trust.version == 3
    with pytest.raises(BadBadge, match="no key"):
        read_badge(text, keys(directory))


def test_without_the_root_or_the_key_it_says_what_is_missing(tmp_path: Path, directory: Path) -> None:
    owners.init(tmp_path / "other", owner="Autre")
    said = invoke("issue", tmp_path / "other", "--name", "A", "--site", "*")
    assert (said.exit_code, "ilot backend badge key" in said.stderr) == (3, True)
    (tmp_path / "other/root").rename(tmp_path / "away")
    assert invoke("key", tmp_path / "other").exit_code == 3
    assert invoke("key", tmp_path / "other", "--root", tmp_path / "away").exit_code == 0


def test_the_list_names_what_was_withdrawn_and_has_not_expired_and_its_number_rises(directory: Path) -> None:
    first, second, other = (issue(directory) for _ in range(3))
    assert invoke("revoke", directory, first["id"]).exit_code == 0
    one = read_revoked((directory / "badges.revoked").read_bytes(), keys(directory))
    assert invoke("revoke", directory, second["id"][:8]).exit_code == 0
    two = read_revoked((directory / "badges.revoked").read_bytes(), keys(directory))
    assert set(two.ids) == {bytes.fromhex(first["id"]), bytes.fromhex(second["id"])}
    assert two.number > one.number
    states = {row["id"]: row["state"] for row in json.loads(invoke("list", directory, "--json").stdout)["badges"]}
    assert states == {first["id"]: "withdrawn", second["id"]: "withdrawn", other["id"]: "good"}
    assert invoke("revoke", directory, "zz").exit_code == 3


@pytest.mark.real("network")
async def test_hubs_are_given_the_list_and_404_while_there_is_none(served: Running) -> None:
    directory = served.owner.directory
    url = f"{served.url}/v1/badges/revoked"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
        async with session.get(url) as answer:
            assert answer.status == 404
        assert invoke("key", directory).exit_code == 0
        assert invoke("revoke", directory, issue(directory)["id"]).exit_code == 0
        async with session.get(url) as answer:
            assert answer.status == 200
            assert len(read_revoked(await answer.read(), keys(directory)).ids) == 1


def test_a_directory_that_is_no_backend_is_not_shown_as_one_without_badges(tmp_path: Path) -> None:
    said = invoke("list", tmp_path / "none")
    assert said.exit_code == 3
    assert "holds no backend" in said.output


def test_badges_issued_and_withdrawn_at_once_are_all_in_the_list(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, read, both = issue(directory)["id"], badges.listed, threading.Barrier(3)

    def slow(where: Path) -> list[badges.IssuedBadge]:
        known = read(where)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # the others may read the same, where they can
        return known

    def one(name: str) -> None:
        badges.issue(directory, name=name, role="technicien", sites=("ecole",), days=1)

    monkeypatch.setattr(badges, "listed", slow)
    with ThreadPoolExecutor(3) as threads:
        made: list[Future[Any]] = [
            threads.submit(one, "A"), threads.submit(one, "B"), threads.submit(badges.revoke, directory, first)
        ]  # fmt: skip
    assert [done.exception() for done in made] == [None, None, None]
    assert sorted((badge.name, badge.revoked_at is None) for badge in read(directory)) == [
        ("A", True),
        ("B", True),
        ("Dominique Martin", False),
    ]
