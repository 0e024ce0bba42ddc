"""The counters that old segments know better than a backup of before them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "buffer"))

import pytest

from hub.operations.buffer_forwarding import _removed, advance_counters
from hub.protocol.documents.backup import SENT_JUMP
from hub.store_and_forward.buffer.external_segments import ExternalSegments
from tests.hub.store_and_forward.buffer.buffer_kit import SMALL, Clock, Party, batch, rows


def test_a_receive_window_is_raised_to_the_highest_told_and_never_lowered() -> None:
    own = {"counter/a": 5, "counter/b": 9}
    told = [{"counter/a": 7, "counter/b": 3, "counter/new": 2}, {"counter/a": 6}]
    assert advance_counters(own, told) == {"counter/a": 7, "counter/new": 2}


def test_a_sent_counter_goes_ahead_of_what_was_told_once_however_often_it_is_told() -> None:
    own = {"sent/x": 10}
    higher = advance_counters(own, [{"sent/x": 30}])
    assert higher == {"sent/x": 30 + SENT_JUMP}
    assert advance_counters({**own, **higher}, [{"sent/x": 30}]) == {}


def test_nothing_else_is_taken_over() -> None:
    told = [{"link/acks": {"n": 9}, "state/x/y": 4, "counter/a": True, "counter/b": "9", "clock/floor": 2.0}]
    assert advance_counters({}, told) == {}


def test_the_counters_are_those_of_the_segments_own_small_state(tmp_path: Path) -> None:
    party, clock = Party(), Clock()
    journal = party.journal(tmp_path, clock=clock, config=SMALL)
    for n in range(3):
        journal.commit(batch(rows(10 * n, 10), local={"counter/a": n, f"counter/{n}": 100 + n}))
        clock.advance(SMALL.segment_s)
    journal.close()
    found = ExternalSegments(tmp_path, hub="hub-test", identity_public=party.public)
    assert advance_counters({"counter/a": 1}, found.remembered(party.store_key)) == {
        "counter/a": 2, "counter/0": 100, "counter/1": 101, "counter/2": 102,
    }  # fmt: skip
    assert advance_counters({}, found.remembered(bytes(32))) == {}, "under another store key there is nothing to read"


def test_what_is_delivered_and_cannot_be_removed_is_named_and_the_rest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.seg", "2.seg"):
        (tmp_path / name).write_bytes(b"sealed")
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == "1.seg":
            raise OSError(30, "Read-only file system", str(path))
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    removed, why = _removed([tmp_path / "1.seg", tmp_path / "2.seg"])
    assert (removed, why) == (1, ["1.seg is delivered and could not be removed: Read-only file system"])
    assert not (tmp_path / "2.seg").exists()
