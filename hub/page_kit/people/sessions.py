"""Sessions of the pages. A token is 256 random bits; only its hash is stored, so that a restart signs nobody out.

They are in RAM; whoever serves pages may keep what must outlive the process (`rows`, `recall`, `resume`). The token of
forms is derived from the session's own, so it is kept nowhere and a page that was open before a restart can still be
sent.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

IDLE_S, LONGEST_S = 3600.0, 12 * 3600.0
MOST, MOST_EACH = 64, 8
COOKIE, KNOWN_COOKIE, FORM_COOKIE = "__Host-ilot", "__Host-ilot-known", "__Host-ilot-form"
KNOWN_S = 180 * 86_400


@dataclass(slots=True)
class Session:
    """A browser of one account, or of one badge. `csrf` is required in its forms; `streams` is its number of open
    live streams; `mark` is its account's, which changes with the password; `broken`: a local account was used although
    the district has badges."""

    name: str
    began: float
    seen: float
    csrf: str = ""
    streams: int = 0
    badge: Any = None
    mark: bytes = b""
    broken: bool = False


class Kept(NamedTuple):
    """A session as an earlier process left it: `began` and `seen` by the monotonic clock of the boot `boot`, to which
    `ahead` seconds are added to get Unix seconds; None where nobody knew the time."""

    session: Session
    boot: bytes
    ahead: float | None

    def age(self, boot: bytes, monotonic: float, date: float | None) -> tuple[float, float] | None:
        """Return the seconds since it began and since it was seen, negative where a clock went backwards; None as long
        as nobody knows: the machine was started again, and does not know the time yet."""
        if self.boot == boot:
            return monotonic - self.session.began, monotonic - self.session.seen
        if self.ahead is None:
            return -1.0, -1.0
        return None if date is None else (date - self.ahead - self.session.began, date - self.ahead - self.session.seen)


class Signer:
    """Tokens of forms and proofs of known browsers, which nobody stores. `secret` signs them; if it does not outlive
    the process, they are unknown again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def known(self, name: str, mark: bytes) -> str:
        """Return a browser's proof that it signed in to this account before. `mark` changes with the account's
        password, which invalidates it."""
        return self._sign(b"known", name.encode(), mark)

    def is_known(self, said: str, name: str, mark: bytes) -> bool:
        return bool(said) and hmac.compare_digest(said.encode(), self.known(name, mark).encode())

    def form(self, nonce: str) -> str:
        """Return the form token before the sign-in; `nonce` is in a cookie."""
        return self._sign(b"form", nonce.encode())

    def csrf(self, token: str) -> str:
        """Return the form token of a session."""
        return self._sign(b"csrf", token.encode())

    def _sign(self, *parts: bytes) -> str:
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return base64.urlsafe_b64encode(hmac.digest(self._secret, text, "sha256")).decode().rstrip("=")


class Sessions(Signer):
    """Sessions of a server. `now` is monotonic seconds; `secret` is its signer's."""

    def __init__(self, now: Callable[[], float], secret: bytes) -> None:
        super().__init__(secret)
        self._now = now
        self._open: dict[bytes, Session] = {}
        self._waiting: dict[bytes, Kept] = {}

    def begin(self, name: str, badge: Any = None, *, mark: bytes = b"", broken: bool = False) -> tuple[str, Session]:
        """Start a session; return its token and it."""
        self._sweep()
        mine = [key for key, session in self._open.items() if session.name == name]
        for key in [*mine[: max(0, len(mine) - MOST_EACH + 1)]]:
            del self._open[key]
        while len(self._open) >= MOST:
            del self._open[min(self._open, key=lambda key: self._open[key].seen)]
        token, now = secrets.token_urlsafe(32), self._now()
        session = Session(name, now, now, self.csrf(token), badge=badge, mark=mark, broken=broken)
        self._open[_key(token)] = session
        return token, session

    def get(self, token: str, *, touch: bool = True) -> Session | None:
        """Return the session of a token until it ends."""
        session = self._open.get(_key(token)) if token else None
        if session is None or self._over(session):
            return None
        session.csrf = session.csrf or self.csrf(token)
        if touch:
            session.seen = self._now()
        return session

    @property
    def waiting(self) -> bool:
        """Return whether sessions of an earlier process wait for the time to be known."""
        return bool(self._waiting)

    def recall(self, kept: Mapping[bytes, Kept]) -> None:
        """Take the sessions of an earlier process; `resume` opens them."""
        self._waiting.update(kept)

    def resume(self, boot: bytes, date: float | None) -> list[Session]:
        """Open those whose age is known by now, drop those that are over, and return the opened ones. Who reads a
        clock that went backwards signs in again."""
        now, resumed = self._now(), list[Session]()
        for key, one in list(self._waiting.items()):
            age = one.age(boot, now, date)
            if age is None:
                continue
            del self._waiting[key]
            session = one.session
            session.began, session.seen = now - age[0], now - age[1]
            if min(age) >= 0 and not self._over(session) and len(self._open) < MOST:
                self._open[key] = session
                resumed.append(session)
        return resumed

    def rows(self) -> tuple[dict[bytes, Session], set[bytes]]:
        """Return the open sessions by the hash of their token, and the hashes of those that wait."""
        self._sweep()
        return dict(self._open), set(self._waiting)

    def left(self, session: Session) -> tuple[float, float]:
        """Return the seconds until it ends without activity, and in any case."""
        now = self._now()
        most = max(0.0, LONGEST_S - (now - session.began))
        return min(most, max(0.0, IDLE_S - (now - session.seen))), most

    def end(self, token: str) -> None:
        self._open.pop(_key(token), None)
        self._waiting.pop(_key(token), None)

    def end_all(self, name: str, *, but: str = "", mark: bytes = b"") -> None:
        """Sign an account out everywhere, except for the session of one token, which has the account's new `mark`."""
        keep = _key(but) if but else b""
        if (kept := self._open.get(keep)) is not None and kept.name == name:
            kept.mark = mark
        self._open = {key: one for key, one in self._open.items() if one.name != name or key == keep}
        self._waiting = {key: one for key, one in self._waiting.items() if one.session.name != name or key == keep}

    def __len__(self) -> int:
        self._sweep()
        return len(self._open)

    def _over(self, session: Session) -> bool:
        now = self._now()
        return now - session.seen > IDLE_S or now - session.began > LONGEST_S

    def _sweep(self) -> None:
        self._open = {key: session for key, session in self._open.items() if not self._over(session)}


def _key(token: str) -> bytes:
    return sha256(token.encode()).digest()
