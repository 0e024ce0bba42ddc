"""What `ilot backup` and `ilot status` say of the last backup and of the mirror."""

from __future__ import annotations

from typing import Any

import pytest

from hub.cli.backup import backup_problems, status_lines
from hub.cli.status import mirror_text

AT = 1_800_000_000.0  # 2027-01-15 08:00 UTC


def place(generation: int = 0, at: float | None = None, error: str = "", path: str = "") -> dict[str, Any]:
    return {"generation": generation, "at": at, "file": "", "error": error, "path": path}


def facts(**changed: Any) -> dict[str, Any]:
    whole = {
        "generation": 7, "made": AT, "bytes": 31_000, "error": "", "backend": place(7, AT),
        "directory": place(7, AT, path="/media/usb"),
    }  # fmt: skip
    return {**whole, **changed}


def test_a_backup_that_is_everywhere_is_told_with_its_date_and_places() -> None:
    assert status_lines(facts()) == [
        "backup 7, 31.0 kB, made 2027-01-15 08:00 UTC",
        "at the backend since 2027-01-15 08:00 UTC",
        "in /media/usb since 2027-01-15 08:00 UTC",
    ]
    assert backup_problems(facts()) == []


def test_a_place_that_has_an_older_one_says_which_and_why() -> None:
    behind = facts(backend=place(5, AT - 86400, "the backend does not answer"))
    assert status_lines(behind)[1] == (
        "at the backend not yet: number 5, since 2027-01-14 08:00 UTC; the backend does not answer"
    )
    assert backup_problems(behind) == ["the backend does not answer"]
    never = facts(directory=place(error="/media/usb is not there", path="/media/usb"))
    assert status_lines(never)[2] == "in /media/usb not yet: none; /media/usb is not there"


def test_a_directory_that_is_not_configured_is_not_spoken_of() -> None:
    gone = facts(directory=place(3, AT, "an old error"))
    assert len(status_lines(gone)) == 2
    assert backup_problems(gone) == []


@pytest.mark.parametrize("error", ["", "the trust document names no recovery key"])
def test_before_the_first_one_it_says_so_and_why(error: str) -> None:
    assert status_lines(facts(made=None, error=error)) == ["none was made yet" + (f": {error}" if error else "")]


def test_the_mirror_tells_its_copies_what_waits_and_what_is_wrong() -> None:
    mirror = {"copies": 3, "bytes": 12_000_000, "directory": "/media/usb", "waiting": 0, "given_up": 0, "error": ""}
    assert mirror_text(mirror) == "3 segments copied, 12.0 MB in /media/usb"
    assert mirror_text({**mirror, "waiting": 2, "given_up": 1, "error": "/media/usb is full"}) == (
        "3 segments copied, 12.0 MB in /media/usb; 2 wait for a copy; 1 given up for room; /media/usb is full"
    )
