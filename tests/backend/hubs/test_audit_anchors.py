"""Heads of a hub's audit chain, kept by the backend: what was told once cannot be taken back."""

from __future__ import annotations

from backend_kit import NOW, Desk

from hub.operations.incidents.audit_anchor import SHAPE
from hub.protocol.records.rows import ALERTS, Row, Subject


def told(head: str, time_ms: int = NOW) -> Row:
    return Row(Subject("hub"), SHAPE, time_ms, True, (head, "{}", 7), 0, 1)


def test_a_hub_in_other_hands_cannot_rewrite_the_head_that_it_told_before(desk: Desk) -> None:
    hub = desk.enrol()
    for one in (told("aa"), told("bb"), told("cc", NOW + 1)):
        segment = hub.segment(stream=ALERTS)
        desk.post(hub, segment.message([segment.block([one])]))
        desk.settle()
    assert [one["head"] for one in desk.views.witnessed(hub.hub, 10)] == ["cc", "aa"]


def test_a_head_that_is_dated_years_ahead_is_not_the_newest_for_years(desk: Desk) -> None:
    hub = desk.enrol()
    for one in (told("aa"), told("bad", NOW + 10**12), told("bb", NOW + 1)):
        segment = hub.segment(stream=ALERTS)
        desk.post(hub, segment.message([segment.block([one])]))
        desk.settle()
    assert [one["head"] for one in desk.views.witnessed(hub.hub, 1)] == ["bb"]
    assert {one["head"] for one in desk.views.witnessed(hub.hub, 10)} == {"aa", "bad", "bb"}
