"""Install, judge, take back: on a played machine with real directories."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import msgspec
import pytest
from releases_kit import GOOD, KEY, OTHER, Place

from hub.core.text import phrase
from hub.operations.releases import unpacking
from hub.operations.releases.notes import Notes
from hub.operations.releases.trial import Said


def test_a_release_is_unpacked_switched_to_judged_a_quarter_of_an_hour_and_kept_beside_the_one_before(
    place: Place,
) -> None:
    outcome = place.install(place.bundle(101))
    assert (outcome.result, outcome.counter, place.runs()) == ("installed", 101, 101)
    assert place.machine.started == [101]
    assert 900 <= place.machine.passed < 930
    tree = place.state / "releases" / "101"
    assert (tree / "lib/hub/code.py").read_text() == "counter = 101\n" * 50
    assert os.readlink(tree / "bin/python3") == "/usr/bin/python3.13"
    assert place.install(place.bundle(102)).result == "installed"
    assert place.install(place.bundle(103)).result == "installed"
    assert place.here() == {"102", "103", "current"}, "two releases, and no more"


def test_one_that_falls_over_is_taken_back_by_itself_and_said_why(place: Place) -> None:
    assert place.install(place.bundle(101)).result == "installed"
    place.machine.ended_by_itself = lambda counter: 3 if counter == 102 else 0
    outcome = place.install(place.bundle(102))
    assert (outcome.result, place.runs(), place.machine.started) == ("taken-back", 101, [101, 102, 101])
    assert outcome.reason is not None
    assert outcome.reason.text is not None
    assert outcome.reason.text["code"] == "release-falls-over"
    assert place.here() == {"101", "current"}
    again = place.install(place.bundle(102))
    assert again.result == "refused"
    assert again.reason is not None
    assert "was taken back here: the hub ended 3 times" in again.reason.sentence
    place.machine.ended_by_itself = lambda counter: 0
    assert place.install(place.bundle(102), again=True).result == "installed"


@pytest.mark.parametrize(
    ("worse", "code"),
    [
        (None, "release-silent"),
        (msgspec.structs.replace(GOOD, reporting=2), "release-fewer-reporting"),
        (msgspec.structs.replace(GOOD, oldest_unsent_s=700.0), "release-buffer-stands"),
        (msgspec.structs.replace(GOOD, pages=""), "release-pages-silent"),
        (msgspec.structs.replace(GOOD, written=0), "release-writes-nothing"),
        (
            msgspec.structs.replace(GOOD, objections=[Said.of(phrase("part-failed", "x failed"))]),
            "release-part-worse",
        ),
    ],
)
def test_whatever_is_worse_than_before_takes_it_back(place: Place, worse: object, code: str) -> None:
    def health(counter: int) -> object:
        found = worse if counter == 101 else GOOD
        return found and msgspec.structs.replace(found, counter=counter)  # type: ignore[type-var]

    place.machine.health = health  # type: ignore[assignment]
    outcome = place.install(place.bundle(101))
    assert (outcome.result, place.runs()) == ("taken-back", 100)
    assert outcome.reason is not None
    assert outcome.reason.text is not None
    assert outcome.reason.text["code"] == code


def test_pages_that_do_not_open_any_more_take_it_back(place: Place) -> None:
    place.machine.pages = lambda counter: counter != 101
    assert place.install(place.bundle(101)).result == "taken-back"


def test_what_was_away_before_is_not_held_against_the_release(place: Place) -> None:
    away = msgspec.structs.replace(GOOD, link=False, oldest_unsent_s=9e5, reporting=0, written=0, pages="")
    place.machine.health = lambda counter: msgspec.structs.replace(away, counter=counter)
    assert place.install(place.bundle(101)).result == "installed"


def test_a_hub_that_was_dead_before_is_repaired_by_a_release(place: Place) -> None:
    place.machine.health = lambda counter: msgspec.structs.replace(GOOD, counter=101) if counter == 101 else None
    assert place.install(place.bundle(101)).result == "installed"


def test_a_release_of_which_another_one_answers_is_taken_back(place: Place) -> None:
    place.machine.health = lambda counter: msgspec.structs.replace(GOOD, counter=100)
    outcome = place.install(place.bundle(101))
    assert outcome.result == "taken-back"
    assert place.machine.passed < 200


def test_a_person_goes_back_while_it_is_judged_and_afterwards(place: Place) -> None:
    assert place.install(place.bundle(101)).result == "installed"
    wish = iter(["", "", "anna"])
    outcome = place.switching(wanted=lambda: next(wish)).install(io.BytesIO(place.bundle(102)), "test")
    assert (outcome.result, place.runs()) == ("taken-back", 101)
    assert place.install(place.bundle(103)).result == "installed"
    outcome = place.switching().give_back("anna")
    assert (outcome.result, place.runs()) == ("returned", 101)
    assert place.install(place.bundle(103)).result == "refused", "an attacker has it no easier than before"
    assert place.install(place.bundle(103), again=True).result == "installed", "a person may"
    assert place.switching().give_back("anna").result == "returned"
    assert place.switching().give_back("anna").result == "returned"
    assert place.runs() == 100, "the package's is the last to go back to"
    assert place.switching().give_back("anna").result == "refused"


def test_a_newer_package_wins_over_an_older_release_and_ends_its_trial(place: Place) -> None:
    assert place.install(place.bundle(101)).result == "installed"
    place.ship(105, KEY)
    assert place.runs() == 105
    assert place.install(place.bundle(104)).result == "refused"
    place.machine.during = lambda passed: place.ship(107, KEY) if passed > 1000 else None
    outcome = place.install(place.bundle(106))
    assert (outcome.result, place.runs()) == ("refused", 107)
    assert place.here() == set()


def test_a_stopped_hub_is_not_updated(place: Place) -> None:
    place.machine.is_stopped = True
    outcome = place.install(place.bundle(101))
    assert outcome.result == "refused"
    assert place.here() == set()


def test_a_release_that_takes_the_machine_with_it_is_taken_back_after_a_few_starts(place: Place) -> None:
    class PowerCut(BaseException):
        pass

    def cut(passed: float) -> None:
        raise PowerCut

    place.machine.during = cut
    with pytest.raises(PowerCut):
        place.install(place.bundle(101))
    for _ in range(3):
        with pytest.raises(PowerCut):
            place.switching().go_on()
    outcome = place.switching().go_on()
    assert outcome is not None
    assert (outcome.result, place.runs()) == ("taken-back", 100)
    assert place.switching().go_on() is None


def test_what_an_installation_takes_is_seen_before_anything_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "SPARE", 1 << 60)
    outcome = place.install(place.bundle(101))
    assert outcome.reason is not None
    assert "has not the room" in outcome.reason.sentence
    assert place.here() == set()


def test_a_card_that_fills_in_the_middle_leaves_what_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.install(place.bundle(101)).result == "installed"
    written = 0
    real = unpacking._write

    def full(write: object, piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > 400:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(write, piece)  # type: ignore[arg-type]

    monkeypatch.setattr(unpacking, "_write", full)
    outcome = place.install(place.bundle(102))
    assert (outcome.result, place.runs(), place.here()) == ("refused", 101, {"101", "current"})
    assert outcome.reason is not None
    assert "has not the room" in outcome.reason.sentence


def test_a_stick_that_is_pulled_out_in_the_middle_changes_nothing(place: Place) -> None:
    data = place.bundle(101)

    class Pulled(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(data) - 80:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(min(size or 0, 64))

    outcome = place.switching().install(Pulled(data), "stick")
    assert (outcome.result, place.runs(), place.here()) == ("refused", 100, set())
    assert outcome.reason is not None
    assert "was the stick pulled out" in outcome.reason.sentence


def test_a_bundle_that_is_cut_anywhere_or_altered_anywhere_changes_nothing(place: Place) -> None:
    data = place.bundle(101)
    for end in range(0, len(data), 17):
        assert place.install(data[:end]).result == "refused", end
    for at in range(0, len(data), 23):
        flipped = bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]])
        assert place.install(flipped).result == "refused", at
    assert place.install(data + b"x").result == "refused"
    assert (place.runs(), place.here()) == (100, set())
    assert place.machine.started == []


def test_a_directory_that_the_hubs_user_made_or_linked_is_not_used(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place.state / "releases").symlink_to(elsewhere)
    outcome = place.install(place.bundle(101))
    assert outcome.result == "refused"
    assert list(elsewhere.iterdir()) == []
    if os.geteuid() == 0:
        (place.state / "releases").unlink()
        (place.state / "releases").mkdir()
        os.chown(place.state / "releases", 12345, 12345)
        outcome = place.install(place.bundle(101))
        assert outcome.reason is not None
        assert "is not root's alone" in outcome.reason.sentence


def test_keys_change_with_a_release_that_passed_and_a_newer_package_has_the_last_word(place: Place) -> None:
    new = OTHER.public_key().public_bytes_raw()
    assert place.install(place.bundle(101, KEY, keys=(new,), threshold=1)).result == "installed"
    assert place.install(place.bundle(102, KEY)).result == "refused"
    assert place.install(place.bundle(102, OTHER)).result == "installed"
    place.ship(103, KEY)
    assert place.install(place.bundle(104, OTHER)).result == "refused"
    assert place.install(place.bundle(104, KEY)).result == "installed"


def test_two_keys_must_sign_where_the_package_says_so(place: Place) -> None:
    place.ship(100, KEY, OTHER, threshold=2)
    assert place.install(place.bundle(101, KEY)).result == "refused"
    assert place.install(place.bundle(101, KEY, OTHER)).result == "installed"


def test_a_release_without_a_way_back_or_that_skips_one_is_refused(place: Place) -> None:
    for facts in ({"writes": 2, "reads": 2}, {"after": 101}, {"architecture": "amd64"}, {"python": "3.99"}):
        assert place.install(place.bundle(101, **facts)).result == "refused", facts  # type: ignore[arg-type]
    assert place.install(place.bundle(101, reads=2)).result == "installed"
    assert place.install(place.bundle(102, writes=2, reads=2, after=101)).result == "installed"


def test_a_journal_that_is_damaged_lets_no_older_release_in(place: Place) -> None:
    assert place.install(place.bundle(105)).result == "installed"
    (place.root / "journal.json").write_bytes(b"\0" * 300)
    assert Notes(place.root).journal().floor is None
    assert place.install(place.bundle(104)).result == "refused"
    assert place.runs() == 105


def test_what_a_bundle_says_is_shown_before_it_is_installed(place: Place) -> None:
    release, objection = place.switching().show(io.BytesIO(place.bundle(101, notes="Nouveau.")))
    assert (release.counter, release.notes, objection) == (101, "Nouveau.", "")
    _, objection = place.switching().show(io.BytesIO(place.bundle(99)))
    assert "not newer" in objection
    assert place.here() == set()
