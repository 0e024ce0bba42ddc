"""Reads the validity period of a certificate and nothing else: RFC 5280, section 4.1, in DER (ITU-T X.690).

    Certificate     SEQUENCE { TBSCertificate, … }
    TBSCertificate  SEQUENCE { [0] version (may be missing), serial, algorithm, issuer, validity, … }
    validity        SEQUENCE { notBefore, notAfter }, each UTCTime YYMMDDhhmmssZ or GeneralizedTime YYYYMMDDhhmmssZ

Nothing is verified: this is for the hub's own certificate, which was verified on receipt. `cryptography.x509` reads
these dates too, but would be imported for them alone, which costs 2 MiB of memory.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import msgspec

from hub.core.text import phrase

_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_BEFORE_VALIDITY = 3  # serial, algorithm, issuer


class Validity(msgspec.Struct, frozen=True):
    """The validity period of a certificate, Unix seconds."""

    begin: float
    end: float

    @property
    def renew_at(self) -> float:
        return self.begin + (self.end - self.begin) * 2 / 3

    def due(self, now: float) -> bool:
        return now >= self.renew_at


def validity(pem: str) -> tuple[float, float]:
    """Return the validity period (Unix seconds) of the first certificate in `pem`. Raises ValueError."""
    try:
        return _validity(pem)
    except ValueError as error:
        raise ValueError(phrase("not-a-certificate", "this is not a certificate, or a damaged one")) from error


def _validity(pem: str) -> tuple[float, float]:
    begin, end = pem.find(ssl.PEM_HEADER), pem.find(ssl.PEM_FOOTER)
    der = ssl.PEM_cert_to_DER_cert(pem[max(begin, 0) : end + len(ssl.PEM_FOOTER)])
    tbs, _ = _open(_open(der, _SEQUENCE)[0], _SEQUENCE)
    if tbs[:1] == bytes([_VERSION]):
        _, tbs = _open(tbs)
    for _ in range(_BEFORE_VALIDITY):
        _, tbs = _open(tbs)
    dates, _ = _open(tbs, _SEQUENCE)
    before, rest = _date(dates)
    after, _ = _date(rest)
    return before, after


def _open(data: bytes, tag: int | None = None) -> tuple[bytes, bytes]:
    """Return the content of the first element, and the bytes after it."""
    if len(data) < 2 or (tag is not None and data[0] != tag):
        raise ValueError(phrase("certificate-other-element", "another element stands here"))
    at, size = 2, data[1]
    if size & 0x80:
        at, size = 2 + (size & 0x7F), int.from_bytes(data[2 : 2 + (size & 0x7F)])
    if at + size > len(data):
        raise ValueError(phrase("certificate-cut-short", "it is cut short"))
    return data[at : at + size], data[at + size :]


def _date(data: bytes) -> tuple[float, bytes]:
    text, rest = _open(data)
    digits = text.decode("ascii")
    if data[0] == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif data[0] != _GENERALIZED_TIME:
        raise ValueError(phrase("certificate-date-unreadable", "this is not a date"))
    if len(digits) != 15 or digits[14] != "Z" or not digits[:14].isdigit():
        raise ValueError(
            phrase("certificate-date-unreadable", "this is not a date")
        )  # RFC 5280, 4.1.2.5: with seconds, in UTC
    year, month, day, hour, minute, second = int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp(), rest
