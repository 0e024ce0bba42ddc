"""Registry of who may send: enrolment tokens, hubs, revocation. One transaction each, read afresh for every message.

Nothing is cached, so a revocation acts on the next message, whichever process wrote it.
"""

from __future__ import annotations

import hmac
import secrets
from typing import NamedTuple

import apsw

from backend.schema import transaction
from hub.core.errors import AuthFailed, ConfigError
from hub.core.text import phrase
from hub.protocol.enrolment import SECRET_BYTES, Token, token_proof
from hub.protocol.hub_id import hub_id


class Hub(NamedTuple):
    """A row of the registry. Times are Unix seconds; `identity` is the raw Ed25519 public key."""

    hub: str
    identity: bytes
    name: str
    enrolled_at: float
    revoked_at: float | None
    seen_at: float | None


class Registry:
    """Registry tables behind one connection. Methods raise the errors they name, and apsw.Error from the disk."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def issue(self, *, url: str, root: str, name: str, now: float, lifetime: float) -> Token:
        """Return a new token that admits one hub within `lifetime` seconds."""
        secret = secrets.token_bytes(SECRET_BYTES)
        token = Token(url=url, root=root, id=secrets.token_hex(8), secret=secret, expires=now + lifetime)
        self._db.execute(
            "insert into tokens (id, secret, name, created_at, expires_at) values (?, ?, ?, ?, ?)",
            (token.id, token.secret, name, now, token.expires),
        )
        return token

    def admit(
        self, *, token_id: str, identity: bytes, csr: bytes, name: str, mac: bytes, now: float, proven: bool = False
    ) -> str:
        """Use a token up for the hub with this identity; return its id. `proven`: this identity signed the request.

        Raises AuthFailed when the token is unknown, used or expired, the MAC is not HMAC-SHA256(secret, lp(identity,
        csr)), the identity was revoked, or is enrolled already and was not proven.
        """
        with transaction(self._db):
            token_name = self.vouch(token_id, identity, csr, mac, now)
            hub = hub_id(identity)
            known = self.find(hub)
            if known is not None and (known.revoked_at is not None or known.identity != identity):
                raise AuthFailed(
                    phrase(
                        "revoked-hub-enrols",
                        "{hub} was revoked: remove its keys, so that it enrols as a new hub",
                        hub=hub,
                    )
                )
            if known is not None and not proven:
                raise AuthFailed(
                    phrase(
                        "hub-enrolled-already",
                        "{hub} is enrolled already, and its identity did not sign this request",
                        hub=hub,
                    )
                )
            self._db.execute(
                "insert into hubs (hub, identity, name, enrolled_at) values (?, ?, ?, ?)"
                " on conflict (hub) do update set name = excluded.name",
                (hub, identity, _printable(name or token_name), now),
            )
            self._db.execute("update tokens set used_at = ?, hub = ?, secret = null where id = ?", (now, hub, token_id))
        return hub

    def vouch(self, token_id: str, identity: bytes, csr: bytes, mac: bytes, now: float) -> str:
        """Return the name in a token, for a client that proves that it has the token; it is not used up. Raises
        AuthFailed as `admit`."""
        row = self._db.execute("select secret, name, expires_at, used_at from tokens where id = ?", (token_id,)).get
        if row is None or row[3] is not None:
            raise AuthFailed(
                phrase(
                    "token-unknown-or-used",
                    "this token is unknown or was used already: ask the backend's operator for a new one",
                )
            )
        secret, name, expires_at, _ = row
        if not hmac.compare_digest(token_proof(secret, identity, csr), mac):
            raise AuthFailed(
                phrase("token-proof-wrong", "the proof does not match this token: copy the token again, whole")
            )
        if now >= expires_at:
            raise AuthFailed(
                phrase("enrolment-token-expired", "this token has expired: ask the backend's operator for a new one")
            )
        return str(name)

    def find(self, hub: str) -> Hub | None:
        row = self._db.execute(
            "select hub, identity, name, enrolled_at, revoked_at, seen_at from hubs where hub = ?", (hub,)
        ).get
        return None if row is None else Hub(*row)

    def revoke(self, hub: str, now: float) -> None:
        """Refuse `hub` from now on. Repeating it keeps the first date. Raises ConfigError for an unknown hub."""
        self._db.execute("update hubs set revoked_at = coalesce(revoked_at, ?) where hub = ?", (now, hub))
        if not self._db.changes():
            raise ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))

    def hubs(self) -> list[Hub]:
        rows = self._db.execute("select hub, identity, name, enrolled_at, revoked_at, seen_at from hubs order by hub")
        return [Hub(*row) for row in rows]


def _printable(name: str) -> str:
    """Return a name without characters that command a terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:128]
