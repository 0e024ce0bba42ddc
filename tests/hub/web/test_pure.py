"""The pure parts: catalogue, throttle, what comes from elsewhere, what is shown."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.automation.commands.policy import ROLES
from hub.config.parts.web import Web as Options
from hub.core.text import Phrase
from hub.energy.report_texts import WORDS as REPORT
from hub.i18n import catalogues
from hub.i18n.catalogues import is_translated
from hub.page_kit import renderer, tables
from hub.page_kit.messages import message
from hub.page_kit.people import passwords
from hub.page_kit.people.passwords import Busy, Passwords, new_code, normalised_code, password_problem
from hub.page_kit.people.sessions import IDLE_S, LONGEST_S, MOST_EACH, Sessions
from hub.page_kit.people.throttle import ADDRESS, ALL, HOUR, KNOWN, STRANGERS, Throttle, network
from hub.page_kit.phrasebook import PREFIX, merged
from hub.page_kit.request.guard import POLICY, host_is_ours, is_cross_site, policy_with_style, split_host
from hub.plugin_host.supervisor import FINISHED, QUARANTINED, RUNNING, STOPPED, WAITING
from hub.web import roles
from hub.web.presentation import views
from hub.web.words import WORDS, template, word

WEB, KIT = Path(roles.__file__).parent, Path(renderer.__file__).parent
NAMES = frozenset({"localhost", "hub-1"})


def test_every_sentence_that_a_page_asks_for_is_there_in_both_languages_and_none_is_left_over() -> None:
    text = "\n".join(
        path.read_text()
        for room in (WEB, KIT)
        for path in [*room.rglob("*.py"), *room.glob("templates/*.html")]
        if WEB / "words" not in path.parents and path.name != "words.py"
    )
    asked = set(re.findall(r"""\b_\(["']([a-z0-9-]+)["']""", text))
    asked = {key for key in asked if not key.endswith("-")}  # put together with a state
    assert asked <= WORDS.keys(), asked - WORDS.keys()
    made = (
        "badge-",
        "config-help-",
        "config-line-",
        "config-how-",
        "config-last-",
        "config-stage-",
        "config-what-",
        "carrier-",
        "drift-",
        "report-",
        "span-",
        "crisis-",
        "sampling-",
        "colour-",
        "step-",
        "next-",
        "margin-",
        "alert-",
        "limit-",
        "severity-",
        "radio-",
        "level-",
        "origin-",
        "state-",
        "plugin-",
        "link-",
        "command-",
        "csv-",
        "signal-",
        "error-",
        "quality-",
        "sign-",
        "decision-",
        "row-",
        "rows-",
        "perimeter-",
        "quarantine-",
        "recette-",
        "role-",
        "sum-",
        "deed-",
        "audit-value-",
        "audit-how-",
        "audit-why-",
        "audit-name-",
        "evidence-",
        "norm-",
        "about-",
        "search-",
        "trend-",
        "write-",
        "unit-",
        "find-option-",
        "find-choice-",
        "find-column-",
        "find-parity-",
        "find-state-",
        "concentrator-",
        "guides-",
        "network-",
        "update-ended-",
        "update-phase-",
    )
    left = {
        key
        for key in WORDS
        if not key.startswith(made) and not key.endswith("-ones") and not re.search(rf"""["']{key}["']""", text)
    }
    assert left == set()
    for key, english in WORDS.items():
        french = template(key, "fr")
        assert is_translated(Phrase(english, PREFIX + key, {}), "fr"), key
        assert english, key
        assert re.findall(r"\{\w+\}", french) == sorted(re.findall(r"\{\w+\}", english), key=french.find), key


def test_a_key_that_stands_in_two_areas_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="twice in the words of the pages: menu"):
        merged([{"menu": "Menu"}, {"menu": "Map"}])


def test_a_third_language_of_the_pages_is_one_more_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "de/LC_MESSAGES/hub.mo"
    path.parent.mkdir(parents=True)
    made = polib.POFile()
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for key, german in (("alert-count", "{count} Alarm[|e]"), ("ago", "vor {span}")):
        made.append(polib.POEntry(msgctxt=PREFIX + key, msgid=WORDS[key], msgstr=german))
    made.save_as_mofile(str(path))
    monkeypatch.setattr(catalogues, "_HUB_FOLDER", tmp_path)
    catalogues.messages.cache_clear()
    try:
        assert [word("alert-count", "de", count=count) for count in (0, 1)] == ["0 Alarme", "1 Alarm"]
        assert word("ago", "de", span="1 h") == "vor 1 h"
        assert word("never", "de") == "never"
    finally:
        catalogues.messages.cache_clear()


def test_a_page_leads_to_itself_in_each_other_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert renderer.same_page({"q": "a b", "lang": "en", "said": "x"}, "en") == [("fr", "Français", "?q=a+b&lang=fr")]
    monkeypatch.setattr(renderer, "LANGUAGES", ("fr", "en", "de", "xx"))
    assert renderer.same_page({}, "fr", "/devices") == [
        ("en", "English", "/devices?lang=en"), ("de", "Deutsch", "/devices?lang=de"), ("xx", "xx", "/devices?lang=xx"),
    ]  # fmt: skip


def test_every_state_has_its_word() -> None:
    for state in (RUNNING, WAITING, STOPPED, QUARANTINED, FINISHED, "starting", "up", "away", "refused", "failed"):
        assert f"plugin-{state}" in WORDS
    for state in views.STATES:
        assert f"state-{state}" in WORDS


def test_every_role_of_a_route_is_a_role_of_the_hub() -> None:
    assert frozenset(ROLES) == roles.READS
    assert frozenset(ROLES) >= roles.AUDITS | roles.WORKS | roles.RULES


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.floats(0, 120)), max_size=300))
def test_no_hour_evaluates_more_than_fifty_guesses_of_an_account(tries: list[tuple[int, bool, float]]) -> None:
    now, taken = 0.0, list[float]()
    throttle = Throttle(lambda: now)
    for address, known, pause in tries:
        now += pause
        if not throttle.take("camille", f"10.0.{address // 256}.{address % 256}", known=known):
            taken.append(now)
        assert sum(now - at < HOUR for at in taken) <= KNOWN + STRANGERS == 50


def test_one_address_empties_its_own_purse_first_and_time_fills_it() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    assert [throttle.take("a", "192.0.2.1", known=False) for _ in range(ADDRESS)] == [0.0] * ADDRESS
    assert 0 < throttle.take("a", "192.0.2.1", known=False) <= HOUR
    assert throttle.take("a", "192.0.2.2", known=False) == 0.0
    now = HOUR
    assert throttle.take("a", "192.0.2.1", known=False) == 0.0


def test_all_strangers_together_have_one_purse_and_what_is_kept_is_bounded() -> None:
    throttle = Throttle(lambda: 0.0)
    taken = sum(throttle.take(f"name-{n}", f"2001:db8:0:{n:x}::1", known=False) == 0.0 for n in range(5000))
    assert taken == ALL
    assert throttle.take("name-1", "", known=True) == 0.0


def test_an_ipv6_network_is_one_guesser() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")
    assert network("fe80::1%eth0") == "fe80::"
    assert network("nonsense") == ""


@given(st.text(max_size=80))
def test_a_host_is_ours_only_by_name_or_by_the_address_that_was_called(host: str) -> None:
    if host_is_ours(host, NAMES, "192.0.2.1", 8443):
        assert split_host(host) in {("localhost", 8443), ("hub-1", 8443), ("192.0.2.1", 8443)}


@pytest.mark.parametrize(
    ("host", "local", "ours"),
    [
        ("localhost:8443", "127.0.0.1", True), ("LOCALHOST.:8443", "127.0.0.1", True),
        ("localhost", "127.0.0.1", False),
        ("[::1]:8443", "::1", True), ("192.0.2.1:8443", "::ffff:192.0.2.1", True), ("::1:8443", "::1", False),
        ("192.0.2.2:8443", "192.0.2.1", False), ("hub-1:8443@evil.example", "192.0.2.1", False),
        ("localhost:8443.evil.example", "192.0.2.1", False), ("localhost:٨٤٤٣", "192.0.2.1", False),
    ],
)  # fmt: skip
def test_hosts(host: str, local: str, ours: bool) -> None:
    assert host_is_ours(host, NAMES, local, 8443) is ours


def test_a_link_to_a_page_may_come_from_anywhere_and_nothing_else_may() -> None:
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert not is_cross_site("GET", "h:1", {"Sec-Fetch-Site": "cross-site"}, api=False)
    assert is_cross_site("GET", "h:1", cross, api=True)
    assert is_cross_site("POST", "h:1", cross, api=False)
    assert is_cross_site("POST", "h:1", {"Origin": "http://h:1"}, api=False)
    assert is_cross_site("POST", "h:1", {"Origin": "https://h"}, api=False)
    assert not is_cross_site("POST", "h:1", {"Origin": "https://h:1"}, api=False)


def test_codes_are_different_random_and_forgiving_of_how_they_are_typed() -> None:
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert normalised_code(" 0o1i-l234 5678") == "0011-1234-5678"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("eleven char", "password-short"), ("x" * 129, "password-long"), ("aaaaaaaaaaaaaaa", "password-easy"),
        ("my name is camille", "password-easy"), ("MotDePasse-2026", "password-easy"), ("trois lampes et un chat", ""),
    ],
)  # fmt: skip
def test_easy_passwords_are_refused(password: str, why: str) -> None:
    assert password_problem(password, "camille") == why


async def test_a_secret_fits_its_password_alone_and_only_so_many_wait() -> None:
    import asyncio

    made = Passwords()
    secret = await made.make("trois lampes et un chat")
    assert await made.fits(secret, "trois lampes et un chat")
    assert not await made.fits(secret, "trois lampes et un chien")
    assert not await made.fits(None, "trois lampes et un chat")
    many = await asyncio.gather(*(made.fits(secret, "x") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in many) == 20 - passwords.MOST_WAITING


def test_a_session_ends_when_idle_and_in_any_case_after_half_a_day() -> None:
    now = 0.0
    sessions = Sessions(lambda: now, b"s" * 32)
    token, session = sessions.begin("camille")
    assert sessions.get(token) is session
    assert sessions.get(token + "x") is None
    while now < LONGEST_S - IDLE_S:
        now += IDLE_S - 1
        assert sessions.get(token) is session
    now = LONGEST_S + 1
    assert sessions.get(token) is None
    token, _ = sessions.begin("camille")
    now += IDLE_S + 1
    assert sessions.get(token, touch=False) is None
    tokens = [sessions.begin("camille")[0] for _ in range(MOST_EACH + 1)]
    assert sessions.get(tokens[0]) is None
    assert sessions.get(tokens[-1]) is not None


def test_what_a_browser_is_known_by_is_worth_nothing_after_a_new_password() -> None:
    sessions = Sessions(lambda: 0.0, b"s" * 32)
    said = sessions.known("camille", b"mark-1")
    assert sessions.is_known(said, "camille", b"mark-1")
    assert not sessions.is_known(said, "camille", b"mark-2")
    assert not sessions.is_known(said, "dominique", b"mark-1")
    assert not sessions.is_known("é", "camille", b"mark-1")


ROW = {
    "id": "ble:AA", "name": "Été; =1+1", "state": "green", "why": "", "fr": "remonte", "en": "reports",
    "place": "=cmd()", "zone": "z", "site": "s", "model": 'a "b"', "integration": "bluetooth", "heard": {},
    "signal": -71, "last_seen_s": 2.5,
}  # fmt: skip


def test_a_table_opens_in_a_french_spreadsheet_and_no_cell_of_it_runs() -> None:
    heads, states = [str(n) for n in range(11)], {"green": "remonte"}
    french = views.table([ROW], "fr", heads, states)
    assert french.startswith(b"\xef\xbb\xbf")
    row = list(csv.reader(io.StringIO(french.decode("utf-8-sig")), delimiter=";"))[1]
    assert row[1] == "Été; =1+1"
    assert row[4] == "'=cmd()"
    assert row[9:] == ["-71", "2,5"]
    english = views.table([ROW], "en", heads, states)
    assert list(csv.reader(io.StringIO(english.decode())))[1][9:] == ["-71", "2.5"]


@given(st.dictionaries(st.sampled_from(["page", "size", "sort", "dir", "q", "state"]), st.text(max_size=12)))
def test_no_query_breaks_the_list(query: dict[str, str]) -> None:
    found = views.rows([ROW], query)
    shown, page, size = tables.page_of(found, query)
    assert page >= 1
    assert 1 <= size <= tables.MOST_ROWS
    assert len(shown) <= 1


def test_signals_are_judged_by_their_radio() -> None:
    assert views.signal_word("lorawan:AA", -110) == "signal-fair"
    assert views.signal_word("ble:AA", -110) == "signal-weak"
    assert views.signal_word("ble:AA", None) == ""
    assert views.strongest({"a": -90, "b": None, "c": -70}) == -70


@pytest.mark.parametrize(
    "wrong", [{"address": "everywhere"}, {"hosts": ["https://hub"]}, {"port": 70000}, {"hosts": ["a b"]}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|less than"):
        Options.model_validate(wrong)
    assert Options.model_validate({"hosts": ["Hub-1.Example.ORG"]}).hosts == ("hub-1.example.org",)


@given(st.text(max_size=200))
def test_no_sentence_is_lost_on_a_french_page(said: str) -> None:
    assert any(message(said, "fr")) or not said


def test_the_style_of_a_page_that_stands_alone_is_let_through_by_its_digest_and_no_script_is() -> None:
    said = policy_with_style("<head><style>p{}</style></head><style>a{}</style>")
    assert said.startswith(POLICY)
    # printf 'p{}' | openssl dgst -sha256 -binary | base64
    assert said.endswith("; style-src 'self' 'sha256-gG2yISYereRMiG2lMXrbiUgi0Ubw9p7QCeWcroOvy9Y='")
    assert "script-src" not in said
    assert policy_with_style("<p>") == POLICY


@pytest.mark.parametrize(
    ("count", "french", "english"),
    [
        (0, "0 appareil", "0 devices"), (1, "1 appareil", "1 device"), (2, "2 appareils", "2 devices"),
        (12_345, "12\u202f345 appareils", "12,345 devices"),
    ],
)  # fmt: skip
def test_a_count_has_its_plural_and_its_thousands_as_its_language_has_them(
    count: int, french: str, english: str
) -> None:
    assert (word("count-devices", "fr", count=count), word("count-devices", "en", count=count)) == (french, english)


def test_no_sentence_quotes_as_the_documentation_does() -> None:
    """A page shows `this` as it stands: commands and options stand within the quotation marks of the language."""
    assert [key for key in WORDS if any("`" in template(key, lang) for lang in ("fr", "en"))] == []
    assert [key for key, texts in REPORT.items() if any("`" in text for text in texts)] == []


def test_no_sentence_shows_the_sign_of_a_plural() -> None:
    for key in WORDS:
        for lang in ("fr", "en"):
            text = template(key, lang)
            if "[" in text and "|" in text:
                # a number stands beside the sums, and numbered lines are counted by their numbers
                assert "{count}" in text or key.startswith("sum-") or key == "limit-lines", key
                assert not set("[]|") & set(
                    word(key, lang, count=2, span="1 h", by="a", air="1", lines="1, 2", longest="3", counter="5")
                ), key
