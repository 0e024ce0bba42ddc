"""What an old card still shows is delivered once, and the rest is declared once."""

from __future__ import annotations

import asyncio
import errno
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "backups"))

from backups_kit import Home

from hub.core.clock import SystemClock
from hub.core.errors import ConfigError
from hub.core.state_dir import StateDir
from hub.identity import enrolment
from hub.operations import salvage as salvages
from hub.operations.salvage import FOLDER, _copied, salvage
from hub.plugin_host.registry import Registry
from hub.protocol.records import framing
from hub.protocol.records.bodies import Gap
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.external_segments import ExternalSegments
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.segment import MAGIC
from tests.hub.store_and_forward.buffer.buffer_kit import SMALL, Clock, Party, batch, rows


class DyingDisk(SystemDisk):
    """Refuses to open one file."""

    def __init__(self, dead: str) -> None:
        super().__init__()
        self._dead = dead

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        if path.name == self._dead:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return super().read(path, offset, size)


def written(card: Path, party: Party) -> list[Path]:
    """Three closed segments and an open one."""
    clock = Clock()
    journal = party.journal(card, clock=clock, config=SMALL)
    for n in range(4):
        journal.commit(batch(rows(10 * n, 10)))
        clock.advance(SMALL.segment_s)
    journal.close()
    return sorted((card / "readings").glob("*.seg"))


def test_a_file_that_a_dying_card_refuses_is_named_and_the_others_are_copied_and_sent(tmp_path: Path) -> None:
    party, card = Party(), tmp_path / "card"
    files = written(card, party)
    disk = DyingDisk(files[1].name)
    copy, count, skipped = _copied(card, StateDir(tmp_path / "state"), disk)
    assert count == len(files)
    assert [path.name for path in sorted((copy / "readings").iterdir())] == [
        path.name for path in files if path != files[1]
    ]
    assert [str(said) for said in skipped] == [f"{files[1]}: Input/output error"]
    found = ExternalSegments(card, hub="hub-test", identity_public=party.public, disk=disk)
    assert len(found.segments) == len(files) - 1
    assert [str(said) for said in found.skipped] == [f"{files[1]}: Input/output error"]


def test_a_copy_that_was_begun_is_made_anew_and_one_that_is_whole_stays(tmp_path: Path) -> None:
    card, state = tmp_path / "card", StateDir(tmp_path / "state")
    written(card, Party())
    copy, _, _ = _copied(card, state, SystemDisk())
    (copy / "readings" / "mine").write_text("of a try that was interrupted")
    copy.rename(copy.with_suffix(".making"))
    assert not list((_copied(card, state, SystemDisk())[0] / "readings").glob("mine"))
    (copy / "readings" / "mine").write_text("of a try that was interrupted")
    assert list((_copied(card, state, SystemDisk())[0] / "readings").glob("mine"))


def test_a_card_on_which_nothing_can_be_read_says_where_its_loss_is_told(tmp_path: Path) -> None:
    (tmp_path / "card" / "readings").mkdir(parents=True)
    with pytest.raises(ConfigError, match="alarms as a hole"):
        _copied(tmp_path / "card", StateDir(tmp_path / "state"), SystemDisk())


class OwnersLink:
    """A backend behind a link: it takes and acknowledges all that can be read."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer, self.taken, self.delivery = buffer, dict[tuple[str, bytes, int], bytes](), SimpleNamespace()

    def durable(self, *told: Any) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def drain(self, seconds: float) -> bool:
        """Once only: what reading it finds damaged is declared afterwards."""
        for one in self.buffer.streams():
            for first, last in self.buffer.acks.of(one.stream, one.run).missing(one.first, one.last):
                for stored in self.buffer.read(one.stream, one.run, first, last, 1 << 30):
                    if stored.kind in framing.NUMBERED:
                        self.taken[one.stream, one.run, stored.seq] = stored.raw
                        self.buffer.acked(one.stream, one.run, [(stored.seq, stored.seq)])
        self.delivery.acked_records, self.delivery.acked_readings = len(self.taken), 0
        return True

    def status(self) -> Any:
        return SimpleNamespace(waiting={}, error="")


@pytest.mark.parametrize("damage", ["gone", "turned", "none"])
async def test_what_is_whole_arrives_what_is_not_is_declared_and_a_second_time_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    home = Home(tmp_path)
    (tmp_path / "config.yaml").write_text("hub: {site: s}\nsites: {s: {name: S}}\n")
    card, (enrolled, trust) = tmp_path / "card", enrolment.load(home.state.path)
    sealing = SealingKeys(enrolled.hub, home.keys.identity, home.keys.store_key)
    old = await asyncio.to_thread(
        Buffer.open, card / "buffer", keys=sealing, trust=trust, clock=SystemClock(),
        config=BufferConfig(segment_bytes=8 << 10, window_s=0.01),
    )  # fmt: skip
    old.start(asyncio.get_running_loop())
    for n in range(50):
        for one in rows(100 * n, 100):
            old.append(one)
        await old.flush()
    await old.close()
    files = sorted((card / "buffer" / "readings").glob("*.seg"))
    assert len(files) > 3
    if damage == "gone":
        files[1].unlink()
    elif damage == "turned":
        data = bytearray(files[1].read_bytes())
        heads = [head for head in framing.scan(bytes(data), len(MAGIC)) if isinstance(head, framing.Head)]
        spot = next(head for head in heads if head.kind in framing.NUMBERED)
        data[spot.offset + spot.size // 2] ^= 1
        files[1].write_bytes(data)
    before = {path: path.read_bytes() for path in card.rglob("*") if path.is_file()}
    links, gaps = list[OwnersLink](), list[Gap]()
    lose = Journal._lose
    monkeypatch.setattr(Journal, "_lose", lambda self, gap: (gaps.append(gap), lose(self, gap)))
    monkeypatch.setattr(
        salvages, "link_of_stopped", lambda *_, buffer, **__: links.append(OwnersLink(buffer)) or links[-1]
    )

    done = await salvage(home.state, home.config, card, Registry.discover(), seconds=60.0)
    assert (done.left, done.again) == (0, False)
    taken = {key: raw for link in links for key, raw in link.taken.items()}
    got = {seq for stream, run, seq in taken if stream == "readings" and run == old.run}
    made = len(links)
    assert sum(len(link.taken) for link in links) == len(taken), "each once"
    assert (len([key for key in taken if key[0] == "alerts"]) > 0) == (damage != "none"), "the declarations leave too"
    declared = {seq for gap in gaps for seq in range(gap.first, gap.last + 1) if gap.run == old.run}
    end = max(got)
    assert got | declared == set(range(1, end + 1))
    assert not got & declared
    assert bool(declared) == (damage != "none") == bool(done.declared)
    assert {path: path.read_bytes() for path in card.rglob("*") if path.is_file()} == before, "the card is only read"
    assert [path.suffix for path in (home.state.path / FOLDER).iterdir()] == [".done"]

    again = await salvage(home.state, home.config, card, Registry.discover(), seconds=60.0)
    assert again.again
    assert len(links) == made, "nothing is sent, and nothing declared, a second time"
