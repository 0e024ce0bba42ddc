"""A table of devices as CSV → wishes, and what is wrong in which line and column. Pure.

RFC 4180, with what spreadsheets make of it: `;`, `,` or tabulator, as the first line has it; UTF-8 with or without BOM,
UTF-16 with BOM, else Windows-1252. The first line names the columns, in any order, in English or French, in the words
of this table or of The Things Stack's and ChirpStack's exports. A line is counted as a text editor counts it. At most
4 MiB, 10,000 rows and 64 columns.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator

import msgspec

from hub.core.text import phrase, reason_of
from hub.protocol.device_labels import exports, read
from hub.protocol.device_labels.device_request import DeviceRequest, of_columns, of_label
from hub.protocol.device_labels.label import Label, Unreadable, shown

MAX_TABLE, MAX_ROWS, MAX_COLUMNS = 4 << 20, 10_000, 64

COLUMNS: dict[str, tuple[str, ...]] = {
    "label": ("qr", "qrcode", "qrdata", "etiquette"),
    "device": ("appareil",),
    "dev_eui": ("deviceeui", "eui"),
    "join_eui": ("appeui", "applicationeui"),
    "app_key": ("nwkkey", "applicationkey", "appkeyhex"),
    "dev_addr": ("deviceaddress", "devaddress"),
    "nwk_s_key": ("nwkskey", "networksessionkey", "fnwksintkey"),
    "app_s_key": ("appskey", "applicationsessionkey"),
    "mac": ("macaddress", "bluetoothaddress", "adressemac"),
    "bind_key": ("blekey", "bthomekey", "encryptionkey"),
    "manufacturer": (),
    "meter_id": ("meter", "meternumber", "compteur", "numerocompteur"),
    "version": (),
    "medium": ("fluide",),
    "key": ("cle",),
    "integration": (),
    "place": ("emplacement", "lieu"),
    "zone": (),
    "role": (),
    "pack": (),
    "name": ("nom",),
    "model": ("modele", "modelid"),
    "settings.eep": ("eep", "profileep"),
    "settings.version": ("lorawanversion", "macversion"),
}
"""Name of a column → other names of it, in small letters and digits alone. `settings.X` is X of the device's
settings, whatever X is."""

TEMPLATE = """\
label;dev_eui;join_eui;app_key;place;zone;pack;name
;0018B20000001234;0018B24441524632;00112233445566778899AABBCCDDEEFF;ecole-salle-1;classes;adeunis-comfort2;Salle 1
LW:D0:70B3D59BA0000004:70B3D5E75E000001:01280013:C99B3;;;;ecole-couloir;circulations;;Couloir
A84041000181D4D3;;;;ecole-vide-sanitaire;technique;dragino-lht65;Vide sanitaire
"""
"""Three devices: one with its key, one by its QR code and one by the DevEUI on its label, whose keys come from the
inventory."""

_PLAIN = re.compile(r"[^a-z0-9]")
_SETTING = re.compile(r"settings\.([a-z][a-z0-9_]{0,31})")
_MAC_VERSION = re.compile(r"(?:MAC_V|LORAWAN_)([0-9])_([0-9])(?:_([0-9]))?", re.IGNORECASE)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault in a table: `line` counts from 1, `column` is the name that the file gives it."""

    line: int
    column: str
    en: str
    fr: str = ""
    device: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """`ignored`: columns that mean nothing here. `placed`: it says where devices stand, so that they can be added;
    without, it is a list of keys. `columns`: our name of a column → the file's."""

    wishes: list[DeviceRequest] = []
    faults: list[Fault] = []
    ignored: list[str] = []
    placed: bool = True
    columns: dict[str, str] = {}


def read_table(data: bytes) -> Table:
    """Read a file: a CSV, or another tool's list of devices and keys. Raises Unreadable when it is neither."""
    if len(data) > MAX_TABLE:
        raise Unreadable(
            "too-large",
            phrase("table-too-large", "a table has at most {limit} MiB: split it", limit=MAX_TABLE >> 20),
        )
    text = text_of(data)
    if exports.is_one(text):
        return _export(text)
    rows = list(rows_of(text))
    if not rows:
        raise _no_table()
    (_, head), *body = rows
    names, ignored = _columns(head)
    wishes, faults, seen = [], [], dict[str, int]()
    for line, row in body[:MAX_ROWS]:
        try:
            if len(row) > len(head) and any(cell.strip() for cell in row[len(head) :]):
                raise Unreadable(
                    "too-many-cells",
                    phrase(
                        "table-too-many-cells",
                        "has {cells} cells, the first line names {columns} columns",
                        cells=len(row),
                        columns=len(head),
                    ),
                )
            cells = {name: cell for name, cell in zip(names, row, strict=False) if name}
            if "settings.version" in cells:
                cells["settings.version"] = _mac_version(cells["settings.version"])
            wish = of_columns(cells, line)
            _once(wish, seen)
            wishes.append(wish)
        except Unreadable as error:
            faults.append(_fault(error, line, dict(zip(names, head, strict=True))))
    if len(body) > MAX_ROWS:
        many = Unreadable(
            "too-many-rows", phrase("table-too-many-rows", "at most {limit} rows: split it", limit=MAX_ROWS)
        )
        faults.append(_fault(many, body[MAX_ROWS][0], {}))
    columns = {name: shown(title) for name, title in zip(names, head, strict=True) if name}
    return Table(wishes=wishes, faults=faults, ignored=ignored, placed="place" in columns, columns=columns)


def device_of(wish: DeviceRequest) -> str:
    """The device that a wish names, as far as its own text says; "" where only a pack could tell."""
    if wish.device:
        return wish.device
    try:
        return read(wish.label).device
    except Unreadable:
        return ""


def _export(text: str) -> Table:
    wishes, faults = [], []
    for line, found in exports.read(text):
        if isinstance(found, Label):
            wishes.append(of_label(found, line))
        else:
            faults.append(_fault(found, line, {}))
    return Table(wishes=wishes, faults=faults, placed=False)


def text_of(data: bytes) -> str:
    """Decode a table: UTF-16 with BOM, UTF-8, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, with the line that it begins at. Raises Unreadable."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(";,\t", key=lambda mark: (first.count(mark), mark == ";"))
    reader = csv.reader(io.StringIO(text.replace("\0", "�"), newline=""), delimiter=delimiter)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            "csv",
            phrase(
                "table-line-unreadable",
                "line {line} cannot be read as CSV ({reason}): is a quotation mark missing?",
                line=line,
                reason=reason_of(error),
            ),
        ) from error


def _columns(head: list[str]) -> tuple[list[str], list[str]]:
    """Our name for each column, "" for those that mean nothing here; and these."""
    if len(head) > MAX_COLUMNS:
        raise Unreadable(
            "too-many-columns",
            phrase("table-too-many-columns", "at most {limit} columns", limit=MAX_COLUMNS),
        )
    known = {_small(name): name for name in COLUMNS} | {alias: name for name in COLUMNS for alias in COLUMNS[name]}
    names, ignored = list[str](), list[str]()
    for title in head:
        setting = _SETTING.fullmatch(title.strip())
        name = f"settings.{setting[1]}" if setting else known.get(_small(title), "")
        if not name and title.strip():
            import difflib  # imported late: most tables have the right titles

            near = difflib.get_close_matches(_small(title), known, 1, 0.8)
            if near:
                raise Unreadable(
                    "unknown-column",
                    phrase(
                        "table-no-such-column",
                        "there is no column {title!r}; did you mean {suggestion!r}?",
                        title=shown(title),
                        suggestion=known[near[0]],
                    ),
                    column=shown(title),
                )
            ignored.append(shown(title))
        if name and name in names:
            raise Unreadable(
                "twice",
                phrase("table-column-twice", "two columns are {name!r}", name=name),
                column=shown(title),
            )
        names.append(name)
    if not any(name in names for name in ("label", "device", "dev_eui", "mac", "meter_id")):
        raise _no_table()
    return names, ignored


def _once(wish: DeviceRequest, seen: dict[str, int]) -> None:
    device = device_of(wish)
    if not device:
        return
    before = seen.setdefault(device.lower(), wish.line)
    if before != wish.line:
        raise Unreadable(
            "twice",
            phrase("table-device-twice", "{device} stands in line {line} already", device=device, line=before),
            column="device",
        )


def _fault(error: Unreadable, line: int, titles: dict[str, str]) -> Fault:
    return Fault(line=line, column=shown(titles.get(error.column, error.column)), en=error.detail)


def _small(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.strip().lower())
    return _PLAIN.sub("", "".join(letter for letter in letters if not unicodedata.combining(letter)))


def _mac_version(text: str) -> str:
    """`MAC_V1_0_2` and `LORAWAN_1_0_3`, as network servers write it → 1.0.3."""
    match = _MAC_VERSION.fullmatch(text.strip())
    return ".".join((match[1], match[2], match[3] or "0")) if match else text


def _no_table() -> Unreadable:
    return Unreadable(
        "no-table",
        phrase(
            "table-without-columns",
            "this is not a table of devices: its first line names the columns, at least one of label, device, "
            "dev_eui, mac and meter_id. `ilot device import --template` prints one",
        ),
    )
