"""What admits people and programs to a city's view, for tests of copies that are put back."""

from __future__ import annotations

from backend.storage.city import people
from backend.storage.city.database import Transaction
from backend.storage.city.people import Person, SessionRow, TokenRow


def admit_somebody(t: Transaction) -> None:
    """Make an account with a session, a code, a token of a program, and an approval that waits."""
    people.put_person(
        t, Person(1, "anna", "Anna", "", "", "admin", "{}", "fr", b"hash", b"code", 9e12, False, 1.0, 1.0)
    )
    people.add_session(t, SessionRow(b"s", 1, b"m", 1.0, 1.0, False, "127.0.0.1", ""))
    people.add_token(t, TokenRow("token", b"d", "portal", 1, "read", "head", "{}", 1.0, 9e12, 1000))
    people.approve(t, "publication", "bins", "digest", "anna", 1.0)
    people.secret(t, "forms", b"old")


def admitted(t: Transaction) -> list[object]:
    """Return what of it still admits anybody."""
    one = people.person(t, 1)
    return [
        *people.sessions(t),
        *people.tokens(t),
        *([one.code] if one is not None and (one.code is not None or one.code_until) else []),
        *filter(None, [people.approval(t, "publication", "bins")]),
        *([b"old"] if people.secret(t, "forms", b"new") == b"old" else []),
    ]
