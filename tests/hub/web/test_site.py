"""Every defence, against the real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import json
import re
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from hub.automation.commands.service import WAITED_TOO_LONG
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.i18n.reasons import meaning
from hub.page_kit.people.passwords import new_code
from hub.page_kit.people.throttle import KNOWN, STRANGERS
from hub.page_kit.request.routes import EVERYBODY, FILE, PAGE
from hub.sdk import connections
from hub.sdk.connections import Connections, Limits, whose
from hub.web import site as site_module

from .test_alerts import LOOP
from .web_kit import NAME, PASSWORD, Hub, Pages


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


@pytest.mark.real("network")
async def test_before_the_claim_every_route_but_the_entrance_says_no(pages: Pages) -> None:
    browser = pages.browser()
    entrance = {(method, path) for method in ("GET", "POST") for path in ("/claim", "/signin", "/badge")}
    entrance |= {("GET", path) for path in ("/accessibility", "/docs", "/docs/{name}")}
    asked = 0
    for route in pages.site.table.routes:
        if (route.method, route.path) in entrance or route.kind == FILE:
            assert route.roles == EVERYBODY
            continue
        path = route.path.replace("{device}", "lorawan%3AAA").replace("{name}", "x").replace("{id}", "x")
        headers = {"Origin": pages.url}
        status, _, _ = await browser.ask(route.method, path, headers=headers)
        assert status in (401, 403), (route.method, route.path, status)
        asked += 1
    assert asked > 35
    assert pages.hub.asked == []


@pytest.mark.real("network")
async def test_the_claim_works_once_and_with_credentials_of_ones_own(pages: Pages) -> None:
    code, browser = await pages.code(), pages.browser()
    assert (await browser.claim(new_code()))[0] == 422
    status, text, _ = await browser.claim(code, password="short")
    assert (status, "12" in text) == (422, True)
    assert (await browser.claim(code, name="Camille Dupont"))[0] == 422
    status, _, headers = await browser.claim(code.lower().replace("-", " "))
    assert status == 303
    cookies = headers.getall("Set-Cookie")
    session = next(one for one in cookies if one.startswith("__Host-ilot="))
    assert all(word in session for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
    assert "Domain" not in session
    assert (await browser.get("/"))[0] == 200
    other = pages.browser()
    assert (await other.claim(code, name="mallory"))[0] == 422
    assert pages.site.accounts.get("mallory") is None
    assert await pages.code() == ""


@pytest.mark.real("network")
async def test_nothing_that_opens_the_hub_stands_in_the_store_in_clear(pages: Pages) -> None:
    code = await pages.code()
    await pages.browser().claim(code)
    rows = await pages.store.call(
        lambda db: [
            bytes(str(row), "utf-8") for t in ("users", "meta", "audit") for row in db.execute(f"SELECT * FROM {t}")
        ]
    )
    whole = b"".join(rows)
    assert NAME.encode() in whole
    assert PASSWORD.encode() not in whole
    assert code.encode() not in whole


@pytest.mark.real("network")
async def test_a_reset_on_the_console_lets_the_owner_back_in_and_signs_everybody_out(pages: Pages) -> None:
    browser = await pages.claimed()
    code = (await pages.web.calls()["web.reset"]({}))["code"]
    assert (await browser.get("/api/1/status"))[0] == 401
    again = pages.browser()
    assert (await again.claim(code, password="une autre phrase secrète"))[0] == 303
    assert (await pages.browser().sign_in(NAME, PASSWORD))[0] == 422
    assert (await pages.browser().sign_in(NAME, "une autre phrase secrète"))[0] == 303


@pytest.mark.real("network")
async def test_guesses_are_bounded_and_the_owner_still_gets_in(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await pages.claimed()
    evaluated = 0
    fits = pages.site.accounts.fits

    async def counting(name: str, password: str) -> object:
        nonlocal evaluated
        evaluated += 1
        return await fits(name, password)

    monkeypatch.setattr(pages.site.accounts, "fits", counting)
    addresses = iter(range(10_000))
    somewhere = property(lambda self: f"10.0.{next(addresses) % 200}.1")
    monkeypatch.setattr("hub.page_kit.request.visit.Visit.address", somewhere)
    attacker = pages.browser()
    token = await attacker.token("/signin")
    refused = 0
    for n in range(120):
        headers = {"Origin": pages.url}
        fields = {"csrf": token, "name": NAME, "password": f"guess number {n}"}
        status, _, _ = await attacker.ask("POST", "/signin", data=fields, headers=headers)
        assert status in (422, 429)
        refused += status == 429
    assert evaluated <= STRANGERS <= 50 - KNOWN
    assert refused == 120 - evaluated
    stranger = await pages.browser().sign_in()
    assert stranger[0] == 429  # the right password too: nothing is evaluated for a browser nobody knows
    await owner.post("/signout", "/")
    assert (await owner.sign_in())[0] == 303


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost:1", 421), ("", 421), ("192.0.2.7", 421)],
)
async def test_a_name_that_is_not_the_hubs_is_refused_on_every_kind_of_route(
    pages: Pages, host: str, status: int
) -> None:
    browser = pages.browser()
    for path in ("/", "/static/style.css", "/api/1/status", "/nowhere"):
        got, text, _ = await browser.get(path, Host=host)
        assert got == status, path
        assert json.loads(text)["reason"] == "host"
    port = pages.port
    assert (await browser.get("/claim", Host=f"localhost:{port}"))[0] == 200


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)  # fmt: skip
async def test_a_change_from_elsewhere_is_refused(pages: Pages, headers: dict[str, str]) -> None:
    browser = await pages.claimed()
    csrf = json.loads((await browser.get("/api/1/session"))[1])["csrf"]
    for path in ("/api/1/commands/stop", "/commands/stop", "/signout", "/signin"):
        status, _, _ = await browser.ask("POST", path, data={"why": "x", "csrf": csrf}, headers=headers)
        assert status == 403, path
    assert not [name for name, _ in pages.hub.asked if name.startswith("command")]
    assert (await browser.get("/api/1/status", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403


@pytest.mark.real("network")
async def test_a_form_without_its_token_is_refused(pages: Pages) -> None:
    browser = await pages.claimed()
    other = await pages.person("technicien")
    theirs = await other.token("/commands")
    for token in ("", "x", theirs):
        headers = {"Origin": pages.url}
        status, _, _ = await browser.ask("POST", "/commands/stop", data={"why": "x", "csrf": token}, headers=headers)
        assert status == 403
    assert (await browser.post("/commands/stop", "/commands", why="essai"))[0] == 303
    assert pages.hub.asked[-1] == ("command.stop", {"by": f"web:{NAME}", "why": "essai"})


@pytest.mark.real("network")
async def test_every_answer_bears_the_headers_and_no_server_names_itself(pages: Pages) -> None:
    browser = pages.browser()
    for path in ("/", "/claim", "/static/live.js", "/api/1/status", "/nowhere"):
        _, _, headers = await browser.get(path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers
        assert "Access-Control-Allow-Origin" not in headers
    reader, writer = await raw(pages)
    writer.write(b"nonsense\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer.startswith(b"HTTP/1.")
    assert b"erver:" not in answer
    assert b"Content-Security-Policy" in answer
    writer.close()


@pytest.mark.real("network")
async def test_roles_hold_on_every_route(pages: Pages) -> None:
    await pages.claimed()
    pages.hub.alerts = [LOOP | {"id": "a1"}]
    for role in ("lecteur", "auditeur", "technicien"):
        browser = await pages.person(role)
        for route in pages.site.table.routes:
            if route.roles == EVERYBODY or route.method != "GET" or "live" in route.path:
                continue
            path = route.path.replace("{device}", "lorawan%3A0000000000000000").replace("{step}", "scan")
            path = path.replace("{alert}", "a1").replace("/documents/{name}", "/documents/register.csv")
            path = path.replace("{place}", "salle-0")
            if path.startswith("/api/1/charts"):
                path += "?series=lorawan:0000000000000000/temperature"
            if "{id}" in path or path.endswith("/picture"):
                continue  # of a file that is not there
            leads_on = route.path in (
                "/quarantine",
                "/strangers/{device}",
                "/plan/wall",
                "/enrolment",
            )  # an old address; no stranger; no plan; it is enrolled
            status, _, _ = await browser.get(path)
            assert status == (403 if role not in route.roles else 303 if leads_on else 200), (role, route.path)
        csrf = await browser.token("/account")
        for route in pages.site.table.routes:
            if route.method == "GET" or role in route.roles or route.roles == EVERYBODY:
                continue
            path = route.path.replace("{device}", "x%3Ay").replace("{name}", NAME)
            headers = {"Origin": pages.url, "X-CSRF": csrf}
            assert (await browser.ask(route.method, path, headers=headers))[0] == 403, (role, route.path)
    assert pages.site.accounts.get(NAME) is not None


@pytest.mark.real("network")
async def test_who_only_reads_changes_nothing_but_their_own_and_who_works_nothing_of_the_owners(pages: Pages) -> None:
    changing = [route for route in pages.site.table.routes if route.method != "GET"]
    assert {route.path for route in changing if route.roles == EVERYBODY} == {"/badge", "/claim", "/signin"}
    own = {"/account/password", "/api/1/password", "/api/1/session", "/signout"}
    own.add("/api/1/rules/replay")  # it answers what a rule would have done, and changes nothing
    for role in ("lecteur", "auditeur"):
        wrote = own | ({"/devices/{device}/support"} if role == "auditeur" else set())  # a file, with a reason
        assert {route.path for route in changing if role in route.roles} == wrote, role
    owners = ("accounts", "tokens", "configuration", "crisis", "consents", "privacy", "backup", "link", "energy",
              "network")  # fmt: skip
    for route in changing:
        if route.path.removeprefix("/api/1").strip("/").partition("/")[0] in owners or route.path.endswith("/resume"):
            assert route.roles == {"administrateur"}, route.path


@pytest.mark.real("network")
async def test_who_may_not_change_the_configuration_sees_no_secret_of_it(pages: Pages) -> None:
    admin = await pages.claimed()
    assert "u:secret@p" in (await admin.get("/configuration/text"))[1]
    pages.hub.field = {"value": "https://u:secret@p/"}
    assert "u:secret@p" in (await admin.get("/configuration/form?at=hub"))[1]
    for role in ("lecteur", "auditeur", "technicien"):
        browser = await pages.person(role)
        assert "secret@" not in (await browser.get("/configuration/form?at=hub"))[1]
        text = (await browser.get("/configuration/text"))[1]
        assert "École" in text
        assert "secret@" not in text
        assert "readonly" in text
    line = {"line": 2, "message": "a secret is never written in this file", "suggestion": "", "source": "key: hunter2"}
    pages.hub.text, pages.hub.wrong = "key: hunter2\n", [line]
    pages.hub.field = {"value": "hunter2"}
    for path in ("/configuration/text", "/configuration", "/api/1/configuration", "/configuration/form?at=hub"):
        assert "hunter2" not in str((await browser.get(path))[1]), path


@pytest.mark.real("network")
async def test_a_role_that_is_taken_away_counts_at_once(pages: Pages) -> None:
    admin = await pages.claimed()
    browser = await pages.person("technicien")
    assert (await browser.get("/add"))[0] == 200
    status, _ = await admin.api("DELETE", "/accounts/p-technicien")
    assert status == 200
    assert (await browser.get("/add"))[0] == 401


@pytest.mark.real("network")
async def test_the_last_administrateur_stays(pages: Pages) -> None:
    admin = await pages.claimed()
    status, answer = await admin.api("DELETE", f"/accounts/{NAME}")
    assert (status, answer["reason"]) == (422, "last-administrator")
    status, _ = await admin.api("POST", "/accounts", {"name": NAME, "password": PASSWORD, "role": "lecteur"})
    assert status == 422


@pytest.mark.real("network")
async def test_what_is_too_large_or_is_no_form_is_refused(pages: Pages) -> None:
    browser = await pages.claimed()
    csrf = await browser.token("/account")
    headers = {"Origin": pages.url, "X-CSRF": csrf}
    big = b"a=" + b"x" * 70_000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.ask("POST", "/commands/stop", data=big, headers={**headers, **form}))[0] == 413
    text = {"Content-Type": "text/plain"}
    assert (await browser.ask("POST", "/api/1/labels", data=b"{}", headers={**headers, **text}))[0] == 415
    kind = {"Content-Type": "application/json"}
    for none in (b"[1]", b'{"a":"\xff"}', b'{"a":' + b"[" * 5000):
        assert (await browser.ask("POST", "/api/1/labels", data=none, headers={**headers, **kind}))[0] == 400
    assert (await browser.ask("GET", "/" + "x" * 5000))[0] == 400
    assert (await browser.ask("GET", "/", headers={"X-Long": "y" * 5000}))[0] == 400
    many = {f"X-{n}": "z" for n in range(100)}
    assert (await browser.ask("GET", "/", headers=many))[0] == 400
    assert (await browser.ask("PUT", "/"))[0] == 405
    assert (await browser.get("/static/..%2f..%2fpart.py"))[0] == 404
    assert (await browser.get("/static/"))[0] == 404


@pytest.fixture
def patient(pages: Pages) -> None:
    """Nobody is cut for being slow while the test lasts: what happens does not happen for that."""
    lines = pages.site.connections
    lines.limits = replace(lines.limits, handshake_s=600.0, idle_s=600.0)


@pytest.mark.real("network")
@pytest.mark.usefixtures("patient")
async def test_hundreds_of_slow_callers_keep_nobody_out(pages: Pages) -> None:
    slow = []
    for n in range(Limits().most + 72):
        _reader, writer = await asyncio.open_connection("127.0.0.1", pages.port)
        if n % 2:
            writer.write(b"\x16\x03\x01")  # the beginning of a handshake
        slow.append(writer)
    for _ in range(20):
        _, writer = await raw(pages)
        writer.write(b"POST /signin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\na")
        slow.append(writer)
    async with asyncio.timeout(60):
        assert (await pages.browser().get("/claim"))[0] == 200
    assert len(pages.site.connections) <= Limits().most
    assert pages.site.connections.cut > 0
    for writer in slow:
        writer.transport.abort()


@pytest.mark.real("network")
@pytest.mark.usefixtures("patient")
async def test_one_machine_that_calls_without_end_keeps_no_other_out(pages: Pages) -> None:
    """Its callers give way to one another; one that calls from elsewhere stays, though it came first."""
    first = await asyncio.open_connection("127.0.0.1", pages.port)
    one = ("127.0.0.9", 0)
    slow = [await asyncio.open_connection("127.0.0.1", pages.port, local_addr=one) for _ in range(Limits().most)]
    assert (await pages.browser().get("/claim"))[0] == 200
    assert pages.site.connections.cut > 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first[0].read(1), 0.2)
    for _, writer in [*slow, first]:
        writer.transport.abort()


@pytest.mark.real("network")
@pytest.mark.usefixtures("patient")
async def test_a_caller_without_a_whole_first_record_costs_no_tls(pages: Pages) -> None:
    calls = [await asyncio.open_connection("127.0.0.1", pages.port) for _ in range(4)]
    for (_, writer), said in zip(
        calls, (b"", b"\x16\x03", b"\x16\x03\x01\x02\x00" + b"x" * 500, b"GET / HTTP/1.1\r\n"), strict=True
    ):
        writer.write(said)
    lines = pages.site.connections._lines
    async with asyncio.timeout(60):  # what is no TLS is closed at once
        with contextlib.suppress(ConnectionResetError):
            assert await calls[3][0].read() == b""
        while len(lines) != 3:
            await asyncio.sleep(0.01)
    assert not any(line.shaking or line.protocol for line in lines)
    calls[2][1].write(b"x" * 12)  # now the record is whole, and is no hello
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(calls[2][0].read(), 60)
    assert len(lines) == 2
    for _, writer in calls:
        writer.transport.abort()


async def test_the_handshakes_of_one_machine_are_paced_and_those_of_another_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    lines = Connections(None, None)  # type: ignore[arg-type]
    turns = [lines._turn("192.0.2.1") for _ in range(200)]
    at_once, longest = lines.limits.shakes_at_once, lines.limits.handshake_s
    assert turns[:at_once] == [0.0] * at_once
    assert all(later >= sooner for sooner, later in itertools.pairwise(turns))
    assert longest <= max(turns) < longest + 1.0, "a machine can ask for no more than a caller would wait"
    assert lines._turn("192.0.2.2") == 0.0


def test_machines_are_told_apart_by_address_and_by_network() -> None:
    assert whose("192.0.2.1") == whose("::ffff:192.0.2.1") != whose("192.0.2.2")
    assert whose("2001:db8::1") == whose("2001:db8::ffff:2") != whose("2001:db8:0:1::1")
    assert whose("fe80::1%eth0") == whose("fe80::2%eth0")


@pytest.mark.real("network")
async def test_refusals_and_changes_are_in_the_audit_chain_and_a_flood_does_not_fill_it(pages: Pages) -> None:
    browser = await pages.claimed()
    await browser.post("/signout", "/")
    await browser.sign_in(NAME, "not the password at all")
    await browser.sign_in()
    for _ in range(200):
        await browser.get("/", Host="evil.example")
    chain = [entry.what for entry in await pages.store.audited()]
    assert {"web": "claimed", "name": NAME} in chain
    assert {"web": "refused", "why": "sign-in-wrong", "path": "/signin"} in chain
    assert any(what.get("web") == "signed in" for what in chain)
    assert any(what.get("web") == "signed out" for what in chain)
    assert sum(what.get("why") == "host" for what in chain) == 30
    assert sum(count for (why, _), count in pages.site.refused.items() if why == "host") == 200


@pytest.mark.real("network")
async def test_a_command_goes_with_the_name_and_the_role_of_who_is_signed_in(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    path = "/devices/lorawan%3A0000000000000000"
    forged = {"by": "web:camille", "role": "administrateur"}
    status, _, _ = await browser.post(f"{path}/commands", path, metric="setpoint", value="21", why="froid", **forged)
    assert status == 303
    asked = next(arguments for name, arguments in pages.hub.asked if name == "command.set")
    assert (asked["by"], asked["role"], asked["value"]) == ("web:p-technicien", "technicien", "21")
    status, text, _ = await browser.post(f"{path}/commands", path, metric="setpoint", value="99", why="froid")
    assert status == 422
    assert "va de 10 à 25\u202f°C\u202f; 99 est en dehors" in text
    assert 'name="value" maxlength="200" value="99"' in text  # what was typed stays to be mended
    assert 'name="why" required maxlength="200" value="froid"' in text


@pytest.mark.real("network")
async def test_a_page_whose_call_this_hub_lacks_says_so_in_the_readers_language_and_is_no_bug(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("administrateur")
    del pages.site.calls["radio"]
    with pytest.raises(HubError):
        await pages.site.call("radio")
    for lang, said in (("fr", "Ce concentrateur n'a pas cette fonction"), ("en", "This hub does not have this")):
        status, text, _ = await browser.get(f"/radio?lang={lang}")
        assert (status, said in html.unescape(text)) == (422, True)


@pytest.mark.real("network")
async def test_a_form_that_is_refused_keeps_what_was_typed_but_for_passwords(pages: Pages) -> None:
    browser = await pages.claimed()
    typed = {"name": '"Paul"', "role": "technicien"}
    status, text, _ = await browser.post("/accounts", "/accounts", **typed, password="short")
    assert status == 422
    assert 'value="&#34;Paul&#34;"' in text
    assert '<option value="technicien" selected>' in text
    assert "short" not in text
    status, text, _ = await browser.post("/tokens", "/tokens", **typed, days="0")
    assert status == 422
    assert 'value="&#34;Paul&#34;"' in text
    assert 'max="366" value="0"' in text
    status, text, _ = await browser.post("/accounts/remove", "/accounts", name=NAME)  # another form of that page
    assert status == 422
    assert f'value="{NAME}"' not in text


@pytest.mark.real("network")
async def test_a_device_s_page_shows_what_went_wrong_with_it_how_often_and_how_fast_it_answers(pages: Pages) -> None:
    browser = await pages.claimed()
    _, text, _ = await browser.get("/devices/lorawan%3A0000000000000000")
    assert re.search(
        r"noté depuis le démarrage.*Répétition d[^<]*<span class=\"quiet\">repeat</span>.*>2<", text, re.DOTALL
    )
    unworded = re.search(r"<span lang=\"en\">acme-drift</span><span class=\"quiet\">([^<]+)</span>", text)
    assert unworded is not None
    assert unworded[1].startswith("motif sans explication ici")
    assert "12,5&#8239;ms" in text


@pytest.mark.real("network")
async def test_the_page_of_integrations_says_in_words_what_each_refused(pages: Pages) -> None:
    browser = await pages.claimed()
    _, text, _ = await browser.get("/integrations")
    assert [asked["subject"] for name, asked in pages.hub.asked if name == "counted"] == [
        "acme", "leftover", "lorawan",
    ]  # fmt: skip
    assert re.search(r"Refusé, écarté ou noté.*Répétition d[^<]*<span class=\"quiet\">repeat</span>", text, re.DOTALL)
    _, text, _ = await browser.get("/integrations?lang=en")
    assert re.search(
        r"Refused, left out or noted.*A repetition[^<]*<span class=\"quiet\">repeat</span>", text, re.DOTALL
    )
    _, answer = await browser.api("GET", "/counted?subject=lorawan")
    assert answer["counted"][0] == {
        "subject": "lorawan", "reason": "repeat", "times": 2, "meaning": str(meaning("repeat")),
        "meaning_text": {"code": "reason-repeat", "params": {}},
    }  # fmt: skip


@pytest.mark.real("network")
async def test_diagnostics_say_what_was_refused_of_what_has_no_page_of_its_own(pages: Pages) -> None:
    async def told(arguments: dict[str, Any]) -> dict[str, Any]:
        device = pages.hub.devices[0].id
        subjects = ("", "commands", "trop-chaud", "zone:rooms", "zone:gone", "other", "lorawan", device)
        row = {"reason": "rule-failed", "times": 12345, "meaning": phrase("none", "<b>failed</b>")}
        return {"counted": [{"subject": one, **row} for one in subjects]}

    pages.hub.answers["counted"] = told
    browser = await pages.claimed()
    _, text, _ = await browser.get("/diagnostics")
    assert re.findall(r'data-head="Concerne">([^<]*)<', text) == [
        "le concentrateur", "les commandes", "trop-chaud", "la zone Salles", "la zone gone",
        "d&#39;autres, trop nombreux",
    ]  # fmt: skip
    assert text.count(">12\u202f345<") == text.count("&lt;b&gt;failed&lt;/b&gt;") == 6


@pytest.mark.real("network")
async def test_an_english_date_is_printed_as_a_whole_and_stays_what_can_be_copied(pages: Pages) -> None:
    async def told(arguments: dict[str, Any]) -> dict[str, Any]:
        given = {"device": pages.hub.devices[0].id, "metric": "temperature", "value": None, "state": "done",
                 "values": {"<interval>": 600.0, "led": True}, "by": "cli", "why": "", "detail": ""}  # fmt: skip
        return {"commands": [{**given, "id": "c", "at": 1_790_000_000.0}], "stopped": None, "open": 0}

    pages.hub.answers["command.list"] = told
    browser = await pages.claimed()
    _, text, _ = await browser.get("/commands?lang=en")
    assert '<span class="whole">2026-09-21</span> 16:13:20' in text
    assert "&lt;interval&gt;: 600 · led: yes" in text  # each value of a command that has several
    assert "R175-\u20603" in text  # nor does a line end within the number of an article
    _, text, _ = await browser.get("/commands?lang=fr")
    assert "21/09/2026 16:13:20" in text  # no line ends after a slash


@pytest.mark.real("network")
async def test_what_became_of_a_command_is_french_and_what_nobody_translated_is_marked(pages: Pages) -> None:
    async def told(arguments: dict[str, Any]) -> dict[str, Any]:
        said = (WAITED_TOO_LONG, "the valve hums")
        given = {"device": pages.hub.devices[0].id, "metric": "temperature", "value": 21.0, "values": None,
                 "why": "froid", "state": "failed", "by": "web:camille", "at": 1_790_000_000.0}  # fmt: skip
        return {"commands": [{**given, "id": f"c{n}", "detail": one} for n, one in enumerate(said)], "stopped": None,
                "open": 0}  # fmt: skip

    pages.hub.answers["command.list"] = told
    browser = await pages.claimed()
    _, text, _ = await browser.get("/commands")
    assert '<span class="why">elle a attendu trop longtemps pour partir</span>' in text
    assert '<span class="why"><q lang="en">the valve hums</q></span>' in text
    _, text, _ = await browser.get("/commands?lang=en")
    assert '<span class="why">it waited too long to be sent</span>' in text


@pytest.mark.real("network")
async def test_two_thousand_devices_are_paged_filtered_and_sorted_by_the_server(tmp_path: Path) -> None:
    async with Pages(tmp_path, Hub(2000)) as pages:
        pages.hub.hear(1234, 21.5)
        browser = await pages.claimed()
        _, text, _ = await browser.get("/api/1/devices?size=200&page=3&sort=id")
        found = json.loads(text)
        assert (found["total"], found["page"], len(found["devices"])) == (2000, 3, 200)
        assert found["devices"][0]["id"] == "lorawan:0000000000000190"
        _, text, _ = await browser.get("/api/1/devices?state=green")
        assert [one["name"] for one in json.loads(text)["devices"]] == ["Sonde 1234"]
        await asyncio.sleep(1.1)
        began = time.process_time()  # of the processor: what others do beside it is not the page's
        status, text, _ = await browser.get("/devices")
        assert status == 200
        assert time.process_time() - began < 1.0
        assert text.count("<tr ") == 13, "as many as three screens of a phone hold"
        assert "/devices?size=12&amp;page=2" in text
        _, text, _ = await browser.get("/devices?size=50&q=Sonde")
        assert text.count("<tr ") == 51
        assert "/devices?q=Sonde&amp;size=50&amp;page=2" in text
        _, csv, headers = await browser.get("/api/1/devices.csv?q=sonde%2019&lang=fr")
        assert headers["Content-Type"].startswith("text/csv")
        assert csv.splitlines()[0].lstrip("\ufeff").startswith("Identifiant;Nom;État")


@pytest.mark.real("network")
async def test_the_table_of_devices_names_each_as_the_page_does(tmp_path: Path) -> None:
    hub = Hub()
    hub.devices[0] = msgspec.structs.replace(hub.devices[0], name="")  # called as its place is
    async with Pages(tmp_path, hub) as pages:
        browser = await pages.claimed()
        _, table, _ = await browser.get("/api/1/devices.csv?lang=en&sort=id")
        assert [line.split(",")[1] for line in table.splitlines()[1:]] == ["salle-0", "Sonde 1", "Sonde 2"]


@pytest.mark.real("network")
async def test_a_stream_says_what_changed_since_and_ends_with_the_session(pages: Pages) -> None:
    pages.hub.hear(0, 20.5)
    browser = await pages.claimed()

    async def until(answer: object, kind: str, inside: str) -> tuple[str, str]:
        name = block = ""
        async with asyncio.timeout(60):
            async for raw_line in answer.content:  # type: ignore[attr-defined]
                line = raw_line.decode()
                block += line
                if line.startswith("id: "):
                    name = line[4:].strip()
                if line == "\n":
                    if f"event: {kind}\n" in block and inside in block:
                        return name, block
                    block = ""
        raise AssertionError("the stream ended")

    async with browser.session.get(f"{pages.url}/api/1/live") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        await until(answer, "values", "20.5")
        pages.hub.hear(1, 33.25)
        last, block = await until(answer, "values", "33.25")
        assert "20.5" not in block
    pages.hub.hear(2, 44.75)
    async with browser.session.get(f"{pages.url}/api/1/live", headers={"Last-Event-ID": last}) as answer:
        _, block = await until(answer, "values", "44.75")
        assert "33.25" not in block
        pages.site.sessions.end_all(NAME)
        pages.hub.hear(2, 45.0)
        await until(answer, "end", "")
    async with browser.session.get(f"{pages.url}/api/1/live") as answer:
        assert answer.status == 401


@pytest.mark.real("network")
async def test_the_api_document_names_every_route_of_the_api(pages: Pages) -> None:
    browser = await pages.claimed()
    document = json.loads((await browser.get("/api/1/openapi.json"))[1])
    api = [route for route in pages.site.table.routes if route.path.startswith("/api/")]
    assert sum(len(methods) for methods in document["paths"].values()) == len(api)
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    assert all(route.summary for route in api)
    assert not [
        route.path for route in pages.site.table.routes if route.kind == PAGE and route.path in document["paths"]
    ]


@pytest.mark.real("network")
async def test_what_is_shown_is_escaped_wherever_it_comes_from(pages: Pages) -> None:
    evil = "<img src=x onerror=alert(1)>"
    pages.hub.degraded = [f"link: {evil}", evil]
    pages.hub.waiting = [
        {
            "id": f"ble:{evil}",
            "integration": "bluetooth",
            "model": evil,
            "known": known,
            "reason": evil,
            "count": 1,
            "heard": {},
            "rssi": -70,
            "last": 1.0,
        }
        for known in (False, True)
    ]
    browser = await pages.claimed()
    pages.hub.waiting[0] |= {"values": {}, "evidence": {"name": evil}, "first": 1.0, "held": 0}
    one = "/strangers/" + quote(f"ble:{evil}", safe="")
    found = (f"/devices?q={evil}", f"/strangers?q={evil}", f"/search?q={evil}")
    for path in ("/", "/todo", "/strangers", one, *found, "/add?device=" + evil):
        status, text, _ = await browser.get(path)
        assert status == 200, path
        assert "<img" not in text
        assert "&lt;img src=x" in text


@pytest.mark.real("network")
async def test_only_tls_of_today_is_spoken(pages: Pages) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", pages.port, ssl=old)
    reader, writer = await asyncio.open_connection("127.0.0.1", pages.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):  # it is closed with its request unread
        assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


@pytest.mark.real("network")
async def test_the_certificate_stays_over_a_restart_and_its_key_is_private(tmp_path: Path) -> None:
    prints = []
    for _ in range(2):
        async with Pages(tmp_path) as pages:
            prints.append(pages.web.status()["fingerprint"])
    assert prints[0] == prints[1]
    assert (tmp_path / "web.key").stat().st_mode & 0o777 == 0o600


async def raw(pages: Pages) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", pages.port, ssl=context)


@pytest.mark.real("network")
async def test_the_hubs_own_sentences_are_marked_as_english_on_a_french_page(pages: Pages) -> None:
    admin = await pages.claimed()
    line = {"line": 2, "message": "not an option", "suggestion": "", "source": ""}
    pages.hub.wrong = [line]
    for path in ("/configuration", "/configuration/text"):
        text = (await admin.get(path))[1]
        assert 'lang="fr"' in text
        assert '<span lang="en">not an option</span>' in text
        assert '<ul lang="en">' not in text  # the words around them are French


@pytest.mark.real("network")
async def test_the_menu_marks_the_page_and_on_a_page_below_it_where_one_is(pages: Pages) -> None:
    browser = await pages.claimed()
    marked = re.compile(r'<a href="([^"]*)" aria-current="([^"]*)">')
    for path, told in (
        ("/", [("/", "page")]),
        ("/devices", [("/devices", "page")]),
        ("/devices/lorawan%3A0000000000000000", [("/devices", "true")]),
        ("/configuration/form", [("/settings", "true")]),
        ("/account", []),
    ):
        text = (await browser.get(path))[1]
        assert marked.findall(text.partition("<main")[0]) == told, path


@pytest.mark.real("network")
async def test_a_page_that_is_not_there_keeps_the_menu_of_who_is_signed_in_and_tells_strangers_nothing(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    seen = {"Accept": "text/html"}
    status, text, _ = await browser.get("/nowhere", **seen)
    assert (status, 'href="/devices"' in text, "Page introuvable" in text) == (404, True, True)
    status, text, _ = await browser.get("/devices/nobody", **seen)
    assert (status, 'href="/devices"' in text) == (404, True)
    await browser.post("/signout", "/")
    status, text, _ = await browser.get("/nowhere", **seen)
    assert (status, 'href="/devices"' in text, "Page introuvable" in text) == (404, False, True)


@pytest.mark.real("network")
async def test_a_page_that_follows_a_change_shows_nothing_from_before_it(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "time", SimpleNamespace(monotonic=lambda: 1000.0))  # all of it in one second
    await pages.claimed()
    found = [["before"], ["after"]]

    async def listed(arguments: dict[str, Any]) -> list[str]:
        return found[0]

    async def install(arguments: dict[str, Any]) -> dict[str, Any]:
        found.pop(0)
        return {}

    pages.site.calls = {**pages.site.calls, "pack.list": listed, "pack.install": install}
    assert await pages.site.cached_call("pack.list") == ["before"]
    await pages.site.call("status")
    found.insert(0, ["meanwhile"])
    assert await pages.site.cached_call("pack.list") == ["before"], "within a second, and nothing was changed"
    found.pop(0)
    await pages.site.call("pack.install")
    assert await pages.site.cached_call("pack.list") == ["after"]
