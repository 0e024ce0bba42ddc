"""A card is destroyed at a random moment and in a random way, and another machine takes over, by the steps of
docs/how-to/back-up-and-restore.md: fetch the backup, restore it, salvage what the old card still shows, start the hub.

Each run makes a backup at some moment, lets a backlog grow during an outage of the backend, kills the hub, and damages
the whole state directory: files cut, bits turned over, files gone, or all of it gone. The truth is which records are
whole in the files that are left: these must arrive, once. What was destroyed before the newest whole file must be
declared; what was newer than it, nobody can know of. The generator spends a counter with each durable report, and no
number of it may come twice. The old card is kept, and is put back in the end: it must be told apart.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from damage import Number, Segment
from rig import Rig, Verdict, ilot, run, until

from hub.core.state_dir import StateDir
from hub.operations.backups.restore import KnownHub, Restoration
from hub.operations.salvage import salvage
from hub.plugin_host.registry import Registry
from hub.protocol.documents import backup
from hub.protocol.documents.recovery_key_file import read_recovery_key
from hub.store_and_forward.buffer.journal import Journal

SECONDS = 15 * 60
"""A restoration may take so long, with a person's minutes between the steps: the machine's share is far less."""


@dataclass
class Truth:
    """Records of the old card, by what may be asked of them."""

    whole: set[Number] = field(default_factory=set)
    destroyed: set[Number] = field(default_factory=set)


# -- how a card dies ---------------------------------------------------------------------------------------------------


def cut(files: Sequence[Path], rng: random.Random) -> None:
    for path in rng.sample(files, rng.randint(1, min(4, len(files)))):
        data = path.read_bytes()
        path.write_bytes(data[: rng.randrange(len(data) + 1)])


def turned(files: Sequence[Path], rng: random.Random) -> None:
    for path in rng.sample(files, rng.randint(1, min(4, len(files)))):
        data = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 8) if data else 0):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)


def lost(files: Sequence[Path], rng: random.Random) -> None:
    for path in rng.sample(files, rng.randint(1, min(4, len(files)))):
        path.unlink()


def gone(files: Sequence[Path], rng: random.Random) -> None:
    for path in files:
        path.unlink()


DEATHS: tuple[Callable[[Sequence[Path], random.Random], None], ...] = (turned, lost, gone, cut)


def _dies(card: Path, death: Callable[[Sequence[Path], random.Random], None], rng: random.Random) -> Truth:
    """Destroy what is on the card, its keys and its store too; at least one segment with every death but the last."""
    folder = card / "buffer" / "readings"
    segments = [Segment.read(path) for path in sorted(folder.glob("*.seg"))]
    files = sorted(path for path in card.rglob("*") if path.is_file() and not path.is_socket())
    if death is not gone:
        death(sorted(folder.glob("*.seg"))[:-1] or sorted(folder.glob("*.seg")), rng)
        files = [path for path in files if path.exists() and path.parent != folder]
    death(files, rng)
    truth, newest_whole = Truth(), -1
    left: list[tuple[int, Segment, bytes | None]] = []
    for n, segment in enumerate(segments):
        path = folder / str(segment.name)
        left.append((n, segment, path.read_bytes() if path.exists() else None))
        newest_whole = n if left[-1][2] == segment.data else newest_whole
    for n, segment, data in left:
        destroyed = segment.numbers() if data is None else segment.destroyed(data)
        # a file that may be the last of its run can end in a commit that never finished: of that nothing was promised
        open_end = segment.unfinished(len(segment.data)) if n == len(segments) - 1 else set()
        if data is not None and len(data) < len(segment.data):
            open_end |= segment.unfinished(len(data))
        truth.whole |= segment.numbers() - destroyed - open_end if n <= newest_whole or data == segment.data else set()
        truth.destroyed |= destroyed if n < newest_whole else set()
    return truth


# -- by hand -----------------------------------------------------------------------------------------------------------


class Hands:
    """The steps of a person, each one command. `steps` counts those that were taken."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.steps = rig, 0
        self.key = rig.backend_dir / "recovery.key"

    def fetch(self, hub: str) -> tuple[Path, int]:
        """The file, and the generation to which the hub is known to have lived."""
        self.steps += 1
        folder = self.rig.root / f"fetched-{time.monotonic_ns()}"
        folder.mkdir()
        out = folder / "hub.ilot-backup"
        told = ilot("backend", "backups", str(self.rig.backend_dir), hub, "--out", str(out), "--json")
        return out, told["lived"]

    def restore(self, file: Path, lived: int) -> None:
        self.steps += 1
        where = ["--config-dir", str(self.rig.config.parent), "--state-dir", str(self.rig.state)]
        key = ["--recovery-key-file", str(self.key), "--lived", str(lived)]
        assert ilot("restore", str(file), *where, *key, "--json")["restored"] is True

    def salvage(self, card: Path) -> None:
        self.steps += 1
        done = run("buffer", "salvage", card, "--config", self.rig.config, "--json", "--seconds", "120")
        if done.returncode == 3 and b"no segment" in done.stderr:
            return  # nothing can be read: it says so
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)


class _Broken(Hands):
    """The same in this process, so that the code of a step can be broken."""

    def restore(self, file: Path, lived: int) -> None:
        with mock.patch.object(backup, "ahead", return_value=1):  # not one counter is skipped
            Restoration(
                file.read_bytes(),
                read_recovery_key(self.key.read_bytes()),
                config_dir=self.rig.config.parent,
                state_dir=self.rig.state,
                known=KnownHub(lived=lived),
            ).apply()


class _Silent(Hands):
    def salvage(self, card: Path) -> None:
        with mock.patch.object(Journal, "declare"):  # what is lost is not said
            asyncio.run(salvage(StateDir(self.rig.state), self.rig.config, card, Registry.discover(), seconds=120.0))


class _Careless(Hands):
    def salvage(self, card: Path) -> None:
        """Throw the card away."""


# -- the row -----------------------------------------------------------------------------------------------------------


def _lost(
    root: Path,
    runs: int,
    seed: int,
    fault: str,
    hands: type[Hands] = Hands,
    deaths: Sequence[Callable[[Sequence[Path], random.Random], None]] = DEATHS,
) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root, generator=["--spends"])
    slowest, truths, generations = 0.0, list[Truth](), list[int]()
    try:
        ((hub,),) = rig.sql("SELECT hub FROM hubs")
        by_hand = hands(rig)
        rig.start_hub()
        for n in range(runs):
            rig.wait_durable(rng.randint(2, 6))
            made = ilot("backup", "--config", str(rig.config), "--json")
            assert made["backend"]["at"] is not None, made
            rig.wait_durable(rng.randint(0, 6))
            rig.kill(rig.backend)  # an outage: a backlog grows, over several lives and segments
            for _ in range(rng.randint(1, 3)):
                rig.wait_durable(rng.randint(1, 6))
                rig.kill(rig.hub)
                rig.start_hub(options=["--bulky"])
            rig.wait_durable(rng.randint(1, 6))
            time.sleep(rng.uniform(0.0, 0.3))
            rig.kill(rig.hub)
            card = root / f"card-{n}"
            rig.state.rename(card)
            truths.append(_dies(card, deaths[n % len(deaths)], rng))
            rig.start_backend()
            generations.append(_generation(rig))
            began, steps = time.monotonic(), by_hand.steps
            by_hand.restore(*by_hand.fetch(hub))
            by_hand.salvage(card)
            rig.start_hub()
            rig.wait_durable(1)
            slowest = max(slowest, time.monotonic() - began)
            assert by_hand.steps - steps <= 3, "the how-to says so many steps, and the start"
        rig.wait_durable(3)
        rig.drain()
        rig.stop(rig.hub)
        generations.append(_generation(rig))
        rig.settle()
        fault = f"{fault} (whole again within {slowest:.0f} s)"
        return _judged(rig, fault, runs, truths, generations, slowest)
    finally:
        rig.close()


def _judged(
    rig: Rig, fault: str, runs: int, truths: Sequence[Truth], generations: Sequence[int], slowest: float
) -> Verdict:
    verdict = rig.verdict(fault, runs, may_declare=True)
    select = "SELECT t.run, c.seq FROM records c JOIN streams t ON t.id = c.stream WHERE t.stream = 'readings'"
    records = {(run_id.hex(), seq) for run_id, seq in rig.sql(select)}
    gaps = rig.sql("SELECT run, first, last FROM gaps WHERE stream = 'readings'")
    declared = {(run_id.hex(), seq) for run_id, first, last in gaps for seq in range(first, last + 1)}
    whole = set().union(*(truth.whole for truth in truths)) - records
    silent = set().union(*(truth.destroyed for truth in truths)) - records - declared
    verdict.lost = len(whole) + len(silent)
    spent = [n for word, n in rig.told() if word == b"sent"]
    reused = len(spent) - len(set(spent))
    verdict.wrong += reused + len(whole & declared)
    verdict.wrong += rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs")[0][0]
    verdict.wrong += sum(later <= earlier for earlier, later in itertools.pairwise(generations))
    verdict.wrong += slowest > SECONDS
    if verdict.lost or verdict.wrong or verdict.twice:
        print(
            f"whole and not delivered {len(whole)}, destroyed and not declared {len(silent)}, counters reused {reused}",
            file=sys.stderr,
        )
    return verdict


def _generation(rig: Rig) -> int:
    """The generation that the backend knows of the hub."""
    ((hub,),) = rig.sql("SELECT hub FROM hubs")
    told = ilot("backend", "backups", str(rig.backend_dir), hub, "--json")
    return max(int(told["lived"] or 0), int(told["generation"]))


def card_dies(root: Path, runs: int, seed: int) -> Verdict:
    return _lost(root, runs, seed, "card destroyed at random during an outage, another machine restored")


def twin_counters_stay(root: Path, runs: int, seed: int) -> Verdict:
    return _lost(root, runs, seed, "twin: card destroyed, restored without skipping a counter", _Broken)


def twin_salvages_silently(root: Path, runs: int, seed: int) -> Verdict:
    return _lost(root, runs, seed, "twin: card destroyed, losses not declared", _Silent, (lost,))


def twin_card_thrown_away(root: Path, runs: int, seed: int) -> Verdict:
    return _lost(root, runs, seed, "twin: card destroyed, its readable rest not delivered", _Careless, (turned,))


def one_backup_twice(root: Path, runs: int, seed: int) -> Verdict:
    return _twice(root, runs, seed, "one backup restored twice, both machines alive", Hands)


def twin_counters_stay_twice(root: Path, runs: int, seed: int) -> Verdict:
    return _twice(root, runs, seed, "twin: one backup restored twice, no counter skipped", _Broken)


def _twice(root: Path, runs: int, seed: int, fault: str, hands: type[Hands]) -> Verdict:
    """Each run: a machine is restored, and while it lives a second one from the very same file. The backend must tell
    of it, and keep no backup of the first machine any more; what both read arrives once. The second goes on."""
    rng = random.Random(seed)
    rig = Rig(root, generator=["--spends", "--quick"])
    untold, ahead = 0, 0
    first = None
    try:
        ((hub,),) = rig.sql("SELECT hub FROM hubs")
        by_hand = hands(rig)
        rig.start_hub()
        for n in range(runs):
            rig.wait_durable(rng.randint(2, 5))
            made = ilot("backup", "--config", str(rig.config), "--json")
            assert made["backend"]["at"] is not None, made
            rig.stop_delivered()
            shutil.rmtree(rig.state)
            file, lived = by_hand.fetch(hub)
            by_hand.restore(file, lived)
            first, first_config = rig.start_hub(), rig.config
            rig.wait_durable(rng.randint(2, 5))
            newest = max((number for (number,) in rig.sql("SELECT id FROM alarms")), default=0)
            again, lived = by_hand.fetch(hub)
            shutil.copyfile(file, again)  # the same one, where no note tells of it
            ahead += 1_000_000  # numbers that the first does not come to: both write one journal
            with rig.journal.open("ab") as journal:
                journal.write(b"emit %d\nlife %d\n" % (ahead, ahead))
            rig.config, rig.state = root / f"machine-{n}" / "config.yaml", root / f"machine-{n}" / "state"
            by_hand.restore(again, lived)
            text = re.sub(r"state_dir: [^}]*", f"state_dir: {rig.state}", rig.config.read_text())
            rig.config.write_text(text)
            rig.start_hub()
            rig.wait_durable(rng.randint(4, 8))
            kinds = f"SELECT 1 FROM alarms WHERE kind IN ('set-back', 'old-state') AND id > {newest}"
            untold += not _comes(lambda asked=kinds: bool(rig.sql(asked)))
            ilot("backup", "--config", str(rig.config), "--json")
            refused = ilot("backup", "--config", str(first_config), "--json")
            untold += not refused["backend"]["error"]
            rig.stop(first)
        rig.wait_durable(3)
        rig.stop(rig.hub)
        rig.settle()
        verdict = rig.verdict(fault, runs)
        spent = [number for word, number in rig.told() if word == b"sent"]
        verdict.wrong += untold + len(spent) - len(set(spent))
        verdict.wrong += rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs")[0][0]
        if untold or verdict.wrong:
            print(f"not told {untold}, counters reused {len(spent) - len(set(spent))}", file=sys.stderr)
        return verdict
    finally:
        rig.kill(first)
        rig.close()


def _comes(what: Callable[[], bool]) -> bool:
    try:
        until(what, 30.0, lambda: "it does not come")
    except RuntimeError:
        return False
    return True
