"""What leaves the building for whoever helps names nobody."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hub.rpc.redaction import MASK, Redactor

NAMES = {"device": ["lorawan:70B3D5499AB12345", "Sonde 3"], "place": ["salle-3"], "hub": ["hub-abc"]}


def test_a_name_is_the_same_number_everywhere_in_keys_and_inside_sentences() -> None:
    redacted = Redactor(NAMES).value(
        {
            "counts": {"lorawan:70B3D5499AB12345": 3},
            "degraded": ["lorawan:70b3d5499ab12345 in Salle-3 is silent"],
        }
    )
    (name,) = redacted["counts"]
    assert name == "device-2"
    assert redacted["degraded"] == ["device-2 in place-1 is silent"]


def test_what_nobody_listed_is_caught_by_its_shape() -> None:
    said = Redactor({}).text(
        "mallory@example.org came from 192.168.1.20 and fe80::1ff:fe23:4567:890a with AA:BB:CC:DD:EE:FF, "
        "key 00112233445566778899AABBCCDDEEFF, id 70B3D5499AB12345"
    )
    for secret in ("mallory", "192.168", "fe80", "AA:BB", "0011", "70B3"):
        assert secret not in said, said
    assert said.startswith("e-mail-1 came from address-")


def test_the_same_address_is_the_same_number_and_loopback_is_not_hidden() -> None:
    redactor = Redactor({})
    assert redactor.text("10.0.0.7 and 10.0.0.8 and 10.0.0.7") == "address-1 and address-2 and address-1"
    assert redactor.text("listens on 127.0.0.1") == "listens on 127.0.0.1"


def test_a_field_that_is_called_a_secret_loses_its_value_whatever_it_is() -> None:
    lost = {
        "app_key": "x", "proxy_password": 7, "token": ["a"], "pass": "x", "sms_pwd": "x", "Authorization": "x",
    }  # fmt: skip
    kept = {"monkey": "kept", "keyed": True, "key": "", "passage": "north", "author": "Jo"}
    assert Redactor({}).value(lost | kept) == dict.fromkeys(lost, MASK) | kept


def test_ordinary_sentences_figures_and_versions_stay_readable() -> None:
    for said in ("OpenSSL 4.0.3 29 Sep 2026", "3 devices are refused: see To do", "0.1.0", "buffer.max_size", "https"):
        assert Redactor(NAMES).text(said) == said


@given(
    st.lists(st.text(st.characters(categories=["Ll", "Nd"]), min_size=4, max_size=12), min_size=1, max_size=8),
    st.recursive(st.text(max_size=20), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3)),
)
def test_no_listed_name_is_in_what_comes_out(names: list[str], around: object) -> None:
    told = [f"{around} {name} {name}{name}" for name in names]
    out = json.dumps(Redactor({"§": names}).value({"a": told, **dict.fromkeys(names, 1)}), ensure_ascii=False)
    for name in names:
        assert name not in out.replace("§-", "")
