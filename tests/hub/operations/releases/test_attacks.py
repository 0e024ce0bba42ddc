"""The eight attacks that TUF names, on releases: each is refused, and each is seen to succeed on a broken twin."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from releases_kit import DAY, KEY, NOW, OTHER, Place

from hub.core.errors import HubError
from hub.operations.releases import acceptance, bundle, knowledge, pace, switching
from hub.operations.releases.acceptance import Here
from hub.operations.releases.notes import Floor, Notes
from hub.protocol.documents import release as document
from hub.protocol.documents import signed_payload
from hub.protocol.documents.release import MAGIC, Release
from tests.hub.operations.any_bytes import take_any_bytes

Patch = pytest.MonkeyPatch


class Attack(NamedTuple):
    """An attack returns whether it got what it wanted; `twin` takes away what stands against it."""

    name: str
    succeeds: Callable[[Place], bool]
    twin: Callable[[Patch], None]


def _accepting(**changed: object) -> Callable[[Patch], None]:
    """Judge as if these facts were others."""

    def twin(patch: Patch) -> None:
        real = acceptance.expect_acceptable

        def accept(release: Release, here: Here, *, again: bool = False) -> None:
            real(release, here._replace(**changed), again=again)

        patch.setattr(switching, "expect_acceptable", accept)

    return twin


def rollback(place: Place) -> bool:
    """An old release with a known hole, which its maker signed once."""
    assert place.install(place.bundle(105)).result == "installed"
    place.install(place.bundle(103))
    return place.runs() == 103


def _rolls_back(patch: Patch) -> None:
    _accepting(floor=0, running=0)(patch)


def freeze(place: Place) -> bool:
    """Whoever stands between shows the same signed release for ever, and the hub never tells that it is old."""
    assert place.install(place.bundle(101)).result == "installed"
    place.machine.today = NOW + 91 * DAY
    return not Notes(place.root).journal().stale(place.machine.now())


def _never_stale(patch: Patch) -> None:
    patch.setattr("hub.operations.releases.notes.Journal.stale", lambda journal, now: False)


def mix_and_match(place: Place) -> bool:
    """The head of one release with the files of another, both the maker's."""
    old, new = place.bundle(101), place.bundle(102)
    document_end = len(MAGIC) + 4 + int.from_bytes(new[len(MAGIC) : len(MAGIC) + 4], "big")
    old_end = len(MAGIC) + 4 + int.from_bytes(old[len(MAGIC) : len(MAGIC) + 4], "big")
    place.install(new[:document_end] + old[old_end:])
    return place.runs() == 102


def _takes_any_bytes(patch: Patch) -> None:
    take_any_bytes(patch, bundle)


def fast_forward(place: Place) -> bool:
    """A document that nobody signed names the highest counter, so that no later release is newer."""
    place.install(place.bundle(9_999_999_999, OTHER))
    place.install(place.bundle(101))
    return place.runs() != 101


def _believes_before_it_verifies(patch: Patch) -> None:
    real = switching.Switching.install

    def install(self: switching.Switching, source: io.BytesIO, by: str, *, again: bool = False) -> object:
        payload, _ = document._split(bundle.Bundle(source, lambda: 0.0).document)
        seen = msgspec.json.decode(payload, type=Release).counter
        journal = self._notes.journal()
        if journal.floor is None or seen > journal.floor.counter:
            floor = Floor(seen, [signed_payload.key_id(KEY.public_key().public_bytes_raw())])
            self._notes.remember(msgspec.structs.replace(journal, floor=floor))
        source.seek(0)
        return real(self, source, by, again=again)

    patch.setattr(switching.Switching, "install", install)


def fast_forward_by_a_thief(place: Place) -> bool:
    """A stolen key signs the highest counter. Once the key is withdrawn, the hub must take releases again."""
    assert place.install(place.bundle(9_999_999_999, KEY)).result == "installed"
    place.ship(110, OTHER)
    place.switching().go_on()
    place.install(place.bundle(111, OTHER))
    return place.runs() != 111


def _trusts_for_ever(patch: Patch) -> None:
    for module in (switching, knowledge):
        patch.setattr(module, "still_trusted", lambda signers, keys: True)


def endless_data(place: Place) -> bool:
    """A bundle whose files unpack without an end."""
    taken = 0

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal taken
            found = super().read(size) or bytes(min(size or 1, 1 << 16))
            taken += len(found)
            if taken > 1 << 24:
                raise EndlessError
            return found

    data = place.bundle(101)
    try:
        place.switching().install(Endless(data), "test")
    except EndlessError:
        return True
    return False


class EndlessError(BaseException):
    """It would have gone on."""


def _reads_to_the_end(patch: Patch) -> None:
    real = bundle.Bundle.contents

    def contents(self: bundle.Bundle, files: tuple[document.File, ...]) -> object:
        yield from real(self, files)

    def rest(self: bundle.Bundle, files: tuple[document.File, ...]) -> object:
        try:
            yield from contents(self, files)  # type: ignore[misc]
        except HubError:
            while self._read(1 << 16):
                pass

    patch.setattr(bundle.Bundle, "contents", rest)


def wrong_key(place: Place) -> bool:
    """A release that somebody else signed."""
    place.install(place.bundle(101, OTHER))
    return place.runs() == 101


def _takes_any_key(patch: Patch) -> None:
    patch.setattr(signed_payload, "_holds", lambda public, signature, signed: True)
    own = KEY.public_key().public_bytes_raw()
    patch.setattr(signed_payload, "key_id", lambda public: hashlib.sha256(b"").digest() if public == own else public)
    real = document._split
    patch.setattr(document, "_split", lambda data: (real(data)[0], {hashlib.sha256(b"").digest(): b""}))


def expired(place: Place) -> bool:
    """A release whose time is over, and which is still newer than what runs."""
    place.install(place.bundle(101, issued=NOW - 100 * DAY, expires=NOW - DAY))
    return place.runs() == 101


def a_clock_set_back(place: Place) -> bool:
    """The same, with a clock that somebody set back to before it expired."""
    assert place.install(place.bundle(101, issued=NOW)).result == "installed"
    place.machine.today = NOW - 50 * DAY
    place.install(place.bundle(102, issued=NOW - 100 * DAY, expires=NOW - DAY))
    return place.runs() == 102


def slow_retrieval(place: Place) -> bool:
    """A byte now and then holds the place of an update for as long as somebody likes."""
    data = place.bundle(101)

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            place.machine.passed += 600.0
            return super().read(min(size or 1, 16))

    place.switching().install(Trickle(data), "test")
    return place.machine.passed > 2 * pace.LONGEST_S


ATTACKS = [
    Attack("rollback", rollback, _rolls_back),
    Attack("freeze", freeze, _never_stale),
    Attack("mix-and-match", mix_and_match, _takes_any_bytes),
    Attack("fast-forward", fast_forward, _believes_before_it_verifies),
    Attack("fast-forward by a thief", fast_forward_by_a_thief, _trusts_for_ever),
    Attack("endless data", endless_data, _reads_to_the_end),
    Attack("wrong key", wrong_key, _takes_any_key),
    Attack("expired", expired, _accepting(now=0.0)),
    Attack("expired, clock set back", a_clock_set_back, _accepting(now=0.0)),
    Attack("slow retrieval", slow_retrieval, lambda patch: patch.setattr(bundle, "expect_pace", lambda *args: None)),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=[one.name for one in ATTACKS])
def test_an_attack_on_releases_is_refused_and_a_hub_without_the_defence_is_taken(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not attack.succeeds(Place(tmp_path / "true"))
    attack.twin(monkeypatch)
    assert attack.succeeds(Place(tmp_path / "twin")), "the test must see what it is there for"
