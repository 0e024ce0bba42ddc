"""What the reference pages of the format and the link say in tables is what the code does.

Injected blocks are compared by `tools/check_docs.py`; here is what people wrote.
"""

from __future__ import annotations

import logging
import re
import struct
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

import hub.store_and_forward.buffer
from backend.api.hubs import HubApi
from backend.api.requests import errors
from backend.ingest.core import NotAdmitted
from hub.core.errors import AuthFailed, DecodeError, NotReady, StorageError
from hub.core.request_log import RequestLog
from hub.protocol import link_messages
from hub.protocol.documents import backup, recovery_key_file, trust
from hub.protocol.link_messages import Ack, State
from hub.protocol.records import bodies, columns, compression, dictionary, framing, opening, seal
from hub.protocol.records.rows import Column, Subject
from hub.store_and_forward.buffer.segment import MAGIC
from hub.store_and_forward.delivery import core, lanes
from hub.store_and_forward.link.core import METERED_S, METERED_STATE_S
from plugins import https

REFERENCE = Path(__file__).parents[2] / "docs/reference"
FORMAT, LINK = ((REFERENCE / f"{name}.md").read_text() for name in ("buffer-format", "link-protocol"))
SPECIFICATION = hub.store_and_forward.buffer.__doc__ or ""


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the one table whose head begins with `first`, as cells."""
    found = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert len(found) == 1, f"{len(found)} tables begin with {first!r}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[0].splitlines()]


def section(page: str, heading: str) -> str:
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[2]


def limits(page: str) -> dict[str, int]:
    return {name: int(number.replace(",", "")) for name, number in table(section(page, "Limits"), "what")}


# -- the format ------------------------------------------------------------------------------------------------


def test_the_header_in_the_specification_is_the_one_that_is_packed() -> None:
    lines = re.findall(r"^ +(\d+) +(\d+)  (\w.*)$", SPECIFICATION, re.MULTILINE)
    fields = [(int(offset), int(size)) for offset, size, _ in lines[:8]]
    sizes = [struct.calcsize(f">{code}") for code in ("4s", "I", "B", "B", "H", "Q", "Q", "I")]
    assert framing._HEAD.format == ">4sIBBHQQI"
    assert fields == [(sum(sizes[:at]), size) for at, size in enumerate(sizes)]
    assert lines[8][:2] == ("32", "4")
    header = framing.pack_header(framing.GAP, 7, readings=0x0102, seq=3, total=4, commit_s=5)
    told = {text.split()[0].rstrip(":"): header[int(at) : int(at) + int(size)] for at, size, text in lines[:8]}
    assert told["marker"] == bytes.fromhex(lines[0][2].removeprefix("marker "))
    assert (told["length"], told["kind"], told["flags"]) == (b"\0\0\0\7", b"\4", b"\0")
    assert [text.split()[0] for _, _, text in lines[4:8]] == ["readings", "seq", "readings", "Unix"]
    assert header[10:12] + header[19:20] + header[27:28] + header[31:32] == b"\1\2\3\4\5"
    tail = re.findall(r"^ +(\d+)\+n +(\d+)  ", SPECIFICATION, re.MULTILINE)
    assert tail == [("36", "64"), ("100", "4")]
    assert (framing.HEADER_SIZE, framing.SIGNATURE_SIZE, framing.OVERHEAD) == (36, 64, 104)


def test_the_kinds_in_the_specification_are_those_of_the_code() -> None:
    lines = re.findall(r"^    ([A-Z]+) +(\d) +(yes|no) ", SPECIFICATION, re.MULTILINE)
    assert {int(number): name for name, number, _ in lines} == framing.KINDS
    assert {int(number) for _, number, numbered in lines if numbered == "yes"} == framing.NUMBERED


def test_the_labels_ciphers_and_magic_in_the_specification_are_those_of_the_code() -> None:
    labels = {
        seal.EPOCH_LABEL, seal.EPOCH_SIGNATURE_LABEL, seal.COMMIT_LABEL, seal.RECORD_LABEL, seal.LOCAL_LABEL,
    }  # fmt: skip
    named = re.findall(r'"(ilot/[\w/-]+)\\0"', SPECIFICATION)
    assert {f"{name}\0".encode() for name in named} == labels
    assert set(re.findall(r'"((?:aes|chacha)[\w-]+)"', SPECIFICATION)) == set(seal.AEADS)
    assert f"`{MAGIC[:-1].decode()}\\{MAGIC[-1]}`" in SPECIFICATION


def test_the_fields_in_the_specification_of_small_contents_are_those_of_the_code() -> None:
    text = bodies.__doc__ or ""
    for name, fields in (("column", Column.__struct_fields__), ("subject", Subject.__struct_fields__)):
        found = re.search(rf"{name} +\[([^\]]+)\]", text)
        assert found, name
        words = [re.sub(r" \(.*\)", "", word.strip()) for word in found[1].split(",")]
        same = {"device class": "device_class", "state class": "state_class", "privacy class": "privacy"}
        assert tuple(same.get(word, word) for word in words) == fields
    gap = re.search(r"^GAP +(.+)$", text, re.MULTILINE)
    assert gap
    assert len(gap[1].split(", ")) == len(bodies.Gap.__struct_fields__)
    assert {bodies.DAMAGED, bodies.EVICTED} == set(re.findall(r'"(damaged|evicted)"', text))


def test_the_limits_of_the_format_are_those_of_the_code() -> None:
    assert limits(FORMAT) == {
        "payload of a record, bytes": framing.MAX_PAYLOAD,
        "content of a record after decompression, bytes": compression.MAX_BODY,
        "readings in a block": columns.MAX_READINGS,
        "metrics in a shape": dictionary.MAX_COLUMNS,
        "recipients of an epoch": opening.MAX_RECIPIENTS,
        "shapes, or subjects, in a segment": bodies.MAX_ENTRIES,
        "description of a shape, bytes of MessagePack": dictionary.MAX_SHAPE,
        "description of a subject, bytes of MessagePack": dictionary.MAX_SUBJECT,
        "characters of a text": columns.MAX_TEXT,
    }
    assert recovery_key_file.MAX_FILE == 4096


# -- the link --------------------------------------------------------------------------------------------------


def keys_of(heading: str) -> set[str]:
    return {key for cells in table(section(LINK, heading), "key") for key in re.findall(r"`(\w+)`", cells[0])}


@pytest.mark.parametrize(("heading", "struct_"), [("An ack", Ack), ("A state", State)])
def test_the_keys_of_a_statement_are_those_of_the_code(heading: str, struct_: type[msgspec.Struct]) -> None:
    assert keys_of(heading) == set(struct_.__struct_fields__)
    required = re.search(r"^Required: (.+?)\.", section(LINK, heading), re.MULTILINE)
    assert required
    assert set(re.findall(r"`(\w+)`", required[1])) == {
        field.encode_name for field in msgspec.structs.fields(struct_) if field.required
    }


def test_the_members_of_the_trust_document_are_those_of_the_code() -> None:
    rows = table(LINK, "member")
    assert {name for cells in rows for name in re.findall(r"`(\w+)`", cells[0])} == set(trust.Trust.__struct_fields__)
    told = {cells[0].strip("`"): set(re.findall(r"`(\w+)`", cells[1])) for cells in rows}
    for member, struct_ in (
        ("recipients", trust.Recipient),
        ("ack_keys", trust.AckKey),
        ("egress", trust.Egress),
        ("badge_keys", trust.BadgeKey),
    ):
        assert told[member] == set(struct_.__struct_fields__)


@pytest.mark.parametrize(("part", "struct_"), [("head", backup.Head), ("contents", backup.Contents)])
def test_the_keys_of_a_backup_are_those_of_the_code(part: str, struct_: type[msgspec.Struct]) -> None:
    rows = table(LINK, f"key of the {part}")
    assert {name for cells in rows for name in re.findall(r"`(\w+)`", cells[0])} == set(struct_.__struct_fields__)
    if part == "contents":
        assert re.findall(r"`(\w+)`", rows[-1][1]) == list(backup.StreamEnd.__struct_fields__)
        assert re.findall(r"`(\w+)`", rows[1][2]) == ["identity", "tls", "store"]


def test_the_limits_of_the_link_are_those_of_the_code() -> None:
    assert limits(LINK) == {
        "bytes of a message": link_messages.MAX_MESSAGE,
        "bytes of a reply": link_messages.MAX_REPLY,
        "bytes of a signed statement": link_messages.MAX_SIGNED,
        "acks in a reply": link_messages.MAX_ACKS,
        "ranges of one list": link_messages.MAX_RANGES,
        "a record's number": link_messages._MAX_SEQ,
    }
    assert https.MAX_REPLY == link_messages.MAX_REPLY
    named = re.findall(r'"(ilot/[\w/-]+)\\0"', link_messages.__doc__ or "")
    assert {link_messages.ACK_LABEL, link_messages.STATE_LABEL} == {f"{name}\0".encode() for name in named}


def test_lanes_and_times_are_those_of_the_code() -> None:
    rows = [[cells[0], *(float(cell.replace(",", "")) for cell in cells[2:])] for cells in table(LINK, "lane")]
    assert rows == [[f"`{lane.name}`", lane.seconds, lane.least, lane.most, lane.window] for lane in lanes.LANES]
    assert f"last {core.LIVE_S:.0f} s" in table(LINK, "lane")[1][1]
    assert f"at most {lanes.READINGS:,} readings" in LINK
    times = [re.findall(r"\d+", cells[1]) for cells in table(section(LINK, "When a hub sends"), "what")]
    assert [[float(number) for number in numbers] for numbers in times] == [
        [core.STATE_S], [METERED_S], [METERED_STATE_S], [core.ANSWER_S], [core.SETTLE_S, core.SETTLE_MOST_S],
        [core.WANT_S],
    ]  # fmt: skip
    assert core.REJECTED_S == 3600


def test_the_requests_are_the_routes_for_hubs() -> None:
    asked = {tuple(re.findall(r"`(\w+) (\S+)`", cells[0])[0]) for cells in table(LINK, "request")}
    router = web.UrlDispatcher()
    HubApi.__new__(HubApi).route(router)
    known = {
        (route.method, route.resource.canonical)
        for route in router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert ("GET", "/v1/series") not in known, "the operator's are told apart"
    assert asked == known


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotAdmitted("x"), 403),
        (AuthFailed("x"), 403),
        (DecodeError("bad", "x"), 400),
        (DecodeError("too-large", "x"), 413),
        (NotReady("x"), 503),
        (StorageError("x"), 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_the_statuses_are_those_that_the_backend_answers_with(error: Exception, status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    answer = await errors(RequestLog(logging.getLogger("test")))(
        make_mocked_request("POST", "/v1/hubs/x/records"), handler
    )
    assert answer.status == status
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert str(status) in {number for cells in table(LINK, "status") for number in cells[0].split(", ")}


def test_the_backup_and_the_trust_document_keep_their_labels() -> None:
    for text, labels in (
        (trust.__doc__ or "", {trust.LABEL, trust.ROOT_LABEL}),
        (backup.__doc__ or "", {backup.LABEL, backup.SIGNATURE_LABEL, seal.COMMIT_LABEL}),
    ):
        assert {f"{name}\0".encode() for name in re.findall(r'"(ilot/[\w/-]+)\\0"', text)} == labels


def test_a_table_that_says_something_else_is_caught() -> None:
    """What the checks above stand on: a cell read wrongly would pass everything."""
    page = "## Limits\n\n| what | at most |\n|---|---|\n| a | 1,024 |\n| b | 7 |\n\n## Next\n"
    assert limits(page) == {"a": 1024, "b": 7}
    with pytest.raises(AssertionError):
        table(page, "nothing")
