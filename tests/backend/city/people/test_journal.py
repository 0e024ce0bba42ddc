"""The journal of people: whoever edits, deletes, reorders, shortens or rewrites it is found out."""

from __future__ import annotations

import ast
import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.city.people import deeds, journal, pages
from backend.city.people.journal import Line
from backend.city.people.viewer import Role
from backend.storage.city import journal as table
from backend.storage.city.database import CityDatabase

from ..waiting import PATIENCE_S
from .people_kit import Town

LINES = 12


def write(city: CityDatabase, count: int = LINES) -> None:
    with city.transaction() as t:
        for n in range(count):
            journal.note(t, f"person-{n % 3}", "test.deed", f"thing-{n}", {"n": n, "text": "é"}, 1000.5 + n)


def verdict(city: CityDatabase, heads: dict[int, bytes] | None = None) -> journal.Verdict:
    with city.snapshot() as reader:
        return journal.verify(reader, heads or {})


def test_a_whole_journal_verifies_and_an_empty_one_too(open_again: Callable[[], CityDatabase]) -> None:
    city = open_again()
    assert verdict(city) == journal.Verdict(0, 0, journal.START, 0, ())
    write(city)
    found = verdict(city)
    assert (found.lines, found.head, found.whole) == (LINES, LINES, True)


TAMPERINGS = {
    "edit who": "update journal set who = 'somebody' where n = 5",
    "edit when": "update journal set at = at + 0.001 where n = 5",
    "edit what": "update journal set what = 'test.dee' where n = 5",
    "edit of": "update journal set object = 'thing-99' where n = 5",
    "edit facts": "update journal set facts = '{}' where n = 5",
    "move a letter": "update journal set what = 'test.deedt', object = 'hing-4' where n = 5",
    "delete": "delete from journal where n = 5",
    "delete the first": "delete from journal where n = 1",
    "reorder": "update journal set n = case n when 5 then 1006 else 1005 end where n in (5, 6)",
}


def test_an_edited_deleted_or_reordered_line_is_found(open_again: Callable[[], CityDatabase]) -> None:
    city = open_again()
    write(city)
    with city.snapshot() as reader:
        kept = list(table.all_lines(reader))
    for what, sql in TAMPERINGS.items():
        with city.transaction() as t:
            t.run(sql)
            if what == "reorder":
                t.run("update journal set n = n - 1000 where n > 1000")
        found = verdict(city)
        assert found.wrong in (1, 2, 5, 6), what
        assert not found.whole
        with city.transaction() as t:
            t.run("delete from journal")
            for line in kept:
                table.append(t, line)
        assert verdict(city).whole


def test_a_shortened_or_rewritten_journal_is_found_by_a_noted_head(
    open_again: Callable[[], CityDatabase], tmp_path: Path
) -> None:
    city = open_again()
    write(city)
    with city.snapshot() as reader:
        journal.note_head(tmp_path, reader, 5000.0)
        journal.note_head(tmp_path, reader, 5001.0)  # the same one: no second line
    heads = journal.read_heads(tmp_path)
    assert list(heads) == [LINES]
    assert verdict(city, heads).whole
    with city.transaction() as t:
        t.run("delete from journal where n > 8")
    assert (verdict(city).whole, verdict(city, heads).lost) == (True, (LINES,))
    with city.transaction() as t:  # computed anew, with digests that fit each other
        t.run("delete from journal")
        before = journal.START
        for n in range(1, LINES + 1):
            line = Line(n, 1000.0, "innocent", "test.deed", "thing", "{}", b"")
            line = line._replace(digest=journal.digest(before, line))
            table.append(t, line)
            before = line.digest
    assert (verdict(city).whole, verdict(city, heads).lost) == (True, (LINES,))


def test_what_is_rolled_back_leaves_no_line_and_no_hole(open_again: Callable[[], CityDatabase]) -> None:
    city = open_again()
    write(city, 2)

    def broken() -> None:
        with city.transaction() as t:
            journal.note(t, "a", "b", "c", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    write(city, 2)
    assert (verdict(city).lines, verdict(city).whole) == (4, True)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.text(max_size=6)), min_size=2)
)
def test_two_different_lines_never_have_one_digest(texts: list[tuple[str, str, str, str]]) -> None:
    lines = {Line(1, 1.0, *four, b"") for four in texts}
    assert len({journal.digest(journal.START, one) for one in lines}) == len(lines)


SCRIPT = """
import sys
from pathlib import Path
from backend.city.people import deeds, journal
from backend.storage.city.database import open_city
address = sys.argv[2] if "://" in sys.argv[2] else Path(sys.argv[2])
city = open_city(Path(sys.argv[1]), address)
for n in range(40):
    with city.transaction() as t:
        journal.note(t, sys.argv[3], "test.deed", str(n), {})
city.close()
"""


@pytest.mark.real("clock, processes")
def test_processes_that_write_at_once_make_one_chain(
    open_again: Callable[[], CityDatabase], city_directory: Path, city_address: Path | str
) -> None:
    city = open_again()
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(city_directory), str(city_address), f"p{n}"])
        for n in range(3)
    ]
    assert [one.wait(PATIENCE_S) for one in running] == [0, 0, 0]
    assert (verdict(city).lines, verdict(city).whole) == (120, True)


@pytest.mark.real("network")
async def test_the_page_lists_filters_pages_verifies_and_exports(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    officer = await town.enter("dora", Role.DPO)
    for n in range(120):
        what = "=cmd()" if n == 7 else "test.deed"
        await town.city.store.write(lambda t, n=n, what=what: journal.note(t, "paul", what, f"o{n}", {}))  # type: ignore[misc]
    first = (await officer.get("/journal")).text
    assert first.count('<th scope="row"') == 100
    older = (await officer.get("/journal?before=24")).text
    assert older.count('<th scope="row"') == 23
    assert (await officer.get("/journal?who=paul&object=o3")).text.count('<th scope="row"') == 1
    assert (await officer.get("/journal?what=people.")).text.count('<th scope="row"') == 3
    assert (await officer.get("/journal?before=x&who=' or 1=1 --")).text.count('<th scope="row"') == 0
    assert 'class="note good"' in (await officer.get("/journal?verify=1")).text
    rows = list(csv.reader(io.StringIO((await officer.get("/journal.csv")).text)))
    assert len(rows) == 1 + 123
    assert any(row[3] == "'=cmd()" for row in rows)  # no spreadsheet runs it
    monkeypatch.setattr(pages, "MOST_CSV", 50)
    cut = list(csv.reader(io.StringIO((await officer.get("/journal.csv?lang=en")).text)))
    assert (len(cut), cut[-1]) == (1 + 50 + 1, [f"Lines before {cut[1][0]} are not in this file"])
    await town.city.store.write(lambda t: t.run("update journal set who = 'x' where n = 9"))
    assert 'class="note bad"' in (await officer.get("/journal?verify=1")).text


def noted() -> set[str]:
    """Every action that the code notes in the journal, read from its source; parts that are filled in are `*`."""
    found: set[str] = set()
    for file in sorted((Path(journal.__file__).parents[2]).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (at := PLACES.get(ast.unparse(node.func))) is not None:
                for one in node.args[at : at + 1]:
                    ends = [one.body, one.orelse] if isinstance(one, ast.IfExp) else [one]
                    found |= {pattern(end) for end in ends} - {"*"}
    return found


PLACES = {"journal.note": 2, "_note": 2, "self._failed": 0}


def pattern(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else "*"


def test_every_action_that_is_noted_has_its_sentence() -> None:
    actions = noted()
    assert {"people.signed-in", "people.disabled", "people.enabled", "people.sign-in-wrong", "crisis.*"} <= actions
    approvals = {"*.approved", "*.confirmed", "*.withdrawn"}  # of rooms that ask two persons
    bare = [one for one in actions - approvals if not any(fnmatchcase(known, one) for known in deeds.ACTIONS)]
    assert bare == []


@pytest.mark.real("network")
async def test_the_page_says_in_words_what_was_done_and_offers_that_to_choose(town: Town) -> None:
    officer = await town.enter("dora", Role.DPO)
    for what in ("people.role", "alert.muted", "of-a-later-release"):
        await town.city.store.write(lambda t, what=what: journal.note(t, "paul", what, "o", {}))  # type: ignore[misc]
    page = (await officer.get("/journal?who=paul&lang=en")).text
    cells = re.findall(r'data-head="What">([^<]*)<', page)
    assert cells == ["of-a-later-release", "Alert muted", "Role or scope changed"]
    assert '<option value="alert.muted">Alert muted</option>' in page
    chosen = (await officer.get("/journal?what=alert.muted&lang=en")).text
    assert '<option value="alert.muted" selected>' in chosen
    assert chosen.count('<th scope="row"') == 1


@pytest.mark.real("network")
async def test_each_change_of_people_is_in_the_journal_with_its_author(town: Town) -> None:
    admin = await town.enter("anne")
    csrf = await admin.form_token("/people")
    await admin.post("/people", {"name": "bob", "role": "crew"}, csrf=csrf)
    for do in ("code", "disable", "enable", "sessions", "remove"):
        await admin.post(f"/people/bob/{do}", {}, csrf=csrf)
    said = [(one.who, one.what) for one in await town.lines() if one.object == "bob"]
    assert said == [
        ("anne", f"people.{what}")
        for what in ("account-added", "code-made", "disabled", "enabled", "sessions-ended", "account-removed")
    ]
