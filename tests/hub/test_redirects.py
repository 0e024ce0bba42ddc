"""Where an answer would send the hub: three hosts on loopback stand for a device that was taken over (127.0.0.1), for
another integration's (127.0.0.2), and for the owner's backend, which asks for the hub's certificate (127.0.0.3)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urljoin

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from hub.app.plugins import count_redirect
from hub.core.counters import Counts
from hub.core.errors import LedElsewhere, NotReady
from hub.core.security_events import REDIRECT, Events
from hub.i18n.catalogues import translate
from hub.i18n.reasons.table import REASONS
from hub.i18n.typography import ascii_spaces
from hub.operations.incidents import Incidents
from hub.protocol.documents.trust import Egress as Declared
from hub.sdk.http import HttpClient
from hub.sdk.http.messages import OwnAddress, asked, elsewhere
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import Egress, Host, NotDeclared
from hub.store_and_forward.egress_http import EgressHttp
from tests.hub.store_and_forward.test_egress import Authority, trust

DEVICE, RELAY, BACKEND = "127.0.0.1", "127.0.0.2", "127.0.0.3"
SECRETS = {"Authorization": "Bearer s3cret", "Cookie": "s3cret", "X-Api-Key": "s3cret", "Accept": "text/plain"}


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Seen(SimpleNamespace):
    """One request as a server had it: `host`, `method`, `path`, `headers`, `body`, `name` in the certificate shown."""


class Streets:
    """The three servers. `answers`: path → the status and Location of whoever is asked for it; else 200."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self.seen: list[Seen] = []
        self.told: list[tuple[str, str, str, bool]] = []
        self.ports: dict[str, int] = {}

    def url(self, host: str, path: str = "/") -> str:
        return f"http{'s' if host == BACKEND else ''}://{host}:{self.ports[host]}{path}"

    def at(self, host: str) -> list[Seen]:
        return [one for one in self.seen if one.host == host]

    @asynccontextmanager
    async def serving(self, host: str, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        async def handle(request: web.Request) -> web.Response:
            tls = request.transport.get_extra_info("ssl_object")
            peer = (tls.getpeercert() or {}) if tls else {}
            name = next((value for part in peer.get("subject", ()) for _, value in part), "")
            self.seen.append(
                Seen(
                    host=host,
                    method=request.method,
                    path=request.path,
                    headers=dict(request.headers),
                    body=await request.read(),
                    name=name,
                )
            )
            if request.path in self.answers:
                status, location = self.answers[request.path]
                return web.Response(status=status, headers={"Location": location, "Alt-Svc": f'h2="{RELAY}:1"'})
            return web.Response(text="done")

        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, 0, ssl_context=context)
        await site.start()
        self.ports[host] = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        try:
            yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def open(self, ca: Authority) -> AsyncIterator[Egress]:
        """The servers, and a hub whose instance `meter` names the device, `relay` the relay, and `both` all three."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.serving(DEVICE))
            await stack.enter_async_context(self.serving(RELAY))
            await stack.enter_async_context(self.serving(BACKEND, ca.server(ca.issue("server", host=BACKEND))))
            declared = [(DEVICE, "meter"), (RELAY, "relay"), (DEVICE, "both"), (RELAY, "both")]
            hosts = [Host(host=host, port=self.ports[host], plain=True, whose=whose) for host, whose in declared]
            hosts.append(Host(host=BACKEND, port=self.ports[BACKEND], whose="both"))
            certificate, key = ca.issue("hub-a")
            yield Egress(
                trust((BACKEND, self.ports[BACKEND], ca.pem)),
                ManualClock(),
                certificate=certificate,
                key=key,
                hosts=hosts,
                led=lambda *told: self.told.append(told),
            )


@asynccontextmanager
async def opened(ca: Authority) -> AsyncIterator[tuple[Streets, Callable[[str], EgressHttp]]]:
    streets = Streets()
    async with streets.open(ca) as egress:
        http = EgressHttp(egress)
        try:
            yield streets, http.of
        finally:
            await http.close()


def _as_before(self: Egress, url: str, location: str, *, whose: str = "") -> tuple[str, bool]:
    """The twin: any declared host will do, and it is asked as the first one was."""
    return urljoin(url, location), False


def _of_anybody(self: Egress, whose: str, host: str, port: int) -> Any:
    owners = Declared(host, port, self._trust.egress[0].ca_pem) if host == BACKEND else None
    return owners, next((one for (_, *there), one in self._hosts.items() if there == [host, port]), None)


@pytest.mark.real("network")
@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("target", [RELAY, BACKEND])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_device_sends_the_hub_neither_to_anothers_relay_nor_to_the_backend_with_its_certificate(
    ca: Authority, target: str, status: int, twin: bool
) -> None:
    async with opened(ca) as (streets, http):
        streets.answers["/values"] = status, streets.url(target, "/relay/0?turn=on")
        if twin:
            with mock.patch.object(Egress, "lead", _as_before), mock.patch.object(Egress, "_declared", _of_anybody):
                await http("meter").request("GET", streets.url(DEVICE, "/values"), headers=SECRETS)
            (switched,) = streets.at(target)
            assert switched.path == "/relay/0"
            assert switched.headers["Authorization"] == "Bearer s3cret"
            assert switched.name == ("hub-a" if target == BACKEND else "")
            return
        with pytest.raises(LedElsewhere, match="does not name that host"):
            await http("meter").request("GET", streets.url(DEVICE, "/values"), headers=SECRETS)
        assert streets.at(target) == []
        device, there = (f"{host}:{streets.ports[host]}" for host in (DEVICE, target))
        assert streets.told == [("meter", device, there, False)]


@pytest.mark.real("network")
async def test_a_plugin_reaches_the_hosts_of_its_own_configuration_and_no_others(ca: Authority) -> None:
    async with opened(ca) as (streets, http):
        for host in (RELAY, BACKEND):
            with pytest.raises(NotDeclared):
                await http("meter").request("GET", streets.url(host))
        assert (await http("relay").request("GET", streets.url(RELAY))).status == 200
        assert (await http("both").request("GET", streets.url(BACKEND))).status == 200
        assert (await http("").request("GET", streets.url(BACKEND))).status == 200
        with pytest.raises(NotDeclared):
            await http("").request("GET", streets.url(DEVICE))
    assert [one.host for one in streets.seen] == [RELAY, BACKEND, BACKEND]


@pytest.mark.real("network")
async def test_to_another_host_of_its_own_go_no_certificate_credentials_or_cookie_and_they_do_not_come_back(
    ca: Authority,
) -> None:
    async with opened(ca) as (streets, http):
        streets.answers["/a"] = 302, streets.url(RELAY, "/b").replace("//", "//me:s3cret@")
        streets.answers["/b"] = 307, streets.url(DEVICE, "/c")
        streets.answers["/c"] = 308, streets.url(BACKEND, "/d")
        reply = await http("both").request("GET", streets.url(DEVICE, "/a"), headers=SECRETS)
        assert reply.body == b"done"
        assert [(one.host, one.path) for one in streets.seen] == [
            (DEVICE, "/a"), (RELAY, "/b"), (DEVICE, "/c"), (BACKEND, "/d"),
        ]  # fmt: skip
        for one in streets.seen[1:]:
            assert "s3cret" not in str(one.headers)
            assert one.headers["Accept"] == "text/plain"
            assert one.name == ""
        assert [followed for *_, followed in streets.told] == [True, True, True]


@pytest.mark.real("network")
async def test_within_one_origin_certificate_and_credentials_stay_and_nothing_is_told(ca: Authority) -> None:
    async with opened(ca) as (streets, http):
        streets.answers["/a"] = 302, "/b"
        streets.answers["/b"] = 302, streets.url(BACKEND, "/c")
        await http("both").request("GET", streets.url(BACKEND, "/a"), headers=SECRETS)
        assert [one.name for one in streets.seen] == ["hub-a"] * 3
        assert [one.headers["Authorization"] for one in streets.seen] == ["Bearer s3cret"] * 3
        streets.answers["/a"] = 302, streets.url(DEVICE, "/b")
        streets.answers["/b"] = 302, "c"
        await http("meter").request("GET", streets.url(DEVICE, "/a").replace("//", "//u:p@"))
        assert {one.headers["Authorization"] for one in streets.at(DEVICE)} == {"Basic dTpw"}
    assert streets.told == []


@pytest.mark.real("network")
async def test_https_does_not_become_http_though_the_configuration_names_both(ca: Authority) -> None:
    async with opened(ca) as (streets, http):
        streets.answers["/a"] = 302, streets.url(RELAY)
        with pytest.raises(LedElsewhere, match="https does not become http"):
            await http("both").request("GET", streets.url(BACKEND, "/a"))
        assert streets.at(RELAY) == []
        assert [followed for *_, followed in streets.told] == [False]


@pytest.mark.real("network")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_method_and_body_are_handled_as_rfc_9110_has_it(ca: Authority, status: int) -> None:
    async with opened(ca) as (streets, http):
        streets.answers["/a"] = status, "/b"
        url = streets.url(DEVICE, "/a")
        assert (await http("meter").request("HEAD", url)).status == 200
        assert [one.method for one in streets.seen] == ["HEAD", "HEAD"]
        streets.seen.clear()
        reply = await http("meter").request("GET", url, body=b"question")
        if status == 303:  # see another page: there is no question any more
            assert [(one.method, one.body) for one in streets.seen] == [("GET", b"question"), ("GET", b"")]
            assert "Content-Type" not in streets.seen[1].headers
        else:
            assert (reply.status, [one.body for one in streets.seen]) == (status, [b"question"])
        streets.seen.clear()
        for method in ("POST", "PUT", "DELETE"):  # it may have been done, and is not done twice
            assert (await http("meter").request(method, url, body=b"x")).status == status
        assert [one.path for one in streets.seen] == ["/a"] * 3
        assert streets.told == []
        streets.answers["/a"] = status, streets.url(RELAY)
        assert (await http("meter").request("POST", url, body=b"x")).status == status
        assert [followed for *_, followed in streets.told] == [False]
        assert streets.at(RELAY) == []


@pytest.mark.real("network")
async def test_an_alternative_service_is_not_heeded_and_a_multiple_choice_is_not_made(ca: Authority) -> None:
    async with opened(ca) as (streets, http):
        for status in (201, 300, 304, 305, 306):
            streets.answers["/a"] = status, streets.url(RELAY)
            assert (await http("meter").request("GET", streets.url(DEVICE, "/a"))).status == status
        await http("meter").request("GET", streets.url(DEVICE, "/"))
        assert streets.at(RELAY) == []


HOSTS = [
    Host(host="meter.example", port=80, plain=True, whose="meter"),
    Host(host="relay", port=80, plain=True, whose="r"),
]
PLACES = st.sampled_from(["meter.example", "relay", "backend", "meter.example@relay", "relay\\@meter.example", "[::1]"])
LOCATIONS = st.one_of(
    st.text(),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "http:", "https:", "HTTP:", "//", "http://", "https://", "/\\"]),
        PLACES,
        st.sampled_from(["", ":80", ":443", ":8080", ":0", "#@relay/"]),
        st.text(max_size=5),
    ),
)


@given(LOCATIONS)
def test_no_text_of_a_server_leads_to_a_host_that_the_configuration_does_not_name(location: str) -> None:
    egress = Egress(trust(("backend", 443, "pem")), ManualClock(), hosts=HOSTS)
    url = "http://u:p@meter.example/values"
    try:
        target, other = egress.lead(url, location, whose="meter")
    except NotReady as error:  # LedElsewhere is one
        str(error).encode()  # can be told
        return
    assert not other
    place, _, headers = asked("GET", target, None, None, {}, None)
    assert (place.scheme, place.host, place.port) == ("http", "meter.example", 80)
    assert dict(headers)["Authorization"] == "Basic dTpw"


def test_what_leads_elsewhere_is_counted_for_each_integration_and_host_and_is_one_incident_in_both_languages() -> None:
    clock = ManualClock()
    counts, events, incidents = Counts(), Events(clock.now, clock.monotonic), Incidents()
    events.listeners.append(incidents.add)
    ground: Any = SimpleNamespace(counts=counts, events=events)
    for _ in range(3):
        count_redirect(ground, "meter", "192.0.2.7:80", "192.0.2.9:80", False)
    count_redirect(ground, "meter", "192.0.2.7:80", "192.0.2.8:80", True)
    assert counts.about("meter 192.0.2.7:80") == {"led-elsewhere": 3, "led-on": 1}
    assert set(counts.about("meter 192.0.2.7:80")) <= REASONS.keys()
    assert events.counts == {REDIRECT: 3}
    ((incident, over),) = incidents.changes(clock.now())
    assert not over
    assert incident.severity == "critical"
    assert incident.evidence == {"redirect meter 192.0.2.7:80": "to 192.0.2.9:80"}
    assert incident.text().startswith("1 redirections to another host, not followed (meter 192.0.2.7:80): see `ilot")
    french = ascii_spaces(translate(incident.text(), "fr"))
    assert french.startswith("1 renvoi")


# -- names -------------------------------------------------------------------------------------------------------


def found(*addresses: str) -> list[Any]:
    return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 0, 0, "", (one, 80)) for one in addresses]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1%2", "::ffff:127.0.0.1"]
)
def test_a_name_that_leads_to_this_machine_is_refused_and_where_another_is_among_them_that_one_is_called(
    address: str,
) -> None:
    with pytest.raises(OwnAddress, match="write the address that is meant"):
        elsewhere("weather.example", "ilot", found(address))
    mixed = found(address, "192.0.2.7")
    assert elsewhere("weather.example", "ilot", mixed) == mixed[1:]
    bare = address.partition("%")[0]
    assert elsewhere(bare, "ilot", found(address)) == found(address), "as it was written"


def test_names_of_this_machine_and_of_mdns_lead_where_they_say() -> None:
    for host in ("localhost", "LOCALHOST.", "db.localhost", "ilot", "Ilot.example.org"):
        assert elsewhere(host, "ilot", found("127.0.1.1")) == found("127.0.1.1")
    assert elsewhere("meter.local", "ilot", found("169.254.3.4")) == found("169.254.3.4")
    with pytest.raises(OwnAddress):
        elsewhere("meter.local", "ilot", found("127.0.0.1"))


@pytest.mark.real("network")
async def test_a_service_whose_name_was_rebound_to_this_machine_is_not_called_and_told(
    ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    streets = Streets()
    resolve = socket.getaddrinfo

    def rebound(host: Any, *more: Any, **named: Any) -> Any:
        return resolve(RELAY if host in (b"weather.example", "weather.example") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    async with streets.serving(RELAY):
        port = streets.ports[RELAY]
        hosts = [Host(host="weather.example", port=port, plain=True, whose="weather")]
        egress = Egress(trust(), ManualClock(), hosts=hosts, led=lambda *told: streets.told.append(told))
        http = EgressHttp(egress)
        with pytest.raises(LedElsewhere, match=r"weather\.example:\d+ is not called: .* 127\.0\.0\.2"):
            await http.of("weather").request("GET", f"http://weather.example:{port}/")
        await http.close()
        client = HttpClient()
        with pytest.raises(HttpClient.OwnAddress):
            await client.call("GET", f"http://weather.example:{port}/", context=None, limit=9, timeout_s=5)
        await client.close()
    assert streets.seen == []
    assert streets.told == [("weather", f"weather.example:{port}", "this machine", False)]
