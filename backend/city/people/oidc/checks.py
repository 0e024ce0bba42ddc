"""Checks of a sign-in by OpenID Connect. Pure: keys and time are given.

State, nonce and the verifier of PKCE are 43 random characters each; they are in a signed cookie of the browser that
began, so that nothing is stored for strangers, and a state is used once.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a key of the provider's. None by a shared secret, and not `none`."""
LEEWAY_S = 60.0
BEGIN_S = 600.0
"""Seconds between leaving for the provider and coming back."""
LOGOUT_S = 300.0
"""Seconds for which a logout token is taken after it was made."""
MOST_TOKEN = 16 << 10
MOST_ID = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_TYPES = ("", "jwt", "logout+jwt", "application/logout+jwt")
"""Types that a logout token's header may give: its own is recommended, not required, and older providers say JWT."""


class SignInRefused(AuthFailed):
    """A sign-in by the provider is refused. `key` is a sentence of the pages; the text is for the journal."""

    def __init__(self, why: str, key: str = "people-oidc-refused") -> None:
        super().__init__(phrase("people-oidc-not", "the sign-in by the provider was refused: {reason}", reason=why))
        self.key, self.why = key, why


class Logout(msgspec.Struct, frozen=True):
    """A provider's word that a session of its own, all of a person, or that person's in that session are over. Either
    name may be "", not both."""

    id: str
    subject: str
    session: str


class Begun(msgspec.Struct, frozen=True):
    """A sign-in that a browser began. `to` is the page that it came for."""

    state: str
    nonce: str
    verifier: str
    to: str
    at: float


def begin(to: str, now: float) -> Begun:
    return Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32), to, now)


def sealed(begun: Begun, secret: bytes) -> str:
    """Return a begun sign-in as the text of a cookie."""
    body = _base64(msgspec.json.encode(begun))
    return f"{body}.{_base64(hmac.digest(secret, b'ilot/city/oidc' + body.encode(), 'sha256'))}"


def opened(text: str, secret: bytes, now: float) -> Begun:
    """Return a begun sign-in from its cookie. Raises SignInRefused."""
    body, _, said = text.partition(".")
    right = _base64(hmac.digest(secret, b"ilot/city/oidc" + body.encode(), "sha256"))
    if not hmac.compare_digest(said.encode(), right.encode()):
        raise SignInRefused("no sign-in was begun here", "people-oidc-again")
    begun = msgspec.json.decode(shallow_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))), type=Begun)
    if not 0 <= now - begun.at <= BEGIN_S:
        raise SignInRefused("it was begun too long ago", "people-oidc-again")
    return begun


def challenge(verifier: str) -> str:
    """Return the challenge of PKCE (RFC 7636, S256)."""
    return _base64(sha256(verifier.encode("ascii")).digest())


def check_return(query: Mapping[str, str], begun: Begun, issuer: str, *, names_issuer: bool) -> str:
    """Return the code with which a browser came back. `names_issuer`: the provider announces `iss` (RFC 9207). Raises
    SignInRefused."""
    if not hmac.compare_digest(query.get("state", "").encode(), begun.state.encode()):
        raise SignInRefused("another state came back", "people-oidc-again")
    named = query.get("iss")
    if (names_issuer or named is not None) and named != issuer:
        raise SignInRefused("another issuer came back")
    if "error" in query:
        raise SignInRefused(f"the provider says {query['error'][:100]!r}")
    code = query.get("code", "")
    if not 0 < len(code) <= 4096:
        raise SignInRefused("no code came back")
    return code


def identity(token: str, keys: Any, *, issuer: str, client: str, nonce: str, now: float) -> dict[str, Any]:
    """Return the claims of an identity token (OpenID Connect Core, 3.1.3.7). Raises SignInRefused."""
    claims = signed_claims(token, keys)
    _about(claims, issuer, client)
    if not hmac.compare_digest(_text(claims, "nonce").encode(), nonce.encode()):
        raise SignInRefused("the nonce is another one")
    until, made = _time(claims, "exp"), _time(claims, "iat")
    if now - LEEWAY_S >= until:
        raise SignInRefused("the identity token is expired")
    if made > now + LEEWAY_S or made < now - BEGIN_S:
        raise SignInRefused("the identity token is not of this time")
    if isinstance(claims.get("nbf"), int | float) and claims["nbf"] > now + LEEWAY_S:
        raise SignInRefused("the identity token is not valid yet")
    if not _text(claims, "sub"):
        raise SignInRefused("the identity token names nobody")
    return claims


def logout(token: str, keys: Any, *, issuer: str, client: str, now: float) -> Logout:
    """Return what a logout token says (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6). Raises SignInRefused."""
    header, claims = _signed(token, keys)
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in _LOGOUT_TYPES:
        raise SignInRefused("the token is of another type")
    _about(claims, issuer, client)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise SignInRefused("the token tells of no logout")
    if "nonce" in claims:
        raise SignInRefused("a logout token holds no nonce")
    made, until = _time(claims, "iat"), _time(claims, "exp")
    if now - LEEWAY_S >= until:
        raise SignInRefused("the logout token is expired")
    if not now - LOGOUT_S - LEEWAY_S <= made <= now + LEEWAY_S:
        raise SignInRefused("the logout token is not of this time")
    if any(name in claims and not 0 < len(_text(claims, name)) <= MOST_ID for name in ("sub", "sid")):
        raise SignInRefused("the logout token names somebody as nobody is named")
    said = Logout(_text(claims, "jti"), _text(claims, "sub"), _text(claims, "sid"))
    if not 0 < len(said.id) <= MOST_ID:
        raise SignInRefused("the logout token has no name of its own")
    if not said.subject and not said.session:
        raise SignInRefused("the logout token names nobody")
    return said


def left_mark(issuer: str, session: str) -> bytes:
    """Return the mark of a provider's session that was signed out: a sign-in that is still on its way by it is late."""
    return sha256(b"left" + issuer.encode() + b"\0" + session.encode()).digest()


def session_in(id_token: dict[str, Any]) -> str:
    """Return the name of the provider's session in an identity token's claims, "" where it gives none."""
    found = _text(id_token, "sid")
    return found if len(found) <= MOST_ID else ""


def userinfo(token: str, keys: Any, *, issuer: str, client: str, subject: str, now: float) -> dict[str, Any]:
    """Return the claims of a signed userinfo (OpenID Connect Core, 5.3.2). Raises SignInRefused."""
    claims = signed_claims(token, keys)
    _about(claims, issuer, client)
    if isinstance(claims.get("exp"), int | float) and now - LEEWAY_S >= claims["exp"]:
        raise SignInRefused("userinfo is expired")
    return same_subject(claims, subject)


def same_subject(claims: dict[str, Any], subject: str) -> dict[str, Any]:
    """Return userinfo of the same person. Raises SignInRefused."""
    if _text(claims, "sub") != subject:
        raise SignInRefused("userinfo is somebody else's")
    return claims


def signed_claims(token: str, keys: Any) -> dict[str, Any]:
    """Return the claims that one of these keys signed. Raises SignInRefused."""
    return _signed(token, keys)[1]


def _signed(token: str, keys: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims that one of these keys signed. Raises SignInRefused."""
    from joserfc import jws
    from joserfc.errors import JoseError

    if len(token) > MOST_TOKEN or token.count(".") != 2:
        raise SignInRefused("the token is none that was signed")
    try:
        read = jws.deserialize_compact(token, keys, algorithms=list(ALGORITHMS))
        claims = msgspec.json.decode(shallow_json(read.payload))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignInRefused(f"the token's signature is not the provider's ({type(error).__name__})") from error
    if not isinstance(claims, dict):
        raise SignInRefused("the token holds no claims")
    return dict(read.headers()), claims


def key_set(document: bytes) -> Any:
    """Return the keys of a provider that may sign: no shared secret, none for encryption. Raises SignInRefused."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        keys = msgspec.json.decode(shallow_json(document))["keys"]
        usable = [one for one in keys if one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignInRefused("the provider's keys cannot be read") from error


def _about(claims: Mapping[str, Any], issuer: str, client: str) -> None:
    if claims.get("iss") != issuer:
        raise SignInRefused("the token is another issuer's")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client not in named:
        raise SignInRefused("the token is for another application")
    if (len(named) > 1 or "azp" in claims) and claims.get("azp") != client:
        raise SignInRefused("the token was given to another application")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRefused(f"{name} is missing")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
