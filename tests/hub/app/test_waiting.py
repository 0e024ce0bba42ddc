"""A hub that is not enrolled yet, with a real backend: what it serves, what it refuses, and how it goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_storage
from hub.app import waiting
from hub.app.hub import Settings
from hub.cli.main import ilot
from hub.config import first_file
from hub.core.errors import AuthFailed, ConfigError
from hub.core.service_manager import ServiceManager
from hub.i18n.catalogues import translate
from hub.identity import enrolment, keys
from hub.plugin_host.registry import Registry as Plugins
from hub.rpc.control_socket import CallRefused, call

DAY = 86_400.0


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Running]:
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        yield running


def issue(backend: Running, **change: Any) -> str:
    storage = open_storage(backend.owner.database)
    token = Registry(storage).issue(
        url=backend.url, root=backend.owner.settings.root, name="n", now=time.time(), lifetime=3600.0
    )
    storage.close()
    return str(msgspec.structs.replace(token, **change))


class Waiting:
    """A hub that waits, in this process."""

    def __init__(self, path: Path) -> None:
        self.state, self.config = path / "state", path / "config.yaml"
        text = first_file.configuration("École", str(self.state), pages=True)
        self.config.write_text(text.replace("web: {}", "web: {address: 127.0.0.1, port: 0}"))
        self.ready = asyncio.Event()

    async def run(self) -> bool:
        settings = Settings(config=self.config, state_dir=self.state)
        manager = ServiceManager({})
        return await waiting.serve(settings, Plugins.discover(), lambda facts: self.ready.set(), manager)

    async def ask(self, name: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(call, self.state / "hub.sock", name, **arguments)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[tuple[Waiting, asyncio.Task[bool]]]:
    here = Waiting(tmp_path)
    running = asyncio.create_task(here.run())
    await asyncio.wait([running, asyncio.create_task(here.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    yield here, running
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.real("network, processes")
async def test_it_can_be_claimed_says_what_it_waits_for_and_has_no_other_call(
    hub: tuple[Waiting, asyncio.Task[bool]],
) -> None:
    here, _ = hub
    status = await here.ask("status")
    assert status["enrolled"] is False
    assert "not enrolled yet" in status["degraded"][0]
    label = await here.ask("web.label", new=True)
    assert label["hub"] == status["hub"] == keys.load(here.state / "keys", {}).hub_id
    assert label["code"]
    with pytest.raises(CallRefused, match="not enrolled yet"):
        await here.ask("devices")
    shown = await asyncio.to_thread(CliRunner().invoke, ilot, ["status", "-c", str(here.config)])
    assert f"{status['hub']}  up" in shown.output
    assert "not claimed yet" in shown.output
    assert shown.exit_code == 6


@pytest.mark.real("network, processes")
async def test_each_refusal_says_what_to_do_in_french_too_and_the_next_token_is_good(
    hub: tuple[Waiting, asyncio.Task[bool]], backend: Running
) -> None:
    here, running = hub
    tries = [
        ("ilot1.halb", "damaged", "abîmé"),
        (issue(backend, expires=time.time() - DAY), "set this machine's clock", "horloge"),
        (issue(backend, url="https://backend.invalid:8443"), "DNS", "dns"),
        (issue(backend, url="https://127.0.0.1:1"), "Connection refused", "injoignable"),
        (issue(backend, root="ab" * 32), "root", "racine"),
        (issue(backend, secret=b"\0" * 16), "copy the token again", "jeton"),
    ]
    for token, english, french in tries:
        with pytest.raises(CallRefused) as refused:
            await here.ask("enrolment.token", token=token)
        assert english in str(refused.value)
        assert french in translate(refused.value.args[0], "fr").lower()
        said = await here.ask("enrolment")
        assert (said["error"], said["under_way"], said["enrolled"]) == (str(refused.value), False, False)
        assert not running.done()
    done = await here.ask("enrolment.token", token=issue(backend))
    assert await running, "it begins anew, in service"
    assert (done["url"], done["root"]) == (backend.url, backend.owner.settings.root)
    assert enrolment.load(here.state)[0].hub == done["hub"]


@pytest.mark.real("network, processes")
async def test_a_hub_that_waits_is_enrolled_by_the_command_too(
    hub: tuple[Waiting, asyncio.Task[bool]], backend: Running
) -> None:
    here, running = hub
    words = ["enroll", "-c", str(here.config), "--json", issue(backend)]
    done = await asyncio.to_thread(CliRunner().invoke, ilot, words)
    assert json.loads(done.stdout)["url"] == backend.url
    assert await running


@pytest.mark.real("network, processes")
async def test_files_enrol_it_without_a_network_and_only_with_the_digits_that_were_read_at_the_backend(
    hub: tuple[Waiting, asyncio.Task[bool]], tmp_path: Path
) -> None:
    here, running = hub
    owners.init(tmp_path / "owner", owner="Ville")
    owners.init(tmp_path / "stranger", owner="Autre")
    asked, files = await here.ask("enrolment.request"), CliRunner()
    (tmp_path / asked["name"]).write_text(asked["file"])
    answers = {}
    for owner in ("owner", "stranger"):
        words = ["backend", "enroll", str(tmp_path / owner), str(tmp_path / asked["name"])]
        words += ["--out", str(tmp_path / f"{owner}.json"), "--url", "https://localhost:8443", "--json"]
        done = await asyncio.to_thread(files.invoke, ilot, words)
        assert done.exit_code == 0, done.output
        answers[owner] = {**json.loads(done.stdout), "text": (tmp_path / f"{owner}.json").read_text()}
    digits = answers["owner"]["digits"]
    for text, typed, why in (
        (answers["stranger"]["text"], digits, "another owner"),
        (answers["owner"]["text"], digits[:-2], "first 16 digits"),
        (answers["owner"]["text"][:-9], digits, "whole file"),
        (answers["owner"]["text"].replace(answers["owner"]["hub"], "hub-aaaaaaaaaaaaaaaa"), digits, "another hub's"),
    ):
        with pytest.raises(CallRefused, match=why):
            await here.ask("enrolment.answer", answer=text, root=typed)
        assert not (here.state / "enrolment.json").exists()
    await here.ask("enrolment.answer", answer=answers["owner"]["text"], root=digits.upper())
    assert await running
    assert enrolment.load(here.state)[0].root == answers["owner"]["root"]


async def test_an_answer_is_refused_by_a_clock_that_is_wrong(tmp_path: Path) -> None:
    from hub.identity import offline_enrolment
    from hub.protocol.enrolment_files import Answer, write

    owner = owners.init(tmp_path / "owner", owner="Ville")
    state = tmp_path / "state"
    hub_keys = enrolment.keys_of(state)
    asked = json.loads(offline_enrolment.request(hub_keys))
    certificate = owner.certify(asked["csr"].encode(), hub_keys.hub_id).decode()
    root = owner.settings.root
    data = write(Answer(hub=hub_keys.hub_id, url=owner.settings.url, root=root, certificate=certificate,
                        trust=owner.trust_document))  # fmt: skip
    for wrong in (-365 * DAY, 40 * 365 * DAY):
        with pytest.raises(AuthFailed, match="clock"):
            offline_enrolment.accept(data, root, state, hub_keys, lambda: time.time() + wrong)  # noqa: B023
    assert offline_enrolment.accept(data, root, state, hub_keys).hub == hub_keys.hub_id
    with pytest.raises(ConfigError, match="enrolled already"):
        offline_enrolment.accept(data, root, state, hub_keys)
