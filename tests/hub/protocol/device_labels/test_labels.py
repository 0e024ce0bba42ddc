"""Labels and QR codes. What they hold is taken from the standards and the makers' documents that are named here, and
from what another implementation says of the same text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.model import DEVICE_ID
from hub.i18n.catalogues import is_translated, translate
from hub.protocol.device_labels import MAX_TEXT, Label, Unreadable, kinds, read, tr005
from tests.processor import uncollected

KEY = "2B7E151628AED2A6ABF7158809CF4F3C"

# TR005 1.0.0 §4.3, the published example with every optional element.
PUBLISHED = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"


def test_the_published_example_of_tr005_is_read_with_its_checksum() -> None:
    label = read(PUBLISHED)
    assert label == Label(
        form="TR005",
        device="lorawan:aabbccddeeff0011",
        settings={"join_eui": "1122334455667788"},
        profile="AABB1122",
        serial="YYWWNNNNNN",
    )
    assert label.key is None, "it never holds one"
    assert tr005.checksum(PUBLISHED.rpartition(":")[0]) == "AF2C"


@pytest.mark.parametrize("at", [7, 30, 45, 60, 75, 85])
def test_a_misread_character_is_seen_by_the_checksum(at: int) -> None:
    wrong = PUBLISHED[:at] + ("0" if PUBLISHED[at] != "0" else "1") + PUBLISHED[at + 1 :]
    with pytest.raises(Unreadable) as caught:
        read(wrong)
    assert caught.value.reason == "tr005-checksum"


@pytest.mark.parametrize(
    ("text", "join", "device", "profile", "serial"),
    [  # what The Things Stack's own tests say of these texts (lora_alliance_tr005*_test.go)
        ("LW:D0:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42", "42ff", "4242", "42FFFF42", ""),
        ("LW:D0:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42:O:S:P", "42ff", "4242", "42FFFF42", ""),
        ("URN:DEV:LW:42FFFFFFFFFFFFFF_4242FFFFFFFFFFFF_42FFFF42", "42ff", "4242", "42FFFF42", ""),
        ("URN:DEV:LW:42FFFFFFFFFFFFFF_4242FFFFFFFFFFFF_42FFFF42_V0102_SSERIAL_PPROPRIETARY", "42ff", "4242", "42FFFF42",
         "SERIAL"),
        ("URN:LW:DP:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42:%V0102%SSERIAL%PPROPRIETARY", "42ff", "4242", "42FFFF42",
         "SERIAL"),
        ("URN:LW:DP:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42:%25SSERIAL", "42ff", "4242", "42FFFF42", "SERIAL"),
        # as one maker prints it, in small letters
        ("LW:D0:0000000000000000:34c5d0fa68ceffa5:FFFF0BEB:S241218QR1", "0000", "34c5", "FFFF0BEB", "241218QR1"),
    ],
)  # fmt: skip
def test_what_another_implementation_reads(text: str, join: str, device: str, profile: str, serial: str) -> None:
    label = read(text)
    assert label.settings["join_eui"].startswith(join)
    assert label.device.startswith(f"lorawan:{device}")
    assert (label.profile, label.serial) == (profile, serial)


@pytest.mark.parametrize(
    "text",
    [  # what The Things Stack's own tests refuse
        "LW:D0:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF", "LW:D0:42FFFFFFFF:4242FFFFFFFFFFFF:42FFFF42",
        "LW:D0:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42AABB", "URN:DEV:LW:42FFFFFFFFFFFFFF_4242FFFFFFFFFFFF",
        "URN:DEV:LW:42FFFFFFFF_4242FFFFFFFFFFFF_42FFFF42", "LW:D1:42FFFFFFFFFFFFFF:4242FFFFFFFFFFFF:42FFFF42",
    ],
)  # fmt: skip
def test_what_another_implementation_refuses(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert is_translated(caught.value.detail, "fr")


@pytest.mark.parametrize(
    ("text", "device", "key", "settings"),
    [
        # Dragino (The Things Stack, pull request 6272) and Tektelic (issue 5953)
        ("A84041000181D4D3", "lorawan:a84041000181d4d3", "", {}),
        ("A8-40-41-00-01-81-D4-D3\n", "lorawan:a84041000181d4d3", "", {}),
        ("647FDA000000ABCD:647FDA8010000100", "lorawan:647fda000000abcd", "", {"join_eui": "647fda8010000100"}),
        # Elsys, NFC settings specification: the example values of its table
        (f"DevEui:A81758FFFE000000\nAppEui:EE00000000001234\nOta:1\nAppKey:{KEY}\nSplPer:60\n",
         "lorawan:a81758fffe000000", KEY, {"join_eui": "ee00000000001234"}),
        (f"DevEui:A81758FFFE000000\nDevAddr:FE000000\nOta:0\nAppSKey:{KEY}\nNwkSKey:{KEY[::-1]}\n",
         "lorawan:a81758fffe000000", KEY[::-1] + KEY, {"address": "fe000000"}),
        # The Things Network's mobile application
        (f'{{"dev_eui":"0004A30B001C0530","description":"a","app_eui":"70B3D57ED0000001","app_key":"{KEY}"}}',
         "lorawan:0004a30b001c0530", KEY, {"join_eui": "70b3d57ed0000001"}),
        # the printed text of labels
        (f"DEV EUI: 00 18 B2 00 00 00 12 34\nAPP EUI: 0018B24441524632\nAPP KEY: {KEY}",
         "lorawan:0018b20000001234", KEY, {"join_eui": "0018b24441524632"}),
        (f"Device EUI 0018b20000001234, Join EUI 0018B24441524632, AppKey 0x{KEY}", "lorawan:0018b20000001234", KEY,
         {"join_eui": "0018b24441524632"}),
        # EnOcean: PTM 215ZE user manual 1.0 §7.3.1.1, and a product label of the Alliance
        ("30S01700100+Z0123456789ABCDEF0123456789ABCDEF+30PS3271-A215+2PDA03+S01432902018866",
         "enocean:01700100", "", {}),
        ("30S000001910EB8+1P000C00000002+10Z00+11ZFFFFFFFE", "enocean:01910EB8", "", {}),
        # (the same form with a Bluetooth address of 12 digits)
        ("30SE21500000001+Z0123456789ABCDEF0123456789ABCDEF+30PS3221-A215+2PDB06+S01123456123456",
         "ble:E2:15:00:00:00:01", "0123456789ABCDEF0123456789ABCDEF", {}),
        # Bluetooth: address and bind key; MiBeacon before version 4 has 24 digits
        (f"A4:C1:38:01:02:03 {KEY}", "ble:A4:C1:38:01:02:03", KEY, {}),
        ("a4c138010203", "ble:A4:C1:38:01:02:03", "", {}),
        (f"MAC: A4-C1-38-01-02-03\nBindKey: {KEY.lower()}", "ble:A4:C1:38:01:02:03", KEY, {}),
        (f"mac=a4c138010203;ble_key={KEY[:24]}", "ble:A4:C1:38:01:02:03", KEY[:24], {}),
        # meters: EN 13757 as the hub names them, and DIN 43863-5
        (f"ELS-12345678-33-03 {KEY}", "mbus:ELS-12345678-33-03", KEY, {}),
        ("mbus:kam-06855817-08-04", "mbus:KAM-06855817-08-04", "", {}),
        ("1 ELS 00 1234 5678", "mbus:ELS-12345678", "", {}),
        ("6KAM0006855817", "mbus:KAM-06855817", "", {}),
    ],
)  # fmt: skip
def test_makers_own_forms(text: str, device: str, key: str, settings: dict[str, str]) -> None:
    label = read(text)
    assert (label.device, (label.key or b"").hex().upper(), label.settings) == (device, key.upper(), settings)
    assert kinds.device_id(label.device) == label.device


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not-a-label"), ("https://example.org/product/4711", "not-a-label"), ("x" * (MAX_TEXT + 1), "too-long"),
        ("DevEUI: 0018B2000000", "bad-value"), (f"AppKey: {KEY}", "no-device"),
        (f"DevEUI 0018B20000001234 AppKey {KEY[:-2]}", "bad-value"),
        (f"DevEUI 0018B20000001234 AppKey {KEY}00", "bad-value"),
        ("DevEUI 0018B20000001234 DevEUI 0018B20000001235", "two-values"),
        (f"DevEUI 0018B20000001234 DevAddr 01020304 AppSKey {KEY}", "abp-keys"),
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused_with_the_remedy_in_both_languages(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert caught.value.reason == reason
    assert is_translated(caught.value.detail, "fr")
    assert KEY[:8] not in caught.value.detail + translate(caught.value.detail, "fr")


def test_a_key_is_never_shown() -> None:
    label = read(f"A4:C1:38:01:02:03 {KEY}")
    assert KEY.lower() not in repr(label).lower()
    assert "with a key" in repr(label)


_PIECES = st.sampled_from(
    [
        "LW:D0:",
        "URN:DEV:LW:",
        "URN:LW:DP:",
        "1122334455667788",
        ":",
        "_",
        "%",
        "AABB1122",
        "CAF2C",
        "DevEUI",
        "AppKey",
        "MAC",
        "BindKey",
        "30S",
        "+Z",
        KEY,
        KEY[:24],
        "=",
        "\n",
        " ",
        '"',
        "{",
        "}",
        "ELS-12345678",
        "-33-03",
        "0x",
    ]
)
_TEXT = st.one_of(st.text(max_size=300), st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=20).map("".join))


@given(_TEXT)
@example("LW:")
@example("DevEUI")
@example("30S01700100" + "+" * 20)
def test_any_text_is_one_device_or_a_reason(text: str) -> None:
    label, refused = None, None
    try:
        label = read(text)
    except Unreadable as error:
        refused = error
    if label is None:
        assert refused is not None
        assert is_translated(refused.detail, "fr")
        assert not re.search(r"[0-9A-Fa-f]{24}", refused.detail), "what may be a key"
        return
    assert DEVICE_ID.fullmatch(label.device)
    assert kinds.device_id(label.device) == label.device
    assert label.key is None or len(label.key) in (12, 16, 32)
    assert (label.serial + label.model + label.name).isprintable()


_HEX16 = st.text("0123456789ABCDEF", min_size=16, max_size=16)
_ELEMENT = st.tuples(st.sampled_from("OSPX"), st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*+-./", max_size=12))


@given(
    _HEX16, _HEX16, st.text("0123456789ABCDEF", min_size=8, max_size=8), st.lists(_ELEMENT, max_size=5), st.booleans()
)
def test_every_code_of_tr005_is_read_back(join: str, device: str, profile: str, more: list, summed: bool) -> None:
    content = ":".join(["LW:D0", join, device, profile, *map("".join, more)])
    label = read(f"{content}:C{tr005.checksum(content)}" if summed else content)
    assert (label.device, label.settings, label.profile) == (
        f"lorawan:{device.lower()}",
        {"join_eui": join.lower()},
        profile,
    )


@pytest.mark.parametrize(
    "text",
    [
        "A" + " " * 4000 + "B", "A4C138010203" + " " * 4000 + "x", "1122334455667788" + ": " * 2000 + "z",
        "DevEUI" + " :" * 2000, "ELS-12345678" + " ;" * 2000, "30S01700100" + "+" * 4000, "0x" * 2000, "dev eui " * 500,
    ],
)  # fmt: skip
def test_no_label_keeps_the_hub_busy(text: str) -> None:
    with uncollected():
        began = time.thread_time()
        with pytest.raises(Unreadable):
            read(text[:MAX_TEXT])
        assert time.thread_time() - began < 0.2
