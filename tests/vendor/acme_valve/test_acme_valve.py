import asyncio

from acme_valve import Gateway, Valve, run

import hub
from hub.sdk.testing import FakeSession, Reply

CONFIG = Gateway.model_validate({"url": "http://192.168.1.30/"})
VALVE = hub.Device(
    id="acme:A1", integration="acme_valve", place="boiler-room", settings={"name": "A1", "reversed": True}
)


def test_it_reports_known_valves_discovers_others_and_goes_on_after_the_last_change() -> None:
    session = FakeSession("acme_valve", devices=[VALVE])
    changes = [{"n": 8, "valve": "A1", "open": 40}, {"n": 8, "valve": "B2", "open": 0}]
    session.http.reply("GET", "http://192.168.1.30/changes?after=0", changes)
    session.http.reply("GET", "http://192.168.1.30/changes?after=8", [])
    asyncio.run(session.run(run, CONFIG, turns=2))
    assert [report.values for report in session.reports] == [{"valve_position": 60}]
    assert [candidate.id for candidate in session.candidates] == ["acme:B2"]
    assert [request.url[-1] for request in session.http.requests] == ["0", "8"]
    assert session.state == {"n": 8}


def test_it_writes_what_is_ordered() -> None:
    session = FakeSession("acme_valve", devices=[VALVE])
    session.http.reply("GET", "http://192.168.1.30/changes?after=0", [])
    session.http.replies["POST", "http://192.168.1.30/valves/A1"] = Reply(204, {}, b"")
    session.commands.give(hub.Command(id="1", device=VALVE.id, metric="valve_position", value=30.0))
    asyncio.run(session.run(run, CONFIG, until=lambda: session.commands.answers))
    assert session.commands.answers == [("1", "done", "")]
    assert session.http.requests[-1].json() == {"open": 70}
    assert VALVE.settings_as(Valve) == Valve(name="A1", reversed=True)
