"""What was refused and why, asked of a running hub: each reason with what it means."""

from __future__ import annotations

from typing import Any

from hub.answers.counting import Counting
from hub.counts import Counts
from hub.reasons import words

ACME = {"valve-*": ("Vanne {part}", "Valve {part}")}


def counting() -> Counting:
    counts = Counts()
    for reason, subject, n in (
        ("repeat", "acme:1", 3), ("valve-stuck", "acme:1", 7), ("not-admitted", "acme", 2), ("valve-stuck", "ble:2", 1),
    ):  # fmt: skip
        counts.add(reason, subject, n)
    return Counting(counts, lambda reason, subject: words(reason, ACME if subject.startswith("acme") else {}))


async def ask(**arguments: Any) -> list[dict[str, Any]]:
    answer = await counting().calls()["counted"](arguments)
    return list(answer["counted"])


async def test_all_are_told_with_words_where_there_are_some_the_most_frequent_of_each_first() -> None:
    told = await ask()
    assert [(one["subject"], one["reason"], one["times"]) for one in told] == [
        ("acme:1", "valve-stuck", 7), ("acme:1", "repeat", 3), ("acme", "not-admitted", 2), ("ble:2", "valve-stuck", 1),
    ]  # fmt: skip
    assert [(one["fr"], one["en"]) for one in told[::3]] == [("Vanne stuck", "Valve stuck"), ("", "")]


async def test_one_subject_is_told_alone_and_of_an_unknown_one_nothing() -> None:
    assert [one["reason"] for one in await ask(subject="acme")] == ["not-admitted"]
    assert await ask(subject="acme:9") == []
