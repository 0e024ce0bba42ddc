"""`ilot config` where no hub runs: checked, kept in the history, and never beside a hub that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.cli.config import offline as offline_module
from hub.cli.config.offline import offline
from hub.config import history
from hub.config.history import APPLIED, REFUSED, ROLLED_BACK, Change, History
from hub.config.instances import Models
from hub.config.last_good import LastGoodStore
from hub.config.source import digests
from hub.core.errors import ConfigError, HubError, NotReady, StorageError
from hub.core.state_dir import StateDir
from hub.identity import keys
from hub.sdk.options import Config

TEXT = """\
# the school
hub: {name: School}
sites: {school: {}}
zones:
  rooms: {site: school} # two of them
integrations:
  meter: {host: 192.0.2.1}
"""
WEB = "web: {port: 9443}\n"


class Meter(Config):
    host: str
    retries: int = 2


MODELS = Models(integrations={"meter": (Meter, None)})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of an enrolled hub that does not run."""
    state = StateDir(tmp_path / "state")
    keys.create(state.keys)
    return state.path


@pytest.fixture
def holder(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the state directory, as a hub does."""
    code = (
        "import sys; from pathlib import Path; from hub.core.state_dir import StateDir\n"
        "with StateDir(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def kept_of(state: Path) -> LastGoodStore:
    return LastGoodStore(state, keys.load(state / "keys").store_key)


def edit(*path: str, value: Any) -> dict[str, Any]:
    return {"edits": [{"path": list(path), "value": value}], "by": "cli:anne", "reason": "slow"}


def ask(config: Path, state: Path, call: str, **arguments: Any) -> Any:
    return offline(config, state, call, arguments, MODELS)


def test_an_edit_is_checked_written_and_remembered_with_who_and_why(config: Path, state: Path) -> None:
    answer = ask(config, state, "config.apply", **edit("integrations", "meter", "host", value="192.0.2.9"))
    assert (answer["state"], answer["remembered"]) == ("written", True)
    assert config.read_text() == TEXT.replace("192.0.2.1", "192.0.2.9")
    log = ask(config, state, "config.log")["revisions"]
    assert [(one["id"], one["author"], one["reason"], one["what"]) for one in log] == [
        (answer["digest"], "cli:anne", "slow", APPLIED)
    ]
    assert history.under_way(kept_of(state)) is None


def test_a_change_of_a_file_that_is_not_there_says_how_to_write_a_first_one(tmp_path: Path, state: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; .*`ilot new config` writes a first one"):
        ask(tmp_path / "nowhere.yaml", state, "config.apply", **edit("hub", "name", value="x"))


def test_what_is_wrong_is_told_with_its_line_and_nothing_is_written(config: Path, state: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(config, state, "config.apply", **edit("integrations", "meter", "retries", value="many"))
    assert caught.value.problems[0].line == 7
    assert config.read_text() == TEXT
    assert ask(config, state, "config.log")["revisions"] == []
    judged = ask(config, state, "config.check", **edit("integrations", "meter", "retries", value="many"))
    assert not judged["ok"]
    assert ask(config, state, "config.check", **edit("integrations", "meter", "retries", value=3))["ok"]


def test_a_dry_run_and_what_changes_nothing_leave_no_trace(config: Path, state: Path) -> None:
    before = sorted(state.rglob("*"))
    planned = ask(config, state, "config.apply", **edit("integrations", "meter", "retries", value=3), dry_run=True)
    assert planned["state"] == "planned"
    assert "retries: 3" in planned["diff"]
    assert sorted(state.rglob("*")) == before
    assert ask(config, state, "config.apply", files={"config.yaml": TEXT})["state"] == "same"
    assert config.read_text() == TEXT


def test_a_version_comes_back_and_is_compared(config: Path, state: Path) -> None:
    first = ask(config, state, "config.apply", **edit("hub", "name", value="One"))["digest"]
    second = ask(config, state, "config.apply", **edit("hub", "name", value="Two"))["digest"]
    shown = ask(config, state, "config.diff", against=first, revision=second)["diff"]
    assert "-hub: {name: One}" in shown
    assert "+hub: {name: Two}" in shown
    assert "-hub: {name: Two}" not in ask(config, state, "config.diff", against=second)["diff"]
    assert ask(config, state, "config.apply", revision=first[:10])["state"] == "written"
    assert config.read_text() == TEXT.replace("School", "One")
    newest = ask(config, state, "config.log")["revisions"][0]
    assert (newest["id"], newest["what"], newest["parent"]) == (first, ROLLED_BACK, second)
    assert ask(config, state, "config.show", revision=second)["files"]["config.yaml"] == TEXT.replace("School", "Two")
    with pytest.raises(ConfigError, match="no hub runs: name the version"):
        ask(config, state, "config.diff")


@pytest.mark.real("processes")
def test_where_a_hub_runs_nothing_is_written_beside_it(
    config: Path, state: Path, holder: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(HubError, match=r"a hub runs on .* does not answer .* nothing was changed") as caught:
        ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert caught.value.exit_code == 6
    assert config.read_text() == TEXT
    # who only looks may look
    assert ask(config, state, "config.show")["files"]["config.yaml"] == TEXT
    assert ask(config, state, "config.apply", **edit("hub", "name", value="2"), dry_run=True)["state"] == "planned"
    holder.kill()
    holder.wait()
    assert ask(config, state, "config.apply", **edit("hub", "name", value="Two"))["state"] == "written"


def test_no_hub_starts_while_a_change_is_written(config: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = offline_module.write_texts, []

    def write(path: Path, texts: Any) -> None:
        with pytest.raises(StorageError), StateDir(state).locked():
            pass
        tried.append(path)
        real(path, texts)

    monkeypatch.setattr(offline_module, "write_texts", write)
    ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert tried == [config]
    with StateDir(state).locked():  # and it is given back
        pass


def test_a_hub_that_never_ran_gets_no_state_directory_and_no_history(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "none"
    answer = ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert (answer["state"], answer["remembered"]) == ("written", False)
    assert not state.exists()
    with pytest.raises(ConfigError, match="there is no history in"):
        ask(config, state, "config.apply", revision="ab")
    assert ask(config, state, "config.log")["revisions"] == []


def test_a_key_that_cannot_be_read_stops_a_change_rather_than_its_history(config: Path, state: Path) -> None:
    (state / "keys" / "store.key").chmod(0o644)
    with pytest.raises(HubError, match="keys of this hub cannot be read"):
        ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert config.read_text() == TEXT


def test_what_a_hub_left_unconfirmed_is_taken_back_first(config: Path, state: Path) -> None:
    kept = kept_of(state)
    was, tried = TEXT.encode(), (TEXT + WEB).encode()
    change = Change(
        first=str(config), before={"config.yaml": was}, after=digests({"config.yaml": tried}), author="web:paul", at=1.0
    )
    history.begin(kept, change)
    config.write_bytes(tried)
    answer = ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert "web:paul was not confirmed" in answer["undone"]
    assert config.read_text() == TEXT.replace("School", "Two")
    assert [one.what for one in History(kept).revisions()] == [REFUSED, APPLIED]


def test_a_disk_that_refuses_half_way_leaves_the_files_as_they_were(
    config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(*_: Any, **__: Any) -> None:
        assert "Two" in config.read_text()
        raise StorageError("no space left")

    monkeypatch.setattr(History, "add", add)
    with pytest.raises(StorageError, match="no space"):
        ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert config.read_text() == TEXT
    assert history.under_way(kept_of(state)) is None


@pytest.mark.parametrize("wrong", ["", "nonsense: 1\n"])
def test_a_managed_file_is_not_changed_also_where_it_is_wrong(config: Path, state: Path, wrong: str) -> None:
    config.write_text(TEXT + "config: {mode: managed, managed_by: DSI}\n" + wrong)
    before = config.read_text()
    with pytest.raises(HubError, match="managed by DSI") as caught:
        ask(config, state, "config.apply", files={"config.yaml": TEXT})
    assert caught.value.exit_code == 5
    assert config.read_text() == before


def test_what_is_for_a_running_hub_says_so(config: Path, state: Path) -> None:
    with pytest.raises(NotReady, match="for a running one"):
        ask(config, state, "config.confirm")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_what_root_writes_into_a_hubs_directory_is_the_hubs(config: Path, state: Path) -> None:
    for path in [state, *state.rglob("*")]:
        os.chown(path, 12345, 12345)
    os.chown(config, 12345, 12345)
    ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    made = [state / "lock", state / "config", state / "config" / history.HISTORY, config]
    assert {path.name: path.stat().st_uid for path in made} == {path.name: 12345 for path in made}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
def test_root_writes_no_configuration_through_a_link_of_the_hubs_user(
    config: Path, state: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "roots.yaml"
    config.rename(elsewhere)
    config.symlink_to(elsewhere)
    before = elsewhere.read_text()
    os.chown(config, 12345, 12345, follow_symlinks=False)
    with pytest.raises(history.CannotWrite, match="chown -h root"):
        ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert elsewhere.read_text() == before
    assert history.under_way(LastGoodStore(state, keys.load(StateDir(state).keys).store_key)) is None, (
        "and nothing is left to be undone"
    )
    os.chown(config, 0, 0, follow_symlinks=False)
    ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert "Two" in elsewhere.read_text()


def test_a_history_that_may_not_be_read_is_not_written_over(config: Path, state: Path) -> None:
    ask(config, state, "config.apply", **edit("hub", "name", value="One"))
    file = state / "config" / history.HISTORY
    sealed = file.read_bytes()
    file.unlink()
    file.mkdir()  # what cannot be read, also by root
    with pytest.raises(StorageError):
        ask(config, state, "config.apply", **edit("hub", "name", value="Two"))
    assert "One" in config.read_text()
    file.rmdir()
    file.write_bytes(sealed)
    assert len(ask(config, state, "config.log")["revisions"]) == 1


@pytest.mark.real("processes")
def test_the_command_works_on_the_file_itself(config: Path, state: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hub", "config", *words, "--config", str(config), "--state-dir", str(state)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    config.write_text(TEXT.replace("integrations:\n  meter: {host: 192.0.2.1}\n", ""))
    done = run("set", "hub.name", "École", "--reason", "renamed")
    assert done.returncode == 0, done.stderr
    assert "no hub runs, the next start takes it up" in done.stderr
    assert "hub: {name: École}" in config.read_text()
    assert "renamed" in run("log").stdout
