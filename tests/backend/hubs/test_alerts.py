"""Alerts at the backend: the greatest number stands, an end is an end, answers wait until the hub has heard them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from backend_kit import NOW, Desk, Sender, row
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.cli.main import backend
from backend.hubs import alerts
from backend.hubs.alerts import NoAlert
from hub.automation.alerts.lifecycle import Alert
from hub.automation.alerts.stream_rows import SHAPE, subject_of
from hub.automation.alerts.stream_rows import row as alert_row
from hub.protocol.records.rows import ALERTS, Row

MADE = Alert(
    id="a1",
    rule="bins",
    key="p",
    severity="warning",
    raised=NOW / 1000,
    changed=NOW / 1000,
    by="rule:bins",
    place="p",
    device="lorawan:1",
    text="full",
    text_fr="plein",
    value="95 %",
)
SUBJECT = subject_of(MADE)


def told(**change: Any) -> Row:
    return alert_row(msgspec.structs.replace(MADE, **change), SUBJECT, monotonic=5.0, sure=True)


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def post(desk: Desk, hub: Sender, *rows: Row) -> None:
    segment = hub.segment(stream=ALERTS)
    desk.post(hub, segment.message([segment.block([one]) for one in rows]))
    desk.settle()


def now(desk: Desk) -> list[tuple[str, str, int, str]]:
    return [(one["alert"], one["state"], one["n"], one["by"]) for one in desk.views.raised("", everything=True)]


def test_the_fields_are_those_the_hub_writes() -> None:
    assert alerts.is_alert(SHAPE)


def test_an_alert_has_its_row_and_is_no_reading(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told())
    [one] = desk.views.raised(hub.hub)
    assert (one["hub"], one["alert"], one["place"], one["text_fr"]) == (hub.hub, "a1", "p", "plein")
    assert one["raised_at"] == NOW / 1000
    assert desk.sql("select count(*) from series") == [(0,)]


def test_whatever_the_order_of_arrival_the_last_change_stands(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told(n=3, state="acknowledged", by="cli:a"), told(n=2, state="muted"), told())
    assert now(desk) == [("a1", "acknowledged", 3, "cli:a")]
    post(desk, hub, told(n=4, state="cleared"), told(n=9, state="raised"))
    assert now(desk) == [("a1", "cleared", 4, "rule:bins")]
    assert desk.views.raised("") == []


def test_a_hub_that_was_put_back_ends_its_alert_with_a_lower_number(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told(n=3, state="acknowledged"), told(n=2, state="cleared"))
    assert [state for _, state, *_ in now(desk)] == ["cleared"]


def ask(desk: Desk, state: str = "acknowledged", until: float | None = None) -> None:
    with desk.ingest.storage.transaction():
        alerts.request_change(desk.ingest.storage.alerts, "a1", state, "jeanne", "seen", until)


def wanted(desk: Desk, hub: Sender) -> list[str]:
    return [act["state"] for act in alerts.requested_changes(desk.ingest.storage.alerts, hub.hub)]


def test_an_answer_waits_until_the_hub_says_that_it_heard(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told())
    ask(desk)
    assert wanted(desk, hub) == ["acknowledged"]
    post(desk, hub, told(n=2, state="escalated"))  # said before it heard
    assert wanted(desk, hub) == ["acknowledged"]
    assert wanted(desk, desk.enrol()) == []  # no other hub's business
    post(desk, hub, told(n=3, state="acknowledged", by="backend:jeanne"))
    assert wanted(desk, hub) == []


def test_an_answer_ends_with_its_alert_and_a_mute_with_its_time(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told())
    ask(desk, "muted", until=1.0)
    assert wanted(desk, hub) == []
    ask(desk)
    post(desk, hub, told(n=2, state="cleared"))
    assert wanted(desk, hub) == []
    with pytest.raises(NoAlert):
        ask(desk)


VALUE = st.one_of(st.text(max_size=400), st.floats(), st.integers(-(2**62), 2**62))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)
@given(values=st.tuples(*[VALUE] * len(SHAPE.columns)), time_ms=st.integers(0, 2**52))
def test_no_row_of_that_shape_breaks_the_ingest(plain: Desk, values: tuple[Any, ...], time_ms: int) -> None:
    hub = "h"
    with plain.ingest.storage.transaction():
        rest = alerts.take(plain.ingest.storage.alerts, hub, [Row(SUBJECT, SHAPE, time_ms, True, values)], 0)
        assert len(rest) in (0, 1)


def test_a_reading_in_the_alerts_stream_stays_a_reading(desk: Desk, hub: Sender) -> None:
    post(desk, hub, row(NOW, 1.5))
    assert desk.rows() == [(NOW, 1.5)]


@pytest.mark.of_files
def test_the_command_line_lists_and_answers(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told())
    directory = str(desk.owner.directory)
    run = CliRunner().invoke
    listed = json.loads(run(backend, ["alerts", "list", directory, "--json"]).stdout)
    assert (listed["alert"], listed["wanted"]) == ("a1", None)
    done = run(backend, ["alerts", "ack", directory, "a1", "--by", "jeanne", "--why", "seen", "--json"])
    assert json.loads(done.stdout) == {"alert": "a1", "hub": hub.hub, "wanted": "acknowledged"}
    assert "asked: acknowledged by jeanne" in run(backend, ["alerts", "list", directory]).stdout
    assert run(backend, ["alerts", "ack", directory, "nothing"]).exit_code == 3


@pytest.mark.real("network")
async def test_the_operators_program_lists_and_answers_and_the_hub_fetches(served: Any, probe: Any) -> None:
    segment = probe.segment(stream=ALERTS)
    await probe.post(segment.message([segment.block([told()])]))
    bearer = {"Authorization": f"Bearer {served.owner.api_token}"}

    async def ask(method: str, path: str, *, certificate: bool = False, **more: Any) -> tuple[int, Any]:
        tls = probe.tls(certificate=certificate)
        async with probe.session.request(method, f"{probe.url}{path}", ssl=tls, **more) as reply:
            return reply.status, json.loads(await reply.read())

    status, listed = await ask("GET", "/v1/raised", headers=bearer)
    assert (status, [one["alert"] for one in listed["alerts"]]) == (200, ["a1"])
    answer = {"state": "muted", "by": "jeanne", "seconds": 60}
    assert (await ask("POST", "/v1/raised/a1", json=answer))[0] == 401
    assert (await ask("POST", "/v1/raised/a1", headers=bearer, json={**answer, "state": "raised"}))[0] == 400
    assert (await ask("POST", "/v1/raised/zz", headers=bearer, json=answer))[0] == 404
    assert (await ask("POST", "/v1/raised/a1", headers=bearer, json=answer))[0] == 200
    assert (await ask("GET", "/v1/alerts"))[0] == 403  # no certificate, no hub
    status, fetched = await ask("GET", "/v1/alerts", certificate=True)
    assert status == 200
    assert [(act["alert"], act["state"], act["by"]) for act in fetched["acts"]] == [("a1", "muted", "jeanne")]


@pytest.mark.of_files
def test_the_text_of_an_alert_commands_no_terminal_and_poses_as_no_other_line(desk: Desk, hub: Sender) -> None:
    post(desk, hub, told(text="é \x1b]0;owned\x07\nhub-other\tall is well"))
    done = CliRunner().invoke(backend, ["alerts", "list", str(desk.owner.directory)])
    assert done.exit_code == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert line.endswith("é \\x1b]0;owned\\x07\\nhub-other\tall is well")


def test_a_hub_that_raises_and_raises_hides_no_alert_of_another(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    post(desk, hub, *[told(id=f"f{n}", raised=NOW / 1000 + 1e6 + n) for n in range(5)])
    post(desk, other, told())
    found = desk.views.raised("", limit=3)
    assert [(one["hub"], one["alert"]) for one in found] == [(hub.hub, "f4"), (hub.hub, "f3"), (other.hub, "a1")]


@pytest.mark.of_files
def test_a_hub_that_takes_anothers_name_for_its_alert_is_not_answered_in_its_place(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    for one in (hub, other):
        post(desk, one, told())
    table = desk.ingest.storage.alerts
    with pytest.raises(NoAlert, match="say of which hub"):
        alerts.request_change(table, "a1", "acknowledged", "jeanne")
    assert alerts.request_change(table, "a1", "acknowledged", "jeanne", hub=other.hub) == other.hub
    assert (alerts.requested_changes(table, hub.hub), len(alerts.requested_changes(table, other.hub))) == ([], 1)
    where = str(desk.owner.database.parent)
    assert CliRunner().invoke(backend, ["alerts", "ack", where, "a1"]).exit_code == 3
    assert CliRunner().invoke(backend, ["alerts", "ack", where, "a1", "--hub", hub.hub]).exit_code == 0
    post(desk, hub, told(state="cleared", n=2))
    assert alerts.request_change(table, "a1", "muted", "jeanne", until=9e9) == other.hub, (
        "one that stands is the one that is meant"
    )
