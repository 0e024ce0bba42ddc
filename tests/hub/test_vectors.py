"""The vectors in `tests/vectors`: our reader and the one in JavaScript find in them what is written beside them.

They were made once and are never made again: when one of these tests fails, the format has changed, and hubs and
backends that are out there no longer understand each other.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.core import password_hash
from hub.core.errors import AuthFailed, DecodeError
from hub.protocol.documents import backup, recovery_key_file
from hub.protocol.documents.badges import GROUPS, BadBadge, make_badge, make_revoked, read_badge, read_revoked
from hub.protocol.documents.trust import AckKey, read_trust
from hub.protocol.enrolment import read_token, token_proof
from hub.protocol.link_messages import key_id, open_message, read_ack, read_reply, read_state, sign_ack, sign_state
from hub.protocol.records import columns, framing, integers, seal
from hub.protocol.records.bodies import Block, ClockMark, Gap, Table, Tables
from hub.protocol.records.opening import open_epoch, verify_epoch
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import SegmentName

from ..peers.node_reader import NodeReader, Refused
from ..peers.told import as_clock, as_gap, as_report, plain
from ..vectors import annotate, generate, school

KEPT = Path(generate.__file__).parent
STREAMS = [
    "small/readings", "school/readings", "school/alerts", "superseded/readings", "damaged/readings", "tight/readings",
    "unfinished/readings",
]  # fmt: skip


@pytest.fixture(scope="module")
def node() -> Iterator[NodeReader]:
    reader = NodeReader()
    yield reader
    reader.close()


@pytest.fixture(scope="module", params=["kept", "made today"])
def vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "kept":
        return KEPT
    directory = tmp_path_factory.mktemp("vectors")
    generate.make(directory)
    return directory


class Known:
    """The keys of a set, as its files have them."""

    def __init__(self, vectors: Path) -> None:
        public = json.loads((vectors / "keys/public.json").read_text())
        self.hub = public["hub"]
        self.identity = bytes.fromhex(public["identity"])
        self.ack_key = bytes.fromhex(public["ack_key"])
        self.root = bytes.fromhex(public["owner_root"])
        self.ingest = recovery_key_file.read_file((vectors / "keys/ingest.key").read_bytes())
        self.recovery = recovery_key_file.read_file((vectors / "keys/recovery.key").read_bytes())

    @property
    def ack_keys(self) -> tuple[AckKey, ...]:
        return (AckKey(key_id(self.ack_key), self.ack_key),)


@pytest.fixture
def known(vectors: Path) -> Known:
    return Known(vectors)


def private(vectors: Path, name: str) -> bytes:
    return base64.b64decode(json.loads((vectors / f"keys/{name}.key").read_text())["private"])


def segments(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.seg"))
    assert found
    return found


def written(folder: Path) -> list[Any]:
    """What stands beside the segments of a stream, in their order."""
    texts = [path.with_suffix(".jsonl").read_text() for path in segments(folder)]
    return [plain(json.loads(line)) for text in texts for line in text.rstrip("\n").split("\n")]


def told(path: Path) -> Any:
    return json.loads(path.read_text())


# -- our reader, as the backend uses it ------------------------------------------------------------------------------


def read(path: Path, known: Known, *, last: bool = False) -> list[dict[str, Any]]:
    """What the opener of the backend finds in one segment, damage included. `last`: no segment of its run follows."""
    scan = Scan.of(path.read_bytes())
    size = len(scan.data)
    scan = scan.counting() if last else scan
    raws = {head.offset: scan.raw(head) for head in scan.heads}
    raw = next(raws[head.offset] for head in scan.heads if head.kind == framing.EPOCH)
    opener = open_epoch(verify_epoch(raw, known.identity), {known.ingest.kid: known.ingest.private})
    tables = Tables()
    for head in scan.heads:
        if head.kind == framing.TABLE:
            body = opener.open(raws[head.offset]).body
            assert isinstance(body, Table)
            tables.add(body)
    found = [(0, generate.as_epoch(raw))]
    found += [(hole.start, {"kind": "damage", "from": hole.start, "to": hole.end}) for hole in scan.damage]
    for head in scan.heads:
        if head.kind in framing.NUMBERED:
            opened = opener.open(raws[head.offset])
            body = opened.body
            if isinstance(body, Block):
                items = [as_report(row, body.boot) for row in body.rows(tables)]
            else:
                assert isinstance(body, Gap | ClockMark)
                items = [as_gap(body) if isinstance(body, Gap) else as_clock(body)]
            own = {"seq": opened.seq, "commit": opened.commit_s, "digest": opened.digest.hex()}
            found += [(head.offset, item | own) for item in items]
    if len(scan.data) < size:
        found.append((size, {"kind": "unfinished", "from": len(scan.data), "to": size}))
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def read_stream(folder: Path, known: Known) -> list[Any]:
    names = {path: SegmentName.parse(path.name) for path in segments(folder)}
    found = []
    for path, name in names.items():
        later = [other.first for other in names.values() if other and name and other > name and other.run == name.run]
        end = min(later, default=1 << 63)
        found += [item for item in read(path, known, last=not later) if item.get("seq", 0) < end]
    return [plain(item) for item in found]


def by_node(node: NodeReader, vectors: Path, folder: Path, known: Known) -> list[Any]:
    files = [[path.name, path.read_bytes()] for path in segments(folder)]
    # the name as it is, the bytes as base64
    found = node("stream", files=files, keys=[private(vectors, "ingest")], identity=known.identity)
    return [plain(item) for item in found]


@pytest.mark.real("processes")
@pytest.mark.parametrize("stream", STREAMS)
def test_both_readers_find_in_each_segment_what_is_written_beside_it(
    node: NodeReader, vectors: Path, known: Known, stream: str
) -> None:
    expected = written(vectors / stream)
    assert read_stream(vectors / stream, known) == expected
    assert by_node(node, vectors, vectors / stream, known) == expected


def test_a_reader_that_knows_whole_planes_alone_refuses_the_tight_block(
    vectors: Path, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integers, "_TIGHT", 0)
    with pytest.raises(DecodeError, match="byte planes"):
        read_stream(vectors / "tight/readings", known)


def test_what_a_segment_says_twice_counts_once(vectors: Path, known: Known) -> None:
    first, second = segments(vectors / "superseded/readings")
    names = [SegmentName.parse(path.name) for path in (first, second)]
    assert [name.first for name in names if name] == [1, 2]
    assert [item["seq"] for item in read(first, known) if "seq" in item] == [1, 2]
    assert [item["seq"] for item in written(vectors / "superseded/readings") if "seq" in item] == [1, 2, 3]


def test_the_second_run_names_the_end_of_the_first(vectors: Path) -> None:
    lines = written(vectors / "school/readings")
    first, second = [line for line in lines if line["kind"] == "epoch"]
    last = [line for line in lines if line.get("seq")][lines.index(second) - 2]
    assert second["previous"] == {"run": first["run"], "seq": last["seq"], "digest": last["digest"]}
    assert {first["cipher"], second["cipher"]} == {seal.AES, seal.CHACHA}


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("module", "constant", "value"),
    [(seal, "RECORD_LABEL", b"ilot/rec/2\0"), (columns, "NO_RSSI", -1), (columns, "_DEGREE", 10**6)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_of_the_format_that_our_own_reader_follows_is_caught(
    node: NodeReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, constant: str, value: Any
) -> None:
    """The twin that a round trip through our own code never sees."""
    from hub.protocol.records import opening

    monkeypatch.setattr(module, constant, value)
    if hasattr(opening, constant):
        monkeypatch.setattr(opening, constant, value)
    generate.make(tmp_path)
    known = Known(tmp_path)
    folder = tmp_path / "school/readings"
    assert read_stream(folder, known) == written(folder)
    assert by_node(node, tmp_path, folder, known) != written(folder)


# -- the link --------------------------------------------------------------------------------------------------------


@pytest.mark.real("processes")
def test_both_readers_find_the_segments_records_in_the_message(node: NodeReader, vectors: Path, known: Known) -> None:
    body = (vectors / "link/message.bin").read_bytes()
    expected = written(vectors / "small/readings")
    (group,) = open_message(body)[1]
    scan = Scan.of(b"ilotseg\1" + group.records)
    assert not scan.damage
    assert [head.kind for head in scan.heads] == [framing.EPOCH, framing.TABLE, framing.BLOCK, framing.CLOCK]
    assert group.eid.hex() == expected[0]["eid"]
    (found,) = node("message", data=body, keys=[private(vectors, "ingest")], identity=known.identity)
    assert plain(found) == expected


@pytest.mark.real("processes")
def test_both_readers_find_in_ack_and_state_what_is_written_beside_them(
    node: NodeReader, vectors: Path, known: Known
) -> None:
    ack, state = ((vectors / f"link/{name}.bin").read_bytes() for name in ("ack", "state"))
    assert generate.in_hex(read_ack(ack, known)[0]) == told(vectors / "link/ack.json")
    assert generate.in_hex(read_state(state, known.identity)) == told(vectors / "link/state.json")
    assert plain(node("signed", data=ack, kind="ack", keys=[known.ack_key])) == plain(told(vectors / "link/ack.json"))
    assert plain(node("signed", data=state, kind="state", keys=[known.identity])) == plain(
        told(vectors / "link/state.json")
    )
    ours = known.ack_key
    for kind, blob, key in (("ack", ack, known.identity), ("state", ack, ours), ("ack", ack[:-1], ours)):
        with pytest.raises(Refused):
            node("signed", data=blob, kind=kind, keys=[key])


@pytest.mark.real("processes")
def test_both_readers_find_a_state_with_records_and_an_ack_of_two_runs(
    node: NodeReader, vectors: Path, known: Known
) -> None:
    expected = told(vectors / "link/together.json")
    body, reply = ((vectors / f"link/{name}.bin").read_bytes() for name in ("together", "together-reply"))
    state, (group,) = open_message(body)
    assert generate.in_hex(read_state(state, known.identity)) == expected["state"]
    (signed,), speaks = read_reply(reply).acks, read_reply(reply).speaks
    assert (generate.in_hex(read_ack(signed, known)[0]), speaks) == (expected["ack"], 2)
    stated, found = node("message", data=body, keys=[private(vectors, "ingest")], identity=known.identity)
    assert plain(stated) == plain([expected["state"]])
    assert plain(found) == written(vectors / "small/readings")
    assert found[0]["eid"] == group.eid.hex()
    assert plain(node("signed", data=signed, kind="ack", keys=[known.ack_key])) == plain(expected["ack"])
    assert node("reply", data=reply) == {"acks": [signed.hex()], "speaks": plain(2)}
    with pytest.raises(Refused):
        node("message", data=body, keys=[private(vectors, "ingest")], identity=known.ack_key)


def test_ack_and_state_made_today_are_the_same_bytes(known: Known) -> None:
    ack, state = ((KEPT / f"link/{name}.bin").read_bytes() for name in ("ack", "state"))
    assert sign_ack(read_ack(ack, known)[0], school.ACK_KEY) == ack
    assert sign_state(read_state(state, known.identity), school.IDENTITY) == state


@pytest.mark.real("processes")
def test_both_readers_find_the_owners_word_in_the_trust_document(node: NodeReader, vectors: Path, known: Known) -> None:
    document, expected = (vectors / "link/trust.bin").read_bytes(), told(vectors / "link/trust.json")
    assert json.loads(msgspec.json.encode(read_trust(document, known.root))) == expected
    assert plain(node("trust", data=document, fingerprint=known.root)) == plain(expected)
    for at in (20, len(document) - 2000, 400):  # payload, public key, payload
        altered = document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]
        with pytest.raises(Refused):
            node("trust", data=altered, fingerprint=known.root)
        with pytest.raises(AuthFailed):
            read_trust(altered, known.root)


def badge_keys(vectors: Path, known: Known) -> list[bytes]:
    return list(read_trust((vectors / "badges/trust.bin").read_bytes(), known.root, 4).badge_publics)


@pytest.mark.real("processes")
def test_both_readers_find_the_badge_keys_in_the_owners_word_and_an_older_reader_the_rest(
    node: NodeReader, vectors: Path, known: Known
) -> None:
    document, expected = (vectors / "badges/trust.bin").read_bytes(), told(vectors / "badges/trust.json")
    assert json.loads(msgspec.json.encode(read_trust(document, known.root))) == expected
    assert plain(node("trust", data=document, fingerprint=known.root)) == plain(expected)
    assert len(badge_keys(vectors, known)) == 2
    former = told(vectors / "link/trust.json")
    assert {**former, "version": 4} == {key: value for key, value in expected.items() if key != "badge_keys"}
    assert "badge_keys" not in former


@pytest.mark.real("processes")
def test_both_readers_find_in_each_badge_what_is_written_beside_it(
    node: NodeReader, vectors: Path, known: Known
) -> None:
    keys = badge_keys(vectors, known)
    badges = told(vectors / "badges/badges.json")
    assert len(badges) == 2
    for one in badges:
        badge = read_badge(one["text"], keys)
        assert generate.in_hex({field: getattr(badge, field) for field in badge.__struct_fields__}) == one["says"]
        assert plain(node("badge", word=one["text"].encode(), keys=keys)) == plain(one["says"])
        spaced = " ".join(one["text"].lower()[at : at + 5] for at in range(0, len(one["text"]), 5))
        assert node("badge", word=spaced.encode(), keys=keys)["id"] == read_badge(spaced, keys).id.hex()


@pytest.mark.real("processes")
def test_both_refuse_the_same_badges(node: NodeReader, vectors: Path, known: Known) -> None:
    keys = badge_keys(vectors, known)
    refused = told(vectors / "badges/refused.json")
    assert sorted(refused) == ["altered", "cut", "of-another-kind", "stranger"]
    for why, text in refused.items():
        with pytest.raises(Refused):
            node("badge", word=text.encode(), keys=keys)
        with pytest.raises(BadBadge) as caught:
            read_badge(text, keys)
        assert caught.value.reason in ("unreadable", why), why
    good = told(vectors / "badges/badges.json")[1]["text"]
    for read in (lambda: read_badge(good, keys[:1]), lambda: node("badge", word=good.encode(), keys=keys[:1])):
        with pytest.raises((BadBadge, Refused)):  # once the owner names the former key no more
            read()


@pytest.mark.real("processes")
def test_both_readers_find_the_badges_withdrawn(node: NodeReader, vectors: Path, known: Known) -> None:
    keys, document = badge_keys(vectors, known), (vectors / "badges/revoked.bin").read_bytes()
    number, issued, ids = told(vectors / "badges/revoked.json")
    expected = {"number": number, "issued": issued, "ids": ids}
    found = read_revoked(document, keys)
    assert generate.in_hex({field: getattr(found, field) for field in found.__struct_fields__}) == expected
    assert plain(node("revoked", data=document, keys=keys)) == plain(expected)
    altered = document[:-70] + bytes([document[-70] ^ 1]) + document[-69:]
    for read in (lambda: read_revoked(altered, keys), lambda: node("revoked", data=altered, keys=keys)):
        with pytest.raises((BadBadge, Refused)):
            read()


@pytest.mark.real("processes")
def test_both_stretch_a_passphrase_to_the_same_secret_however_it_is_typed(node: NodeReader) -> None:
    one = told(KEPT / "badges/badges.json")[0]
    secret = bytes.fromhex(one["says"]["secret"])
    assert one["typed"] != one["passphrase"]
    for typed, right in ((one["passphrase"], True), (one["typed"], True), ("K7M2Q-9XRTJ", False)):
        assert password_hash.fits(secret, password_hash.code_of(typed, GROUPS)) is right
        assert node("passphrase", secret=secret, typed=typed.encode()) is right


def test_a_badge_made_today_is_the_same_text() -> None:
    texts = [one["text"] for one in told(KEPT / "badges/badges.json")]
    assert texts == [make_badge(school.BADGE, school.BADGE_KEY), make_badge(school.EVERYWHERE, school.FORMER_BADGE_KEY)]
    assert (KEPT / "badges/revoked.bin").read_bytes() == make_revoked(school.REVOKED, school.BADGE_KEY)


@pytest.mark.real("processes")
def test_both_readers_take_the_reply_apart(node: NodeReader, vectors: Path) -> None:
    body = (vectors / "link/reply.bin").read_bytes()
    ack, trust = ((vectors / f"link/{name}.bin").read_bytes() for name in ("ack", "trust"))
    reply = read_reply(body)
    assert (reply.acks, reply.need) == ((ack,), (school.secret("an epoch"),))
    found = node("reply", data=body)
    assert found["acks"] == [ack.hex()]
    assert found["need"] == [school.secret("an epoch").hex()]
    assert bytes.fromhex(found["trust"])[:200] == reply.trust[:200] == trust[:200]  # its second signature is random


# -- backup and enrolment --------------------------------------------------------------------------------------------


@pytest.mark.real("processes")
def test_both_readers_open_the_state_backup_with_the_recovery_key_alone(
    node: NodeReader, vectors: Path, known: Known
) -> None:
    document, expected = (vectors / "backup/backup.bin").read_bytes(), told(vectors / "backup/backup.json")
    found = backup.read(document)
    contents = backup.open_backup(found, known.recovery.kid, known.recovery.private)
    assert generate.in_hex({"head": found.head, "contents": contents}) == expected
    assert plain(node("backup", data=document, key=private(vectors, "recovery"))) == plain(expected)
    with pytest.raises(Refused):
        node("backup", data=document, key=private(vectors, "ingest"))


@pytest.mark.real("processes")
def test_both_make_the_same_proof_for_an_enrolment(node: NodeReader, vectors: Path) -> None:
    asked = told(vectors / "enrolment.json")
    token = read_token(asked["token"])
    identity, request = bytes.fromhex(asked["identity"]), asked["csr"].encode()
    assert token.secret.hex() == asked["secret"]
    assert token_proof(token.secret, identity, request).hex() == asked["mac"]
    assert node("proof", secret=token.secret, identity=identity, request=request) == asked["mac"]


# -- the annotated examples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(annotate.PAGES))
def test_the_annotated_examples_are_what_the_vectors_say(name: str) -> None:
    assert (KEPT / name).read_text() == annotate.PAGES[name](KEPT)
