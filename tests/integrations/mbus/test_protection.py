"""Telegrams of the air that a receiver has opened, and security modes that are none: what is believed of whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from ruamel.yaml import YAML

import hub
import integrations.mbus
from integrations.mbus import decode_wireless, radio
from integrations.mbus.decode import readings, wireless

EXAMPLES = {
    example["name"]: example
    for example in YAML(typ="safe").load((Path(integrations.mbus.__file__).parent / "examples.yaml").read_text())
}
MODE_7 = EXAMPLES["the same, security profile B (mode 7)"]
MODE_5 = EXAMPLES["a gas meter by radio, security profile A (mode 5)"]
CTR = EXAMPLES["a water meter whose extended link layer is sealed (AES-CTR)"]

# As published with the tests of wmbusmeters
OPENED_7 = {  # simulations/simulation_t1.txt: eBZ wMB E01, 2816.304 kWh; ehzp, 41.1718 kWh
    "5B445A149922992202378C20F6900F002C25BC9E0000BF48954821BC508D72992299225A140102F6003007102F2F040330F92A0004A9FF01FF24"
    "000004A9FF026A29000004A9FF03460600000DFD11063132333435362F2F2F2F2F2F": {"energy": 2816.304},
    "5344A8159955995502028C201D900F002C250C390000ED176BBBB1591ADB7A1D003007102F2F0700583B74020000000007803CBCD702000000"
    "00000728B070200000000000042092A406002F2F2F2F2F2F2F2F2F": {"energy": 41.1718, "power": 2126.0},
}
RESERVED = {  # the same file: IZAR RS 868, security mode 29 and 24 by the word; 71.442 m3, 49.373 m3
    "1E4424238B07797389607A8F00107D041312170100426CBF23441344100100": 71_442,
    "1E4424238B06204790607A2A0010D80413DDC00000426CBF23441382BB0000": 49_373,
}
SEALED_9 = [  # drivers/src of gas meters, sealed with AES-GCM
    "264493154433221150037A79330129060000028E0D6A47FF4F26DF16D17F1BF94C0A22359DB80E",
    "2644E2302143658750037AE623012906000009844C61E7C0B85EDBE2D6769DC348EE1391DF1404",
    "26448F197856341250037A232301290600000B004F837AAB646E32C56C7168866EB387CCA0BF10",
]
MAKERS_OWN = (  # of an RFM-TX1
    "4644B4097172737405077AA50006101115F78184AB0F1D1E200000005904103103208047004A4800E73C00193E00453F003E4000E64000E741"
    "00F442000144001545005B460000"
)


def decoded(raw: bytes, key: bytes | None = None) -> hub.Decoded:
    found = decode_wireless(hub.Frame(kind="wmbus", address="", data={"telegram": raw}), lambda _: key)
    assert isinstance(found, hub.Decoded)
    return found


def opened(example: dict[str, str]) -> tuple[bytes, bytes]:
    """A published telegram as a receiver prints it that has opened it itself, and its key."""
    key, raw = bytes.fromhex(example["key"]), radio.strip(bytes.fromhex(example["telegram"]))
    plain = radio.open_(raw, key).data
    return raw[: len(raw) - len(plain)] + plain, key


@pytest.mark.parametrize(("telegram", "values"), OPENED_7.items())
def test_mode_7_that_the_receiver_has_opened_is_read_and_proves_nothing(
    telegram: str, values: dict[str, float]
) -> None:
    found = decoded(bytes.fromhex(telegram))
    assert {key: found.values[key] for key in values} == pytest.approx(values)
    assert found.proof is not None
    assert (found.proof.scheme, found.proof.authenticated, found.proof.sealed) == ("none", False, False)


def test_with_its_key_mode_7_is_authentic_though_the_receiver_has_opened_it() -> None:
    raw, key = opened(MODE_7)
    assert raw.endswith(radio.open_(bytes.fromhex(MODE_7["telegram"]), key).data)
    assert decoded(raw, key).proof == hub.Proof(scheme="oms-7", counter=2739, authenticated=True, sealed=True)
    assert readings(wireless(raw, key)) == pytest.approx(MODE_7["readings"])


@pytest.mark.parametrize("at", [4, 25, -1, -20])
def test_one_changed_byte_of_an_opened_one_is_not_authentic(at: int) -> None:
    raw, key = opened(MODE_7)
    changed = bytearray(raw)
    changed[at] ^= 0x10
    with pytest.raises(hub.DecodeError) as caught:
        wireless(bytes(changed), key)
    assert caught.value.reason == "bad-key"


@pytest.mark.parametrize("example", [MODE_5, CTR], ids=["mode 5", "AES-CTR"])
def test_what_comes_in_clear_is_never_taken_for_sealed_though_a_key_is_there(example: dict[str, str]) -> None:
    raw, key = bytes.fromhex(example["telegram"]), bytes.fromhex(example["key"])
    assert (proof := decoded(raw, key).proof) is not None
    assert proof.sealed
    if example is MODE_5:
        clear, _ = opened(example)
    else:
        whole = radio.strip(raw)
        start = whole[2:10] + whole[11:12] + whole[13:17] + bytes(3)
        opener = Cipher(algorithms.AES(key), modes.CTR(start)).decryptor()
        clear = whole[:17] + opener.update(whole[17:]) + opener.finalize()
    for held in (None, key):
        found = decoded(clear, held)
        assert found.proof is not None
        assert (found.proof.scheme, found.proof.sealed) == ("none", False), "anybody can send this"
        assert {name: found.values[name] for name in example["readings"]} == pytest.approx(example["readings"])


@pytest.mark.parametrize(("telegram", "litres"), RESERVED.items())
def test_a_reserved_security_mode_whose_records_are_in_clear_is_none(telegram: str, litres: float) -> None:
    found = decoded(bytes.fromhex(telegram))
    assert found.values["volume"] == pytest.approx(litres)
    assert found.proof is not None
    assert found.proof.scheme == "none"


@pytest.mark.parametrize("telegram", [*SEALED_9, MAKERS_OWN])
def test_a_mode_that_seals_and_a_makers_own_content_stay_unread(telegram: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        decoded(bytes.fromhex(telegram))
    assert caught.value.reason == "wmbus-mode"
