"""Sign-in provider of a city, from `oidc.toml` in the owner's directory.

issuer = "https://sso.example.fr/realms/ville"
client_id = "ilot"
secret_file = "oidc.secret"          # relative to the directory; holds nothing else
url = "https://ilot.example.fr"      # where browsers call this server; the redirect is url + /signin/callback
label = "Compte de la ville"         # on the button
form = "standard"                    # or "proconnect": no PKCE, userinfo must be a signed JWT
ca_file = ""                         # authority of the provider's certificate, where no public one signed it
scopes = ["openid", "profile", "email"]

[[rules]]                            # the first one that fits gives role and scope
claim = "realm_access.roles"         # a text, or a list that holds the value
value = "ilot-head-waste"
role = "head"
services = ["waste"]                 # sectors, provider, classes: as for local accounts
"""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from backend.city.people import scopes
from backend.city.people.viewer import Role, Scope
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase, system_error
from hub.page_kit.refusals import Refused

FILE = "oidc.toml"
CALLBACK, BACK_CHANNEL = "/signin/callback", "/signin/backchannel"
PROCONNECT_SCOPES = ("openid", "uid", "given_name", "usual_name", "email", "siret")
MOST_RULES = 500


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A claim's value that gives a role and a scope."""

    claim: str
    value: str
    role: Role
    services: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    provider: str = ""
    classes: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """Return the scope. Raises Refused."""
        return scopes.given(self.services, self.sectors, self.provider, self.classes, self.role)


class ProviderSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Contents of the file."""

    issuer: str
    client_id: str
    secret_file: str
    url: str
    rules: tuple[Rule, ...]
    label: str = ""
    form: Literal["standard", "proconnect"] = "standard"
    ca_file: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        return self.form == "proconnect"

    @property
    def wanted_scopes(self) -> tuple[str, ...]:
        return self.scopes or (PROCONNECT_SCOPES if self.strict else ("openid", "profile", "email"))

    @property
    def redirect(self) -> str:
        return self.url.rstrip("/") + CALLBACK

    @property
    def back_channel(self) -> str:
        return self.url.rstrip("/") + BACK_CHANNEL

    def admitted(self, claims: dict[str, Any]) -> Rule | None:
        """Return the first rule that these claims fit; None for somebody who has no business here."""
        return next((one for one in self.rules if one.value in values_of(claims, one.claim)), None)


def values_of(claims: dict[str, Any], path: str) -> tuple[str, ...]:
    """Return the texts at a path of claims, `realm_access.roles`; a name with points of its own is found first. An
    address that the provider says it did not verify is none."""
    found: Any = claims
    if path in claims:
        found = claims[path]
    else:
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if path == "email" and claims.get("email_verified") is False:
        return ()
    texts = found if isinstance(found, list) else [found]
    return tuple(one for one in texts if isinstance(one, str))


def load(directory: Path) -> tuple[ProviderSettings, str] | None:
    """Return the settings and the client's secret; None where there is no provider. Raises ConfigError."""
    file = directory / FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _wrong(file, system_error(error) if isinstance(error, OSError) else str(error)) from error
    try:
        found = msgspec.convert(tomllib.loads(text), ProviderSettings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(file, str(error)) from error
    for name, address in (("issuer", found.issuer), ("url", found.url)):
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise _wrong(file, phrase("people-oidc-https", "{name} is an https address", name=name))
    if not 0 < len(found.rules) <= MOST_RULES:
        raise _wrong(file, phrase("people-oidc-rules", "without a rule nobody can sign in: give 1 to 500 [[rules]]"))
    for one in found.rules:
        try:
            one.scope  # noqa: B018 checked here, so that nobody signs in before it is right
        except Refused as error:
            said = phrase("people-oidc-rule", "rule for {value}: {reason}", value=one.value, reason=str(error))
            raise _wrong(file, said) from error
    if find_spec("joserfc") is None:
        raise ConfigError(
            phrase(
                "people-oidc-library", "joserfc is not installed, which reads a provider's tokens: install ilot[sso]"
            )
        )
    secret_file = directory / found.secret_file
    try:
        secret = secret_file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise _wrong(secret_file, system_error(error) if isinstance(error, OSError) else str(error)) from error
    if len(secret) < 8:
        raise _wrong(secret_file, phrase("people-oidc-secret", "the client's secret is too short"))
    return found, secret


def stamp(directory: Path) -> tuple[int, int]:
    """Return what changes with the file; (0, 0) where there is none."""
    try:
        found = (directory / FILE).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _wrong(file: Path, reason: str) -> ConfigError:
    return ConfigError(
        [Problem(phrase("people-oidc-file", "{file} cannot be used: {reason}", file=file.name, reason=reason))]
    )
