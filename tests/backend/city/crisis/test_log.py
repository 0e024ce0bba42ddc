"""Main courante: append-only, chained, and broken by whoever changes it."""

from __future__ import annotations

import pytest

from backend.city.city import City
from backend.city.crisis import log
from backend.storage.city import crisis as tables
from hub.core.errors import HubError


async def wrote(city: City, count: int, drill: int = 0) -> None:
    for n in range(count):
        await city.store.write(lambda t, n=n: log.note(t, drill, 100.0 + n, "Camille", "note", f"ligne {n}"))


async def test_lines_are_numbered_and_the_chain_holds_with_the_last_digest(city: City) -> None:
    await wrote(city, 5)
    verdict = await city.store.read(log.verify)
    assert (verdict.lines, verdict.broken) == (5, 0)
    newest = await city.store.read(lambda r: tables.newest_lines(r, 0, 10))
    assert [line.n for line in newest] == [5, 4, 3, 2, 1]
    assert verdict.head == newest[0].digest.hex()


@pytest.mark.parametrize(
    "harm",
    [
        "update crisis_log set text = 'autre' where n = 3",
        "update crisis_log set who = 'x' where n = 3",
        "update crisis_log set at = at + 1 where n = 3",
        "update crisis_log set facts = '{\"a\": 1}' where n = 3",
        "update crisis_log set kind = 'call' where n = 3",
        "delete from crisis_log where n = 3",
    ],
)
async def test_whatever_is_changed_or_taken_out_breaks_the_chain_at_that_line(city: City, harm: str) -> None:
    await wrote(city, 5)
    await city.store.write(lambda t: t.run(harm))
    verdict = await city.store.read(log.verify)
    assert (verdict.lines, verdict.broken in (3, 4)) == (2, True)


async def test_a_line_that_was_redone_with_its_own_digest_breaks_the_chain_at_the_next(city: City) -> None:
    await wrote(city, 5)

    def forge(t: tables.Transaction) -> None:
        before, line = reversed(tables.newest_lines(t, 0, 2, before=4))
        other = line._replace(text="jamais dit")
        other = other._replace(digest=log.digest(before.digest, 0, other))
        t.run("update crisis_log set text = ?, digest = ? where n = 3", other.text, other.digest)

    await city.store.write(forge)
    assert (await city.store.read(log.verify)).broken == 4


async def test_a_drill_has_a_chain_of_its_own(city: City) -> None:
    await wrote(city, 2)
    await wrote(city, 3, drill=7)
    assert (await city.store.read(lambda r: log.verify(r, 7))).lines == 3
    assert (await city.store.read(log.verify)).lines == 2


async def test_two_processes_that_write_at_once_make_one_chain(city: City, open_again: object) -> None:
    import threading

    other = open_again()  # type: ignore[operator]

    def write(database: object) -> None:
        for _ in range(20):
            with database.transaction() as t:  # type: ignore[attr-defined]
                log.note(t, 0, 100.0, "a", "note", "x")

    threads = [threading.Thread(target=write, args=(one,)) for one in (city.store.database, other)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    verdict = await city.store.read(log.verify)
    assert (verdict.lines, verdict.broken) == (40, 0)


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
async def test_an_empty_line_and_one_that_is_too_long_are_refused(city: City, text: str) -> None:
    with pytest.raises(HubError) as refused:
        await city.store.write(lambda t: log.note(t, 0, 100.0, "Camille", "note", text))
    assert refused.value.args[0].code == "crisis-log-text"
