"""Packs of Modbus: what tells a device of theirs, and the ten meters and gateways that ship."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from integrations.modbus.packs import RegisterMap, Sign
from integrations.modbus.plan import plan
from integrations.modbus.settings import DeviceSettings
from tests.hub.devices.packs.packs_kit import NAMES, SHIPPED

MODBUS = [name for name in NAMES if SHIPPED.get(name).keys.protocol == "modbus"]
COMPUTED = "Words computed from the map"


def text(said: str) -> list[int]:
    raw = said.encode() + b"\0" * (len(said) % 2)
    return [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]


def test_a_sign_fits_the_numbers_it_names_and_no_others() -> None:
    sign = Sign(table="input", address=11, values=(57, 58))
    assert [sign.fits([word]) for word in (56, 57, 58, 59)] == [False, True, True, False]
    assert not sign.fits([]), "a device that says nothing"


def test_a_sign_of_text_fits_what_starts_so_whatever_fills_the_rest() -> None:
    sign = Sign(address=0x8960, length=6, starts=("B23", "B24"))
    assert sign.fits(text("B23 112-100"))
    assert sign.fits(text("B24\0\0\0\0\0\0\0\0\0"))
    assert not sign.fits(text("A43 112-100"))
    assert not sign.fits(text("B23")), "half of it is not all of it"


@pytest.mark.parametrize(
    "sign",
    [{}, {"values": [1], "starts": ["B"]}, {"values": [1], "length": 2}, {"values": [1 << 16]}, {"starts": [""]}],
)
def test_a_sign_that_would_fit_anything_or_nothing_is_refused(sign: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sign.model_validate({"address": 0, **sign})


@given(st.lists(st.integers(0, 0xFFFF), max_size=40), st.integers(1, 32))
def test_no_answer_of_a_device_breaks_a_sign(words: list[int], length: int) -> None:
    assert Sign(address=0, length=length, starts=("A",)).fits(words) in (True, False)


def test_ten_meters_and_gateways_ship_and_none_claims_to_have_been_tried() -> None:
    assert set(MODBUS) == {
        "abb-b23", "carlo-gavazzi-em21", "carlo-gavazzi-em340", "eastron-sdm120", "eastron-sdm630", "eastron-sdm72d",
        "janitza-umg96", "remeha-gtw08", "schneider-iem3155", "siemens-pac3200",
    }  # fmt: skip
    assert not any(SHIPPED.get(name).keys.tried for name in MODBUS)


@pytest.mark.parametrize("name", MODBUS)
def test_each_register_has_a_maker_s_document_or_two_independent_drivers(name: str) -> None:
    sources = SHIPPED.get(name).keys.sources
    documents = [source for source in sources.values() if source.kind == "document"]
    drivers = [source for source in sources.values() if source.kind == "codec"]
    assert documents or len(drivers) >= 2
    assert len({source.by for source in drivers}) == len(drivers)


@pytest.mark.parametrize("name", MODBUS)
def test_each_vector_says_where_its_registers_are_from_and_whether_its_words_were_computed(name: str) -> None:
    pack = SHIPPED.get(name)
    for vector in pack.vectors:
        source = pack.keys.sources[vector.keys.source]
        examples_of_the_maker = name == "abb-b23" and source.kind == "document"
        assert (COMPUTED in vector.keys.page) != examples_of_the_maker, vector.where
        if source.kind == "document":
            assert re.match(r"p\. \d", vector.keys.page), vector.where


@pytest.mark.parametrize("name", MODBUS)
def test_a_pack_is_read_in_few_requests_that_each_meter_can_answer(name: str) -> None:
    part = SHIPPED.get(name).part
    assert isinstance(part, RegisterMap)
    spans = plan(part.registers, max_gap=DeviceSettings(registers=part.registers).max_gap)
    assert len(spans) <= 8
    assert max(span.count for span in spans) <= 60, (
        "30 values of two registers, the least that a maker allows (SDM72D-M)"
    )


def test_no_two_packs_are_told_by_the_same_sign() -> None:
    seen: dict[tuple[str, int, object], str] = {}
    for name in MODBUS:
        for sign in SHIPPED.get(name).part.signs:
            for value in (*sign.values, *sign.starts):
                assert seen.setdefault((sign.table, sign.address, value), name) == name
