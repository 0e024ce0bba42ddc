"""Whoever owns the backend's machine and its ack key: what they can make a hub do, and what nobody built a way for.

A reply has five things in it, an answered message changes eight, and the parts that read what a backend says know none
of those that write to devices, change the configuration or admit anybody. What they can do stands in
docs/explanation/security.md: acknowledge what they threw away, answer alerts, and hear all that hubs send.
"""

from __future__ import annotations

from functools import cache

import grimp
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.protocol.link_messages import Reply, read_reply
from hub.store_and_forward.delivery.model import Answer

READERS = (
    "hub.store_and_forward.link", "hub.store_and_forward.delivery", "hub.store_and_forward.backend_client",
    "hub.protocol.link_messages", "hub.identity", "hub.operations.backups.keeper", "hub.privacy.erasure_requests",
    "hub.automation.backend_answers", "hub.onboarding.other_hubs",
    "plugins.https", "plugins.mqtt",
)  # fmt: skip
"""What takes in anything that a backend says, whichever way it comes."""
POWERS = (
    "hub.automation.commands", "hub.rpc", "hub.plugin_host.serial_buses", "hub.operations.config_changes",
    "hub.onboarding.adoption", "hub.pipeline.admission.decisions", "hub.operations.crisis",
    "hub.app",
)  # fmt: skip


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("hub", "plugins", cache_dir=None)


@pytest.mark.parametrize("reader", READERS)
def test_what_reads_the_backends_word_knows_nothing_that_writes_changes_or_admits(reader: str) -> None:
    assert reader in graph().modules
    for power in POWERS:
        assert power in graph().modules
        assert graph().find_shortest_chain(reader, power, as_packages=True) is None, power


def test_the_same_question_finds_who_has_those_powers() -> None:
    assert graph().find_shortest_chain("hub.automation.alert_engine", "hub.automation.commands", as_packages=True)
    assert graph().find_shortest_chain(
        "hub.web", "hub.onboarding.adoption", as_packages=True
    ) or graph().find_shortest_chain("hub.app", "hub.onboarding.adoption", as_packages=True)


def test_all_that_a_reply_can_say_and_change_is_in_two_lists() -> None:
    assert set(Reply.__struct_fields__) == {"acks", "need", "trust", "certificate", "speaks"}
    assert set(Answer.__dataclass_fields__) == {
        "accepted", "acked", "unacked", "forget", "refused", "clock", "trust", "certificate",
    }  # fmt: skip


WORDS = st.sampled_from(["command", "commands", "config", "edits", "set", "device", "egress", "recipients", "update"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # the first texts cost a second on a busy machine
@given(st.dictionaries(WORDS | st.text(max_size=12), PLAIN, max_size=8))
def test_whatever_else_a_reply_says_is_not_there(said: dict[str, object]) -> None:
    others = {name: value for name, value in said.items() if name not in Reply.__struct_fields__}
    silent = read_reply(msgspec.msgpack.encode({"acks": [], "need": []}))
    assert read_reply(msgspec.msgpack.encode({"acks": [], "need": [], **others})) == silent
