"""Versions are named by what they say, sealed, bounded; a change that nobody kept is undone at the next start."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from hub.config import history
from hub.config.history import FOUND, MAX_BYTES, MAX_REVISIONS, REFUSED, Change, History, begin, under_way, undo
from hub.config.last_good import LastGoodStore
from hub.config.source import digest, digests
from hub.core.errors import ConfigError, StorageError
from hub.core.text import Phrase, phrase

from ..swap_kit import state_of, swapped_before

ONE, TWO = {"config.yaml": b"a: 1 # one\n"}, {"config.yaml": b"a: 2\n", "more.yaml": b"b: 1\n"}


@pytest.fixture
def kept(tmp_path: Path) -> LastGoodStore:
    return LastGoodStore(tmp_path / "state", bytes(range(32)))


def test_a_version_is_named_by_its_content_and_comes_back_to_the_byte(kept: LastGoodStore) -> None:
    book = History(kept)
    first = book.add(ONE, author="web:anne", reason="new meter", at=1.0)
    second = book.add(TWO, author="cli:paul", reason="", at=2.0)
    assert first.id == digest(digests(ONE))
    assert (second.parent, second.author) == (first.id, "cli:paul")
    again = History(kept)
    assert [one.id for one in again.revisions()] == [first.id, second.id]
    assert again.texts(again.find(second.id[:8])) == TWO
    assert again.texts(again.find(first.id)) == ONE


def test_the_same_content_twice_is_one_version(kept: LastGoodStore) -> None:
    book = History(kept)
    book.add(ONE, author="a", reason="", at=1.0)
    book.add(ONE, author="b", reason="", at=2.0, what=FOUND)
    assert [one.author for one in book.revisions()] == ["a"]


def test_what_was_refused_is_kept_and_is_nobodys_parent(kept: LastGoodStore) -> None:
    book = History(kept)
    first = book.add(ONE, author="a", reason="", at=1.0)
    refused = book.add(TWO, author="b", reason="", at=2.0, what=REFUSED, detail="modbus does not get through")
    third = book.add({"config.yaml": b"a: 3\n"}, author="c", reason="", at=3.0)
    assert third.parent == first.id
    assert book.texts(book.find(refused.id)) == TWO


def test_why_a_version_was_refused_keeps_its_code_and_a_former_hubs_is_read(kept: LastGoodStore) -> None:
    why = phrase("somebody-took-it-back", "{by} took it back", by="cli")
    made = History(kept).add({"a": b"1"}, author="", reason="", at=1.0, what=history.REFUSED, detail=why)
    assert made.detail == "cli took it back"
    (again,) = History(kept).revisions()
    assert isinstance(again.why, Phrase)
    assert again.why.code == "somebody-took-it-back"
    former = msgspec.to_builtins(again)
    del former["detail_text"]
    assert msgspec.convert(former, history.Revision).why == "cli took it back"


def test_nothing_of_it_lies_in_clear(kept: LastGoodStore) -> None:
    History(kept).add({"config.yaml": b"name: Dupont"}, author="anne.martin", reason="since Dupont moved", at=1.0)
    begin(kept, Change(first="/x", before={"c": b"Dupont"}, after={}, author="Dupont", at=1.0))
    for file in (kept.state_dir / "config").iterdir():
        assert b"Dupont" not in file.read_bytes()
        assert b"anne.martin" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_under_another_key_or_damaged_it_is_no_history(kept: LastGoodStore) -> None:
    History(kept).add(ONE, author="a", reason="", at=1.0)
    with pytest.raises(StorageError, match="damaged, or was written under another key"):
        History(LastGoodStore(kept.state_dir, bytes(32))).revisions()
    file = kept.state_dir / "config" / history.HISTORY
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # a bit, not a byte: that may be the same by chance
    with pytest.raises(StorageError):
        History(kept).revisions()
    History(kept).add(TWO, author="b", reason="", at=2.0)  # goes on, from now
    assert len(History(kept).revisions()) == 1


def test_it_is_bounded_by_number_and_by_size(kept: LastGoodStore) -> None:
    import random

    noise, book = random.Random(1), history._HistoryFile()
    for n in range(MAX_REVISIONS + 40):
        one = History(kept)
        texts = {"config.yaml": noise.randbytes(60_000)}
        book.revisions.append(history.Revision(id=str(n), at=n, author="", files=digests(texts)))
        book.texts.update({sha: history.zlib.compress(texts[name]) for name, sha in digests(texts).items()})
        history._bound(book)
        del one
    assert len(book.revisions) <= MAX_REVISIONS
    assert sum(map(len, book.texts.values())) <= MAX_BYTES
    assert book.revisions[-1].id == str(MAX_REVISIONS + 39)
    assert book.texts.keys() == {sha for one in book.revisions for sha in one.files.values()}


def test_a_version_is_found_by_its_beginning_if_that_names_one(kept: LastGoodStore) -> None:
    book = History(kept)
    book.add(ONE, author="a", reason="", at=1.0)
    for name in ("", "zz"):
        with pytest.raises(ConfigError, match="has no version"):
            book.find(name)


def _changed(tmp_path: Path, kept: LastGoodStore) -> Path:
    path = tmp_path / "config.yaml"
    path.write_bytes(ONE["config.yaml"])
    change = Change(
        first=str(path), before=dict(ONE), created=["more.yaml"], after=digests(TWO), author="web:anne", at=1.0
    )
    begin(kept, change)
    return path


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_change_that_was_under_way_is_undone_wherever_it_stopped(
    tmp_path: Path, kept: LastGoodStore, written: int
) -> None:
    path = _changed(tmp_path, kept)
    for name in list(TWO)[:written]:
        (tmp_path / name).write_bytes(TWO[name])
    if written < 2:
        (tmp_path / "more.yaml").write_bytes(b"")  # there is nothing to compare it with
        (tmp_path / "more.yaml").unlink()
    said = undo(kept, 9.0)
    assert "web:anne was not confirmed" in said
    assert path.read_bytes() == ONE["config.yaml"]
    assert not (tmp_path / "more.yaml").exists()
    assert under_way(kept) is None
    assert undo(kept, 9.0) == ""


def test_what_somebody_edited_since_then_stays(tmp_path: Path, kept: LastGoodStore) -> None:
    path = _changed(tmp_path, kept)
    path.write_bytes(b"a: 7\n")
    assert "was edited since" in undo(kept, 9.0)
    assert path.read_bytes() == b"a: 7\n"
    assert under_way(kept) is None


def test_a_file_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"")
    path.chmod(0o640)
    history.write_texts(path, {"config.yaml": b"a: 1\n", "new.yaml": b""})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_is_read_by_who_reads_the_first_one_and_by_no_others(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"")
    for mode, least in ((0o600, 0o600), (0o640, 0o640), (0o664, 0o640)):
        path.chmod(mode)
        history.write_texts(path, {f"new-{mode}.yaml": b""})
        assert stat.S_IMODE((tmp_path / f"new-{mode}.yaml").stat().st_mode) == least


@pytest.mark.skipif(os.geteuid() != 0, reason="makes files for another user")
def test_a_new_file_that_root_adds_is_read_by_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"")
    path.chmod(0o640)
    os.chown(path, 0, 4242)
    history.write_texts(path, {"new.yaml": b""})
    new = (tmp_path / "new.yaml").stat()
    assert (new.st_uid, new.st_gid, stat.S_IMODE(new.st_mode)) == (0, 4242, 0o640)


def test_a_new_file_that_cannot_be_taken_away_again_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "new.yaml").mkdir()  # unlink refuses it, as a read-only disk does
    change = Change(first=str(tmp_path / "ilot.yaml"), before={}, created=["new.yaml"], after={}, author="eve", at=1.0)
    with pytest.raises(history.CannotWrite, match=r"new\.yaml cannot be removed .*allowed to remove files in"):
        history.put_back(tmp_path / "ilot.yaml", change)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("where", ["conf.d", "conf.d/more.yaml", "config.yaml"])
@pytest.mark.parametrize("back", [False, True])
def test_whenever_the_hubs_user_puts_a_link_in_the_way_root_changes_nothing_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, back: bool
) -> None:
    """Between any two steps: neither what is written there, nor what is handed over or taken away when it is undone."""
    roots, hub = tmp_path / "roots", tmp_path / "hub"
    (hub / "conf.d").mkdir(parents=True)
    roots.mkdir()
    for name in ("config.yaml", "more.yaml", "made.yaml"):
        (roots / name).write_text("root's own")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of times, and no power is cut here
    before, step, tried = state_of(roots), 0, True
    texts = {"config.yaml": b"a: 1\n", "conf.d/more.yaml": b"b: 1\n", "conf.d/made.yaml": b""}
    change = Change(
        first=str(hub / "config.yaml"),
        before={name: texts[name] for name in list(texts)[:2]},
        created=["conf.d/made.yaml"],
        after={},
        author="eve",
        at=1.0,
    )

    def anew() -> None:
        shutil.rmtree(hub)
        (hub / "conf.d").mkdir(parents=True)
        for name in list(texts)[: 3 if back else 2]:
            (hub / name).write_bytes(b"former")
        for path in [hub, *hub.rglob("*")]:
            os.chown(path, 12345, 12345)

    def swap() -> None:
        at = hub / where
        at.rename(tmp_path / f"away-{step}")
        at.symlink_to(roots / at.name if at.suffix else roots)
        os.chown(at, 12345, 12345, follow_symlinks=False)

    def work() -> None:
        if back:
            history.put_back(hub / "config.yaml", change)
        else:
            history.write_texts(hub / "config.yaml", texts)

    refused = 0
    while tried:
        step += 1
        anew()
        try:
            tried = swapped_before(step, swap, work)
        except history.CannotWrite:
            refused += 1
        assert state_of(roots) == before, f"swapped before step {step}"
    assert step > 60, "between all steps"
    assert refused > 5
    assert {(hub / name).stat().st_uid for name in list(texts)[:2]} == {12345}, (
        "what root writes stays the hub's user's"
    )
