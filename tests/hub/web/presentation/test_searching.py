"""Search in titles and other words: accents, capitals, signs, ranks."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hub.web.presentation.searching import LONGEST, MOST_WORDS, Item, found, plain

ITEMS = [
    Item("Salle des maîtres", "salle-maitres École", 1),
    Item("Salle 2", "salle-2 Salles de classe", 2),
    Item("Salle 12", "salle-12 Salles de classe", 3),
    Item("Chaufferie", "chaufferie Locaux techniques eau de la salle des maitres", 4),
    Item("Sous-salle", "sous-salle", 5),
    Item("L'Œuvre d'été", "", 6),
]


def ids(asked: str) -> list[object]:
    return [one.what for one in found(ITEMS, asked)]


def test_a_title_as_asked_comes_first_then_beginnings_then_words_then_all_the_rest() -> None:
    assert ids("salle 2") == [2, 3], "« Salle 12 » has both too, the other begins so"
    assert ids("salle") == [2, 3, 1, 5, 4]
    assert ids("classe") == [2, 3]
    assert ids("maitres salle") == [1, 4]


@pytest.mark.parametrize("asked", ["salle des maîtres", "SALLE DES MAITRES", "salle-des_maitres", "  Maîtres   des  "])
def test_accents_capitals_and_signs_do_not_matter(asked: str) -> None:
    assert ids(asked)[0] == 1


def test_a_ligature_an_apostrophe_and_an_accent_that_stands_apart_are_found() -> None:
    assert ids("oeuvre") == ids("l'oeuvre d'ete") == ids("e\u0301te\u0301") == [6]


def test_nothing_asked_or_nothing_but_signs_finds_nothing() -> None:
    assert [ids(asked) for asked in ("", "  ", "-- '", "zzz", "salle zzz")] == [[]] * 5


def test_a_search_without_end_is_cut() -> None:
    assert set(ids("salle " * 50_000)) == set(ids("salle"))
    many = " ".join(string.ascii_lowercase)
    assert len(many) < LONGEST
    assert found([Item(" ".join(string.ascii_lowercase[:MOST_WORDS]), "", 1)], many), (
        "words beyond the last are left out"
    )


@given(some.text(max_size=60))
def test_whatever_is_called_so_is_found_by_its_own_name(name: str) -> None:
    again = plain(name)
    assert plain(again) == again
    if again and len(again.split()) <= MOST_WORDS and len(name) <= LONGEST:
        assert [one.what for one in found([Item("another", "", 0), Item(name, "", 1)], name)][-1:] == [1] or (
            again in "another"
        )
