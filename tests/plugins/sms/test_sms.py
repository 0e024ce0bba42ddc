"""SMS: the alphabet and its packing against a known message and a reader that is not ours; the modem's dialogue over a
pseudo-terminal; the gateway's requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import hub
from hub.sdk.session import Reply
from plugins.sms import Config, run
from plugins.sms.alphabet import DEFAULT, packed, plain, septets
from plugins.sms.pdu import MOST, PART, split, submits

from ..notify_kit import alert, notifying, until
from .modem_sim import SimModem, read_submit


def test_a_known_message_is_packed_as_it_is_known() -> None:
    """The example that every introduction to PDU mode gives: `hellohello` is E8329BFD4697D9EC37."""
    assert packed(septets("hellohello")).hex().upper() == "E8329BFD4697D9EC37"
    assert len(DEFAULT) == 128
    [one] = submits("+46708251358", "hellohello", 0)
    assert one.hex == "0011000B916407281553F80000A70AE8329BFD4697D9EC37"
    assert one.length == 23


def test_french_is_written_with_what_the_alphabet_has() -> None:
    said = "Fenêtre à 51,2 °C — « cœur » : reçu… déjà l’été à Noël, 3 m³ €"
    assert plain(said) == 'Fenetre à 51,2 C - " coeur " : recu... déjà l\'été à Noel, 3 m3 €'
    assert plain("温度") == "??"


@given(st.text(max_size=700), st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.integers(0, 2**32))
def test_any_text_arrives_as_its_plain_form_whole_or_cut_at_its_end(text: str, number: str, reference: int) -> None:
    pdus = submits(number, text, reference)
    read = [read_submit(pdu.hex) for pdu in pdus]
    arrived = "".join(str(one["text"]) for one in read)
    whole = plain(text)
    assert {one["number"] for one in read} == {number}
    assert len(pdus) <= MOST
    if len(septets(whole)) <= MOST * (PART - 1):
        assert arrived == whole
    elif arrived != whole:
        assert arrived.endswith("...")
        assert whole.startswith(arrived[:-3])
    if len(pdus) > 1:
        assert [one["part"] for one in read] == [(reference & 255, len(pdus), n + 1) for n in range(len(pdus))]
    assert all(pdu.length <= 164 for pdu in pdus)


def test_an_escaped_character_is_never_torn_between_two_parts() -> None:
    assert all(len(septets(part)) <= PART for part in split("€" * 200))


@pytest.fixture
def modem() -> Iterator[SimModem]:
    made = SimModem()
    yield made
    made.close()


def by_modem(modem: SimModem, **more: Any) -> Config:
    return Config.model_validate({"to": ["+33612345678"], "modem": {"port": modem.port, **more}})


async def test_an_alert_leaves_by_modem_in_one_sentence(modem: SimModem) -> None:
    async with notifying("sms", run, by_modem(modem)) as (queue, _, health):
        queue.offer(alert(severity="critical"))
        await until(lambda: queue.status()["waiting"] == 0)
        assert modem.sent == [
            {
                "number": "+33612345678",
                "text": "Alerte (critique) : Chaufferie : boucle à 51.2 C",
                "part": None,
                "validity": 167,
            }
        ]
        assert health.state == "running"


async def test_a_locked_card_is_unlocked_with_its_pin_and_a_wrong_one_is_tried_once() -> None:
    modem = SimModem(pin="1234")
    try:
        async with notifying("sms", run, by_modem(modem)) as (queue, _, health):
            queue.offer(alert())
            await until(lambda: health.state == "stopped")
            assert "PIN" in health.error
            assert modem.tries == 0
        async with notifying("sms", run, by_modem(modem, pin="9999")) as (queue, clock, health):
            queue.offer(alert())
            await until(lambda: health.state == "stopped")
            await clock.advance(3600)
            assert modem.tries == 1
            assert "9999" not in health.error
        async with notifying("sms", run, by_modem(modem, pin="1234")) as (queue, _, health):
            queue.offer(alert())
            await until(lambda: modem.sent)
    finally:
        modem.close()


async def test_what_got_through_to_one_number_is_not_sent_to_it_again(modem: SimModem) -> None:
    config = Config.model_validate({"to": ["+33611111111", "+33622222222"], "modem": {"port": modem.port}})
    modem.answers = ["", "+CMS ERROR: 331"]  # no network, for the second
    async with notifying("sms", run, config) as (queue, clock, health):
        queue.offer(alert())
        await until(lambda: health.state == "waiting" and health.error)
        assert "331" in health.error
        while queue.status()["waiting"]:
            await clock.advance(60)
            await until(lambda: health.state == "waiting" or not queue.status()["waiting"])
        assert [one["number"] for one in modem.sent] == ["+33611111111", "+33622222222"]


async def test_a_number_that_the_network_refuses_for_good_is_said_and_given_up(
    modem: SimModem, caplog: pytest.LogCaptureFixture
) -> None:
    modem.answers = ["+CMS ERROR: 28"]
    async with notifying("sms", run, by_modem(modem)) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: queue.status()["waiting"] == 0)
        assert modem.sent == []
        assert "refuses a message for good" in caplog.text
        assert health.state == "running"


@pytest.mark.parametrize(
    ("made", "state", "said"),
    [({"sim": False}, "stopped", "no SIM card"), ({"registered": "2"}, "waiting", "in no network")],
)
async def test_a_modem_that_cannot_send_says_why(made: dict[str, Any], state: str, said: str) -> None:
    modem = SimModem(**made)
    try:
        async with notifying("sms", run, by_modem(modem)) as (queue, _, health):
            queue.offer(alert())
            await until(lambda: health.state == state and health.error)
            assert said in health.error
    finally:
        modem.close()


async def test_a_modem_that_says_nothing_is_not_ready(modem: SimModem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.sms.modem.ANSWER_S", 0.1)
    modem.silent = True
    async with notifying("sms", run, by_modem(modem)) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: health.state == "waiting" and "does not answer" in health.error)


class Http:
    def __init__(self, *statuses: int) -> None:
        self.statuses, self.posts = list(statuses), []  # type: ignore[var-annotated]

    async def request(self, method: str, url: str, *, headers: Any, body: bytes, timeout: Any) -> Reply:
        self.posts.append((url, headers, body))
        return Reply(self.statuses.pop(0) if self.statuses else 200, {}, b"")


def by_gateway(**more: Any) -> Config:
    gateway = {"url": "https://sms.example.org/v1", **more}
    return Config.model_validate({"to": ["+33612345678"], "gateway": gateway, "language": "en"})


async def test_a_gateway_gets_its_own_fields_and_what_is_filled_in_is_not_looked_at_again() -> None:
    http = Http()
    config = by_gateway(fields={"dest": "{to}", "msg": "Ilot: {text}", "id": "{key}"}, headers={"X-Key": "s3cret"})
    async with notifying("sms", run, config, http=http) as (queue, _, _):
        queue.offer(alert(text="{to} {key}", text_fr=""))
        await until(lambda: queue.status()["waiting"] == 0)
    [(url, headers, body)] = http.posts
    assert url == "https://sms.example.org/v1"
    assert headers["X-Key"] == "s3cret"
    assert json.loads(body) == {"dest": "+33612345678", "msg": "Ilot: Alert (warning): {to} {key}", "id": "a-1"}


async def test_a_form_is_a_form() -> None:
    http = Http()
    async with notifying("sms", run, by_gateway(format="form"), http=http) as (queue, _, _):
        queue.offer(alert(text="a & b = c"))
        await until(lambda: queue.status()["waiting"] == 0)
    [(_, headers, body)] = http.posts
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode())["text"] == ["Alert (warning): a & b = c"]


@pytest.mark.parametrize(("status", "state"), [(503, "waiting"), (429, "waiting"), (401, "stopped"), (402, "stopped")])
async def test_a_gateway_that_does_not_take_it_is_tried_again_or_stops(status: int, state: str) -> None:
    async with notifying("sms", run, by_gateway(), http=Http(status)) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: health.state == state)
        assert queue.status()["waiting"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": ["0612345678"]}, {"to": []}, {"modem": {"port": "/dev/x"}, "gateway": {"url": "https://a.example"}}, {},
    ],
)  # fmt: skip
def test_a_configuration_that_leads_nowhere_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"to": ["+33612345678"], **wrong})


def test_the_pin_stands_in_no_text() -> None:
    config = Config.model_validate({"to": ["+33612345678"], "modem": {"port": "/dev/x", "pin": "1234"}})
    assert "1234" not in repr(config).replace("+33612345678", "")
    assert isinstance(config, hub.Config)
