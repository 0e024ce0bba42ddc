"""Hubs admitted by the table, with tags; tokens listed and cancelled; a revoked hub readmitted; their list in pages."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from backend_kit import Desk, row
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.cli.main import backend
from backend.conformance.probe import Probe
from backend.hubs.enrolment_tables import MAX_TAGS, read_table, read_tags
from backend.hubs.registry import Registry
from backend.processes.ingest_process import Running
from backend.queries import views
from backend.storage.opening import open_storage
from hub.core.errors import AuthFailed, ConfigError
from hub.identity import keys, offline_enrolment
from hub.identity.enrolment import enrol
from hub.protocol import enrolment_files
from hub.protocol.enrolment import read_token, token_proof
from hub.protocol.hub_id import hub_id

from ..conftest import token_for

TABLE = "nom;étiquettes;remarque\nÉcole;carrier:orange nord;à côté\n« Piscine »;sud, carrier:orange\n"


def ilot(*arguments: object) -> Result:
    return CliRunner().invoke(backend, [str(argument) for argument in arguments])


def data(*arguments: object) -> list[dict[str, Any]]:
    done = ilot(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    assert ilot("init", tmp_path / "owner", "--owner", "Ville").exit_code == 0
    return tmp_path / "owner"


def table(tmp_path: Path, text: str = TABLE, encoding: str = "utf-8") -> Path:
    path = tmp_path / "hubs.csv"
    path.write_bytes(text.encode(encoding))
    return path


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_table_makes_a_token_for_each_row_and_its_tags_go_to_the_hub(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokens.csv"
    (made,) = data("tokens", "make", directory, table(tmp_path, encoding="cp1252"), "--out", out)
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig")), delimiter=";"))
    assert [(one["name"], one["tags"]) for one in rows] == [
        ("École", "carrier:orange nord"), ("« Piscine »", "sud carrier:orange"),
    ]  # fmt: skip
    assert [one["id"] for one in rows] == made["ids"]
    assert out.stat().st_mode & 0o077 == 0
    token, identity = read_token(rows[0]["token"]), b"i" * 32
    storage = open_storage(directory / "backend.db")
    registry = Registry(storage)
    mac = enrolment_mac(token, identity)
    hub = registry.admit(token_id=token.id, identity=identity, csr=b"csr", name="", mac=mac, now=time.time())
    found = registry.find(hub)
    assert found is not None
    assert (found.name, found.tags) == ("École", ("carrier:orange", "nord"))
    storage.close()
    assert [(one["hub"], one["tags"]) for one in data("hubs", directory, "--tag", "nord")] == [(hub, list(found.tags))]
    assert data("hubs", directory, "--tag", "sud") == []


def enrolment_mac(token: Any, identity: bytes) -> bytes:
    return token_proof(token.secret, identity, b"csr")


def test_no_token_is_made_while_a_row_is_wrong_and_each_is_named(directory: Path, tmp_path: Path) -> None:
    text = "name,tags\nA,ok\n,nord\nB,/etc\nC,x,y\n" + "D" * 200 + ",\n"
    result = ilot("tokens", "make", directory, table(tmp_path, text), "--out", tmp_path / "out.csv")
    assert result.exit_code == ConfigError.exit_code
    for line in (3, 4, 5, 6):
        assert f"hubs.csv:{line}: " in result.stderr
    assert "hubs.csv:2" not in result.stderr
    assert not (tmp_path / "out.csv").exists()
    assert data("tokens", "list", directory, "--all") == []


def test_tokens_that_could_not_be_handed_over_admit_nobody(directory: Path, tmp_path: Path) -> None:
    result = ilot("tokens", "make", directory, table(tmp_path), "--out", tmp_path / "none" / "out.csv")
    assert result.exit_code != 0
    assert [one["state"] for one in data("tokens", "list", directory, "--all")] == ["cancelled"] * 2
    assert data("tokens", "list", directory) == []


def test_tokens_are_listed_without_their_secret_and_cancelled_all_or_none(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokens.csv"
    (made,) = data("tokens", "make", directory, table(tmp_path), "--out", out)
    single = data("token", directory, "--name", "third", "--tag", "nord")[0]
    listed = data("tokens", "list", directory)
    assert [one["name"] for one in listed] == ["« Piscine »", "École", "third"]
    assert {one["id"]: one["state"] for one in listed} == dict.fromkeys([*made["ids"], single["id"]], "open")
    assert all("secret" not in one for one in listed)
    assert [one["id"] for one in data("tokens", "list", directory, "--tag", "nord")] == [made["ids"][0], single["id"]]
    assert ilot("tokens", "cancel", directory, made["ids"][0], "nobody").exit_code == ConfigError.exit_code
    assert len(data("tokens", "list", directory)) == 3, "all or none"
    data("tokens", "cancel", directory, *made["ids"])
    assert ilot("tokens", "cancel", directory, made["ids"][0]).exit_code == ConfigError.exit_code
    text = next(csv.DictReader(io.StringIO(out.read_text("utf-8-sig")), delimiter=";"))["token"]
    storage = open_storage(directory / "backend.db")
    token = read_token(text)
    with pytest.raises(AuthFailed, match="cancelled"):
        Registry(storage).vouch(token.id, b"i" * 32, b"csr", enrolment_mac(token, b"i" * 32), time.time())
    assert [one.secret for one in storage.registry.tokens()][:2] == [None, None]
    storage.close()


# -- tables --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"name;tags\n{text}".encode()))
@example(b"")
@example(b"name\n\xff\xfe\x00")
@example(b'name;tags\n"unclosed')
@example(b"name;name\na;b\n")
@example("\ufeffNOM\tTAGS\nx\ty\n".encode())
def test_whatever_a_file_holds_it_is_a_table_or_told_why_not(content: bytes) -> None:
    try:
        found = read_table(content, requests=False)
    except ConfigError:
        return
    assert all(line.newcomer.name and len(line.newcomer.name) <= 128 for line in found.lines)
    assert all(read_tags(" ".join(line.newcomer.tags)) == line.newcomer.tags for line in found.lines)
    assert all(fault.line > 1 and fault.reason for fault in found.faults)


def test_tags_are_words_each_once_and_not_too_many() -> None:
    assert read_tags("a, b:c a  été-1") == ("a", "b:c", "été-1")
    assert read_tags("") == ()
    for wrong in ("-a", "a/b", "a\x1b", "x" * 65, " ".join(f"t{n}" for n in range(MAX_TAGS + 1))):
        with pytest.raises(ConfigError):
            read_tags(wrong)


# -- request files -------------------------------------------------------------------------------------------------


def requests(tmp_path: Path, count: int) -> list[str]:
    """Hubs that wrote their request files; their ids."""
    found = []
    for n in range(count):
        hub_keys = keys.create(tmp_path / f"hub-{n}" / "keys")
        (tmp_path / f"{n}.json").write_bytes(offline_enrolment.request(hub_keys, f"hub {n}"))
        found.append(hub_keys.hub_id)
    return found


def test_a_table_of_request_files_enrols_all_its_hubs_or_none(directory: Path, tmp_path: Path) -> None:
    hubs = requests(tmp_path, 2)
    (tmp_path / "noise.json").write_text("{}")
    text = "request,name,tags\n0.json,École,nord\nnoise.json,x,\nmissing.json,,\n"
    result = ilot("enroll-table", directory, table(tmp_path, text), "--out", tmp_path / "answers")
    assert result.exit_code == ConfigError.exit_code
    assert ("hubs.csv:3: " in result.stderr, "hubs.csv:4: " in result.stderr) == (True, True)
    assert (data("hubs", directory), (tmp_path / "answers").exists()) == ([], False)
    text = "request,name,tags\n0.json,École,nord\n1.json,,\n"
    made = data("enroll-table", directory, table(tmp_path, text), "--out", tmp_path / "answers")
    assert [one["hub"] for one in made] == hubs
    shown = {one["hub"]: (one["name"], one["tags"]) for one in data("hubs", directory)}
    assert shown == {hubs[0]: ("École", ["nord"]), hubs[1]: ("hub 1", [])}
    for one in made:
        answer = enrolment_files.read_answer(Path(one["answer"]).read_bytes(), one["digits"])
        assert (answer.hub, answer.root) == (one["hub"], one["root"])


def test_tags_are_replaced_and_stay_when_a_hub_enrols_again_without_any(directory: Path, tmp_path: Path) -> None:
    (hub,) = requests(tmp_path, 1)
    enroll = ("enroll", directory, tmp_path / "0.json", "--out", tmp_path / "answer.json")
    data(*enroll, "--tag", "nord")
    data(*enroll)
    assert data("hubs", directory)[0]["tags"] == ["nord"]
    data("tag", directory, hub, "sud", "carrier:orange")
    assert data("hubs", directory)[0]["tags"] == ["sud", "carrier:orange"]
    data("tag", directory, hub)
    assert data("hubs", directory)[0]["tags"] == []
    assert ilot("tag", directory, "hub-x", "sud").exit_code == ConfigError.exit_code


# -- readmission ---------------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_a_revoked_hub_that_is_readmitted_sends_with_the_keys_that_it_had(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    message = segment.message([segment.block([row()])])
    where = served.owner.directory
    assert ilot("readmit", where, probe.hub).exit_code == ConfigError.exit_code, "it is not revoked"
    assert ilot("readmit", where, "hub-x").exit_code == ConfigError.exit_code
    data("revoke", where, probe.hub)
    assert (await probe.post(message)).status == 403
    (facts,) = data("readmit", where, probe.hub)
    assert facts["was_revoked_at"] is not None
    answer = await probe.post(message)
    assert (answer.status, answer.acks[0].through) == (200, 1)
    assert [one["revoked_at"] for one in data("hubs", where)] == [None]


# -- the list in pages -----------------------------------------------------------------------------------------------


def enrol_many(desk: Desk, count: int) -> list[str]:
    found = []
    for _ in range(count):
        identity = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        desk.ingest.registry.enlist(identity, "n", 1.0, ("nord",))
        found.append(hub_id(identity))
    return sorted(found)


def test_hubs_are_told_page_by_page_each_once(plain: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hubs = enrol_many(plain, 7)
    seen: list[str] = []
    while page := plain.views.hubs(after=seen[-1] if seen else "", limit=3):
        seen += [one["hub"] for one in page]
    assert seen == hubs
    assert [one["hub"] for one in plain.views.hubs(hub=hubs[2])] == [hubs[2]]
    monkeypatch.setattr(views, "MAX_HUBS", 2)
    assert [one["hub"] for one in data("hubs", plain.owner.directory)] == hubs


@pytest.mark.real("network")
async def test_the_api_says_where_the_next_page_begins(served: Running, probe: Probe, tmp_path: Path) -> None:
    others = [(await enrol(token_for(served), tmp_path / f"more-{n}")).hub for n in range(2)]

    async def ask(query: str = "") -> Any:
        bearer = {"Authorization": f"Bearer {served.owner.api_token}"}
        async with probe.session.get(f"{probe.url}/v1/hubs{query}", headers=bearer, ssl=probe.tls()) as reply:
            return reply.status, json.loads(await reply.read())

    status, first = await ask("?limit=2")
    assert (status, len(first["hubs"]), first["next"]) == (200, 2, first["hubs"][-1]["hub"])
    _, rest = await ask(f"?limit=2&after={first['next']}")
    assert rest["next"] is None
    assert [one["hub"] for one in first["hubs"] + rest["hubs"]] == sorted([probe.hub, *others])
    assert (await ask(f"?hub={probe.hub}"))[1]["hubs"][0]["identity"]
    assert (await ask("?limit=0"))[0] == 400


def test_a_database_of_a_former_release_gets_what_tags_and_cancelled_tokens_need(plain: Desk) -> None:
    (hub,) = enrol_many(plain, 1)
    plain.close()
    for table_, column in (("hubs", "tags"), ("tokens", "tags"), ("tokens", "cancelled_at")):
        plain.sql(f"alter table {table_} drop column {column}")
    assert [(one["hub"], one["tags"]) for one in data("hubs", plain.owner.directory)] == [(hub, [])]
    made = data("token", plain.owner.directory)[0]
    data("tokens", "cancel", plain.owner.directory, made["id"])
    assert [one["state"] for one in data("tokens", "list", plain.owner.directory, "--all")] == ["cancelled"]
