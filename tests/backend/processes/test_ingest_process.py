"""The server on loopback: TLS, certificates, enrolment, the operator API, and hostile input to each."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import resource
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from backend_kit import row
from cryptography.hazmat.primitives.asymmetric import ec

from backend.api import answers
from backend.api.nonces import Nonces
from backend.api.routes import HubServer, OperatorServer
from backend.conformance.probe import Probe
from backend.hubs.registry import Registry
from backend.ingest.worker import Worker
from backend.owner import directory as owners
from backend.processes import connections
from backend.processes.ingest_process import Running, serving
from backend.queries.views import Views
from backend.storage.opening import open_storage
from backend.storage.shared import SharedStorage
from hub.core.errors import AuthFailed, ConfigError
from hub.identity import enrolment
from hub.identity.enrolment import enrol
from hub.protocol.enrolment import Token, https_address, make_csr, read_token, token_proof
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp
from hub.protocol.link_messages import MAX_MESSAGE
from plugins import https
from tests.journeys.patience import PATIENCE_S
from tests.ports import free_port

from ..conftest import token_for


def operator(served: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.owner.api_token}"}


async def get(probe: Probe, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async with probe.session.get(f"{probe.url}{path}", headers=headers, ssl=probe.tls(certificate=False)) as reply:
        return reply.status, json.loads(await reply.read())


def asked(token: Token, **more: Any) -> dict[str, Any]:
    """A right enrolment request, with what `more` says changed."""
    identity, csr = b"i" * 32, make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
    right = {
        "token_id": token.id,
        "identity": base64.b64encode(identity).decode(),
        "csr": csr.decode(),
        "name": "n",
        "mac": base64.b64encode(token_proof(token.secret, identity, csr)).decode(),
    }
    return {**right, **more}


async def enroll(probe: Probe, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with probe.session.post(f"{probe.url}/v1/enroll", data=data, ssl=probe.tls(certificate=False)) as reply:
        return reply.status, json.loads(await reply.read())


# -- hubs --------------------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_a_record_posted_is_in_the_operators_answers(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    now = int(time.time() * 1000)
    assert 1 in (await probe.post(segment.message([segment.block([row(now, 21.5)])]))).taken(segment)
    series = f"{probe.hub}/room-1/temperature"
    status, latest = await get(probe, f"/v1/series/{series}/latest", operator(served))
    assert (status, latest["value"], latest["time"]) == (200, 21.5, now)
    _, history = await get(
        probe, f"/v1/series/{series.replace('/', '%2F')}/history?from={now}&limit=5", operator(served)
    )
    assert [r["value"] for r in history["readings"]] == [21.5]
    _, stats = await get(probe, "/v1/stats", operator(served))
    assert (stats["readings"], stats["records"], stats["hubs"], stats["forks"]) == (2, 1, 1, 0)
    _, hubs = await get(probe, "/v1/hubs", operator(served))
    assert hubs["hubs"][0]["streams"][0]["through"] == 1
    _, verify = await get(probe, f"/v1/verify?hub={probe.hub}", operator(served))
    assert verify["streams"][0]["ranges"] == [[1, 1]]


@pytest.mark.real("network")
async def test_a_record_posted_is_in_ranges_and_events_at_once(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    now = int(time.time() * 1000)
    assert 1 in (await probe.post(segment.message([segment.block([row(now - 1000, 21.5)])]))).taken(segment)
    series, url = f"{probe.hub}/room-1/temperature", f"{probe.url}/v1/events?kind=latest&series={{}}"
    asked = f"/v1/history?series={series}&from={now - 60_000}&to={now + 60_000}"
    _, raw = await get(probe, asked, operator(served))
    assert [(one["time"], one["value"]) for one in raw["rows"]] == [(now - 1000, 21.5)]
    _, told = await get(probe, f"{asked}&step=day", operator(served))
    assert [(one["count"], one["mean"]) for one in told["rows"]] == [(1, 21.5)]
    context = probe.tls(certificate=False)
    async with probe.session.get(url.format(series), headers=operator(served), ssl=context) as events:
        assert await said(events, "latest") == 21.5
        await probe.post(segment.message([segment.block([row(now, 22.5)])]))
        assert await said(events, "latest") == 22.5
    _, newest = await get(probe, f"/v1/latest?series={series}", operator(served))
    assert newest["latest"][0]["value"] == 22.5
    msgspec.convert((await get(probe, "/v1/stats", operator(served)))[1], answers.Stats)


async def said(events: aiohttp.ClientResponse, kind: str) -> Any:
    """Return the value of the next event of a kind."""
    async with asyncio.timeout(PATIENCE_S):
        while await events.content.readline() != f"event: {kind}\n".encode():
            pass
        return json.loads((await events.content.readline()).removeprefix(b"data: "))["value"]


@pytest.mark.real("network")
async def test_many_hubs_at_once_each_get_their_own_answer(served: Running, probe: Probe) -> None:
    segments = [probe.segment() for _ in range(30)]
    answers = await asyncio.gather(*(probe.post(segment.message([segment.block([row()])])) for segment in segments))
    assert all([ack.run for ack in a.acks] == [s.run] for a, s in zip(answers, segments, strict=True))


@pytest.mark.real("network")
async def test_revocation_acts_on_the_next_message(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    message = segment.message([segment.block([row()])])
    assert (await probe.post(message)).status == 200
    other_process = open_storage(served.owner.database)
    Registry(other_process).revoke(probe.hub, time.time())
    other_process.close()
    assert (await probe.post(message)).status == 403
    assert (await probe.post(b"", "state")).status == 403


@pytest.mark.real("network")
async def test_another_hubs_path_is_closed_to_a_valid_certificate(
    served: Running, probe: Probe, tmp_path: Path
) -> None:
    other = await enrol(token_for(served), tmp_path / "other")
    segment = probe.segment(hub=other.hub)
    assert (await probe.post(segment.message([segment.block([row()])]), hub=other.hub)).status == 403


@pytest.mark.real("network")
async def test_without_a_certificate_nothing_is_taken(probe: Probe) -> None:
    assert (await probe.post(b"ILM1", certificate=False)).status == 403
    assert (await probe.post(b"", "state", certificate=False)).status == 403


@pytest.mark.real("network")
async def test_a_certificate_of_another_owner_ends_the_handshake(probe: Probe, tmp_path: Path) -> None:
    owners.init(tmp_path / "impostor", owner="Other")
    context = probe.tls(certificate=False)
    context.load_cert_chain(tmp_path / "impostor" / "server.pem", tmp_path / "impostor" / "server.key")
    with pytest.raises((aiohttp.ClientError, OSError)):
        async with probe.session.get(f"{probe.url}/v1/trust", ssl=context) as reply:
            await reply.read()


@pytest.mark.real("network")
async def test_the_servers_own_certificate_is_no_clients(served: Running, probe: Probe) -> None:
    context = probe.tls(certificate=False)
    context.load_cert_chain(served.owner.directory / "server.pem", served.owner.directory / "server.key")
    with pytest.raises((aiohttp.ClientError, OSError)):
        async with probe.session.get(f"{probe.url}/v1/trust", ssl=context) as reply:
            await reply.read()


@pytest.mark.real("network")
async def test_tls_1_2_is_refused(probe: Probe) -> None:
    host, port = https_address(probe.url)
    context = probe.tls()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError) as caught:  # noqa: PT011 - an alert or a reset, as the race between both ends has it
        await asyncio.open_connection(host, port, ssl=context)
    assert not isinstance(caught.value, ConnectionRefusedError)
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.close()


@pytest.mark.real("network")
async def test_a_hub_is_given_no_session_to_resume(probe: Probe) -> None:
    host, port = https_address(probe.url)
    reader, writer = await asyncio.open_connection(host, port, ssl=probe.tls())
    writer.write(f"GET /v1/trust HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200")  # by then, a session has come
    assert not writer.get_extra_info("ssl_object").session.has_ticket
    writer.close()


@pytest.mark.real("network")
@pytest.mark.parametrize("what", ["records", "state"])
@pytest.mark.parametrize("body", [b"", b"x", b"ILM1", b"ILM1" + bytes(40), b"\xff" * 5000, b"{}"])
async def test_noise_from_an_enrolled_hub_is_a_clear_400(probe: Probe, what: str, body: bytes) -> None:
    async with probe.session.post(f"{probe.url}/v1/hubs/{probe.hub}/{what}", data=body, ssl=probe.tls()) as reply:
        assert reply.status == 400
        assert json.loads(await reply.read())["error"]


@pytest.mark.real("network")
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_its_limit_is_not_read(probe: Probe, announced: bool) -> None:
    async def pieces() -> Any:
        for _ in range(MAX_MESSAGE // 65536 + 2):
            yield bytes(65536)

    data = io.BytesIO(bytes(MAX_MESSAGE + 1)) if announced else pieces()
    url = f"{probe.url}/v1/hubs/{probe.hub}/records"
    try:
        async with probe.session.post(url, data=data, ssl=probe.tls()) as reply:
            assert reply.status == 413
    except (aiohttp.ClientConnectionError, OSError):
        pass  # the server hung up while we were still sending
    assert (await probe.post(b"")).status == 400  # and goes on serving


@pytest.mark.real("network")
@pytest.mark.parametrize("what", ["records", "backup"])
async def test_one_hubs_many_bodies_that_do_not_come_fill_no_memory_and_hold_up_no_other_hub(
    served: Running, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("backend.api.hubs.MAX_PER_HUB", 3 << 20)
    token = token_for(served)
    await enrol(token, tmp_path / "other")
    other = Probe(served.url, token, tmp_path / "other", probe.session)
    writers = []
    for _ in range(3):
        _, writer = await asyncio.open_connection("localhost", served.port, ssl=probe.tls())
        head = f"POST /v1/hubs/{probe.hub}/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 20}\r\n\r\nx"
        writer.write(head.encode())
        await writer.drain()
        writers.append(writer)
    mine, theirs = probe.segment(), other.segment()
    body = mine.message([mine.block([row()])])
    async with asyncio.timeout(PATIENCE_S):  # until their heads are read
        while (await probe.post(body)).status != 503:
            await asyncio.sleep(0.05)
    assert (await other.post(theirs.message([theirs.block([row()])]))).status == 200
    for writer in writers:
        writer.close()
    async with asyncio.timeout(PATIENCE_S):
        while (await probe.post(body)).status != 200:
            await asyncio.sleep(0.05)


@pytest.mark.real("network")
async def test_strangers_who_say_nothing_give_way_to_the_next_and_no_hub_gives_way_to_them(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.connections.MOST", 4)
    ask = b"GET /v1/trust HTTP/1.1\r\nHost: localhost\r\n\r\n"
    hubs_reader, hubs_writer = await asyncio.open_connection("localhost", served.port, ssl=probe.tls())
    hubs_writer.write(ask)
    assert (await hubs_reader.readline()).endswith(b"200 OK\r\n"), "its handshake is over"
    idle = [await asyncio.open_connection("localhost", served.port, ssl=probe.tls(certificate=False)) for _ in range(4)]
    for _, writer in idle[2:]:  # these send something, and never all of it
        writer.write(b"POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    ends = [asyncio.create_task(reader.read()) for reader, _ in idle]
    async with asyncio.timeout(PATIENCE_S):
        while not all(end.done() for end in ends):
            reader, writer = await asyncio.open_connection("localhost", served.port, ssl=probe.tls(certificate=False))
            idle.append((reader, writer))
            writer.write(ask)
            assert (await reader.readline()).endswith(b"200 OK\r\n")
    hubs_writer.write(ask)
    await hubs_reader.readuntil(b"HTTP/1.1 200 OK\r\n")
    for writer in (hubs_writer, *(one for _, one in idle)):
        writer.transport.abort()


@pytest.mark.real("network")
async def test_of_a_crowd_that_connects_first_and_then_shakes_hands_at_once_only_hubs_stay_all(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.connections.MOST", 4)
    loop, host = asyncio.get_running_loop(), https_address(probe.url)
    crowd = []
    for number in range(24):
        crowd.append((number % 2 == 0, socket.create_connection(host)))
        await asyncio.sleep(0)

    async def shake(hub: bool, met: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(sock=met, ssl=probe.tls(certificate=hub), server_hostname=host[0])

    came = await asyncio.gather(*(shake(hub, met) for hub, met in crowd))
    silent = [loop.create_task(reader.read()) for (hub, _), (reader, _) in zip(crowd, came, strict=True) if not hub]
    async with asyncio.timeout(PATIENCE_S):
        while sum(one.done() for one in silent) < len(silent) - 4:
            await asyncio.sleep(0.05)
    for (hub, _), (reader, writer) in zip(crowd, came, strict=True):
        if hub:
            writer.write(b"GET /v1/trust HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).endswith(b"200 OK\r\n")
    for _, writer in came:
        writer.transport.abort()
    await asyncio.gather(*silent, return_exceptions=True)


async def flood(served: Running, probe: Probe, many: int, address: str = "127.0.0.9") -> list[asyncio.StreamWriter]:
    """So many connections that show this hub's certificate and say nothing; back once all but its share are cut."""

    async def until_cut(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            await reader.read()

    came = [
        await asyncio.open_connection("localhost", served.port, ssl=probe.tls(), local_addr=(address, 0))
        for _ in range(many)
    ]
    ends = [asyncio.create_task(until_cut(reader)) for reader, _ in came]
    async with asyncio.timeout(PATIENCE_S):
        while sum(end.done() for end in ends) < many - connections.MOST_OF_HUB:
            await asyncio.sleep(0.01)
    for end in ends:
        end.cancel()
    await asyncio.gather(*ends, return_exceptions=True)
    return [writer for _, writer in came]


@pytest.mark.real("network")
async def test_whoever_has_a_hubs_certificate_opens_a_share_of_connections_and_hurts_neither_it_nor_another(
    served: Running, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.connections.SOON_S", 600.0)  # however slow this machine is
    token = token_for(served)
    await enrol(token, tmp_path / "other")
    other = Probe(served.url, token, tmp_path / "other", probe.session)
    mine, theirs = probe.segment(), other.segment()
    body = mine.message([mine.block([row()])])
    head = f"POST /v1/hubs/{probe.hub}/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    sends = await asyncio.open_connection("localhost", served.port, ssl=probe.tls())
    sends[1].write(head.encode() + body[:10])
    kept = await asyncio.open_connection("localhost", served.port, ssl=other.tls())
    kept[1].write(b"GET /v1/trust HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await kept[0].readuntil(b"200 OK\r\n")

    writers = await flood(served, probe, 100)

    sends[1].write(body[10:])
    assert (await sends[0].readline()).endswith(b"200 OK\r\n"), "what it was sending has arrived"
    kept[1].write(b"GET /v1/trust HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await kept[0].readuntil(b"HTTP/1.1 200 OK\r\n")
    more = probe.segment()
    assert (await probe.post(more.message([more.block([row()])]))).status == 200
    assert (await other.post(theirs.message([theirs.block([row()])]))).status == 200
    _, stats = await get(probe, "/v1/stats", operator(served))
    assert list(stats["connections_gave_way"]) == [probe.hub]
    assert 100 - connections.MOST_OF_HUB < stats["connections_gave_way"][probe.hub] < 100
    _, alarms = await get(probe, "/v1/alarms", operator(served))
    of_hubs = [(one["kind"], one["hub"]) for one in alarms["alarms"] if one["hub"]]  # nobody is on duty to be told
    assert of_hubs == [(connections.ALARM, probe.hub)]
    for writer in (*writers, sends[1], kept[1]):
        writer.transport.abort()


ASK = """
const [port, ...files] = process.argv.slice(1);
const [ca, cert, key] = files.map((file) => require("fs").readFileSync(file));
const to = {host: "127.0.0.1", servername: "localhost", port, path: "/v1/alerts", ca, cert, key};
require("https").get(to, (answer) => answer.pipe(process.stdout));
"""


@pytest.mark.real("network, processes")
async def test_another_client_with_a_hubs_certificate_gets_in_among_a_crowd_that_has_it_too(
    served: Running, probe: Probe
) -> None:
    writers = await flood(served, probe, 40, "127.0.0.1")
    ca, certificate = served.owner.directory / "ca.pem", probe.state / enrolment.CERTIFICATE
    asking = await asyncio.create_subprocess_exec(
        "node", "-e", ASK, str(served.port), ca, certificate, probe.keys.tls_key, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        said = (await asking.communicate())[0]
    assert json.loads(said) == {"acts": []}
    for writer in writers:
        writer.transport.abort()


@pytest.mark.real("network")
async def test_what_a_broken_line_left_behind_gives_way_without_an_alarm(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.connections.SOON_S", 0.0)  # as if each had been there for long
    writers = await flood(served, probe, 40)
    _, stats = await get(probe, "/v1/stats", operator(served))
    assert stats["connections_gave_way"] == {probe.hub: 40 - connections.MOST_OF_HUB}
    assert (await get(probe, "/v1/alarms", operator(served)))[1]["alarms"] == []
    for writer in writers:
        writer.transport.abort()


@pytest.mark.real("network")
async def test_where_all_of_a_hub_wait_for_an_answer_another_is_refused_and_each_is_answered(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.connections.MOST_OF_HUB", 3)
    came, go_on, call = asyncio.Semaphore(0), asyncio.Event(), Worker.call

    async def slowly(worker: Worker, work: Any) -> Any:
        came.release()
        await go_on.wait()
        return await call(worker, work)

    monkeypatch.setattr(Worker, "call", slowly)
    waiting = [await asyncio.open_connection("localhost", served.port, ssl=probe.tls()) for _ in range(3)]
    async with asyncio.timeout(PATIENCE_S):
        for _, writer in waiting:
            writer.write(b"GET /v1/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await came.acquire()
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("localhost", served.port, ssl=probe.tls())
            waiting.append((reader, writer))
            assert await reader.read() == b"", "it is refused"
        go_on.set()
        for reader, _ in waiting[:3]:
            assert (await reader.readline()).endswith(b"200 OK\r\n")
    for _, writer in waiting:
        writer.transport.abort()


def test_a_hubs_share_is_twice_what_it_is_let_open() -> None:
    (most,) = [one.le for one in https.Https.model_fields["parallel"].metadata if hasattr(one, "le")]
    assert 2 * most <= connections.MOST_OF_HUB


def test_a_handshake_may_take_as_long_as_a_hub_waits_for_an_answer() -> None:
    assert https.Https.model_fields["timeout"].default.total_seconds() <= connections.HANDSHAKE_S


def test_a_server_takes_as_many_descriptors_as_the_machine_lets_it() -> None:
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, former[1]))
        for _ in range(2):
            connections.raise_descriptor_limit()
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            assert (soft, hard) == (65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard), former[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)


@pytest.mark.real("network")
@pytest.mark.parametrize("asking", ["without a body", "with a body"])
async def test_a_stranger_who_waits_for_an_answer_is_not_pushed_out(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch, asking: str
) -> None:
    monkeypatch.setattr("backend.processes.connections.MOST", 2)
    came, go_on = threading.Event(), threading.Event()

    def slowly(*_: Any) -> list[Any]:
        came.set()
        go_on.wait(PATIENCE_S)
        return []

    def vouch(*_: Any) -> None:
        slowly()
        raise AuthFailed("whose token is that?")

    monkeypatch.setattr(Views, "forks", slowly)
    monkeypatch.setattr(Registry, "vouch", vouch)
    if asking == "with a body":
        body = asked(read_token(token_for(served)))
        waiting = asyncio.create_task(enroll(probe, body))
    else:
        waiting = asyncio.create_task(get(probe, "/v1/forks", operator(served)))
    await asyncio.to_thread(came.wait, PATIENCE_S)
    idle = [await asyncio.open_connection("localhost", served.port, ssl=probe.tls(certificate=False)) for _ in range(6)]
    go_on.set()
    assert (await waiting)[0] == (403 if asking == "with a body" else 200)
    for _, writer in idle:
        writer.transport.abort()


@pytest.mark.real("network")
async def test_a_body_that_never_ends_holds_up_nobody(served: Running, probe: Probe) -> None:
    host, port = https_address(probe.url)
    _, writer = await asyncio.open_connection(host, port, ssl=probe.tls())
    writer.write(f"POST /v1/hubs/{probe.hub}/records HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
    await writer.drain()
    segment = probe.segment()
    assert (await probe.post(segment.message([segment.block([row()])]))).status == 200
    writer.transport.abort()


# -- enrolment ---------------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_a_right_request_enrols_once(served: Running, probe: Probe) -> None:
    token = read_token(token_for(served))
    status, answer = await enroll(probe, asked(token))
    assert status == 200
    assert answer["hub"] == hub_id(b"i" * 32)
    assert base64.b64decode(answer["trust"]) == served.owner.trust_document
    status, answer = await enroll(probe, asked(token))
    assert (status, "used already" in answer["error"]) == (403, True)


@pytest.mark.real("network")
async def test_a_token_and_the_public_key_of_another_hub_are_not_enough_for_a_certificate_in_its_name(
    served: Running, probe: Probe
) -> None:
    token = read_token(token_for(served))
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
    public, sign = probe.keys.identity_public, probe.keys.identity.sign
    right = {
        "token_id": token.id, "identity": base64.b64encode(public).decode(), "csr": csr.decode(),
        "mac": base64.b64encode(token_proof(token.secret, public, csr)).decode(),
    }  # fmt: skip
    of_another_token = base64.b64encode(sign(lp(b"ilot/enrol/1\0", b"other", csr))).decode()
    for more in ({}, {"signature": of_another_token}, {"signature": base64.b64encode(bytes(64)).decode()}):
        status, answer = await enroll(probe, {**right, **more})
        assert (status, "certificate" in answer) == (403, False)
    signature = base64.b64encode(sign(lp(b"ilot/enrol/1\0", token.id.encode(), csr))).decode()
    status, answer = await enroll(probe, {**right, "signature": signature})
    assert (status, answer["hub"]) == (200, probe.keys.hub_id)


@pytest.mark.real("network")
async def test_an_expired_token_enrols_nobody(served: Running, probe: Probe) -> None:
    status, answer = await enroll(probe, asked(read_token(token_for(served, lifetime=-1.0))))
    assert (status, "expired" in answer["error"]) == (403, True)


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mac": base64.b64encode(bytes(32)).decode()}, 403),
        ({"token_id": "none"}, 403),
        ({"identity": base64.b64encode(b"j" * 32).decode()}, 403),
        ({"identity": "AAAA"}, 400),
        ({"identity": "é" * 40}, 400),
        ({"mac": 5}, 400),
        ({"csr": "no request"}, 403),
        ({"csr": None}, 400),
        ({"token_id": ["a"]}, 400),
    ],
)
async def test_a_wrong_request_is_refused_and_costs_the_token_nothing(
    served: Running, probe: Probe, change: dict[str, Any], status: int
) -> None:
    token = read_token(token_for(served))
    answered, answer = await enroll(probe, asked(token, **change))
    assert (answered, bool(answer["error"])) == (status, True)
    assert (await enroll(probe, asked(token)))[0] == 200


@pytest.mark.real("network")
async def test_a_request_that_cannot_be_certified_costs_the_token_nothing_and_without_a_token_nobody_looks_at_it(
    served: Running, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = read_token(token_for(served))
    mac = base64.b64encode(token_proof(token.secret, b"i" * 32, b"no request")).decode()
    assert (await enroll(probe, asked(token, csr="no request", mac=mac)))[0] == 400
    looked: list[bytes] = []
    monkeypatch.setattr(owners.Owner, "certify", lambda self, csr, hub: looked.append(csr))
    assert (await enroll(probe, asked(token, token_id="0" * 16)))[0] == 403
    assert looked == []
    monkeypatch.undo()
    assert (await enroll(probe, asked(token)))[0] == 200


@pytest.mark.real("network")
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 30_000, b'{"token_id": "' + b"x" * 40_000])
async def test_noise_at_the_door_is_a_clear_error(probe: Probe, body: bytes) -> None:
    status, answer = await enroll(probe, body)
    assert status in (400, 413)
    assert answer["error"]


# -- operator ----------------------------------------------------------------------------------------------------

OPERATOR = ["/v1/hubs", "/v1/series", "/v1/series/a/b/c/latest", "/v1/series/a/b/c/history", "/v1/gaps", "/v1/forks",
            "/v1/alarms", "/v1/stats", "/v1/verify"]  # fmt: skip


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "Bearer {}x", "Bearer é"]
)
async def test_every_operator_route_needs_the_token(served: Running, probe: Probe, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(served.owner.api_token)}
    for path in OPERATOR:
        status, answer = await get(probe, path, headers)
        assert (status, answer["error_text"]["code"]) == (401, "api-token-needed"), path


OPEN = {"/v1/trust", "/v1/enroll", "/v1/renewal", "/v1/pages-ca", "/v1/badges/revoked",
        "/v1/hubs/{hub}/renewal", "/v1/hubs/{hub}/page-certificate"}  # fmt: skip


@pytest.mark.real("network")
async def test_whoever_shows_neither_certificate_nor_token_gets_nothing_but_what_is_for_anybody(
    served: Running, probe: Probe
) -> None:
    async def pass_on(request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    hubs = HubServer(served.owner, served.worker, Nonces(bytes(32)), pass_on)
    operators = OperatorServer(served.owner, served.owner.database, SharedStorage(served.owner.database))
    routes = [one for server in (hubs, operators) for one in server.application().router.routes()]
    closed = [
        (one.method, one.resource.canonical) for one in routes if one.resource and one.resource.canonical not in OPEN
    ]
    assert len(closed) > 20
    for method, path in closed:
        url = probe.url + path.replace("{hub}", probe.hub).replace("{id}", "a/b/c").replace("{alert}", "a1")
        async with probe.session.request(method, url, data=b"{}", ssl=probe.tls(certificate=False)) as reply:
            assert reply.status in (401, 403), (method, path)


@pytest.mark.real("network")
async def test_what_the_operator_is_told_is_kept_by_no_cache(served: Running, probe: Probe) -> None:
    url, context = f"{probe.url}/v1/series", probe.tls(certificate=False)
    async with probe.session.get(url, headers=operator(served), ssl=context) as reply:
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.real("network")
async def test_a_long_list_says_where_it_goes_on(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    await probe.post(segment.message([segment.block([row(1)])]))
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        _, page = await get(probe, f"/v1/series?limit=1&after={after}", operator(served))
        found += [one["metric"] for one in page["series"]]
        after = page["next"]
    assert found == ["motion", "temperature"]
    assert (await get(probe, "/v1/series?limit=0", operator(served)))[0] == 400
    assert (await get(probe, "/v1/gaps?after=x", operator(served)))[0] == 400


@pytest.mark.real("network")
async def test_a_token_of_bytes_that_are_no_text_is_a_wrong_one(served: Running, probe: Probe) -> None:
    reader, writer = await asyncio.open_connection("localhost", served.port, ssl=probe.tls(certificate=False))
    writer.write(b"GET /v1/hubs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert b" 401 " in await reader.readline()
    writer.close()


@pytest.mark.real("network")
async def test_a_hubs_certificate_is_no_operators_token(probe: Probe) -> None:
    async with probe.session.get(f"{probe.url}/v1/hubs", ssl=probe.tls()) as reply:
        assert reply.status == 401


@pytest.mark.real("network")
@pytest.mark.parametrize("query", ["from=x", "to=-1", "limit=0", "limit=10001", "limit=1e3", "from=" + "9" * 40])
async def test_a_wrong_query_is_a_clear_400(served: Running, probe: Probe, query: str) -> None:
    segment = probe.segment()
    await probe.post(segment.message([segment.block([row()])]))
    status, answer = await get(probe, f"/v1/series/{probe.hub}/room-1/motion/history?{query}", operator(served))
    assert (status, query.partition("=")[0] in answer["error"]) == (400, True)


@pytest.mark.real("network")
@pytest.mark.parametrize("series", ["a", "a/b/c", "' or 1=1 --/x/y", "%00/x/y", "a/" + "b" * 3000 + "/c"])
async def test_an_unknown_series_is_404(served: Running, probe: Probe, series: str) -> None:
    status, answer = await get(probe, f"/v1/series/{series}/latest", operator(served))
    assert (status, "no series" in answer["error"]) == (404, True)


@pytest.mark.real("network")
async def test_what_is_not_there_is_json_too(served: Running, probe: Probe) -> None:
    assert (await get(probe, "/v1/nothing", operator(served)))[0] == 404
    async with probe.session.put(f"{probe.url}/v1/trust", ssl=probe.tls(certificate=False)) as reply:
        assert reply.status == 405
        assert json.loads(await reply.read())["error"]


# -- life --------------------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_without_the_root_it_serves_on_its_own_port_and_no_other(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=(port := free_port())) as running:
        assert running.port == port
    shutil.rmtree(tmp_path / "owner" / "root")
    async with serving(tmp_path / "owner") as running:
        assert running.port == port
    with pytest.raises(ConfigError, match="bring the owner root back"):
        async with serving(tmp_path / "owner", port=0):
            pass


@pytest.mark.real("network")
async def test_a_port_in_use_is_a_clear_error(served: Running, tmp_path: Path) -> None:
    owners.init(tmp_path / "second", owner="Ville")
    with pytest.raises(ConfigError, match=f"port {served.port}"):
        async with serving(tmp_path / "second", port=served.port):
            pass


@pytest.mark.real("network")
async def test_a_damaged_database_is_told_at_the_start(tmp_path: Path) -> None:
    made = owners.init(tmp_path / "owner", owner="Ville")
    made.database.write_bytes(b"noise" * 1000)
    with pytest.raises(Exception, match="cannot open the database"):
        async with serving(tmp_path / "owner", port=0):
            pass


@pytest.mark.real("network")
async def test_an_older_trust_is_refused_by_a_hub_that_saw_a_newer(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    old = (tmp_path / "owner" / "trust.bin").read_bytes()
    async with serving(tmp_path / "owner", port=0) as running:
        await enrol(token_for(running), tmp_path / "hub")
    with pytest.raises(AuthFailed, match="older"):
        enrolment.keep_trust(tmp_path / "hub", old)
