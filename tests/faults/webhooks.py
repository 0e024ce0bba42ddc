"""Senders of webhooks that say each message again until it is answered 200: each is stored once.

Meanwhile the hub's disk is full, its syncs fail, or the hub is killed; and a sender hangs up before its answer now and
then. Half of the messages have a date; the others have nothing that tells them from a later one but that they were not
answered, and these never hang up: that an answer was sent and lost on the way, nobody can see.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import needs
from rig import BASE, Rig, Verdict, free_port, until
from syscalls import inject

_SENDERS = 8
_SECRET = "of-more-than-twenty-characters"
_PER_SECOND = 20.0
_KINDS = ("dated", "bare")


class Senders:
    """Some threads, each with messages of its own, one after the other. `refused` counts answers that were none."""

    def __init__(self, port: int, seed: int) -> None:
        self.begun: Counter[tuple[str, int]] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self.refused = 0
        self._port, self._over, self._stop = port, threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._say, args=(n, random.Random(seed + n)), daemon=True) for n in range(_SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Begin no other message, and wait until the last ones are answered."""
        self._over.set()
        until(lambda: not any(thread.is_alive() for thread in self._threads), 120.0, lambda: "a sender is not answered")

    def give_up(self) -> None:
        self._over.set()
        self._stop.set()

    def _say(self, sender: int, rng: random.Random) -> None:
        n = sender
        while not self._over.is_set():
            n += _SENDERS
            kind = _KINDS[n // _SENDERS % 2]
            document = {"n": n, "t": BASE + n} if kind == "dated" else {"n": n}
            self.begun[kind, n] += 1
            while not self._stop.is_set():
                hang_up = kind == "dated" and rng.random() < 0.4
                if self._sent(kind, document, hang_up=hang_up):
                    break
                time.sleep(rng.uniform(0.2, 0.6) if hang_up else rng.uniform(0.01, 0.1))
            if not self._stop.is_set():
                self.answered[kind, n] += 1

    def _sent(self, kind: str, document: dict[str, int], *, hang_up: bool) -> bool:
        """One request. Whether it is answered 200."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)) as connection:
            try:
                headers = {"Authorization": f"Bearer {_SECRET}"}
                connection.request("POST", f"/hook/{kind}", json.dumps(document).encode(), headers)
                if hang_up:
                    return False
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):  # the hub is not there, or was killed before its answer
                return False
        if status == 503:
            self.refused += 1
        elif status != 200:
            raise RuntimeError(f"{kind} {document}: {status}")
        return status == 200


class Hooked(Rig):
    """A rig whose hub takes webhooks."""

    def __init__(self, root: Path, seed: int, *, state: Path | None = None, generator: Sequence[str] = ()) -> None:
        super().__init__(root, state=state, generator=generator)
        port = free_port()
        text = self.config.read_text()
        for kind in _KINDS:
            when = ", time: t" if kind == "dated" else ""
            settings = f"{{hook: {kind}{when}, values: {{uptime: {{path: n}}}}}}"
            device = f'  "http:{kind}": {{integration: hooks, place: {kind}, settings: {settings}}}\n'
            text = text.replace("devices:\n", f"devices:\n{device}")
            text = text.replace("places: {", f"places: {{{kind}: {{zone: bench, name: {kind}}}, ")
        listen = f"{{port: {port}, max_rate: 1000, secret: !secret hooks}}"
        text = text.replace("{faults: {}}", f"{{faults: {{}}, hooks: {{type: http_json, listen: {listen}}}}}")
        self.config.write_text(text)
        with self.config.with_name("secrets.yaml").open("a") as secrets:
            secrets.write(f"hooks: {_SECRET}\n")
        self.config.with_name("secrets.yaml").chmod(0o600)
        self.start_hub(_PER_SECOND)
        self.senders = Senders(port, seed)

    def close(self) -> None:
        if hasattr(self, "senders"):
            self.senders.give_up()
        super().close()

    def answered(self, more: int) -> None:
        """Wait until so many more messages are answered."""
        goal = self.senders.answered.total() + more
        until(lambda: self.senders.answered.total() >= goal, 120.0, lambda: f"nothing is answered: {self.logs()}")

    def refused(self, more: int, trouble: Callable[[], None] = lambda: None) -> None:
        """Wait until so many more requests are refused; `trouble` is made again and again."""
        goal = self.senders.refused + more

        def enough() -> bool:
            trouble()
            return self.senders.refused >= goal

        until(enough, 120.0, lambda: f"nothing is refused: {self.logs()}")

    def counted(self, fault: str, runs: int) -> Verdict:
        """Let the senders finish, and count what the backend has of theirs, beside what the generator said."""
        self.senders.finish()
        self.stop(self.hub)
        self.settle()
        found = self.verdict(fault, runs)
        stored = Counter(
            (place, round(value))
            for place, value in self.rows(
                "SELECT s.place, r.value FROM readings r JOIN series s ON s.id = r.series"
                " WHERE s.place IN ('dated', 'bare') AND s.metric = 'uptime'"
            )
        )
        found.emitted += self.senders.begun.total()
        found.durable += self.senders.answered.total()
        found.stored += stored.total()
        found.lost += (self.senders.answered - stored).total()
        found.twice += (stored - Counter(dict.fromkeys(stored, 1))).total()
        found.wrong += len(stored.keys() - self.senders.begun.keys())
        return found


def _fill(filler: Path) -> None:
    """Take what room there is, also what the hub has just given up."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _while(
    root: Path, seed: int, fault: Callable[[Hooked, random.Random], None], state: Path | None = None,
    generator: Sequence[str] = (),
) -> Hooked:  # fmt: skip
    rig = Hooked(root, seed, state=state, generator=generator)
    try:
        rig.answered(10)
        fault(rig, random.Random(seed))
    except BaseException:
        rig.close()
        raise
    return rig


def _full(root: Path, runs: int, seed: int, fault: str, generator: Sequence[str] = ()) -> Verdict:
    card = root / "card"
    card.mkdir()
    needs.mount("-t", "tmpfs", "-o", "size=4m,mode=700", "ilot-faults", str(card))

    def fill_and_free(rig: Hooked, rng: random.Random) -> None:
        filler = card / "filler"
        for _ in range(runs):
            rig.refused(rng.randint(5, 40), lambda: _fill(filler))
            filler.unlink()
            rig.answered(rng.randint(10, 30))

    rig = None
    try:
        rig = _while(root, seed, fill_and_free, card / "state", generator)
        return rig.counted(fault, runs)
    finally:
        if rig is not None:
            rig.close()
        needs.unmount(card)


def _failing(root: Path, runs: int, seed: int, fault: str, generator: Sequence[str] = ()) -> Verdict:
    def life_after_life(rig: Hooked, rng: random.Random) -> None:
        for _ in range(runs):
            rig.kill(rig.hub)
            prefix = inject(root / "strace.log", "fdatasync", "error=EIO", f"{rng.randint(8, 12)}+{rng.randint(6, 9)}")
            rig.start_hub(_PER_SECOND, prefix=prefix)
            rig.refused(rng.randint(3, 9))
            rig.answered(rng.randint(10, 30))
        rig.kill(rig.hub)
        rig.start_hub(_PER_SECOND)

    rig = _while(root, seed, life_after_life, generator=generator)
    try:
        return rig.counted(fault, runs)
    finally:
        rig.close()


def _killed(root: Path, runs: int, seed: int, fault: str, generator: Sequence[str] = ()) -> Verdict:
    def life_after_life(rig: Hooked, rng: random.Random) -> None:
        for _ in range(runs):
            rig.answered(rng.randint(1, 10))
            time.sleep(rng.uniform(0.0, 0.3))
            rig.kill(rig.hub)
            rig.start_hub(_PER_SECOND)

    rig = _while(root, seed, life_after_life, generator=generator)
    try:
        return rig.counted(fault, runs)
    finally:
        rig.close()


def webhooks_on_a_full_disk(root: Path, runs: int, seed: int) -> Verdict:
    return _full(root, runs, seed, "webhooks said again, full disk")


def webhooks_while_syncs_fail(root: Path, runs: int, seed: int) -> Verdict:
    return _failing(root, runs, seed, "webhooks said again, failing syncs")


def webhooks_over_kills(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(root, runs, seed, "webhooks said again, kill -9 of the hub")


def twin_keeps_each_on_a_full_disk(root: Path, runs: int, seed: int) -> Verdict:
    """A hub that recognises no message: what it refused and had taken all the same is there twice."""
    return _full(root, runs, seed, "twin: webhooks not recognised, full disk", ["--keeps-each"])


def twin_keeps_each_while_syncs_fail(root: Path, runs: int, seed: int) -> Verdict:
    return _failing(root, runs, seed, "twin: webhooks not recognised, failing syncs", ["--keeps-each"])


def twin_remembers_in_memory(root: Path, runs: int, seed: int) -> Verdict:
    """A hub whose memory of messages ends with its process."""
    return _killed(root, runs, seed, "twin: webhooks forgotten at a kill", ["--remembers-in-memory"])
