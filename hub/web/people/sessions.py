"""Sessions, in RAM: a restart signs everybody out. A token is 256 random bits; only its hash is stored."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.protocol.documents.badges import Badge

IDLE_S, LONGEST_S = 3600.0, 12 * 3600.0
MOST, MOST_EACH = 64, 8
COOKIE, KNOWN_COOKIE, FORM_COOKIE = "__Host-ilot", "__Host-ilot-known", "__Host-ilot-form"
KNOWN_S = 180 * 86_400


@dataclass(slots=True)
class Session:
    """A browser of one account, or of one badge. `csrf` is required in its forms; `streams` is its number of open
    live streams."""

    name: str
    began: float
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    streams: int = 0
    badge: Badge | None = None


class Sessions:
    """Sessions of a server. `now` is monotonic seconds; `secret` signs cookies of known browsers; if it does not
    outlive the process, they are unknown again."""

    def __init__(self, now: Callable[[], float], secret: bytes) -> None:
        self._now, self._secret = now, secret
        self._open: dict[bytes, Session] = {}

    def begin(self, name: str, badge: Badge | None = None) -> tuple[str, Session]:
        """Start a session; return its token and it."""
        self._sweep()
        mine = [key for key, session in self._open.items() if session.name == name]
        for key in [*mine[: max(0, len(mine) - MOST_EACH + 1)]]:
            del self._open[key]
        while len(self._open) >= MOST:
            del self._open[min(self._open, key=lambda key: self._open[key].seen)]
        token, now = secrets.token_urlsafe(32), self._now()
        session = self._open[_key(token)] = Session(name, now, now, badge=badge)
        return token, session

    def get(self, token: str, *, touch: bool = True) -> Session | None:
        """Return the session of a token until it ends."""
        session = self._open.get(_key(token)) if token else None
        if session is None or self._over(session):
            return None
        if touch:
            session.seen = self._now()
        return session

    def left(self, session: Session) -> tuple[float, float]:
        """Return the seconds until it ends without activity, and in any case."""
        now = self._now()
        most = max(0.0, LONGEST_S - (now - session.began))
        return min(most, max(0.0, IDLE_S - (now - session.seen))), most

    def end(self, token: str) -> None:
        self._open.pop(_key(token), None)

    def end_all(self, name: str, *, but: str = "") -> None:
        """Sign an account out everywhere, except for the session of one token."""
        keep = _key(but) if but else b""
        self._open = {key: one for key, one in self._open.items() if one.name != name or key == keep}

    def __len__(self) -> int:
        self._sweep()
        return len(self._open)

    def known(self, name: str, mark: bytes) -> str:
        """Return a browser's proof that it signed in to this account before. `mark` changes with the account's
        password, which invalidates it."""
        return self._sign(b"known", name.encode(), mark)

    def is_known(self, said: str, name: str, mark: bytes) -> bool:
        return bool(said) and hmac.compare_digest(said.encode(), self.known(name, mark).encode())

    def form(self, nonce: str) -> str:
        """Return the form token before the sign-in; `nonce` is in a cookie."""
        return self._sign(b"form", nonce.encode())

    def _sign(self, *parts: bytes) -> str:
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return base64.urlsafe_b64encode(hmac.digest(self._secret, text, "sha256")).decode().rstrip("=")

    def _over(self, session: Session) -> bool:
        now = self._now()
        return now - session.seen > IDLE_S or now - session.began > LONGEST_S

    def _sweep(self) -> None:
        self._open = {key: session for key, session in self._open.items() if not self._over(session)}


def _key(token: str) -> bytes:
    return sha256(token.encode()).digest()
