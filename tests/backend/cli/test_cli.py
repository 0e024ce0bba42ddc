"""`ilot backend …`: data on stdout, messages on stderr, exit codes that say who must act."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import apsw
import pytest
from backend_kit import METER, NOW, Desk, row
from click.testing import CliRunner, Result

from backend.cli import console
from backend.cli.main import backend
from backend.hubs import backups
from backend.processes.ingest_process import Running
from backend.readings.retention import days_of
from backend.storage.sqlite import schema
from backend.storage.sqlite.schema import open_database
from hub.core.errors import AuthFailed, ConfigError
from hub.core.text import phrase
from hub.protocol.documents.backup import Contents, seal
from hub.protocol.enrolment import read_token
from hub.protocol.link_messages import pack_message
from hub.protocol.records.rows import Row, Subject

from ..conftest import token_for
from ..maintenance.test_former_journal import leave


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(backend, [str(argument) for argument in arguments])


def data(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    assert invoke("init", tmp_path / "owner", "--owner", "Ville").exit_code == 0
    return tmp_path / "owner"


def test_init_says_what_to_take_away(tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "owner", "--host-name", "data.example", "--port", "4433", "--json")
    (facts,) = data(result)
    assert facts["url"] == "https://data.example:4433"
    assert facts["demo_grade"] is True
    assert Path(facts["recovery_key"]).exists()
    assert "demo grade" in result.stderr
    assert facts["recovery_key"] in result.stderr


def test_init_never_overwrites(directory: Path) -> None:
    result = invoke("init", directory, "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "never overwritten" in result.stderr


def test_a_token_alone_is_on_stdout(directory: Path) -> None:
    result = invoke("token", directory, "--name", "gymnase", "--expires", "90s")
    assert read_token(result.stdout).url == "https://localhost:8443"
    (facts,) = data(invoke("token", directory, "--url", "https://other:1/", "--json"))
    assert read_token(facts["token"]).url == facts["url"] == "https://other:1"


@pytest.mark.parametrize("expires", ["", "0h", "1w", "24", "-1h", "1.5h"])
def test_what_is_no_duration_is_a_usage_error(directory: Path, expires: str) -> None:
    result = invoke("token", directory, "--expires", expires)
    assert result.exit_code == 2
    assert "24h" in result.stderr


@pytest.mark.parametrize("command", [("token",), ("run",), ("hubs",), ("revoke", "hub-x")])
def test_a_directory_without_a_backend_is_a_configuration_error(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = invoke(command[0], tmp_path, *command[1:])
    assert result.exit_code == 3
    assert "ilot backend init" in result.stderr


def test_a_wrong_url_is_a_configuration_error(directory: Path) -> None:
    assert invoke("token", directory, "--url", "http://x").exit_code == 3


def test_hubs_are_listed_and_revoked(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol().hub
    (one,) = data(invoke("hubs", tmp_path / "owner", "--json"))
    assert (one["hub"], one["revoked_at"]) == (hub, None)
    assert invoke("hubs", tmp_path / "owner").stdout.split("\t")[:2] == [hub, "active"]
    (revoked,) = data(invoke("revoke", tmp_path / "owner", hub, "--json"))
    assert revoked["revoked_at"] > 0
    assert invoke("hubs", tmp_path / "owner").stdout.split("\t")[1] == "revoked"
    assert invoke("revoke", tmp_path / "owner", "hub-nobody").exit_code == 3
    desk.close()


def test_a_backup_comes_with_the_number_that_its_hub_lived_on_to(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    contents = Contents(
        config="c",
        files={"c": b""},
        keys=dict.fromkeys(("identity", "store", "tls"), b""),
        trust=b"",
        enrolment=b"",
        certificate=b"",
        store=b"",
        local={},
        streams=[],
    )
    made = seal(
        contents,
        identity=sender.identity,
        generation=7,
        made=1.8e9,
        trust_version=1,
        recipients=desk.owner.trust.recipients,
    )
    backups.take(desk.owner.backups, sender.hub, sender.public, made)
    for generation, said in ((7, ""), (1040, "--lived 1040")):
        desk.state(sender, sender.state(generation=generation))
        desk.settle()
        result = invoke("backups", tmp_path / "owner", sender.hub, "--json")
        (told,) = data(result)
        assert (told["generation"], told["lived"]) == (7, generation)
        assert said in result.stderr
        assert bool(said) is bool(result.stderr)
    desk.close()
    for path in desk.owner.directory.glob(f"{desk.owner.database.name}*"):
        path.unlink()
    result = invoke("backups", tmp_path / "owner", sender.hub, "--json")
    (told,) = data(result)
    assert (told["generation"], told["lived"]) == (7, None), "it is handed out also where the database is lost"
    assert "cannot be told: cannot open the database" in result.stderr


def test_of_a_hubs_backups_the_newest_that_the_disk_has_left_whole_is_handed_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    sender, shelf = desk.enrol(), desk.owner.backups
    contents = Contents(
        config="c",
        files={"c": b""},
        keys=dict.fromkeys(("identity", "store", "tls"), b""),
        trust=b"",
        enrolment=b"",
        certificate=b"",
        store=b"",
        local={},
        streams=[],
    )
    made = {
        generation: seal(
            contents,
            identity=sender.identity,
            generation=generation,
            made=1.8e9,
            trust_version=1,
            recipients=desk.owner.trust.recipients,
        )
        for generation in (7, 8)
    }
    for data_of in made.values():
        backups.take(shelf, sender.hub, sender.public, data_of)
    newest = backups.newest_of(shelf, sender.hub)
    assert newest is not None
    newest[1].write_bytes(made[8][:-9])
    result = invoke("backups", tmp_path / "owner", sender.hub, "--json")
    (told,) = data(result)
    assert told["generation"] == 7
    assert f"{newest[1]} cannot be used" in result.stderr
    assert backups.take(shelf, sender.hub, sender.public, made[8]) == 8, "its hub puts it right"
    assert newest[1].read_bytes() == made[8]
    with pytest.raises(AuthFailed, match="newer backup"):
        backups.take(shelf, sender.hub, sender.public, made[7])
    for path in shelf.iterdir():
        path.write_bytes(b"")
    lost = invoke("backups", tmp_path / "owner", sender.hub)
    assert (lost.exit_code, lost.stdout) == (7, "")
    assert "is whole" in lost.stderr
    desk.close()


@pytest.mark.real("network")
def test_check_prints_a_line_a_check_and_needs_its_own_token(directory: Path) -> None:
    token = invoke("token", directory, "--url", "https://127.0.0.1:1").stdout
    result = invoke("check", "https://127.0.0.1:1", "--token", token)
    assert result.exit_code == 4
    assert "cannot reach" in result.stderr
    assert invoke("check", "https://127.0.0.1:1", "--token", "nonsense").exit_code == 3
    assert invoke("check", "https://127.0.0.1:1").exit_code == 2


def test_what_is_kept_and_can_be_opened_is_looked_through_in_silence(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row()])]))
    desk.close()
    result = invoke("check", tmp_path / "owner")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing waits" in result.stderr
    assert invoke("check", tmp_path / "nowhere").exit_code == 3


@pytest.mark.parametrize(("what", "of"), [("epochs", "epoch {}"), ("tables", "TABLE 1 of epoch {}")])
def test_damaged_context_is_named_with_its_remedy(tmp_path: Path, what: str, of: str) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    whole, hurt = hub.segment(), hub.segment()
    for segment in (whole, hurt):
        desk.post(hub, segment.message([segment.block([row()])]))
    desk.sql(
        f"update {what} set raw = substr(raw, 1, length(raw) - 9) where id = 2"
        if what == "epochs"
        else "update tables set raw = substr(raw, 1, length(raw) - 9) where epoch = 2"
    )
    desk.close()
    result = invoke("check", tmp_path / "owner", "--json")
    assert result.exit_code == 7
    (found,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (found["what"], found["hub"], found["run"]) == ("damaged context", hub.hub, hurt.run.hex())
    assert found["of"] == of.format(hurt.eid.hex()[:16])
    text = invoke("check", tmp_path / "owner")
    assert "remedy: what came of it is in rows" in text.stdout
    assert "1 finding:" in text.stderr


def test_a_damaged_state_is_named_until_its_hub_speaks_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    desk.state(hub, hub.state())
    desk.sql("update hubs set state = x'00'")
    result = invoke("check", tmp_path / "owner")
    assert result.exit_code == 7
    assert result.stdout.startswith(f"damaged state\t{hub.hub}\t-\t1: what it said last")
    desk.restart()
    desk.state(hub, hub.state())
    desk.close()
    assert invoke("check", tmp_path / "owner").exit_code == 0


def test_an_owner_who_took_a_former_key_away_is_told_of_no_damage(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row()])]))
    desk.close()
    for path in (desk.owner.directory / "recipients").iterdir():
        path.unlink()
    assert invoke("check", tmp_path / "owner").exit_code == 0


def test_blocks_whose_names_were_lost_are_counted_until_they_come_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    lost = [segment.block([row()]), segment.block([row(NOW + 1)])]
    told = segment.block([Row(Subject("m:1"), METER, NOW, True, (5.0,), 0, 1)])
    for _ in range(2):  # asked for the TABLE, its hub sends all the context that it has
        desk.post(hub, pack_message([(segment.eid, [segment.epoch, segment.context[-1], *lost, told])]))
    desk.close()
    result = invoke("check", tmp_path / "owner", "--json")
    assert result.exit_code == 7
    (found,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (found["what"], found["hub"], found["run"]) == ("blocks without names", hub.hub, segment.run.hex())
    assert (found["count"], found["of"]) == (2, "records 1-2")
    assert "quarantine" in found["remedy"]
    desk.restart()
    desk.post(hub, segment.message(lost[:1]))
    desk.close()
    (found,) = [json.loads(line) for line in invoke("check", tmp_path / "owner", "--json").stdout.splitlines()]
    assert (found["count"], found["of"]) == (1, "records 2")


def test_acknowledged_records_that_could_not_be_stored_are_counted_until_they_come_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    left = leave(desk, hub, 1)
    desk.sql("update epochs set raw = x''")
    desk.restart()
    desk.close()
    result = invoke("check", tmp_path / "owner")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "damaged context", "", "acknowledged records without rows", ""
    ]  # fmt: skip
    desk.restart()
    desk.post(hub, left.segment.message(left.blocks))
    desk.close()
    assert invoke("check", tmp_path / "owner").exit_code == 0


def test_a_command_closes_the_database_that_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    desk.close()
    opened: list[apsw.Connection] = []

    def noted(path: Path) -> apsw.Connection:
        opened.append(open_database(path))
        return opened[-1]

    monkeypatch.setattr(schema, "open_database", noted)
    for command in (
        ("token", tmp_path / "owner"), ("hubs", tmp_path / "owner"), ("revoke", tmp_path / "owner", hub.hub),
        ("sigfox", "list", tmp_path / "owner"), ("sigfox", "token", tmp_path / "owner", hub.hub),
        ("retention", tmp_path / "owner", "--set", "alarms=30"), ("check", tmp_path / "owner"),
    ):  # fmt: skip
        assert invoke(*command).exit_code == 0, command
        for one in opened:
            with pytest.raises(apsw.ConnectionClosedError):
                one.execute("select 1")
    assert len(opened) >= 7


@pytest.mark.real("network")
async def test_check_passes_here(served: Running) -> None:
    import asyncio

    result = await asyncio.to_thread(invoke, "check", served.url, "--token", token_for(served))
    assert result.exit_code == 0, result.output
    assert all(line.startswith("ok  ") for line in result.stdout.splitlines())
    used = await asyncio.to_thread(invoke, "check", served.url, "--token", token_for(served, lifetime=-1))
    assert used.exit_code == 5


# -- open --------------------------------------------------------------------------------------------------------


@pytest.fixture
def segment_file(tmp_path: Path) -> tuple[Path, Path, str]:
    """A segment's records in a file, the owner's directory, the hub's public key."""
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n, 20.0 + n)]) for n in range(3)]
    file = tmp_path / "one.seg"
    file.write_bytes(b"".join([*segment.context, *blocks]))
    desk.close()
    return file, tmp_path / "owner", hub.public.hex()


@pytest.mark.parametrize("key", ["recovery.key", "recipients"])
def test_either_key_opens_a_segment(segment_file: tuple[Path, Path, str], key: str) -> None:
    file, owner, identity = segment_file
    key_file = owner / key if key.endswith(".key") else next((owner / key).iterdir())
    head, *blocks = data(invoke("open", file, "--key-file", key_file, "--identity", identity, "--json"))
    assert head["stream"] == "readings"
    assert [report["values"]["temperature"] for block in blocks for report in block["reports"]] == [20.0, 21.0, 22.0]
    lines = invoke("open", file, "--key-file", key_file).stdout.splitlines()
    assert lines[1].split("\t") == ["1", str(NOW), "ble:1", "temperature", "20.0"]


def test_a_damaged_record_is_told_and_the_rest_opened(segment_file: tuple[Path, Path, str]) -> None:
    file, owner, identity = segment_file
    raw = bytearray(file.read_bytes())
    raw[-150] ^= 1
    file.write_bytes(raw)
    result = invoke("open", file, "--key-file", owner / "recovery.key", "--identity", identity, "--json")
    assert result.exit_code == 7
    items = [json.loads(line) for line in result.stdout.splitlines()]
    assert sum("reports" in item for item in items) == 2
    assert sum(item.get("damaged", 0) for item in items) == 1


def test_another_key_or_identity_opens_nothing(segment_file: tuple[Path, Path, str], tmp_path: Path) -> None:
    file, owner, _ = segment_file
    assert invoke("init", tmp_path / "other").exit_code == 0
    assert invoke("open", file, "--key-file", tmp_path / "other" / "recovery.key").exit_code == 5
    assert invoke("open", file, "--key-file", owner / "recovery.key", "--identity", "00" * 32).exit_code == 5
    assert invoke("open", file, "--key-file", owner / "recovery.key", "--identity", "zz").exit_code == 3
    assert invoke("open", file, "--key-file", owner / "ack.key").exit_code == 3
    assert invoke("open", file, "--key-file", owner / "none.key").exit_code == 3


@pytest.mark.parametrize("content", [b"", b"noise" * 100])
def test_a_file_that_is_no_segment_is_told(tmp_path: Path, directory: Path, content: bytes) -> None:
    (tmp_path / "x.seg").write_bytes(content)
    result = invoke("open", tmp_path / "x.seg", "--key-file", directory / "recovery.key")
    assert result.exit_code == 7
    assert "no epoch" in result.stderr


def test_help_names_every_command() -> None:
    text = invoke("--help").stdout
    for command in ("init", "token", "run", "check", "open", "revoke", "hubs"):
        assert command in text


@pytest.mark.parametrize("wrong", ["person=180", "personal", "personal=soon", "personal=99999"])
def test_a_retention_that_makes_no_sense_is_refused_with_the_classes_there_are(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"alarms, alerts, .*environment, .*personal, .*technical"):
        days_of(wrong)


@pytest.mark.parametrize(("shell", "said"), [("C", "enrolled"), ("fr_FR.UTF-8", "enrôlé")])
def test_what_a_hub_says_of_itself_begins_no_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, shell: str, said: str
) -> None:
    """A hub's name with a line feed and escapes stays within its line; the log is in the language of the service."""
    monkeypatch.setenv("LC_ALL", shell)
    root, out = logging.Logger("root"), io.StringIO()
    monkeypatch.setattr(console.logging, "getLogger", lambda name=None: root)
    monkeypatch.setattr(console.sys, "stderr", out)
    console.log_to_stderr()
    root.info(phrase("hub-enrolled", "{hub} enrolled", hub="mine\nERROR backend: all is lost\x1b[2J\u202e"))
    first, second = out.getvalue().splitlines()
    assert first.startswith("INFO root: mine")
    assert second.startswith("    ERROR backend: all is lost\ufffd[2J\ufffd")
    assert second.endswith(said)


@pytest.mark.parametrize("command", [("init",), ("run",), ("broker",), ("rotate",), ("badge", "key"), ("inventory",)])
def test_what_needs_the_owner_root_says_so_in_its_help(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "owner root" in " ".join(result.stdout.split())
