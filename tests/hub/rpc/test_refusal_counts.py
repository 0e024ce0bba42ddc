"""What was refused and why, asked of a running hub: each reason with what it means."""

from __future__ import annotations

from typing import Any

from hub.core.counters import EVENTS, LIMIT, Counts
from hub.core.text import Phrase
from hub.i18n.reasons import meaning, words_of
from hub.rpc.refusal_counts import CountedCalls

ACME = words_of({"valve-*": "Valve {part}"}, "acme")


def counting() -> CountedCalls:
    counts = Counts()
    for reason, subject, n in (
        ("repeat", "acme:1", 3), ("valve-stuck", "acme:1", 7), ("not-admitted", "acme", 2), ("valve-stuck", "ble:2", 1),
    ):  # fmt: skip
        counts.add(reason, subject, n)
    return CountedCalls(counts, lambda reason, type_: meaning(reason, ACME if type_ == "acme" else {}), type_of)


def type_of(subject: str) -> str:
    return subject.partition(":")[0]


async def ask(**arguments: Any) -> list[dict[str, Any]]:
    answer = await counting().calls()["counted"](arguments)
    return list(answer["counted"])


async def test_all_are_told_with_words_where_there_are_some_the_most_frequent_of_each_first() -> None:
    told = await ask()
    assert [(one["subject"], one["reason"], one["times"]) for one in told] == [
        ("acme:1", "valve-stuck", 7), ("acme:1", "repeat", 3), ("acme", "not-admitted", 2), ("ble:2", "valve-stuck", 1),
    ]  # fmt: skip
    assert [one["meaning"] for one in told[::3]] == ["Valve stuck", ""]
    assert (told[0]["meaning"].code, told[0]["meaning"].params) == ("acme.reason-valve-*", {"part": "stuck"})
    assert told[1]["meaning"].code == "reason-repeat"


async def test_the_words_of_a_reason_are_looked_up_once_however_many_devices_have_it() -> None:
    counts, asked = Counts(), list[tuple[str, str]]()
    for number in range(50):
        counts.add("repeat", f"acme:{number}")
        counts.add("repeat", f"ble:{number}")

    def unknown(reason: str, type_: str) -> Phrase | None:
        asked.append((reason, type_))
        return None

    told = await CountedCalls(counts, unknown, type_of).calls()["counted"]({})
    assert (len(told["counted"]), asked) == (100, [("repeat", "acme"), ("repeat", "ble")])


async def test_a_reason_that_is_no_text_or_far_too_long_spoils_no_answer() -> None:
    counts = Counts()
    for reason in (42, None, "x" * 1_000_000, "write-" * 10_000):
        counts.add(reason, "acme:1")  # type: ignore[arg-type]
    counts.add("repeat", "acme:1")
    told = await CountedCalls(counts, lambda reason, type_: meaning(reason, ACME), type_of).calls()["counted"]({})
    assert [one["reason"] for one in told["counted"]] == ["42", "None", "x" * 80, ("write-" * 14)[:80], "repeat"]


def test_a_slug_without_an_end_costs_no_time_and_has_no_words() -> None:
    assert meaning("write-" * 100_000, ACME) is None
    assert meaning("valve-" + "9" * 1_000_000, ACME) is None


def test_reasons_and_subjects_made_of_what_was_sent_are_counted_together_past_a_bound() -> None:
    counts = Counts(limit=10, spare=5)
    for number in range(100):
        counts.add("repeat", f"acme:{number}")
        counts.add(f"fault-{number}", "acme")
    told = counts.by_subject()
    assert sum(map(len, told.values())) <= 16
    assert sum(n for events in told.values() for n in events.values()) == 200
    assert told["other"]["other"] > 0


def test_one_subject_that_makes_up_reasons_leaves_the_others_theirs() -> None:
    counts = Counts()
    for number in range(2 * LIMIT):
        counts.add(f"fault-{number}", "acme")
    counts.add("replay", "knx:lamp")
    told = counts.by_subject()
    assert told["knx:lamp"] == {"replay": 1}
    assert (len(told["acme"]), sum(told["acme"].values())) == (EVENTS + 1, 2 * LIMIT)


async def test_one_subject_is_told_alone_and_of_an_unknown_one_nothing() -> None:
    assert [one["reason"] for one in await ask(subject="acme")] == ["not-admitted"]
    assert await ask(subject="acme:9") == []
