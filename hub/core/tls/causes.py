"""Causes for which OpenSSL refuses a certificate, by its number, in words: the cause, and who does what. Pure.

The numbers are those of X509_V_ERR_… in OpenSSL's x509_vfy.h, from 1.1.1 to 3.5. A sentence says cause, remedy and
OpenSSL's own words, so that whoever runs the other end can look them up.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.core.text import Phrase, of_table, phrase

# ruff: noqa: E501 - a table is read across
STRANGER, DATES, NAME, WEAK, FORM, OTHER = "stranger", "dates", "name", "weak", "form", "other"
"""Kinds of cause: who issued it is not trusted here; its dates and the clock; the name it is for; keys and hashes that
are too weak; how it is made; anything else."""
EXPIRED, NOT_YET = 10, 9
_CA = "`ca`"
_LONGEST = 200


class Row(NamedTuple):
    """A cause and its remedy, by the codes of their sentences in PHRASES."""

    kind: str
    codes: tuple[int, ...]
    cause: str
    remedy: str


PREFIX = "certificate-"
PHRASES = {
    "unknown-issuer": "no CA that is trusted here issued it",
    "remedy-give-issuing-ca": "give the CA that issued it as {ca}; an intermediate one that the server does not send counts too",
    "self-signed": "it is signed by itself, and is not trusted here",
    "remedy-trust-if-right": "if it is the right one, give it as {ca}",
    "unknown-root": "its root CA is not trusted here",
    "issuer-with-other-key": "a CA of the same name is trusted here, but another key signed it",
    "remedy-give-new-ca": "if the CA has a new key, give its new certificate as {ca}",
    "expired": "it or its CA has expired, by this machine's clock",
    "remedy-server-renews": "whoever runs the server renews it",
    "not-yet-valid": "it or its CA is not good yet, by this machine's clock",
    "remedy-set-clock": "let the clock reach a time server; if it is right, the certificate is dated ahead",
    "dates-unreadable": "its dates cannot be read",
    "remedy-server-makes-anew": "whoever runs the server has it made anew",
    "other-name": "it is for another name",
    "remedy-right-name": "call the server by a name in its certificate, or have one made for this name",
    "weak-key": "its key is too weak",
    "remedy-stronger-key": "have it made anew with a key of RSA 2048 bits or ECDSA P-256 at least",
    "weak-ca-key": "the key of its CA is too weak",
    "remedy-stronger-ca-key": "have it made anew by a CA with a key of RSA 2048 bits or ECDSA P-256 at least",
    "weak-hash": "it or its CA is signed with a withdrawn hash, such as SHA-1 or MD5",
    "remedy-with-sha256": "have it made anew with SHA-256",
    "kind-of-key-refused": "its key or signature is of a kind that is not accepted",
    "remedy-with-rsa-or-ecdsa": "have it made anew with RSA and SHA-256, or ECDSA P-256",
    "issuer-not-ca": "what issued it does not say that it is a CA (basicConstraints CA:TRUE, key usage keyCertSign)",
    "remedy-issuer-as-ca": "have that made anew as a CA, or give the server's own certificate as {ca}",
    "issuer-too-far": "a CA issued it that may not be so far from its root (pathlen)",
    "remedy-other-ca": "have it made anew by a CA that may, or give the intermediate CA as {ca}",
    "issuer-may-not-sign": "what issued it may not sign certificates (key usage keyCertSign)",
    "remedy-issuer-may-sign": "have that made anew with keyCertSign, or give the server's own certificate as {ca}",
    "not-for-servers": "it or its CA is not made for a server (extended key usage serverAuth)",
    "remedy-for-servers": "have it made anew for serverAuth",
    "critical-extension": "it holds an extension that counts as critical and is not understood here",
    "remedy-without-extension": "have it made anew without",
    "name-constraints": "its CA may not issue certificates for this name (name constraints)",
    "remedy-ca-that-may": "have it made anew by a CA that may",
    "chain-too-long": "too many CAs stand between it and its root",
    "remedy-nearest-ca": "give the nearest of them as {ca}",
    "without-authority-key-id": "it lacks an Authority Key Identifier, or has a wrong one",
    "remedy-with-authority-key-id": "have it made anew with one (RFC 5280, 4.2.1.1; with openssl: authorityKeyIdentifier=keyid)",
    "ca-without-subject-key-id": "its CA lacks a Subject Key Identifier, or has a wrong one",
    "remedy-ca-key-id": "have the CA made anew with one (RFC 5280, 4.2.1.2; with openssl: subjectKeyIdentifier=hash)",
    "form-not-rfc5280": "it or its CA is not of the form that RFC 5280 asks for",
    "remedy-form-rfc5280": "have it made anew in that form",
    "revoked": "it is revoked",
    "not-accepted": "OpenSSL does not accept it",
    "remedy-server-looks": "whoever runs the server looks at it",
}
"""Causes, whose subject is the certificate, and remedies. `{ca}` is the option that names the CA."""
ROWS = (
    Row(STRANGER, (2, 20, 21, 27), "unknown-issuer", "remedy-give-issuing-ca"),
    Row(STRANGER, (18,), "self-signed", "remedy-trust-if-right"),
    Row(STRANGER, (19,), "unknown-root", "remedy-trust-if-right"),
    Row(STRANGER, (4, 6, 7), "issuer-with-other-key", "remedy-give-new-ca"),
    Row(DATES, (EXPIRED,), "expired", "remedy-server-renews"),
    Row(DATES, (NOT_YET,), "not-yet-valid", "remedy-set-clock"),
    Row(FORM, (13, 14), "dates-unreadable", "remedy-server-makes-anew"),
    Row(NAME, (62, 64), "other-name", "remedy-right-name"),
    Row(WEAK, (66,), "weak-key", "remedy-stronger-key"),
    Row(WEAK, (67,), "weak-ca-key", "remedy-stronger-ca-key"),
    Row(WEAK, (68,), "weak-hash", "remedy-with-sha256"),
    Row(WEAK, (76, 77, 78, 94), "kind-of-key-refused", "remedy-with-rsa-or-ecdsa"),
    Row(FORM, (24, 79), "issuer-not-ca", "remedy-issuer-as-ca"),
    Row(FORM, (25, 38), "issuer-too-far", "remedy-other-ca"),
    Row(FORM, (32,), "issuer-may-not-sign", "remedy-issuer-may-sign"),
    Row(FORM, (26, 37), "not-for-servers", "remedy-for-servers"),
    Row(FORM, (34, 41, 42, 45), "critical-extension", "remedy-without-extension"),
    Row(FORM, (47, 48, 49, 51, 52, 53), "name-constraints", "remedy-ca-that-may"),
    Row(FORM, (22,), "chain-too-long", "remedy-nearest-ca"),
    Row(FORM, (85, 90), "without-authority-key-id", "remedy-with-authority-key-id"),
    Row(FORM, (86, 91), "ca-without-subject-key-id", "remedy-ca-key-id"),
    Row(FORM, (80, 81, 82, 83, 84, 87, 88, 89, 92, 93), "form-not-rfc5280", "remedy-form-rfc5280"),
    Row(FORM, (23,), "revoked", "remedy-server-makes-anew"),
)
_OTHER = Row(OTHER, (), "not-accepted", "remedy-server-looks")
_BY_CODE = {code: row for row in ROWS for code in row.codes}
_PINNED = phrase(
    "certificate-remedy-of-owner",
    "something stands between this hub and its backend, or the owner has a new CA and signs it into the trust document",
)


class Refusal(NamedTuple):
    """A certificate that OpenSSL refused: its number of the cause and its own words."""

    code: int
    openssl: str

    @property
    def kind(self) -> str:
        """STRANGER, DATES, NAME, WEAK, FORM or OTHER."""
        return self._row.kind

    @property
    def cause(self) -> Phrase:
        """A clause whose subject is the certificate, with OpenSSL's words."""
        return phrase("certificate-cause", "{cause} ({words})", cause=_said(self._row.cause), words=self.words)

    @property
    def words(self) -> Phrase:
        """OpenSSL's own, with its number, to look up."""
        return phrase("openssl-words", "OpenSSL {number}: {words}", number=self.code, words=self.openssl[:_LONGEST])

    @property
    def passing(self) -> bool:
        """May it be over without anybody's doing: a clock that is set, a certificate that is renewed?"""
        return self.kind == DATES

    def remedy(self, ca: str = _CA) -> Phrase:
        """Who does what; `ca` names the option of the CA file."""
        return _said(self._row.remedy, ca=ca)

    def told(self, ca: str = _CA) -> Phrase:
        """Cause and remedy, to follow "a certificate that is refused:"."""
        return self._whole(self.remedy(ca))

    def told_of_owner(self) -> Phrase:
        """The same of a host of the owner's, whose CA stands in the trust document."""
        return self._whole(self.remedy_of_owner())

    def remedy_of_owner(self) -> Phrase:
        """Who does what about a host of the owner's."""
        if self.kind == STRANGER:
            return _PINNED
        return self.remedy(phrase("ca-of-trust-document", "the CA in the owner's trust document"))

    def _whole(self, remedy: Phrase) -> Phrase:
        return phrase(
            "certificate-refusal",
            "{cause} ({words}): {remedy}",
            cause=_said(self._row.cause),
            words=self.words,
            remedy=remedy,
        )

    @property
    def _row(self) -> Row:
        return _BY_CODE.get(self.code, _OTHER)


def _said(code: str, **params: str) -> Phrase:
    return of_table(f"{PREFIX}{code}", PHRASES[code], **params)
