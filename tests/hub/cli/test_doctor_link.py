"""`ilot doctor link` names the stage that fails, each made to fail by a real other end."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.processes.ingest_process import serving
from backend.storage.opening import open_storage
from hub.cli.doctor import link_check
from hub.cli.doctor.link_stages import Route, run_stages
from hub.core import tls
from hub.core.tls.causes import DATES
from hub.identity import enrolment
from hub.operations.doctor.findings import NOTE, OK, WRONG, Finding
from hub.protocol.documents.trust import Egress as Declared
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import Egress
from tests.hub.core.test_tls import ACCEPTED, REFUSED
from tests.hub.store_and_forward.test_egress import Authority

from ...certificates import DAY, NOW, Made, made
from ...certificates import serving as serving_made
from ...ports import free_port
from ...proxy import proxy


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def server(certificate: tuple[Path, Path], answer: bytes = b"", *, oldest: bool = False) -> Iterator[int]:
    """A TLS server that gives everybody the same answer. Its port. `oldest`: it knows TLS 1.2 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if oldest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(120)

    def serve() -> None:
        while True:
            try:
                plain = listener.accept()[0]
            except OSError:
                return
            with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as secure:
                if answer and secure.recv(4096):
                    secure.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def look(
    ca: Authority | Made, port: int, host: str = "127.0.0.1", proxy_url: str | None = None, kept: bool | None = None
) -> list[Finding]:
    """With the context that a running hub has for it."""
    trust = Trust(version=1, owner="o", recipients=(), ack_keys=(), egress=(Declared(host, port, ca.pem),))
    context = Egress(trust, ManualClock()).connection(f"https://{host}:{port}").context
    assert context is not None
    return list(run_stages(Route(host, port, context, proxy_url, "hub-a", NOW.timestamp(), synchronised=kept)))


def fails(found: list[Finding]) -> Finding:
    """The last, and only, finding that is wrong."""
    assert [finding.state for finding in found[:-1]] == [OK] * (len(found) - 1)
    assert found[-1].state == WRONG
    assert found[-1].remedy
    return found[-1]


def test_a_name_without_an_address_is_dns(ca: Authority) -> None:
    failure = fails(look(ca, 443, host="backend.invalid"))
    assert failure.what == "DNS"
    assert "backend.invalid" in failure.says


@pytest.mark.real("network")
def test_a_port_where_nobody_listens_is_tcp(ca: Authority) -> None:
    failure = fails(look(ca, free_port()))
    assert failure.what == "TCP"
    assert "refused" in failure.says


@pytest.mark.real("network")
def test_another_ca_is_interception_and_is_named(ca: Authority, tmp_path: Path) -> None:
    (tmp_path / "town").mkdir()
    town = Authority(tmp_path / "town", "Town firewall CA")
    with server(town.issue("backend")) as port:
        failure = fails(look(ca, port))
    assert failure.what == "TLS interception"
    assert "CN=Town firewall CA" in failure.says


@pytest.mark.real("network")
def test_a_certificate_that_ended_and_one_for_another_host_are_the_certificate(ca: Authority) -> None:
    with server(ca.issue("backend", start=NOW - 2 * DAY, end=NOW - DAY)) as port:
        failure = fails(look(ca, port))
        assert failure.what == "certificate"
        assert f"ended {NOW - DAY:%Y-%m-%d}" in failure.says
    with server(ca.issue("backend", host="192.0.2.1")) as port:
        failure = fails(look(ca, port))
        assert failure.what == "certificate"
        assert "not good for 127.0.0.1" in failure.says


@pytest.mark.real("network")
def test_a_certificate_that_has_not_begun_is_the_clock(ca: Authority) -> None:
    with server(ca.issue("backend", start=NOW + DAY / 2, end=NOW + DAY)) as port:
        failure = fails(look(ca, port))
    assert failure.what == "clock"
    assert f"clock says {NOW:%Y-%m-%d}" in failure.says


@pytest.mark.real("network")
@pytest.mark.parametrize("case", ACCEPTED)
def test_what_a_running_hub_accepts_passes(tmp_path: Path, case: str) -> None:
    trusted, shown = ACCEPTED[case]()
    with serving_made(shown, tmp_path) as port:
        found = look(trusted, port)
    assert [(one.what, one.state) for one in found[:2]] == [("connection", OK), ("TLS", OK)]


@pytest.mark.real("network")
@pytest.mark.parametrize("kept", [True, False, None])
@pytest.mark.parametrize("case", REFUSED)
def test_each_cause_is_named_with_openssls_words_and_its_remedy(tmp_path: Path, case: str, kept: bool | None) -> None:
    make, code, kind = REFUSED[case]
    trusted, shown = make()
    with serving_made(shown, tmp_path) as port:
        failure = fails(look(trusted, port, kept=kept))
    assert f"OpenSSL {code}: " in failure.says
    told = f"{failure.what} {failure.says} {failure.remedy}"
    assert ("clock" in told) is (kind == DATES), "the clock where dates are the cause, and nowhere else"
    assert ("renews" in failure.remedy) <= (kind == DATES)
    if kept:
        assert "clock" not in failure.what + failure.remedy, "a time server keeps it: it is right"
    expected = {
        "by another CA": "TLS interception", "signed by itself": "TLS interception",
        "by another CA, which is sent": "TLS interception", "an intermediate CA that is not sent": "TLS interception",
        "not good yet": "certificate" if kept else "clock",
    }  # fmt: skip
    assert failure.what == expected.get(case, "certificate")


@pytest.mark.real("network")
def test_whose_dates_do_not_hold_is_told(tmp_path: Path) -> None:
    for case, whose in (("expired", "the backend's certificate ended"), ("an expired CA", "the owner's CA ended")):
        trusted, shown = REFUSED[case][0]()
        with serving_made(shown, tmp_path) as port:
            assert fails(look(trusted, port)).says.startswith(f"{whose} {NOW - DAY:%Y-%m-%d}")
    above = made("root", ca=True)
    shown = made("server", made("between", above, ca=True, start=NOW - 2 * DAY, end=NOW - DAY), ca=False)
    with serving_made(shown, tmp_path) as port:
        assert fails(look(above, port)).says.startswith("a CA between")


@pytest.mark.real("network")
def test_a_new_key_of_a_ca_is_told_from_a_stranger_and_the_names_of_a_certificate_are_shown(tmp_path: Path) -> None:
    trusted, shown = REFUSED["a CA of that name and another key"][0]()
    with serving_made(shown, tmp_path) as port:
        failure = fails(look(trusted, port))
    assert "CN=root is the name of the owner's CA, but another key signed" in failure.says
    trusted, shown = REFUSED["another address"][0]()
    with serving_made(shown, tmp_path) as port:
        assert "is for 192.0.2.1, not good for 127.0.0.1" in fails(look(trusted, port)).says


@pytest.mark.real("network")
def test_a_missing_key_identifier_is_named_where_something_insists_on_it(tmp_path: Path) -> None:
    """As `ssl.create_default_context` of Python 3.13 does, which the hub does not use."""
    trusted, shown = ACCEPTED["no authority key identifier"]()
    strict = tls.client(trusted.pem)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with serving_made(shown, tmp_path) as port:
        failure = fails(list(run_stages(Route("127.0.0.1", port, strict, None, "hub-a", NOW.timestamp()))))
    assert failure.what == "certificate"
    assert "it lacks an Authority Key Identifier" in failure.says
    assert "(OpenSSL 85: Missing Authority Key Identifier)" in failure.says
    assert "authorityKeyIdentifier=keyid" in failure.remedy
    assert "clock" not in str(failure)


@pytest.mark.real("network")
def test_an_old_tls_and_no_tls_are_tls(ca: Authority) -> None:
    with server(ca.issue("backend"), oldest=True) as port:
        assert fails(look(ca, port)).what == "TLS"
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert fails(look(ca, listener.getsockname()[1])).what == "TLS"
        thread.join()


@pytest.mark.real("network")
def test_the_proxy_is_named_when_it_is_gone_when_it_refuses_and_when_it_wants_other_credentials(ca: Authority) -> None:
    assert fails(look(ca, 443, proxy_url=f"http://127.0.0.1:{free_port()}")).what == "proxy"
    with proxy("hub:right") as between:
        wrong = fails(look(ca, 443, proxy_url=between.address.replace("//", "//hub:wrong-canary@")))
        assert (wrong.what, "407" in wrong.says) == ("proxy", True)
        assert "canary" not in f"{wrong}"
        between.refuses = True
        refused = fails(look(ca, 443, proxy_url=between.address.replace("//", "//hub:right@")))
        assert (refused.what, "403" in refused.says) == ("proxy", True)
    with server(ca.issue("backend")) as port:  # a port that speaks something else
        assert fails(look(ca, 443, proxy_url=f"http://127.0.0.1:{port}")).what == "proxy"


@pytest.mark.real("network")
def test_what_is_no_backend_and_a_clock_that_differs_are_told(ca: Authority) -> None:
    date = f"{NOW - DAY:%a, %d %b %Y %H:%M:%S} GMT"
    page = f"HTTP/1.1 500 Oops\r\nDate: {date}\r\nContent-Length: 4\r\n\r\nwell".encode()
    with server(ca.issue("backend"), page) as port:
        found = look(ca, port)
    clock = next(finding for finding in found if finding.what == "clock")
    assert "ahead of the backend's" in clock.says
    assert (found[-1].what, found[-1].state) == ("admission", WRONG)
    assert "500" in found[-1].says


def ilot(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments, "--json"], capture_output=True, timeout=300, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, {found["what"]: found for found in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("days", "state", "word"),
    [(0, OK, "good until"), (200, NOTE, "due for renewal"), (300, WRONG, "lapsed on"), (-600, WRONG, "not good yet")],
)
def test_the_hubs_own_certificate_is_named_when_it_lapsed_or_soon_will(
    ca: Authority, days: int, state: str, word: str
) -> None:
    certificate, _ = ca.issue("hub-a", start=NOW - 500 * DAY, end=NOW + 300 * DAY)
    (found,) = link_check._certificate(certificate, (NOW + days * DAY).timestamp())
    assert (found.what, found.state) == ("certificate", state)
    assert word in found.says


def test_a_certificate_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (found,) = link_check._certificate(tmp_path / "tls.crt", 0.0)
    assert found.state == WRONG
    assert found.remedy


@pytest.mark.real("network, processes")
async def test_the_command_walks_the_whole_way_and_says_when_the_backend_refuses_this_hub(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    state, config = tmp_path / "hub", tmp_path / "config.yaml"
    options = ("--config", str(config), "--state-dir", str(state))
    async with serving(tmp_path / "owner", port=0) as running:
        with closing(open_storage(running.owner.database)) as storage:
            registry = Registry(storage)
            token = registry.issue(
                url=running.url, root=running.owner.settings.root, name="t", now=time.time(), lifetime=3600.0
            )
            enrolled = await enrolment.enrol(str(token), state)
            config.write_text(f"link: {{uplinks: {{https: {{url: '{running.url}'}}}}}}\n")
            code, found = await asyncio.to_thread(ilot, "doctor", "link", *options)
            assert (code, {finding["state"] for finding in found.values()}) == (0, {OK})
            assert list(found) == ["certificate", "connection", "TLS", "clock", "admission"]
            registry.revoke(enrolled.hub, time.time())
            code, found = await asyncio.to_thread(ilot, "doctor", *options, "link")
            assert code == 6
            assert found["refusal"]["state"] == WRONG
            assert enrolled.hub in found["refusal"]["says"]
    config.write_text("link: {uplinks: {https: {url: 'https://elsewhere.example'}}}\n")
    code, found = await asyncio.to_thread(ilot, "doctor", "link", *options)
    assert (code, list(found)) == (6, ["certificate", "trust"])
