"""Tables of devices, as spreadsheets and other tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.i18n.catalogues import is_translated
from hub.protocol.device_labels import Unreadable
from hub.protocol.device_labels.device_request import DeviceRequest
from hub.protocol.device_labels.table import COLUMNS, MAX_ROWS, TEMPLATE, Fault, Table, device_of, read_table

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
EUI = "0018b20000001234"


def only(table: Table) -> DeviceRequest:
    assert table.faults == []
    (wish,) = table.wishes
    return wish


def fault(text: str) -> tuple[int, str, str]:
    (one,) = read_table(text.encode()).faults
    assert is_translated(one.en, "fr")
    return one.line, one.column, one.en


def test_the_template_is_right_and_shows_the_three_ways() -> None:
    table = read_table(TEMPLATE.encode())
    assert (table.faults, table.ignored, table.placed) == ([], [], True)
    assert [wish.line for wish in table.wishes] == [2, 3, 4]
    assert [device_of(wish) for wish in table.wishes] == [
        "lorawan:0018b20000001234",
        "lorawan:70b3d5e75e000001",
        "lorawan:a84041000181d4d3",
    ]
    assert [bool(wish.key) for wish in table.wishes] == [True, False, False]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_whatever_the_spreadsheet_writes(delimiter: str, encoding: str, end: str) -> None:
    rows = [["DevEUI", "Clé", "Emplacement", "Nom"], [EUI.upper(), KEY, "salle-1", 'Salle "été"']]
    quoted = [[f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in row] for row in rows]
    text = end.join(delimiter.join(row) for row in quoted) + end
    wish = only(read_table(text.encode(encoding)))
    assert wish == DeviceRequest(line=2, device=f"lorawan:{EUI}", key=KEY, place="salle-1", name='Salle "été"')


def test_the_export_of_a_network_server_is_read_with_its_own_names() -> None:
    head = "id;dev_eui;join_eui;name;frequency_plan_id;lorawan_version;app_key;place"
    table = read_table(f"{head}\nmy-device;{EUI};70B3D57ED0000001;A;EU_863_870;MAC_V1_0_2;{KEY};p\n".encode())
    wish = only(table)
    assert wish.settings == {"join_eui": "70b3d57ed0000001", "version": "1.0.2"}
    assert (wish.device, wish.key, wish.name) == (f"lorawan:{EUI}", KEY, "A")
    assert table.ignored == ["id", "frequency_plan_id"], "said, not swallowed"


def test_a_row_names_other_kinds_of_devices_too() -> None:
    text = (
        "mac,bind_key,meter_id,manufacturer,version,medium,device,key,integration,place,settings.eep,settings.address\n"
        f"a4c138010203,{KEY},,,,,,,,a,,\n"
        f",,12345678,els,33,03,,{KEY},,b,,\n"
        ",,,,,,enocean:01a02f11,,enocean,c,A5-04-01,\n"
        ",,,,,,modbus:boiler,,plant,d,,7\n"
    )
    table = read_table(text.encode())
    assert table.faults == []
    assert [(wish.device, wish.key, wish.settings) for wish in table.wishes] == [
        ("ble:A4:C1:38:01:02:03", KEY, {}), ("mbus:ELS-12345678-33-03", KEY, {}),
        ("enocean:01A02F11", "", {"eep": "A5-04-01"}), ("modbus:boiler", "", {"address": "7"}),
    ]  # fmt: skip


def test_a_key_stands_beside_a_label_that_has_none() -> None:
    text = f"label;app_key;place\nLW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122;{KEY};p\n"
    wish = only(read_table(text.encode()))
    assert (wish.device, wish.key, device_of(wish)) == ("", KEY, "lorawan:aabbccddeeff0011")


def test_a_lorawan_device_that_has_a_bluetooth_address_too_is_known_by_its_deveui() -> None:
    text = f"dev_eui;mac;place\n{EUI};a4c138010203;p\n"
    assert only(read_table(text.encode())).device == f"lorawan:{EUI}"


def test_without_places_a_table_is_a_list_of_keys() -> None:
    assert not read_table(f"dev_eui;app_key\n{EUI};{KEY}\n".encode()).placed


def test_the_list_of_another_tool_gives_the_keys_of_what_speaks_bluetooth() -> None:
    text = """Devices found for server "de" @ home "1":
   ---------
   NAME:     Chambre
   ID:       blt.3.1abcd
   BLE KEY:  00112233445566778899aabbccddeeff
   MAC:      A4:C1:38:01:02:03
   TOKEN:    b1b2b3b4b5b6b7b8b9b0b1b2
   MODEL:    miaomiaoce.sensor_ht.t2
   ---------
   NAME:     Lampe
   MAC:      A4:C1:38:01:02:04
   TOKEN:    00000000000000000000000000000000
   ---------
   NAME:     Cave
   BLE KEY:  00112233
   MAC:      A4:C1:38:01:02:05
   ---------
"""
    table = read_table(text.encode())
    assert not table.placed
    (wish,) = table.wishes
    assert (wish.line, wish.device, wish.key) == (3, "ble:A4:C1:38:01:02:03", "00112233445566778899aabbccddeeff")
    assert (wish.name, wish.model) == ("Chambre", "miaomiaoce.sensor_ht.t2")
    (wrong,) = table.faults
    assert (wrong.line, wrong.column) == (14, "BLE KEY")
    assert "00112233" not in wrong.en


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        (f"DevEUI;place\n{EUI[:-1]};p\n", 2, "DevEUI", "16 hexadecimal digits (0-9, A-F); this has 15"),
        ("dev_eui;place\n1,85E+13;p\n", 2, "dev_eui", "a spreadsheet turned this DevEUI into a number"),
        (f"dev_eui;app_key;place\n{EUI};{KEY[:-1]}g;p\n", 2, "app_key", "32 hexadecimal digits"),
        (f"dev_eui;place\n{EUI};p\n\n{EUI.upper()};q\n", 4, "device", "stands in line 2 already"),
        (f"dev_eui;place\n{EUI};p;x;y\n", 2, "", "has 4 cells, the first line names 2 columns"),
        (f"dev_eui;device;place\n{EUI};lorawan:0018b20000001235;p\n", 2, "dev_eui", "names two devices"),
        (f"dev_eui;app_key;key;place\n{EUI};{KEY};{KEY[::-1]};p\n", 2, "key", "two different keys"),
        (f"dev_eui;name;place\n{EUI};{'x' * 101};p\n", 2, "name", "at most 100 characters"),
        (f'dev_eui;name;place\n{EUI};"a\nb";p\n', 2, "name", "cannot be printed"),
        ("device;place\nnonsense;p\n", 2, "device", "scheme:identifier"),
        ("meter_id;manufacturer;place\n123456789;ELS;p\n", 2, "meter_id", "at most 8 digits"),
    ],
)
def test_what_is_wrong_is_told_with_line_column_and_remedy(text: str, line: int, column: str, says: str) -> None:
    told = fault(text)
    assert told[:2] == (line, column)
    assert says in told[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names the columns"), ("a;b\n1;2\n", "names the columns"),
        ("dev_eui;plaace\n", "did you mean 'place'?"), ("dev_eui;deveui\n", "two columns are 'dev_eui'"),
        (";".join(["dev_eui", *"abcdefghij" * 7]) + "\n", "at most 64 columns"),
        ('dev_eui;place\n"' + "x" * 200_000, "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_whole(text: str, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_table(text.encode())
    assert says in caught.value.detail
    assert is_translated(caught.value.detail, "fr")


def test_a_table_is_bounded() -> None:
    rows = "".join(f"{number:016x};p{number}\n" for number in range(MAX_ROWS + 1))
    table = read_table(b"dev_eui;place\n" + rows.encode())
    assert len(table.wishes) == MAX_ROWS
    assert table.faults[-1].line == MAX_ROWS + 2
    with pytest.raises(Unreadable, match="4 MiB"):
        read_table(b"dev_eui;place\n" + bytes(4 << 20))


_CELL = st.one_of(
    st.sampled_from(
        [EUI, KEY, "a4c138010203", "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122", "p", "", "12345678"]
    ),
    st.text(max_size=12),
)
_HEAD = st.lists(st.sampled_from([*COLUMNS, "x"]), min_size=1, max_size=8, unique=True)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
@example(b"\xff\xfe")
@example(b'dev_eui\n"')
def test_any_file_is_a_table_or_a_reason(data: bytes) -> None:
    faults = list[Fault | Unreadable]()
    try:
        faults += read_table(data).faults
    except Unreadable as error:
        faults.append(error)
    assert all(is_translated(one.en if isinstance(one, Fault) else one.detail, "fr") for one in faults)
    assert all(one.line > 0 for one in faults if isinstance(one, Fault))


@given(_HEAD, st.lists(st.lists(_CELL, max_size=9), max_size=6))
def test_every_row_is_a_device_or_a_reason_and_none_is_lost(head: list[str], rows: list[list[str]]) -> None:
    lines = [";".join(head), *(";".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)]
    try:
        table = read_table("\n".join(lines).encode())
    except Unreadable:
        return
    said = [row for row in rows if any(cell.strip() for cell in row)]
    assert len(table.wishes) + len(table.faults) == len(said)
    for wish in table.wishes:
        assert KEY not in repr(wish)


def test_the_template_in_the_documentation_is_the_one_that_the_command_prints() -> None:
    docs = Path(__file__).parents[4] / "docs" / "how-to"
    assert (docs / "devices.csv").read_text() == TEMPLATE
    assert f"```text\n{TEMPLATE}```" in (docs / "add-devices.md").read_text()
