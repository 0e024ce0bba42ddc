"""Whether a verified release may be installed on this hub. Pure. ADR 0116 names the attacks that each line refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hub.core.errors import ConfigError
from hub.core.text import phrase
from hub.operations.releases.trial import Said
from hub.protocol.documents.release import Release


class Refused(ConfigError):
    """The release is the maker's, and not for this hub or not now."""

    def __init__(self, said: str) -> None:
        super().__init__(said)


class Here(NamedTuple):
    """What is known here. `running`: counter of the release that runs; `floor`: the highest that passed; `reads`: the
    highest format of the state that the release opens to which the hub would go back; `failed`: counters that did not
    pass here; `now`: never before what was seen signed."""

    running: int
    floor: int
    architecture: str
    pythons: frozenset[str]
    reads: int
    failed: Mapping[int, Said]
    now: float


def expect_acceptable(release: Release, here: Here, *, again: bool = False) -> None:
    """Raise Refused, saying why and what to do. `again`: a person wants one that did not pass before."""
    if (said := _objection(release, here, again=again)) is not None:
        raise Refused(said)


def _objection(release: Release, here: Here, *, again: bool) -> str | None:
    if release.architecture != here.architecture:
        return phrase(
            "release-other-architecture",
            "release {counter} is for {wanted}, and this hub is {found}: take the bundle for {found}",
            counter=release.counter, wanted=release.architecture, found=here.architecture,
        )  # fmt: skip
    if release.counter <= here.running or release.counter < here.floor + (not again):
        return phrase(
            "release-not-newer",
            "release {counter} is not newer than {floor}, which this hub had already: nothing to do. `ilot release "
            "return` goes back to the one before",
            counter=release.counter, floor=max(here.floor, here.running),
        )  # fmt: skip
    if here.now >= release.expires:
        return phrase(
            "release-expired",
            "release {counter} was to be installed before its expiry, which is past: ask for a newer one",
            counter=release.counter,
        )
    if here.running < release.after:
        return phrase(
            "release-needs-step",
            "release {counter} follows on {after} or later, and {running} runs here: install one between first",
            counter=release.counter, after=release.after, running=here.running,
        )  # fmt: skip
    if release.python not in here.pythons:
        return phrase(
            "release-other-python",
            "release {counter} needs Python {python}, which this system does not have: update the system first, or "
            "take "
            "the release for it",
            counter=release.counter, python=release.python,
        )  # fmt: skip
    if release.writes > here.reads:
        return phrase(
            "release-state-too-new",
            "release {counter} writes its state in a form that the release before cannot open, so that there would "
            "be no "
            "way back: install one between first",
            counter=release.counter,
        )
    if release.counter in here.failed and not again:
        return phrase(
            "release-failed-before",
            "release {counter} was taken back here: {reason}. Ask for a newer one, or install it with --again",
            counter=release.counter, reason=here.failed[release.counter].phrase,
        )  # fmt: skip
    return None
