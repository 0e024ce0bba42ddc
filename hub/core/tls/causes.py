"""Causes for which OpenSSL refuses a certificate, by its number, in words: the cause, and who does what. Pure.

The numbers are those of X509_V_ERR_… in OpenSSL's x509_vfy.h, from 1.1.1 to 3.5. A sentence says cause, remedy and
OpenSSL's own words, so that whoever runs the other end can look them up; its French is in the same row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# ruff: noqa: E501 - a table is read across
STRANGER, DATES, NAME, WEAK, FORM, OTHER = "stranger", "dates", "name", "weak", "form", "other"
"""Kinds of cause: who issued it is not trusted here; its dates and the clock; the name it is for; keys and hashes that
are too weak; how it is made; anything else."""
EXPIRED, NOT_YET = 10, 9
_CA = "`ca`"
_LONGEST = 200


class Row(NamedTuple):
    """A cause. `{ca}` in a remedy is the option that names the CA."""

    kind: str
    codes: tuple[int, ...]
    cause: str
    remedy: str
    french: str
    french_remedy: str


_RENEW = "whoever runs the server has it made anew"
_RENEW_FR = "l'exploitant du serveur le fait refaire"
ROWS = (
    Row(STRANGER, (2, 20, 21, 27), "no CA that is trusted here issued it", "give the CA that issued it as {ca}; an intermediate one that the server does not send counts too",
        "aucune autorité de confiance ne l'a émis", "donnez celle qui l'a émis par {ca} ; une autorité intermédiaire que le serveur n'envoie pas convient aussi"),
    Row(STRANGER, (18,), "it is signed by itself, and is not trusted here", "if it is the right one, give it as {ca}",
        "il est signé par lui-même, et n'est pas de confiance ici", "si c'est le bon, donnez-le par {ca}"),
    Row(STRANGER, (19,), "its root CA is not trusted here", "if it is the right one, give it as {ca}",
        "son autorité racine n'est pas de confiance ici", "si c'est la bonne, donnez-la par {ca}"),
    Row(STRANGER, (4, 6, 7), "a CA of the same name is trusted here, but another key signed it", "if the CA has a new key, give its new certificate as {ca}",
        "une autorité du même nom est de confiance ici, mais une autre clé l'a signé", "si l'autorité a une nouvelle clé, donnez son nouveau certificat par {ca}"),
    Row(DATES, (EXPIRED,), "it or its CA has expired, by this machine's clock", "whoever runs the server renews it",
        "lui ou son autorité a expiré, selon l'horloge de cette machine", "l'exploitant du serveur le renouvelle"),
    Row(DATES, (NOT_YET,), "it or its CA is not good yet, by this machine's clock", "let the clock reach a time server; if it is right, the certificate is dated ahead",
        "lui ou son autorité n'est pas encore valable, selon l'horloge de cette machine", "laissez l'horloge atteindre un serveur de temps ; si elle est juste, le certificat est daté en avance"),
    Row(FORM, (13, 14), "its dates cannot be read", _RENEW, "ses dates sont illisibles", _RENEW_FR),
    Row(NAME, (62, 64), "it is for another name", "call the server by a name in its certificate, or have one made for this name",
        "il est d'un autre nom", "appelez le serveur par un nom de son certificat, ou faites-en faire un pour ce nom"),
    Row(WEAK, (66,), "its key is too weak", "have it made anew with a key of RSA 2048 bits or ECDSA P-256 at least",
        "sa clé est trop faible", "faites-le refaire avec une clé RSA de 2048 bits ou ECDSA P-256 au moins"),
    Row(WEAK, (67,), "the key of its CA is too weak", "have it made anew by a CA with a key of RSA 2048 bits or ECDSA P-256 at least",
        "la clé de son autorité est trop faible", "faites-le refaire par une autorité avec une clé RSA de 2048 bits ou ECDSA P-256 au moins"),
    Row(WEAK, (68,), "it or its CA is signed with a withdrawn hash, such as SHA-1 or MD5", "have it made anew with SHA-256",
        "lui ou son autorité est signé avec un condensat retiré, comme SHA-1 ou MD5", "faites-le refaire avec SHA-256"),
    Row(WEAK, (76, 77, 78, 94), "its key or signature is of a kind that is not accepted", "have it made anew with RSA and SHA-256, or ECDSA P-256",
        "sa clé ou sa signature est d'un genre refusé", "faites-le refaire avec RSA et SHA-256, ou ECDSA P-256"),
    Row(FORM, (24, 79), "what issued it does not say that it is a CA (basicConstraints CA:TRUE, key usage keyCertSign)", "have that made anew as a CA, or give the server's own certificate as {ca}",
        "ce qui l'a émis ne se dit pas autorité (basicConstraints CA:TRUE, key usage keyCertSign)", "faites refaire celui-là comme autorité, ou donnez le certificat même du serveur par {ca}"),
    Row(FORM, (25, 38), "a CA issued it that may not be so far from its root (pathlen)", "have it made anew by a CA that may, or give the intermediate CA as {ca}",
        "une autorité l'a émis qui ne peut être si loin de sa racine (pathlen)", "faites-le refaire par une autorité qui le peut, ou donnez l'autorité intermédiaire par {ca}"),
    Row(FORM, (32,), "what issued it may not sign certificates (key usage keyCertSign)", "have that made anew with keyCertSign, or give the server's own certificate as {ca}",
        "ce qui l'a émis ne peut pas signer de certificats (key usage keyCertSign)", "faites refaire celui-là avec keyCertSign, ou donnez le certificat même du serveur par {ca}"),
    Row(FORM, (26, 37), "it or its CA is not made for a server (extended key usage serverAuth)", "have it made anew for serverAuth",
        "lui ou son autorité n'est pas fait pour un serveur (extended key usage serverAuth)", "faites-le refaire pour serverAuth"),
    Row(FORM, (34, 41, 42, 45), "it holds an extension that counts as critical and is not understood here", "have it made anew without",
        "il contient une extension critique qui n'est pas comprise ici", "faites-le refaire sans elle"),
    Row(FORM, (47, 48, 49, 51, 52, 53), "its CA may not issue certificates for this name (name constraints)", "have it made anew by a CA that may",
        "son autorité ne peut émettre de certificat pour ce nom (name constraints)", "faites-le refaire par une autorité qui le peut"),
    Row(FORM, (22,), "too many CAs stand between it and its root", "give the nearest of them as {ca}",
        "trop d'autorités le séparent de sa racine", "donnez la plus proche par {ca}"),
    Row(FORM, (85, 90), "it lacks an Authority Key Identifier, or has a wrong one", "have it made anew with one (RFC 5280, 4.2.1.1; with openssl: authorityKeyIdentifier=keyid)",
        "il lui manque un Authority Key Identifier correct", "faites-le refaire avec (RFC 5280, 4.2.1.1 ; avec openssl : authorityKeyIdentifier=keyid)"),
    Row(FORM, (86, 91), "its CA lacks a Subject Key Identifier, or has a wrong one", "have the CA made anew with one (RFC 5280, 4.2.1.2; with openssl: subjectKeyIdentifier=hash)",
        "il manque à son autorité un Subject Key Identifier correct", "faites refaire l'autorité avec (RFC 5280, 4.2.1.2 ; avec openssl : subjectKeyIdentifier=hash)"),
    Row(FORM, (80, 81, 82, 83, 84, 87, 88, 89, 92, 93), "it or its CA is not of the form that RFC 5280 asks for", "have it made anew in that form",
        "lui ou son autorité n'a pas la forme que veut le RFC 5280", "faites-le refaire dans cette forme"),
    Row(FORM, (23,), "it is revoked", _RENEW, "il est révoqué", _RENEW_FR),
)  # fmt: skip
_OTHER = Row(
    OTHER,
    (),
    "OpenSSL does not accept it",
    "whoever runs the server looks at it",
    "OpenSSL ne l'accepte pas",
    "l'exploitant du serveur l'examine",
)
_BY_CODE = {code: row for row in ROWS for code in row.codes}
_PINNED = (
    "something stands between this hub and its backend, or the owner has a new CA and signs it into the trust document"
)
_PINNED_FR = "quelque chose s'interpose entre ce concentrateur et son serveur, ou le propriétaire a une nouvelle autorité, et la signe dans le document de confiance"


class Refusal(NamedTuple):
    """A certificate that OpenSSL refused: its number of the cause and its own words."""

    code: int
    openssl: str

    @property
    def kind(self) -> str:
        """STRANGER, DATES, NAME, WEAK, FORM or OTHER."""
        return self._row.kind

    @property
    def cause(self) -> str:
        """A clause whose subject is the certificate, with OpenSSL's words."""
        return f"{self._row.cause} ({self.words})"

    @property
    def words(self) -> str:
        """OpenSSL's own, with its number, to look up."""
        return f"OpenSSL {self.code}: {self.openssl[:_LONGEST]}"

    @property
    def passing(self) -> bool:
        """May it be over without anybody's doing: a clock that is set, a certificate that is renewed?"""
        return self.kind == DATES

    def remedy(self, ca: str = _CA) -> str:
        """Who does what; `ca` names the option of the CA file."""
        return self._row.remedy.format(ca=ca)

    def told(self, ca: str = _CA) -> str:
        """Cause and remedy, to follow "a certificate that is refused:"."""
        return f"{self.cause}: {self.remedy(ca)}"

    def told_of_owner(self) -> str:
        """The same of a host of the owner's, whose CA stands in the trust document."""
        return f"{self.cause}: {self.remedy_of_owner()}"

    def remedy_of_owner(self) -> str:
        """Who does what about a host of the owner's."""
        return _PINNED if self.kind == STRANGER else self.remedy("the CA in the owner's trust document")

    @property
    def _row(self) -> Row:
        return _BY_CODE.get(self.code, _OTHER)


def french() -> Iterator[tuple[str, str]]:
    """(pattern, French) of each sentence that `told` and `told_of_owner` make, for `hub.i18n.plugin_errors`."""
    for row in (*ROWS, _OTHER):
        said = re.escape(row.cause) + r" \(OpenSSL (?P<n>\d+): .*?\): "
        remedy = re.escape(row.remedy).replace(re.escape("{ca}"), r"(?P<a>.+?)")
        if row.kind == STRANGER:
            yield said + re.escape(_PINNED), f"{row.french}, code {{n}} d'OpenSSL : {_PINNED_FR}"
        yield said + remedy, f"{row.french}, code {{n}} d'OpenSSL : {row.french_remedy.replace('{ca}', '{a}')}"
