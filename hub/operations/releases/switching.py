"""Install, switch, judge, take back: one at a time, and going on wherever it was killed.

    unpack in .part-N ─▶ N ─▶ journal: trial ─▶ current → N ─▶ restart ─▶ judge ─▶ journal: passed
                                                                           └─▶ journal: taken back ─▶ current → former
                                                                               ─▶ restart ─▶ journal: failed

Each arrow is durable before the next begins. Until `current` names N the former release runs; from then on N runs, and
whoever finds a trial in the journal goes on with it. State and buffer are not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from hub.core.errors import HubError, StorageError
from hub.core.text import phrase, reason_of
from hub.operations.releases import trees
from hub.operations.releases.acceptance import Refused, expect_acceptable
from hub.operations.releases.bundle import Bundle
from hub.operations.releases.knowledge import here, still_trusted, trusted
from hub.operations.releases.machine import Machine
from hub.operations.releases.notes import Floor, Journal, Kept, Notes, Outcome, Progress, Trial
from hub.operations.releases.package import Package
from hub.operations.releases.trees import Trees
from hub.operations.releases.trial import MOST_TRIES, PASSED, WINDOW_S, Said, Sample, verdict
from hub.operations.releases.unpacking import Tree, expect_room, unpack
from hub.protocol.documents.release import Release, ReleaseKeys, Signed, read_release

STEP_S = 5.0
_TOLD = 4 << 20


class Switching:
    """The releases of one machine. `wanted` returns who asked meanwhile to go back, "" if nobody did."""

    def __init__(
        self,
        package: Package,
        state: Path,
        notes: Notes,
        machine: Machine,
        *,
        wanted: Callable[[], str] = lambda: "",
        window_s: float = WINDOW_S,
    ) -> None:
        self._package, self._state, self._notes, self._machine = package, state, notes, machine
        self._wanted, self._window_s = wanted, window_s

    @contextlib.contextmanager
    def _open(self) -> Iterator[Trees]:
        try:
            with trees.opened(self._state) as opened:
                yield opened
        except OSError as error:
            raise StorageError(
                phrase(
                    "release-not-written",
                    "the release could not be written to the disk ({reason}): nothing changed, the hub goes on with "
                    "the "
                    "one that runs",
                    reason=reason_of(error),
                )
            ) from error
        finally:
            self._notes.tell(Progress())

    def running(self, tree: Trees) -> int:
        """Return the counter of the release that the launcher starts."""
        return max(tree.current(), self._package.counter())

    # -- what is wanted --------------------------------------------------------------------------------------------

    def install(self, source: BinaryIO, by: str, *, again: bool = False) -> Outcome:
        """Verify, unpack, switch and judge. Nothing changed when the outcome is "refused"."""
        counter = 0
        try:
            with self._open() as tree:
                self._finish(tree)
                self._notes.tell(Progress("verifying"))
                bundle = Bundle(source, self._machine.monotonic)
                signed = read_release(bundle.document, self.trusted())
                counter = signed.release.counter
                self._expect_acceptable(signed.release, tree, again)
                if self._machine.stopped():
                    raise Refused(
                        phrase(
                            "release-hub-stopped",
                            "the hub is stopped, so that nobody could tell whether the release works: `systemctl start "
                            "ilot` first",
                        )
                    )
                self._unpack(bundle, signed.release, tree)
                return self._switch(tree, self._trial(tree, signed, by))
        except HubError as error:
            return self.refused(counter, by, error)

    def give_back(self, by: str) -> Outcome:
        """Go back to the release before, because a person wants to."""
        try:
            with self._open() as tree:
                self._finish(tree)
                journal, current = self._notes.journal(), tree.current()
                if current <= self._package.counter():
                    raise Refused(
                        phrase(
                            "release-nothing-before",
                            "the release of the package runs: there is none to go back to. `apt install` takes another",
                        )
                    )
                back = self._back(tree, journal, current)
                why = Said.of(_wished(by))
                trial = Trial(to=current, back=back, by=by, judged=False, taken_back=why)
                self._notes.remember(msgspec.structs.replace(journal, trial=trial))
                return self._take_back(tree, trial, why)
        except HubError as error:
            return self.refused(0, by, error)

    def go_on(self) -> Outcome | None:
        """Go on with what a kill, a power cut or a restart of the machine cut short; None where there is nothing."""
        with self._open() as tree:
            return self._finish(tree)

    def show(self, source: BinaryIO) -> tuple[Release, str]:
        """Return a verified release and why it would be refused, "" if it would not. Changes nothing."""
        release = read_release(Bundle(source, self._machine.monotonic).document, self.trusted()).release
        try:
            with self._open() as tree:
                self._expect_acceptable(release, tree, again=False)
        except Refused as error:
            return release, reason_of(error)
        return release, ""

    def trusted(self) -> ReleaseKeys:
        """Return the keys that may sign."""
        return trusted(self._package, self._notes.journal())

    # -- the steps -------------------------------------------------------------------------------------------------

    def _expect_acceptable(self, release: Release, tree: Trees, again: bool) -> None:
        known = here(self._package, self._notes.journal(), tree.current(), self._machine)
        expect_acceptable(release, known, again=again)

    def _unpack(self, bundle: Bundle, release: Release, tree: Trees) -> None:
        tree.tidy({tree.current(), self._notes.journal().former})
        expect_room(release, tree.at)
        name, told = tree.part(release.counter), [0]

        def tell(done: int) -> None:
            if done - told[0] >= _TOLD:
                told[0] = done
                self._notes.tell(Progress("unpacking", release.counter, done, release.size))

        try:
            unpack(bundle, release, Tree(tree.at, name), tell)
        except BaseException:
            tree.part(release.counter)  # gone again
            raise
        tree.finish(release.counter)

    def _trial(self, tree: Trees, signed: Signed, by: str) -> Trial:
        """Note the trial, and what its release is."""
        journal, current = self._notes.journal(), tree.current()
        back = current if current > self._package.counter() else 0
        trial = Trial(to=signed.release.counter, back=back, by=by, before=self._machine.ask(None, over=False))
        kept = {n: one for n, one in journal.kept.items() if n in (current, journal.former)}
        self._notes.remember(msgspec.structs.replace(journal, trial=trial, kept={**kept, trial.to: Kept.of(signed)}))
        return trial

    def _switch(self, tree: Trees, trial: Trial) -> Outcome:
        self._notes.tell(Progress("switching", trial.to))
        tree.point(trial.to)
        self._machine.restart()
        return self._judge(tree, trial)

    def _finish(self, tree: Trees) -> Outcome | None:
        """Bring what a kill cut short to its end."""
        trial = self._notes.journal().trial
        if trial is None:
            return self._distrusted(tree)
        if trial.taken_back is not None:
            return self._take_back(tree, trial, trial.taken_back)
        if not tree.has(trial.to):  # somebody removed it
            return self._give_up(tree, phrase("release-gone", "the release {counter} is not here any more",
                                              counter=trial.to))  # fmt: skip
        if tree.current() == trial.to:
            answer = self._machine.ask(None, over=False)
            if answer is None or answer.counter == trial.to:  # it starts, or runs: the machine was restarted
                return self._judge(tree, trial)
        return self._switch(tree, trial)

    def _distrusted(self, tree: Trees) -> Outcome | None:
        """Leave a release whose keys are no longer trusted, since a newer package says so."""
        journal, current = self._notes.journal(), tree.current()
        kept = journal.kept.get(current)
        if kept is None or current <= self._package.counter() or still_trusted(kept.signers, self.trusted()):
            return None
        why = phrase("release-key-withdrawn", "a key that signed it is trusted no more")
        outcome = Outcome(result="taken-back", counter=current, at=self._machine.now(), by="package",
                          reason=Said.of(why))  # fmt: skip
        tree.point(0)
        self._notes.remember(msgspec.structs.replace(journal, last=outcome, former=0, kept={}))
        self._machine.restart()
        tree.tidy(set())
        return outcome

    def _judge(self, tree: Trees, trial: Trial) -> Outcome:
        journal = self._notes.journal()
        trial = msgspec.structs.replace(trial, tries=trial.tries + 1)
        self._notes.remember(msgspec.structs.replace(journal, trial=trial))
        if trial.tries > MOST_TRIES:
            why = phrase("release-machine-restarts", "the machine restarted {count} times while it was tried",
                         count=trial.tries - 1)  # fmt: skip
            return self._give_up(tree, why)
        began, samples = self._machine.monotonic(), list[Sample]()
        while True:
            self._machine.sleep(STEP_S)
            at = self._machine.monotonic() - began
            self._notes.tell(Progress("judging", trial.to, int(at), int(self._window_s)))
            if self._package.counter() >= trial.to:
                return self._overtaken(tree)
            if by := self._wanted():
                return self._give_up(tree, _wished(by))
            samples.append(self._look(trial, at))
            said = verdict(trial.to, trial.before, samples, self._window_s)
            if said is PASSED:
                return self._passed(tree, trial)
            if said is not None:
                return self._give_up(tree, said)

    def _look(self, trial: Trial, at: float) -> Sample:
        health = self._machine.ask(trial.before, over=at >= self._window_s)
        pages = health is not None and bool(health.pages) and self._machine.pages_answer(health.pages)
        return Sample(at, health, pages, self._machine.restarts())

    def _passed(self, tree: Trees, trial: Trial) -> Outcome:
        journal = self._notes.journal()
        kept = journal.kept[trial.to]
        outcome = Outcome(result="installed", counter=trial.to, at=self._machine.now(), by=trial.by)
        journal = msgspec.structs.replace(
            journal, trial=None, last=outcome, former=trial.back, floor=Floor(trial.to, kept.signers),
            seen=max(journal.seen, kept.issued),
            kept={n: one for n, one in journal.kept.items() if n in (trial.to, trial.back)},
            failed={n: why for n, why in journal.failed.items() if n > trial.to},
        )  # fmt: skip
        if kept.keys:
            journal = msgspec.structs.replace(journal, keys=kept.keys, threshold=kept.threshold, keys_from=trial.to)
        self._notes.remember(journal)
        tree.tidy({trial.to, trial.back})
        return outcome

    def _give_up(self, tree: Trees, why: str) -> Outcome:
        journal = self._notes.journal()
        trial = msgspec.structs.replace(_trial_of(journal), taken_back=Said.of(why))
        self._notes.remember(msgspec.structs.replace(journal, trial=trial))
        return self._take_back(tree, trial, Said.of(why))

    def _take_back(self, tree: Trees, trial: Trial, why: Said) -> Outcome:
        """Let the former release run again; noted as done when it was started."""
        journal = self._notes.journal()
        self._notes.tell(Progress("returning", trial.back))
        tree.point(trial.back if tree.has(trial.back) else 0)
        self._machine.restart()
        outcome = Outcome(
            result="taken-back" if trial.judged else "returned", counter=trial.to, at=self._machine.now(), by=trial.by,
            reason=why,
        )  # fmt: skip
        failed = journal.with_failed(trial.to, why.phrase) if trial.judged else journal.failed
        self._notes.remember(
            msgspec.structs.replace(journal, trial=None, last=outcome, failed=failed,
                                    former=0 if not trial.judged else journal.former)
        )  # fmt: skip
        tree.tidy({trial.back, *([trial.to] if not trial.judged else [])})
        return outcome

    def _overtaken(self, tree: Trees) -> Outcome:
        """End a trial because `apt` brought a release that is as new, which runs now."""
        journal = self._notes.journal()
        trial = _trial_of(journal)
        why = phrase("release-overtaken", "the package brought release {counter}", counter=self._package.counter())
        outcome = Outcome(result="refused", counter=trial.to, at=self._machine.now(), by=trial.by,
                          reason=Said.of(why))  # fmt: skip
        tree.point(0)
        self._notes.remember(msgspec.structs.replace(journal, trial=None, last=outcome, former=0))
        tree.tidy(set())
        return outcome

    def _back(self, tree: Trees, journal: Journal, current: int) -> int:
        former = journal.former
        return former if former != current and former > self._package.counter() and tree.has(former) else 0

    def refused(self, counter: int, by: str, error: HubError) -> Outcome:
        """Note that nothing was changed, and why."""
        outcome = Outcome(result="refused", counter=counter, at=self._machine.now(), by=by,
                          reason=Said.of(reason_of(error)))  # fmt: skip
        with contextlib.suppress(HubError):  # a disk that takes nothing: whoever called is told all the same
            self._notes.remember(msgspec.structs.replace(self._notes.journal(), last=outcome))
        return outcome


def _trial_of(journal: Journal) -> Trial:
    if journal.trial is None:
        raise LookupError("no trial is noted")
    return journal.trial


def _wished(by: str) -> str:
    return phrase("release-wished-back", "{who} went back", who=by)
