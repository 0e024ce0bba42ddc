"""Registry of who may send: enrolment tokens, hubs, revocation. Read afresh for every message.

Nothing is cached, so a revocation acts on the next message, whichever process wrote it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from backend.storage.tables import EnrolmentToken, Hub, Tables
from hub.core.errors import AuthFailed, ConfigError
from hub.core.text import phrase
from hub.protocol.enrolment import SECRET_BYTES, Token, token_proof
from hub.protocol.hub_id import hub_id


class Newcomer(NamedTuple):
    """A hub to be: its name, and the tags that it will have."""

    name: str = ""
    tags: tuple[str, ...] = ()


class Registry:
    """Rules of the registry over one database. Methods begin transactions of their own; they raise the errors that they
    name, and StorageError from the database."""

    def __init__(self, storage: Tables) -> None:
        self._storage, self._table = storage, storage.registry

    def issue(self, *, url: str, root: str, name: str, now: float, lifetime: float) -> Token:
        """Return a new token that admits one hub within `lifetime` seconds."""
        (token,) = self.issue_many([Newcomer(name)], url=url, root=root, now=now, lifetime=lifetime)
        return token

    def issue_many(
        self, wanted: Sequence[Newcomer], *, url: str, root: str, now: float, lifetime: float
    ) -> list[Token]:
        """Return a new token for each, all stored together; each admits one hub within `lifetime` seconds."""
        made = [
            Token(
                url=url,
                root=root,
                id=secrets.token_hex(8),
                secret=secrets.token_bytes(SECRET_BYTES),
                expires=now + lifetime,
            )
            for _ in wanted
        ]
        with self._storage.transaction():
            self._table.add_tokens(
                EnrolmentToken(token.id, token.secret, one.name, now, token.expires, tags=one.tags)
                for token, one in zip(made, wanted, strict=True)
            )
        return made

    def cancel(self, tokens: Sequence[str], now: float) -> None:
        """Let these tokens admit nobody; all or none. Raises ConfigError for one that could not any more."""
        with self._storage.transaction():
            for token in tokens:
                if not self._table.cancel_token(token, now):
                    raise ConfigError(
                        phrase(
                            "token-not-open",
                            "no token {token!r} is open: it is unknown, used or cancelled; `ilot backend tokens list` "
                            "shows them",
                            token=token[:64],
                        )
                    )

    def admit(
        self, *, token_id: str, identity: bytes, csr: bytes, name: str, mac: bytes, now: float, proven: bool = False
    ) -> str:
        """Use a token up for the hub with this identity; return its id. `proven`: this identity signed the request.

        Raises AuthFailed when the token is unknown, used, cancelled or expired, the MAC is not HMAC-SHA256(secret,
        lp(identity, csr)), the identity was revoked, or is enrolled already and was not proven.
        """
        hub = hub_id(identity)
        with self._storage.transaction():
            token = self._vouched(token_id, identity, csr, mac, now)
            self._check(hub, identity, proven=proven)
            self._enrol(identity, Newcomer(name or token.name, token.tags), now)
            self._table.use_token(token_id, hub, now)
        return hub

    def enlist(self, identity: bytes, name: str, now: float, tags: tuple[str, ...] = ()) -> str:
        """Enrol the hub with this identity, which signed its request file; return its id. Raises AuthFailed when it was
        revoked."""
        self.enlist_many([(identity, Newcomer(name, tags))], now)
        return hub_id(identity)

    def enlist_many(self, hubs: Sequence[tuple[bytes, Newcomer]], now: float) -> None:
        """Enrol hubs that signed their request files; all or none. Raises AuthFailed when one was revoked."""
        with self._storage.transaction():
            for identity, newcomer in hubs:
                self._check(hub_id(identity), identity, proven=True)
                self._enrol(identity, newcomer, now)

    def vouch(self, token_id: str, identity: bytes, csr: bytes, mac: bytes, now: float) -> str:
        """Return the name in a token, for a client that proves that it has the token; it is not used up. Raises
        AuthFailed as `admit`."""
        return self._vouched(token_id, identity, csr, mac, now).name

    def find(self, hub: str) -> Hub | None:
        return self._table.find(hub)

    def revoke(self, hub: str, now: float) -> None:
        """Refuse `hub` from now on. Repeating it keeps the first date. Raises ConfigError for an unknown hub."""
        with self._storage.transaction():
            known = self._table.revoke(hub, now)
        if not known:
            raise _no_hub(hub)

    def tag(self, hub: str, tags: tuple[str, ...]) -> None:
        """Replace the tags of a hub. Raises ConfigError for an unknown one."""
        with self._storage.transaction():
            known = self._table.tag(hub, tags)
        if not known:
            raise _no_hub(hub)

    def readmit(self, hub: str) -> Hub:
        """Take a revoked hub's messages again; return what it was. Raises ConfigError for a hub that is unknown or not
        revoked."""
        with self._storage.transaction():
            known = self._table.find(hub)
            if known is None:
                raise _no_hub(hub)
            if known.revoked_at is None:
                raise ConfigError(phrase("hub-not-revoked", "{hub} is not revoked", hub=hub))
            self._table.readmit(hub)
        return known

    def hubs(self) -> list[Hub]:
        return self._table.hubs()

    def tokens(self) -> list[EnrolmentToken]:
        return self._table.tokens()

    def _check(self, hub: str, identity: bytes, *, proven: bool) -> None:
        """Raise AuthFailed where this identity may not enrol."""
        known = self._table.find(hub)
        if known is not None and (known.revoked_at is not None or known.identity != identity):
            raise AuthFailed(
                phrase(
                    "revoked-hub-enrols",
                    "{hub} was revoked: remove its keys, so that it enrols as a new hub, or have its operator readmit "
                    "it: ilot backend readmit",
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

    def _enrol(self, identity: bytes, newcomer: Newcomer, now: float) -> None:
        name = _printable(newcomer.name)
        self._table.enrol(Hub(hub_id(identity), identity, name, now, None, None, newcomer.tags))

    def _vouched(self, token_id: str, identity: bytes, csr: bytes, mac: bytes, now: float) -> EnrolmentToken:
        token = self._table.token(token_id)
        if token is None or token.used_at is not None:
            raise AuthFailed(
                phrase(
                    "token-unknown-or-used",
                    "this token is unknown or was used already: ask the backend's operator for a new one",
                )
            )
        if token.secret is None:
            raise AuthFailed(
                phrase(
                    "enrolment-token-cancelled", "this token was cancelled: ask the backend's operator for a new one"
                )
            )
        if not hmac.compare_digest(token_proof(token.secret, identity, csr), mac):
            raise AuthFailed(
                phrase("token-proof-wrong", "the proof does not match this token: copy the token again, whole")
            )
        if now >= token.expires_at:
            raise AuthFailed(
                phrase("enrolment-token-expired", "this token has expired: ask the backend's operator for a new one")
            )
        return token


def _no_hub(hub: str) -> ConfigError:
    return ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))


def _printable(name: str) -> str:
    """Return a name without characters that command a terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:128]
