"""Which certificates are accepted and why others are refused, against real TLS servers: alike on each Python."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.core import tls
from hub.core.tls.causes import DATES, FORM, NAME, OTHER, ROWS, STRANGER, WEAK, Refusal
from hub.i18n.catalogues import is_translated, translate
from tests.certificates import DAY, NOW, Made, files, made, serving

Case = tuple[Made, Made]  # whom the client trusts, what the server shows
CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
CRITICAL = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
NOT_LOOPBACK = x509.NameConstraints(None, [x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))])


def root(**more: object) -> Made:
    return made("root", **{"ca": True, "may_sign": True, **more})  # type: ignore[arg-type]


def leaf(issuer: Made, **more: object) -> Made:
    return made("server", issuer, **{"ca": False, **more})  # type: ignore[arg-type]


def of(issuer: Made, **more: object) -> Case:
    """Its issuer is trusted."""
    return issuer, leaf(issuer, **more)


def below(above: Made, **more: object) -> Case:
    """By an intermediate CA, which the server sends, of a root that is trusted."""
    return above, leaf(made("between", above, **{"ca": True, **more}))  # type: ignore[arg-type]


def unsent(above: Made) -> Case:
    shown = leaf(made("between", above, ca=True))
    return above, Made(shown.certificate, shown.key)


def with_its_root(stranger: Made) -> Case:
    shown = leaf(stranger)
    return root(), Made(shown.certificate, shown.key, (shown.certificate, stranger.certificate))


def twice(one: Made) -> Case:
    return one, one


ACCEPTED: dict[str, Callable[[], Case]] = {
    "a CA of all that RFC 5280 asks": lambda: of(root()),
    "no authority key identifier": lambda: of(root(identifiers=False), identifiers=False),
    "basicConstraints that are not critical": lambda: of(root(constraints_critical=False)),
    "a CA without key usage": lambda: of(root(may_sign=None)),
    "a CA without basicConstraints, with key usage": lambda: of(root(ca=None)),
    "an intermediate CA that is sent": lambda: below(root()),
    "an intermediate CA that is trusted itself": lambda: of(made("between", root(), ca=True)),
    "the server's own certificate, by another CA": lambda: twice(leaf(root())),
    "the server's own certificate, signed by itself": lambda: twice(made("server", ca=None)),
    "signed by itself, and no CA": lambda: twice(made("server", ca=False)),
}
REFUSED: dict[str, tuple[Callable[[], Case], int, str]] = {
    "by another CA": (lambda: (root(), leaf(made("other", ca=True))), 20, STRANGER),
    "by another CA, which is sent": (lambda: with_its_root(made("other", ca=True)), 19, STRANGER),
    "signed by itself": (lambda: (root(), made("server", ca=False)), 18, STRANGER),
    "an intermediate CA that is not sent": (lambda: unsent(root()), 20, STRANGER),
    "a CA of that name and another key": (
        lambda: (root(identifiers=False), leaf(root(identifiers=False), identifiers=False)), 7, STRANGER
    ),
    "expired": (lambda: of(root(), start=NOW - 2 * DAY, end=NOW - DAY), 10, DATES),
    "an expired CA": (lambda: of(root(start=NOW - 2 * DAY, end=NOW - DAY)), 10, DATES),
    "not good yet": (lambda: of(root(), start=NOW + DAY / 2, end=NOW + DAY), 9, DATES),
    "another address": (lambda: of(root(), names=("192.0.2.1",)), 64, NAME),
    "no name": (lambda: of(root(), names=()), 64, NAME),
    "RSA of 1024 bits": (lambda: of(root(), bits=1024), 66, WEAK),
    "a CA with RSA of 1024 bits": (lambda: of(root(bits=1024)), 67, WEAK),
    "a CA that is none": (lambda: below(root(), ca=False), 79, FORM),
    "a CA that does not say so": (lambda: below(root(), ca=None), 79, FORM),
    "a root that does not say so": (lambda: of(root(ca=None, may_sign=None)), 79, FORM),
    "a CA that may not sign": (lambda: below(root(), may_sign=False), 79, FORM),
    "a CA too far down": (lambda: below(root(pathlen=0)), 25, FORM),
    "for clients": (lambda: of(root(), use=CLIENT_ONLY), 26, FORM),
    "a critical extension that nobody knows": (lambda: of(root(), extra=((CRITICAL, True),)), 34, FORM),
    "a CA that may not issue this name": (lambda: of(root(extra=((NOT_LOOPBACK, True),))), 48, FORM),
}  # fmt: skip


def shaken(context: ssl.SSLContext, port: int, host: str = "127.0.0.1") -> str:
    """The TLS version that is agreed on."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname=host) as secure,
    ):
        return str(secure.version())


def judged(context: ssl.SSLContext, shown: Made, directory: Path) -> Refusal | None:
    with serving(shown, directory) as port:
        try:
            shaken(context, port)
        except ssl.SSLCertVerificationError as error:
            return tls.refusal(error)
    return None


@pytest.mark.real("network")
@pytest.mark.parametrize("case", ACCEPTED)
def test_what_a_customer_has_is_accepted(tmp_path: Path, case: str) -> None:
    trusted, shown = ACCEPTED[case]()
    assert judged(tls.client(trusted.pem), shown, tmp_path) is None


@pytest.mark.real("network")
@pytest.mark.parametrize("case", REFUSED)
def test_what_proves_nothing_is_refused_and_its_cause_named(tmp_path: Path, case: str) -> None:
    make, code, kind = REFUSED[case]
    trusted, shown = make()
    found = judged(tls.client(trusted.pem), shown, tmp_path)
    assert found is not None
    assert (found.code, found.kind, found.passing) == (code, kind, kind == DATES)
    assert ("clock" in found.told()) is (kind == DATES)


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("flag", "case", "caught"),
    [
        (ssl.VERIFY_X509_STRICT, "no authority key identifier", (85, FORM)),  # the default of Python 3.13
        (ssl.VERIFY_X509_STRICT, "basicConstraints that are not critical", (89, FORM)),
        (ssl.VERIFY_X509_STRICT, "a CA without key usage", (92, FORM)),
        (0, "an intermediate CA that is trusted itself", (2, STRANGER)),  # the default of Python 3.12
        (0, "the server's own certificate, by another CA", (20, STRANGER)),
    ],
)
def test_a_context_with_the_defaults_of_one_python_is_caught(
    tmp_path: Path, flag: int, case: str, caught: tuple[int, str]
) -> None:
    trusted, shown = ACCEPTED[case]()
    twin = tls.client(trusted.pem)
    twin.verify_flags = ssl.VerifyFlags(flag) | ssl.VERIFY_X509_TRUSTED_FIRST
    found = judged(twin, shown, tmp_path)
    assert found is not None
    assert (found.code, found.kind) == caught


@pytest.mark.real("network, processes")
def test_a_signature_by_sha_1_is_refused_and_named(tmp_path: Path) -> None:
    above = root()
    shown = leaf(above)
    (tmp_path / "leaf.pem").write_text(shown.pem)
    (tmp_path / "root.pem").write_text(above.pem)
    _, key = files(above, tmp_path, "root")
    done = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "leaf.pem", "-CA", tmp_path / "root.pem", "-CAkey", key, "-sha1"],
        capture_output=True,
        check=True,
    )
    weak = x509.load_pem_x509_certificate(done.stdout)
    found = judged(tls.client(above.pem), Made(weak, shown.key, (weak,)), tmp_path)
    assert found is not None
    assert (found.code, found.kind) == (68, WEAK)
    assert "SHA-256" in found.told()


@pytest.mark.real("network")
def test_without_dates_only_dates_are_not_looked_at(tmp_path: Path) -> None:
    for case in ("expired", "an expired CA", "not good yet"):
        trusted, shown = REFUSED[case][0]()
        assert judged(tls.client(trusted.pem, dates=False), shown, tmp_path) is None
    for case in ("by another CA", "another address", "a CA that is none"):
        trusted, shown = REFUSED[case][0]()
        assert judged(tls.client(trusted.pem, dates=False), shown, tmp_path) is not None


def test_what_a_context_checks_is_said_and_left_to_no_version_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/tmp/ilot-must-not-be")
    made = tls.client(root().pem)
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert made.verify_flags == ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.client(oldest=ssl.TLSVersion.TLSv1_3).minimum_version is ssl.TLSVersion.TLSv1_3
    assert made.security_level == 2
    assert made.keylog_filename is None
    assert not Path("/tmp/ilot-must-not-be").exists()
    old = [one for one in made.get_ciphers() if one["protocol"] == "TLSv1.2"]
    assert {one["kea"] for one in old} == {"kx-ecdhe", "kx-dhe"}, "forward secrecy"
    assert {one["auth"] for one in old} <= {"auth-rsa", "auth-ecdsa"}
    assert not {one["name"] for one in old if one["name"].endswith("-SHA")}
    serves = tls.server()
    assert [one["name"] for one in serves.get_ciphers()] == [one["name"] for one in made.get_ciphers()]
    assert serves.verify_mode is ssl.CERT_NONE
    blind = tls.unverified()
    assert (blind.verify_mode, blind.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.real("network")
@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-SHA"])
def test_a_server_without_forward_secrecy_is_refused(tmp_path: Path, cipher: str) -> None:
    trusted, shown = of(root(), bits=2048)
    with (
        serving(shown, tmp_path, ciphers=cipher, oldest=True) as port,
        pytest.raises(ssl.SSLError, match=r"(?i)handshake"),
    ):
        shaken(tls.client(trusted.pem), port)


@pytest.mark.real("network")
def test_a_server_of_tls_1_2_is_reached_by_who_may_and_not_by_who_must_speak_1_3(tmp_path: Path) -> None:
    trusted, shown = of(root())
    with serving(shown, tmp_path, oldest=True) as port:
        assert shaken(tls.client(trusted.pem), port) == "TLSv1.2"
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            shaken(tls.client(trusted.pem, oldest=ssl.TLSVersion.TLSv1_3), port)
    with serving(shown, tmp_path) as port:
        assert shaken(tls.client(trusted.pem, newest=ssl.TLSVersion.TLSv1_2), port) == "TLSv1.2"


@pytest.mark.parametrize(
    "given", ["no certificate", "é", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_ca_is_refused_at_once(given: str) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        tls.client(given)


@pytest.mark.real("network")
def test_why_is_found_behind_an_error_that_hides_it_and_of_no_other(tmp_path: Path) -> None:
    trusted, shown = REFUSED["signed by itself"][0]()
    with serving(shown, tmp_path) as port:
        try:
            try:
                shaken(tls.client(trusted.pem), port)
            except OSError as error:
                raise RuntimeError(str(error)) from None  # as aiomqtt does
        except RuntimeError as hidden:
            found = tls.refusal(hidden)
    assert found is not None
    assert found.code == 18
    assert tls.refusal(OSError("Connection refused")) is None
    assert tls.refusal(None) is None


def test_each_cause_is_told_with_openssls_words_and_in_french() -> None:
    codes = [code for row in ROWS for code in row.codes]
    assert len(codes) == len(set(codes))
    for code in (*codes, 999):
        found = Refusal(code, "its own words (here)")
        assert (found.kind == OTHER) is (code == 999)
        for said in (found.told("notifiers.email.ca"), found.told_of_owner()):
            assert f"(OpenSSL {code}: its own words (here)): " in said
            assert said.code == "certificate-refusal"
            told = translate(said, "fr")
            assert f"(OpenSSL {code}\u00a0: its own words (here))\u00a0: " in told
            assert ("notifiers.email.ca" in told) is ("notifiers.email.ca" in said)
            assert all(is_translated(said.params[part], "fr") for part in ("cause", "words", "remedy"))


def test_a_sentence_about_a_host_of_the_owners_names_no_option() -> None:
    for row in ROWS:
        assert "`ca`" not in Refusal(row.codes[0], "x").told_of_owner()
