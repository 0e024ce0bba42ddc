"""Pages of node's HTTP server, over the hub's own way out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import hub
from integrations.http_json import Config, probe, run
from integrations.http_json.polling import Poller
from integrations.http_json.roster import Roster

pytestmark = pytest.mark.real("network, processes")

POWER = {"power": {"path": "P"}}


def config(peer: Any, **options: Any) -> Config:
    return Config.model_validate({"url": peer.url, "max_rate": 100, "timeout": 60.0, **options})


async def test_what_a_page_says_is_reported(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/status?id=1", {"P": 1250.5, "E": 1234567, "Q": 3})
    session.put(
        "http:meter",
        path="/status?id=1",
        values={
            "power": {"path": "P"},
            "energy": {"path": "E", "scale": 0.001},
            "quality": {"path": "Q", "unit": "1", "privacy": "technical"},
        },
    )
    running = start(run(config(peer), session))
    await session.turn(running)
    (report,) = session.reports
    assert report.values == {"power": 1250.5, "energy": 1234.567, "quality": 3}
    assert report.proof == hub.Proof(scheme="http")
    assert report.time is None
    assert [metric.key for metric in session.declared[0][3]] == ["quality"]


async def test_one_page_is_asked_for_once_for_all_the_devices_it_speaks_of(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/all", {"a": {"P": 1}, "b": {"P": 2}})
    for name in "ab":
        session.put(f"http:{name}", path="/all", values={"power": {"path": f"{name}.P"}})
    running = start(run(config(peer), session))
    await session.turn(running)
    assert session.take() == {"http:a": {"power": 1}, "http:b": {"power": 2}}
    assert len(peer.asked) == 1


async def test_a_page_that_did_not_change_is_not_sent_again_and_still_says_what_it_said(
    peer: Any, session: Any, start: Any
) -> None:
    await peer.page("/s", {"P": 5}, ETag='"one"')
    session.put("http:m", path="/s", values=POWER)
    running = start(run(config(peer), session))
    await session.turn(running)
    await session.turn(running)
    assert [report.values for report in session.reports] == [{"power": 5}, {"power": 5}]
    assert [one["headers"].get("if-none-match") for one in peer.asked] == [None, '"one"']
    await peer.page("/s", {"P": 6}, ETag='"two"')
    session.take()
    await session.turn(running)
    assert session.take() == {"http:m": {"power": 6}}


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"user": "u", "password": "p:w"}, "authorization", f"Basic {base64.b64encode(b'u:p:w').decode()}"),
        ({"token": "t0k"}, "authorization", "Bearer t0k"),
        ({"headers": {"X-Api-Key": "k3y"}}, "x-api-key", "k3y"),
    ],
)
async def test_credentials_go_where_they_belong_and_a_clear_way_is_reported(
    peer: Any, session: Any, start: Any, caplog: pytest.LogCaptureFixture, options: Any, header: str, value: str
) -> None:
    await peer.page("/s", {"P": 5})
    session.put("http:m", path="/s", values=POWER)
    given = config(peer, **options)
    running = start(run(given, session))
    await session.turn(running)
    assert peer.asked[0]["headers"][header] == value
    assert any("travel in clear" in record.message for record in caplog.records)
    assert (value.partition(" ")[2] or value) not in repr(given)


async def test_a_refused_credential_stops_the_plugin(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/s", "who are you", 401)
    session.put("http:m", path="/s", values=POWER)
    with pytest.raises(hub.AuthFailed, match="credentials"):
        await session.turn(start(run(config(peer), session)))


async def test_a_page_that_fails_is_left_in_peace_told_once_and_the_others_are_read(
    peer: Any, session: Any, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await peer.page("/good", {"P": 1})
    session.put("http:good", path="/good", values=POWER)
    session.put("http:gone", path="/gone", values=POWER)
    session.put("http:people", path="/people", values=POWER)
    await peer.page("/people", "<html>" + "x" * 100)
    now = [0.0]
    roster = Roster(session)

    async def take(reader: Any, document: Any, scheme: str) -> None:
        await session.emit(hub.Report(device=reader.device, values={"power": document["P"]}))

    poller = Poller(config(peer, interval=60), session, roster, take, monotonic=lambda: now[0])
    running = start(poller.run())
    for _ in range(8):
        await session.turn(running)
        now[0] += 60
    asked = [one["path"] for one in peer.asked]
    assert asked.count("/good") == 8
    assert asked.count("/gone") == asked.count("/people") == 3  # at turns 0, 2, 6
    assert [d for d in session.drops if d[0] == "http:gone"] == [("http:gone", "http-refused")] * 3
    assert [d for d in session.drops if d[0] == "http:people"] == [("http:people", "http-body")] * 3
    assert len([r for r in caplog.records if "/gone" in r.message]) == 1
    assert session.polling.outcomes == {"http:gone": "unread", "http:people": "unread"}
    await peer.page("/gone", {"P": 2})
    now[0] += 600
    await session.turn(running)
    assert session.take()["http:gone"] == {"power": 2}
    assert session.polling.outcomes == {"http:people": "unread"}


async def test_a_server_that_says_when_to_come_again_is_obeyed(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/s", "", 429, **{"Retry-After": "1000"})
    session.put("http:m", path="/s", values=POWER)
    now = [0.0]

    async def take(reader: Any, document: Any, scheme: str) -> None:
        pass

    poller = Poller(config(peer, interval=60), session, Roster(session), take, monotonic=lambda: now[0])
    running = start(poller.run())
    for _ in range(17):  # up to second 960
        await session.turn(running)
        now[0] += 60
    assert len(peer.asked) == 1
    now[0] += 60
    await session.turn(running)
    assert len(peer.asked) == 2
    assert session.drops == [("http:m", "http-busy")] * 2


async def test_a_page_that_leads_to_another_host_is_not_followed_there(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/s", "", 302, Location="http://192.0.2.1/steal")
    session.put("http:m", path="/s", values=POWER)
    running = start(run(config(peer, token="t0k"), session))
    await session.turn(running)
    assert session.drops == [("http:m", "http-redirect")]
    assert session.reports == []


async def test_a_server_that_is_away_is_not_ready(peer: Any, session: Any, start: Any) -> None:
    session.put("http:m", path="/s", values=POWER)
    given = config(peer)
    assert "accepts connections" in await probe(given)
    peer._process.kill()
    await peer._process.wait()
    with pytest.raises(hub.NotReady, match="does not answer"):
        await session.turn(start(run(given, session)))
    assert session.polling.outcomes == {"http:m": "silent"}
    with pytest.raises(hub.NotReady, match="accepts no connection"):
        await probe(given)


async def test_an_answer_without_an_end_is_cut_off(peer: Any, session: Any, start: Any) -> None:
    await peer.page("/s", "x" * (2 << 20))
    session.put("http:m", path="/s", values=POWER)
    running = start(run(config(peer), session))
    await session.turn(running)
    assert session.drops == [("http:m", "too-large")]


async def test_wrong_settings_cost_only_their_device(
    peer: Any, session: Any, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await peer.page("/s", {"P": 5})
    session.put("http:m", path="/s", values=POWER)
    session.put("http:wrong", path="/s", values={"power": {"path": "a b"}})
    running = start(run(config(peer), session))
    await session.turn(running)
    assert session.take() == {"http:m": {"power": 5}}
    assert any("http:wrong is not read" in record.message for record in caplog.records)
