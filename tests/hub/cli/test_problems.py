from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.cli.problems import WIDTH, render, show
from hub.core.errors import Problem
from hub.core.text import phrase


def test_a_problem_shows_its_line_with_a_caret_under_the_place() -> None:
    said = "expected active or passive; this is 'activ'"
    problem = Problem(said, "a.mode", "config.yaml", 12, 9, "  mode: activ", "active")
    assert show(problem) == (
        "config.yaml:12:9: expected active or passive; this is 'activ'\n"
        "   12 |   mode: activ\n"
        "      |         ^ did you mean active?"
    )


def test_all_are_shown_and_counted() -> None:
    text = render([Problem("one"), Problem("two", suggestion="too")])
    assert text == "one\ntwo (did you mean too?)\n\n2 problems found\n"
    assert render([Problem("one")]).endswith("1 problem found\n")
    assert render([]) == ""


def test_a_french_shell_is_told_in_french_as_far_as_that_is_known() -> None:
    expected = phrase("either-of", "{first} or {last}", first=["active"], last="passive")
    said = phrase("value-unexpected", "expected {expected}; this is {given}", expected=expected, given="'activ'")
    missing = phrase(
        "option-missing-for", "'{option}' is missing here: {meaning}", option="host", meaning="name of the meter"
    )
    problems = [
        Problem(said, "a.mode", "config.yaml", 12, suggestion="active"),
        Problem(missing),
        Problem("something else"),
    ]
    text = render(problems, french=True)
    assert text.replace("\u00a0", " ").replace("\u202f", " ") == (
        "config.yaml:12: attendu : active ou passive ; ici : 'activ' (peut-être : active ?)\n"
        "il manque « host » ici\nsomething else\n\n3 problèmes trouvés\n"
    )
    assert render(problems).endswith(
        "\n'host' is missing here: name of the meter\nsomething else\n\n3 problems found\n"
    )


def test_the_caret_stands_right_under_wide_and_combining_characters() -> None:
    line = "名前: é x"
    shown = show(Problem("m", "", "f", 1, line.index("x") + 1, line)).splitlines()
    assert shown[2].index("^") - shown[1].index("名") == len("xxxx: e ")


def test_colour_is_only_added_never_taken_from_the_file() -> None:
    hostile = Problem("\x1b[2J", "", "f\x1b]0;x\x07", 1, 3, "a: \x1b[31m\x9b31m\u202e", "\x1b")
    assert not any(not c.isprintable() and c != "\n" for c in show(hostile))
    assert show(hostile, colour=True).count("\x1b") == 4


@given(st.text(max_size=300), st.integers(-2, 400), st.text(max_size=10))
def test_any_line_fits_and_points_at_its_column(line: str, column: int, message: str) -> None:
    shown = show(Problem(message, "", "f", 3, column, line)).split("\n")
    assert all(c.isprintable() for part in shown for c in part)
    if line.strip():
        assert len(shown) == 3
        assert len(shown[1]) <= 8 + WIDTH + 2
