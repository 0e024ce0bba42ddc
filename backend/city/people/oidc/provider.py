"""Calls to the sign-in provider over HTTPS: discovery, keys, tokens, userinfo.

Answers are bounded in size and time, and no redirect is followed. What was discovered is kept for an hour; keys are
fetched again where a token names one that is not known, once a minute at most.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec

from backend.city.people.oidc import checks
from backend.city.people.oidc.checks import Begun, Logout, SignInRefused
from backend.city.people.oidc.settings import ProviderSettings
from hub.core import tls
from hub.core.errors import ConfigError, NotReady
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of, system_error

CALL_S = 10.0
KEPT_S = 3600.0
KEYS_S = 60.0
MOST_BYTES = 256 << 10
MOST_AT_ONCE = 8
T = TypeVar("T")
DISCOVERY = "/.well-known/openid-configuration"


class Away(NotReady):
    """The provider does not answer as one does."""

    def __init__(self, reason: str) -> None:
        super().__init__(phrase("people-oidc-away", "the sign-in provider does not answer: {reason}", reason=reason))


class Metadata(msgspec.Struct, frozen=True):
    """Metadata of a provider (OpenID Connect Discovery, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False
    backchannel_logout_supported: bool = False


class Signed(msgspec.Struct, frozen=True):
    """Somebody whom the provider named: all claims about them, the identity token, and the name of the provider's
    session, "" where it gives none."""

    subject: str
    claims: dict[str, Any]
    id_token: str
    session: str = ""


class Provider:
    """A sign-in provider. `clock` gives Unix seconds, `directory` is where a relative `ca_file` lies. Raises
    ConfigError."""

    def __init__(
        self, settings: ProviderSettings, secret: str, clock: Callable[[], float], directory: Path = Path()
    ) -> None:
        self.settings, self._secret, self._clock = settings, secret, clock
        self._tls = _tls(directory / settings.ca_file if settings.ca_file else None)
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, Any] | None = None
        self._turn, self._fetching = asyncio.Lock(), asyncio.Lock()
        self._calls = asyncio.Semaphore(MOST_AT_ONCE)

    async def metadata(self) -> Metadata:
        """Return what the provider says of itself. Raises Away."""
        async with self._turn:
            if self._metadata is None or self._clock() - self._metadata[0] > KEPT_S:
                self._metadata = (self._clock(), await self._discover())
            return self._metadata[1]

    async def begin_at(self, begun: Begun) -> str:
        """Return the address at which a browser signs in. Raises Away."""
        about, wanted = await self.metadata(), self.settings
        asked = {
            "response_type": "code", "client_id": wanted.client_id, "redirect_uri": wanted.redirect,
            "scope": " ".join(wanted.wanted_scopes), "state": begun.state, "nonce": begun.nonce,
        }  # fmt: skip
        if self.uses_pkce(about):
            asked |= {"code_challenge": checks.challenge(begun.verifier), "code_challenge_method": "S256"}
        sep = "&" if urlsplit(about.authorization_endpoint).query else "?"
        return f"{about.authorization_endpoint}{sep}{urlencode(asked)}"

    async def signed(self, query: Mapping[str, str], begun: Begun) -> Signed:
        """Return who came back from the provider. Raises SignInRefused, Away."""
        about, wanted = await self.metadata(), self.settings
        code = checks.check_return(
            query, begun, wanted.issuer, names_issuer=about.authorization_response_iss_parameter_supported
        )
        access, token = await self._tokens(about, code, begun)
        claims = await self._verified(
            lambda keys: checks.identity(
                token, keys, issuer=wanted.issuer, client=wanted.client_id, nonce=begun.nonce, now=self._clock()
            ),
        )
        subject, session = str(claims["sub"]), checks.session_in(claims)
        if about.userinfo_endpoint:
            claims = {**claims, **await self._userinfo(about, access, subject)}
        elif wanted.strict:
            raise SignInRefused("the provider has no userinfo")
        return Signed(subject, claims, token, session)

    async def logout(self, token: str) -> Logout:
        """Return what a logout token of the provider's says. Raises SignInRefused, Away."""
        wanted = self.settings
        return await self._verified(
            lambda keys: checks.logout(token, keys, issuer=wanted.issuer, client=wanted.client_id, now=self._clock()),
        )

    async def leave_at(self, id_token: str) -> str:
        """Return the address at which a browser signs out of the provider, "" where it has none. Raises Away."""
        about = await self.metadata()
        if not about.end_session_endpoint or not id_token:
            return ""
        asked = {"id_token_hint": id_token, "post_logout_redirect_uri": self.settings.url.rstrip("/") + "/signin"}
        if self.settings.strict:
            asked["state"] = checks.begin("", 0.0).state
        sep = "&" if urlsplit(about.end_session_endpoint).query else "?"
        return f"{about.end_session_endpoint}{sep}{urlencode(asked)}"

    def uses_pkce(self, about: Metadata) -> bool:
        """Return whether sign-ins carry PKCE: where the provider announces it, and never in ProConnect's form."""
        return not self.settings.strict and "S256" in about.code_challenge_methods_supported

    async def _discover(self) -> Metadata:
        body, _ = await self._call("GET", self.settings.issuer.rstrip("/") + DISCOVERY)
        try:
            found = msgspec.json.decode(shallow_json(body), type=Metadata)
        except msgspec.DecodeError as error:
            raise Away(str(error)) from error
        if found.issuer != self.settings.issuer:
            raise Away(f"it calls itself {found.issuer[:200]!r}")
        for one in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint,
                    found.end_session_endpoint):  # fmt: skip
            if one and urlsplit(one).scheme != "https":
                raise Away(f"{one[:200]!r} is no https address")
        return found

    async def _tokens(self, about: Metadata, code: str, begun: Begun) -> tuple[str, str]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.settings.redirect}
        if self.uses_pkce(about):
            form["code_verifier"] = begun.verifier
        headers = {"Accept": "application/json"}
        ways = about.token_endpoint_auth_methods_supported
        if self.settings.strict or "client_secret_basic" not in ways:
            form |= {"client_id": self.settings.client_id, "client_secret": self._secret}
        else:  # RFC 6749, 2.3.1: both are encoded as in a form before they are joined
            pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        body, _ = await self._call("POST", about.token_endpoint, headers, form)
        try:
            said = msgspec.json.decode(shallow_json(body), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise SignInRefused("the provider's tokens cannot be read") from error
        access, token = said.get("access_token"), said.get("id_token")
        if not isinstance(access, str) or not isinstance(token, str) or not token:
            raise SignInRefused("the provider gave no identity token")
        return access, token

    async def _userinfo(self, about: Metadata, access: str, subject: str) -> dict[str, Any]:
        body, kind = await self._call("GET", about.userinfo_endpoint, {"Authorization": f"Bearer {access}"})
        wanted = self.settings
        if kind == "application/jwt":
            text = body.decode("ascii", "replace").strip()
            return await self._verified(
                lambda keys: checks.userinfo(
                    text, keys, issuer=wanted.issuer, client=wanted.client_id, subject=subject, now=self._clock()
                ),
            )
        if wanted.strict:
            raise SignInRefused("userinfo is not signed")
        try:
            return checks.same_subject(msgspec.json.decode(shallow_json(body), type=dict[str, Any]), subject)
        except msgspec.DecodeError as error:
            raise SignInRefused("userinfo cannot be read") from error

    async def _verified(self, check: Callable[[Any], T]) -> T:
        """Check a token by the keys that are known, then by those that there are now: a provider changes its keys.
        Tokens that come together wait for one answer of the provider's."""
        tried = self._keys
        if tried is not None and self._clock() - tried[0] <= KEPT_S:
            try:
                return check(tried[1])
            except SignInRefused:
                if self._clock() - tried[0] < KEYS_S:
                    raise
        about = await self.metadata()
        async with self._fetching:
            if self._keys is None or self._keys is tried:
                body, _ = await self._call("GET", about.jwks_uri)
                self._keys = (self._clock(), checks.key_set(body))
            return check(self._keys[1])

    async def _call(
        self, method: str, address: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> tuple[bytes, str]:
        """Return (body, media type) of an answer. Raises Away; SignInRefused where the provider refuses."""
        limit = aiohttp.ClientTimeout(total=CALL_S)
        try:
            async with (
                self._calls,
                aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.request(
                    method, address, headers=headers, data=form, allow_redirects=False, ssl=self._tls
                ) as answer,
            ):
                body = await answer.content.read(MOST_BYTES + 1)
                while len(body) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                    body += more
                status, kind = answer.status, answer.content_type
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Away(reason_of(error) or type(error).__name__) from error
        if len(body) > MOST_BYTES:
            raise Away("its answer is too large")
        if status >= 500 or (form is None and headers is None and status != 200):
            raise Away(f"HTTP {status}")
        if status != 200:
            raise SignInRefused(f"the provider answers {status}: {body[:200].decode('utf-8', 'replace')!r}")
        return body, kind


def _tls(authority: Path | None) -> ssl.SSLContext:
    try:
        return tls.client(file=authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            phrase("people-oidc-ca", "{file} cannot be used: {reason}", file=str(authority), reason=system_error(error))
        ) from error
