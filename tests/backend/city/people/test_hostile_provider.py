"""A provider, or somebody in its place, that sends what it should not: nobody enters by it."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from joserfc import jwe, jws
from joserfc.jwk import ECKey, RSAKey

from backend.city.people.oidc import provider as calls

from .people_kit import SECRET, Answer, Peer, Town

pytestmark = pytest.mark.real("network")

KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
STRANGE = RSAKey.generate_key(2048, {"kid": "two"})
CURVE = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
LOCKS = RSAKey.generate_key(2048, {"kid": "locks"})
PADDED = RSAKey.generate_key(2048, {"kid": "padded"})

Claims = dict[str, Any]


def signed(claims: Claims, key: Any = KEY, alg: str = "RS256", **header: Any) -> str:
    return jws.serialize_compact(
        {"alg": alg, "kid": key.kid, **header}, json.dumps(claims).encode(), key, algorithms=[alg]
    )


def unsigned(claims: Claims, alg: str = "none") -> str:
    parts = [json.dumps({"alg": alg, "kid": "one"}).encode(), json.dumps(claims).encode()]
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts) + "."


def shared(claims: Claims, secret: bytes) -> str:
    """A token with a signature by a secret, which a library would refuse to make of a public key."""
    text = unsigned(claims, "HS256").rstrip(".")
    digest = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


class Hostile:
    """A provider whose answers a test gives."""

    def __init__(self) -> None:
        self.issuer = ""
        self.token: Callable[[Claims], str] = signed
        self.userinfo: Callable[[Claims], web.Response] = lambda claims: web.json_response({"sub": claims["sub"]})
        self.about: Callable[[Claims], Claims] = lambda about: about
        self.keys: list[Any] = [KEY, CURVE, PADDED]
        self.token_answer: web.Response | None = None
        self.back: dict[str, str] = {}
        self.nonce = ""
        self.asked: list[str] = []
        self.clock: Callable[[], float] = lambda: 0.0
        """The city's: how old a token is does not depend on how long the test has run."""

    @property
    def claims(self) -> Claims:
        now = int(self.clock())
        roles = {"roles": ["ilot-head-waste"]}
        return {
            "iss": self.issuer, "aud": "ilot", "sub": "alice", "nonce": self.nonce, "iat": now, "exp": now + 300,
            "realm_access": roles, "email": "alice@ville.example",
        }  # fmt: skip

    async def discover(self, request: web.Request) -> web.Response:
        at = self.issuer
        about = {
            "issuer": at, "authorization_endpoint": f"{at}/auth", "token_endpoint": f"{at}/token",
            "jwks_uri": f"{at}/keys", "userinfo_endpoint": f"{at}/me",
        }  # fmt: skip
        return web.json_response(self.about(about))

    async def show_keys(self, request: web.Request) -> web.Response:
        keys = [one.as_dict(private=False) for one in self.keys]
        return web.json_response({"keys": [*keys, LOCKS.as_dict(private=False) | {"use": "enc"}]})

    async def give_token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        if self.token_answer is not None:
            return self.token_answer
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": self.token(self.claims)})

    async def about_me(self, request: web.Request) -> web.Response:
        return self.userinfo(self.claims)


@asynccontextmanager
async def hostile(town: Town, form: str = "keycloak") -> AsyncIterator[Hostile]:
    found = Hostile()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", found.discover)
    app.router.add_get("/keys", found.show_keys)
    app.router.add_post("/token", found.give_token)
    app.router.add_get("/me", found.about_me)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(town.directory / "server.crt", town.directory / "server.key")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.issuer = f"https://127.0.0.1:{runner.addresses[0][1]}"
    found.clock = town.city.clock
    peer = Peer(town, form)
    peer.issuer = found.issuer
    peer.settings()
    try:
        yield found
    finally:
        await runner.cleanup()


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: what the provider says does not depend on it."""
    return tmp_path / "owner" / "backend.db"


async def come_back(town: Town, found: Hostile) -> tuple[Answer, str]:
    """Sign in by it; return the answer, and the session's cookie."""
    browser = town.browser()
    left = await browser.get("/signin/provider")
    asked = parse_qs(urlsplit(left.location).query)
    found.nonce = asked["nonce"][0]
    back = "&".join(
        f"{name}={value}" for name, value in {"code": "c", "state": asked["state"][0], **found.back}.items()
    )
    answer = await browser.get(f"/signin/callback?{back}")
    return answer, browser.cookie("__Host-ilot")


async def test_one_that_keeps_to_the_rules_is_let_in_by_each_kind_of_signature(town: Town) -> None:
    async with hostile(town) as found:
        for key, alg in ((KEY, "RS256"), (PADDED, "PS256"), (CURVE, "ES256")):
            found.token = partial(signed, key=key, alg=alg)
            answer, session = await come_back(town, found)
            assert (answer.status, bool(session)) == (200, True), alg


def without(name: str) -> Callable[[Claims], str]:
    return lambda claims: signed({key: value for key, value in claims.items() if key != name})


def but(**changed: Any) -> Callable[[Claims], str]:
    return lambda claims: signed({**claims, **changed})


def later(name: str, seconds: int) -> Callable[[Claims], str]:
    return lambda claims: signed({**claims, name: claims[name] + seconds})


TOKENS: dict[str, Callable[[Claims], str]] = {
    "another audience": but(aud="another"),
    "no audience": without("aud"),
    "a list of audiences without us": but(aud=["another", "third"]),
    "several audiences, given to another": but(aud=["ilot", "another"], azp="another"),
    "several audiences, given to nobody": but(aud=["ilot", "another"]),
    "another issuer": but(iss="https://evil.example"),
    "an issuer with a slash more": lambda claims: signed({**claims, "iss": f"{claims['iss']}/"}),
    "no issuer": without("iss"),
    "another nonce": but(nonce="n" * 43),
    "no nonce": without("nonce"),
    "a nonce that is a list": lambda claims: signed({**claims, "nonce": [claims["nonce"]]}),
    "expired": later("exp", -400),
    "no end": without("exp"),
    "an end that is text": but(exp="never"),
    "an end that is true": but(exp=True),
    "made in the future": later("iat", 400),
    "made long ago": later("iat", -4000),
    "nobody": without("sub"),
    "an empty name": but(sub=""),
    "no signature": unsigned,
    "no signature, in other letters": lambda claims: unsigned(claims, "NoNe"),
    "the client's secret as key": lambda claims: shared(claims, SECRET.encode()),
    "the public key as secret": lambda claims: shared(claims, KEY.as_pem(private=False)),
    "another key of the same name": lambda claims: signed(claims, OTHER),
    "an unknown key": lambda claims: signed(claims, STRANGE),
    "its own key beside it": lambda claims: signed(claims, OTHER, jwk=OTHER.as_dict(private=False)),
    "a key for locking": lambda claims: signed(claims, LOCKS),
    "locked": lambda claims: jwe.encrypt_compact(
        {"alg": "RSA-OAEP", "enc": "A128GCM"}, json.dumps(claims).encode(), LOCKS
    ),
    "a critical header": lambda claims: signed(claims).replace(
        signed(claims).partition(".")[0],
        base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"one","crit":["x"],"x":1}').decode().rstrip("="),
    ),
    "no token": lambda claims: "",
    "no dots": lambda claims: "abc",
    "a list": lambda claims: signed([claims]),  # type: ignore[arg-type]
    "too long": lambda claims: signed({**claims, "pad": "x" * 20_000}),
}  # fmt: skip


async def test_a_token_that_breaks_a_rule_lets_nobody_in(town: Town) -> None:
    async with hostile(town) as found:
        for what, found.token in TOKENS.items():
            found.asked.clear()
            answer, session = await come_back(town, found)
            assert found.asked == ["token"], what
            assert (answer.status, session) == (403, ""), what
            assert (await town.lines())[-1].what == "people.provider-refused", what


def jwt(claims: Claims) -> web.Response:
    return web.Response(body=signed(claims).encode(), content_type="application/jwt")


USERINFOS: dict[str, tuple[str, Callable[[Claims], web.Response]]] = {
    "somebody else": ("keycloak", lambda claims: web.json_response({"sub": "bob"})),
    "nobody": ("keycloak", lambda claims: web.json_response({})),
    "no JSON": ("keycloak", lambda claims: web.Response(text="<html>")),
    "plain, where it must be signed": ("proconnect", web.json_response),
    "signed, somebody else": ("proconnect", lambda claims: jwt({**claims, "sub": "bob"})),
    "signed, for another": ("proconnect", lambda claims: jwt({**claims, "aud": "another"})),
    "signed, by another issuer": ("proconnect", lambda claims: jwt({**claims, "iss": "https://evil.example"})),
    "signed, expired": ("proconnect", lambda claims: jwt({**claims, "exp": claims["exp"] - 400})),
    "signed by nobody": (
        "proconnect", lambda claims: web.Response(body=unsigned(claims).encode(), content_type="application/jwt")
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ["keycloak", "proconnect"])
async def test_userinfo_that_breaks_a_rule_lets_nobody_in(town: Town, form: str) -> None:
    async with hostile(town, form) as found:
        for what, (of, found.userinfo) in USERINFOS.items():
            if of == form:
                answer, session = await come_back(town, found)
                assert (answer.status, session) == (403, ""), what


async def test_signed_userinfo_that_keeps_to_the_rules_lets_in(town: Town) -> None:
    async with hostile(town, "proconnect") as found:
        found.userinfo = jwt
        answer, session = await come_back(town, found)
        assert (answer.status, bool(session)) == (200, True)


async def test_an_address_that_breaks_a_rule_lets_nobody_in(town: Town) -> None:
    async with hostile(town) as found:
        for found.back in (
            {"state": "s" * 43},
            {"state": ""},
            {"code": ""},
            {"error": "access_denied"},
            {"iss": "https%3A%2F%2Fevil.example"},
            {"code": "c&code=d"},
        ):
            answer, session = await come_back(town, found)
            assert (answer.status, session, found.asked) == (403, "", []), found.back


async def test_a_provider_that_announces_its_name_beside_codes_must_give_it(town: Town) -> None:
    async with hostile(town) as found:
        found.about = lambda about: {**about, "authorization_response_iss_parameter_supported": True}
        answer, session = await come_back(town, found)
        assert (answer.status, session, found.asked) == (403, "", [])


ABOUTS: dict[str, Callable[[Claims], Claims]] = {
    "calls itself otherwise": lambda about: {**about, "issuer": "https://evil.example"},
    "a plain address": lambda about: {**about, "token_endpoint": "http://127.0.0.1/token"},
    "no keys": lambda about: {key: value for key, value in about.items() if key != "jwks_uri"},
    "too much": lambda about: {**about, "pad": "x" * 300_000},
}


async def test_a_provider_that_describes_itself_wrongly_is_away(town: Town) -> None:
    async with hostile(town) as found:
        for what, found.about in ABOUTS.items():
            assert (await town.browser().get("/signin/provider")).status == 503, what
        found.about = lambda about: about
        assert (await town.browser().get("/signin/provider")).status == 303


async def test_no_redirect_of_the_provider_is_followed(town: Town) -> None:
    async with hostile(town) as found:
        found.token_answer = web.Response(status=307, headers={"Location": f"{found.issuer}/token"})
        answer, session = await come_back(town, found)
        assert (answer.status, session, found.asked) == (403, "", ["token"])


async def test_a_certificate_of_another_authority_is_a_provider_that_is_away(town: Town) -> None:
    async with hostile(town) as found:
        peer = Peer(town, "keycloak")
        peer.issuer = found.issuer
        peer.settings(ca_file="")
        assert (await town.browser().get("/signin/provider")).status == 503


async def test_a_provider_that_says_nothing_is_away_after_a_while(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CALL_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = Peer(town, "keycloak")
        peer.issuer = f"https://127.0.0.1:{silent.getsockname()[1]}"
        peer.settings()
        assert (await town.browser().get("/signin/provider")).status == 503
