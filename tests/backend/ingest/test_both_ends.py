"""The law of ADR 0021: whatever people say at the two ends, through whatever outages, in whatever order and however
often rows arrive, both ends agree once the link has been up for two turns; nothing said late undoes what stands."""

from __future__ import annotations

import time
from contextlib import suppress

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.hubs.alerts import NoAlert, request_change, requested_changes, take
from backend.storage.sqlite.alerts import TABLES, Alerts
from hub.automation.alerts import ACKNOWLEDGED, CLEARED, MUTED, RAISED, Alert
from hub.automation.alerts.lifecycle import due_transition, transition
from hub.automation.alerts.stream_rows import row, subject_of
from hub.protocol.records.rows import Row

ACTS = st.sampled_from([ACKNOWLEDGED, MUTED, CLEARED])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hub"), ACTS),
        st.tuples(st.just("backend"), ACTS),
        st.tuples(st.just("rule"), st.just("")),
        st.tuples(st.just("time"), st.integers(1, 4000)),
        st.tuples(st.just("deliver"), st.integers(0, 5)),
        st.tuples(st.just("again"), st.integers(0, 20)),
        st.tuples(st.just("fetch"), st.just("")),
    ),
    max_size=14,
)


class BothEnds:
    """One alert at both ends: the hub by `AlertService.act` and `tick`, the backend real, over a real database."""

    def __init__(self) -> None:
        self.now = time.time() + 10
        self.alert = Alert(
            id="a1",
            rule="loop",
            key="p",
            severity="critical",
            raised=self.now,
            changed=self.now,
            by="rule:loop",
            escalate_s=600.0,
        )
        self.db = apsw.Connection(":memory:")
        for statement in TABLES.split(";"):
            self.db.execute(statement)
        self.table = Alerts(self.db)
        self.story = [self.alert]
        self.waiting: list[Row] = [self._row()]
        self.sent: list[Row] = []

    def _row(self) -> Row:
        return row(self.alert, subject_of(self.alert), monotonic=0.0, sure=True)

    def change(self, after: Alert | None) -> None:
        if after is not None:
            self.alert = after
            self.story.append(after)
            self.waiting.append(self._row())

    def act(self, state: str, by: str, until: float | None = None) -> None:
        self.change(transition(self.alert, state, self.now, by, "", until))

    def deliver(self, at: int) -> None:
        """Any of those that wait, not the oldest by need."""
        if self.waiting:
            self.sent.append(self.waiting.pop(at % len(self.waiting)))
            take(self.table, "h", [self.sent[-1]], None)

    def again(self, at: int) -> None:
        """A row arrives once more, perhaps an old one after a new one."""
        if self.sent:
            take(self.table, "h", [self.sent[at % len(self.sent)]], None)

    def ask(self, state: str) -> None:
        with suppress(NoAlert):  # not there yet, or over
            request_change(self.table, "a1", state, "jeanne", "", self.now + 1000 if state == MUTED else None)

    def fetch(self) -> None:
        for one in requested_changes(self.table, "h"):
            self.act(one["state"], f"backend:{one['by']}", one["until"])

    def at_backend(self) -> tuple[str, int]:
        [(state, n)] = self.db.execute("select state, n from alerts")
        return state, n

    def settle(self) -> None:
        while self.waiting:
            self.deliver(0)
        self.fetch()
        while self.waiting:
            self.deliver(0)


def play(steps: list[tuple[str, str | int]]) -> BothEnds:
    ends = BothEnds()
    for what, how in steps:
        if what == "hub":
            ends.act(str(how), "cli:a", ends.now + 1000 if how == MUTED else None)
        elif what == "backend":
            ends.ask(str(how))
        elif what == "rule":
            ends.change(transition(ends.alert, CLEARED, ends.now, "rule:loop"))
        elif what == "time":
            ends.now += int(how)
            ends.change(due_transition(ends.alert, ends.now))
        elif what == "deliver":
            ends.deliver(int(how))
        elif what == "again":
            ends.again(int(how))
        else:
            ends.fetch()
    ends.settle()
    return ends


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_both_ends_agree_when_the_link_is_back_and_nothing_late_undoes_what_stands(
    steps: list[tuple[str, str | int]],
) -> None:
    ends = play(steps)
    assert ends.at_backend() == (ends.alert.state, ends.alert.n)
    assert [one.n for one in ends.story] == list(range(1, len(ends.story) + 1))
    over = [at for at, one in enumerate(ends.story) if one.state == CLEARED]
    assert over in ([], [len(ends.story) - 1])  # an end is the end
    for before, after in zip(ends.story, ends.story[1:], strict=False):
        if before.state == ACKNOWLEDGED:
            assert after.state in (MUTED, CLEARED)  # the first acknowledgement stands
        if after.state == RAISED:
            assert before.state == MUTED
    assert not requested_changes(ends.table, "h") or ends.alert.state != CLEARED


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_what_was_fetched_twice_changes_nothing_the_second_time(steps: list[tuple[str, str | int]]) -> None:
    ends = play(steps)
    ends.settle()
    before = ends.alert
    for _ in range(3):
        ends.fetch()
        ends.settle()
    assert ends.alert == before


def test_an_acknowledgement_given_at_the_backend_in_an_outage_reaches_the_hub_after_it() -> None:
    ends = play([("deliver", 0), ("backend", ACKNOWLEDGED), ("time", 3000)])
    assert (ends.alert.state, ends.alert.by) == (ACKNOWLEDGED, "backend:jeanne")  # though it was escalated meanwhile
    assert ends.at_backend() == (ACKNOWLEDGED, 3)
