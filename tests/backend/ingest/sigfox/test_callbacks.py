"""The backend's two doors for callbacks: the operator's, by token, and the hubs', by certificate."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from backend.cli.main import backend
from backend.conformance.probe import Probe
from backend.hubs.registry import Registry
from backend.ingest.sigfox.callbacks import ListenAddress
from backend.ingest.sigfox.mailbox import CallbackTokens
from backend.owner import directory as owners
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_storage
from hub.core.errors import ConfigError
from hub.identity.enrolment import enrol

SAID = {"device": "1D2F3", "time": 1_760_000_000, "seqNumber": 1, "data": "d2072d"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Running]:
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0, callbacks=ListenAddress("127.0.0.1", 0)) as running:
        yield running


class Town:
    """A backend with one hub, and a token for it."""

    def __init__(self, served: Running, probe: Probe) -> None:
        self.served, self.probe, self.session = served, probe, probe.session
        self.hub = probe.hub
        storage = open_storage(served.owner.database)
        door, secret = CallbackTokens(storage).issue(self.hub, "bins", time.time())
        storage.close()
        self.bearer = {"Authorization": f"Bearer {door}.{secret}"}

    async def send(self, kind: str = "uplink", headers: dict[str, str] | None = None, **said: Any) -> tuple[int, str]:
        url = f"{self.served.callbacks}/sigfox/{kind}"
        async with self.session.post(url, json={**SAID, **said}, headers=headers or self.bearer) as reply:
            return reply.status, await reply.text()

    async def fetch(self, certificate: bool = True) -> tuple[int, Any]:
        async with self.session.get(
            f"{self.served.url}/v1/sigfox", ssl=self.probe.tls(certificate=certificate)
        ) as reply:
            return reply.status, json.loads(await reply.read())

    async def tell(self, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(f"{self.served.url}/v1/sigfox", data=data, ssl=self.probe.tls()) as reply:
            return reply.status, json.loads(await reply.read())


@pytest.fixture
async def town(served: Running, tmp_path: Path) -> AsyncIterator[Town]:
    storage = open_storage(served.owner.database)
    made = Registry(storage).issue(
        url=served.url, root=served.owner.settings.root, name="t", now=time.time(), lifetime=3600.0
    )
    storage.close()
    token = str(made)
    await enrol(token, tmp_path / "hub")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Town(served, Probe(served.url, token, tmp_path / "hub", session))


@pytest.mark.real("network")
async def test_a_callback_waits_and_its_hub_fetches_it_by_certificate(town: Town) -> None:
    assert await town.send() == (200, "")
    status, said = await town.fetch()
    assert status == 200
    (frame,) = said["frames"]
    assert (frame["kind"], frame["answered"], frame["fields"]["data"]) == ("uplink", "", "d2072d")
    assert await town.tell({"done": [frame["id"]]}) == (200, {})
    assert (await town.fetch())[1] == {"frames": [], "more": False}
    assert await town.send() == (200, ""), "a repetition is answered as the first"
    assert (await town.fetch())[1]["frames"] == []


@pytest.mark.real("network")
async def test_a_device_is_answered_with_what_its_hub_staged(town: Town) -> None:
    await town.tell({"downlinks": {"1D2F3": {"id": "c1", "data": "0102030405060708"}}})
    status, body = await town.send("bidir", device="0001D2F3", ack=True)
    assert (status, json.loads(body)) == (200, {"0001D2F3": {"downlinkData": "0102030405060708"}})
    assert await town.send("bidir", seqNumber=2, ack=True) == (204, "")
    assert [frame["answered"] for frame in (await town.fetch())[1]["frames"]] == ["c1", ""]


@pytest.mark.real("network")
async def test_nobody_without_a_token_leaves_anything_and_nobody_without_a_certificate_fetches(town: Town) -> None:
    for headers in (
        {"X": "y"},
        {"Authorization": "Bearer x.y"},
        {"Authorization": f"Bearer {town.served.owner.api_token}"},
    ):
        assert (await town.send(headers=headers))[0] == 401
    assert (await town.fetch(certificate=False))[0] == 403
    assert (await town.fetch())[1]["frames"] == []


@pytest.mark.real("network")
async def test_a_revoked_hub_fetches_nothing(town: Town) -> None:
    await town.send()
    await town.served.worker.call(lambda ingest: ingest.registry.revoke(town.hub, time.time()))
    assert (await town.fetch())[0] == 403


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"done": ["x"]}',
        b'{"done": [99999999999999999999]}',
        b'{"downlinks": {"1": {"id": "c", "data": "0"}}}',
    ],
)
async def test_what_a_hub_says_and_cannot_be_read_changes_nothing(town: Town, body: bytes) -> None:
    await town.send()
    assert (await town.tell(body))[0] == 400
    assert len((await town.fetch())[1]["frames"]) == 1


@pytest.mark.real("network")
async def test_a_wrong_template_is_told_to_the_operator(town: Town) -> None:
    status, body = await town.send(seqNumber=None)
    assert (status, json.loads(body)["error"]) == (400, 'the template needs seqNumber: "seqNumber": {seqNumber}')


@pytest.mark.real("network")
async def test_the_operator_of_the_backend_sees_tokens_and_what_waits(town: Town) -> None:
    await town.send()
    url, headers = f"{town.served.url}/v1/callbacks", {"Authorization": f"Bearer {town.served.owner.api_token}"}
    async with town.session.get(url, headers=headers, ssl=town.probe.tls(certificate=False)) as reply:
        said = json.loads(await reply.read())
    (waiting,), (token,) = said["waiting"], said["tokens"]
    assert (waiting["hub"], waiting["waiting"]) == (town.hub, 1)
    assert (token["name"], token["taken"], "secret" in token) == ("bins", 1, False)
    async with town.session.get(url, ssl=town.probe.tls(certificate=False)) as reply:
        assert reply.status == 401


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        (ListenAddress("0.0.0.0", 1), "would travel in clear"),
        (ListenAddress("example.org", 1), "no IP address"),
        (ListenAddress("127.0.0.1", 1, Path("c.pem")), "belong together"),
    ],
)
def test_callbacks_are_not_received_in_clear_from_the_world(listen: ListenAddress, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        listen.checked()


def test_tokens_are_made_listed_assigned_and_revoked_by_command(tmp_path: Path) -> None:
    owner = owners.init(tmp_path / "owner", owner="Ville")
    storage = open_storage(owner.database)
    for hub in (b"1", b"2"):
        storage.connection.execute(  # type: ignore[attr-defined]
            "insert into hubs (hub, identity, name, enrolled_at) values (?, ?, '', 1)",
            ("hub-" + hub.decode(), hub * 32),
        )

    def ilot(*arguments: str) -> Any:
        done = CliRunner().invoke(backend, ["sigfox", arguments[0], str(tmp_path / "owner"), *arguments[1:], "--json"])
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    (made,) = ilot("token", "hub-1", "--name", "bins")
    assert CallbackTokens(storage).find("", made["authorization"].removeprefix("Bearer ")) == made["id"]
    assert ilot("assign", made["id"], "hub-2")[0]["moved"] == 0
    assert [(one["hub"], one["name"], one["revoked_at"]) for one in ilot("list")] == [("hub-2", "bins", None)]
    ilot("revoke", made["id"])
    assert ilot("list")[0]["revoked_at"] is not None
    assert CliRunner().invoke(backend, ["sigfox", "token", str(tmp_path / "owner"), "hub-3"]).exit_code == 3
