"""INGEST, in its order: what is new is stored, what came before is known again, what is wrong changes nothing."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from backend_kit import METER, NOW, Desk, Sender, row
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.conformance.probe import altered
from backend.hubs.alarms import MAX_OPEN_ALARMS, clear_alarm, raise_alarm
from backend.ingest.core import RECORDS, STATE, Message, NotAdmitted
from backend.owner import recipient_keys
from backend.storage.sqlite.schema import open_database
from hub.core.errors import AuthFailed, DecodeError, HubError, StorageError
from hub.protocol.documents.trust import Recipient, Trust
from hub.protocol.link_messages import pack_message, read_ack, read_reply
from hub.protocol.records import framing
from hub.protocol.records.opening import open_epoch, verify_epoch
from hub.protocol.records.rows import Column, Row, Shape, Subject
from hub.protocol.records.seal import EPOCH_LABEL, SUITE, H, Previous, Sealer


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


# -- new, duplicate, fork ----------------------------------------------------------------------------------------


def test_a_good_message_becomes_rows_and_is_acknowledged(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    answer = desk.post(hub, segment.message([segment.block([row(NOW, 1.5), row(NOW + 1, 2.5)])]))
    assert [(ack.hub, ack.stream, ack.run, ack.through, ack.ranges) for ack in answer.acks] == [
        (hub.hub, "readings", segment.run, 1, ())
    ]
    desk.settle()
    assert desk.rows() == [(NOW, 1.5), (NOW + 1, 2.5)]
    assert desk.rows("motion") == [(NOW, 0), (NOW + 1, 0)]


def test_a_duplicate_is_acknowledged_again_and_stored_once(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    first, second = desk.post(hub, message), desk.post(hub, message)
    desk.settle()
    third = desk.post(hub, message)
    assert first.taken(segment) == second.taken(segment) == third.taken(segment)
    assert first.acks[0].n < second.acks[0].n < third.acks[0].n
    assert len(desk.rows()) == 1
    assert desk.ingest.counts.duplicates == 2


def test_the_same_record_twice_in_one_message_is_stored_once(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    record = segment.block([row()])
    desk.post(hub, segment.message([record, record]))
    desk.settle()
    assert len(desk.rows()) == 1


def test_the_same_message_twice_in_one_batch_is_stored_once(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    message = Message(hub.hub, "records", segment.message([segment.block([row()])]))
    answers = desk.ingest.take([message, message])
    assert all(isinstance(answer, bytes) for answer in answers)
    desk.settle()
    assert len(desk.rows()) == 1


def test_a_fork_inside_one_batch_is_seen(desk: Desk, hub: Sender) -> None:
    one, two = (hub.segment(run=b"r" * 16) for _ in range(2))
    bodies = [s.message([s.block([row(value=v)])]) for s, v in ((one, 1.0), (two, 2.0))]
    for reply in desk.ingest.take([Message(hub.hub, "records", body) for body in bodies]):
        assert isinstance(reply, bytes)
        for blob in read_reply(reply).acks:
            ack, _ = read_ack(blob, desk.owner.trust)
            assert (ack.through, ack.ranges, ack.rejected) == (0, (), ((1, 1),)), "not even the first time"
    desk.settle()
    assert desk.rows() == [(NOW, 1.0)]
    assert desk.sql("select seq from forks") == [(1,)]
    assert 1 not in desk.state(hub, hub.state(one)).taken(one)


@pytest.mark.parametrize("settled", [False, True])
def test_a_fork_is_stored_aside_and_never_acknowledged(desk: Desk, hub: Sender, settled: bool) -> None:
    run = b"r" * 16
    one, two = hub.segment(run=run), hub.segment(run=run)
    desk.post(hub, one.message([one.block([row(value=1)])]))
    if settled:
        desk.settle()
    raw = two.block([row(value=2)])
    answer = desk.post(hub, two.message([raw]))
    assert 1 not in answer.taken(two)
    assert answer.acks[0].rejected == ((1, 1),)
    desk.settle()
    assert desk.rows() == [(NOW, 1.0)]
    assert desk.sql("select seq, raw from forks") == [(1, raw)]
    assert desk.alarms() == ["fork"]
    assert [fork["seq"] for fork in desk.views.forks()] == [1]
    desk.restart()
    again = desk.post(hub, one.message([one.block([row(NOW + 1, value=3)])]))
    assert list(again.taken(one)) == [(2, 2)]


def test_a_run_that_ended_in_another_record_than_stored_raises_an_alarm(desk: Desk, hub: Sender) -> None:
    one = hub.segment()
    desk.post(hub, one.message([one.block([row()])]))
    desk.settle()
    right = hub.segment(previous=Previous(one.run, 1, one.last_digest))
    desk.post(hub, right.message([right.block([row()])]))
    assert desk.alarms() == []
    damaged = hub.segment(previous=Previous(one.run, 1, bytes(32)))
    desk.post(hub, damaged.message([damaged.block([row()])]))
    assert desk.alarms() == [], "the hub says that its last record is damaged there, not that it is another"
    wrong = hub.segment(previous=Previous(one.run, 1, b"x" * 32))
    desk.post(hub, wrong.message([wrong.block([row()])]))
    assert desk.alarms() == ["fork"]


# -- context -----------------------------------------------------------------------------------------------------


def test_an_unknown_epoch_is_asked_for(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    record = segment.block([row()])
    answer = desk.post(hub, segment.message([record], context=False))
    assert answer.need == (segment.eid,)
    assert answer.acks == []
    assert 1 in desk.post(hub, segment.message([record])).taken(segment)


def test_a_missing_table_is_asked_for_before_anything_is_acknowledged(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    record = segment.block([row()])
    answer = desk.post(hub, pack_message([(segment.eid, [segment.epoch, record])]))
    assert answer.need == (segment.eid,)
    assert not answer.taken(segment)
    assert 1 in desk.post(hub, segment.message([record])).taken(segment)
    desk.settle()
    assert len(desk.rows()) == 1


def test_a_block_whose_table_is_lost_is_kept_aside_and_those_behind_it_are_taken(desk: Desk, hub: Sender) -> None:
    """A hub that has lost a TABLE cannot send it, however often it is asked, nor know which block needs it."""
    segment = hub.segment()
    lost = segment.block([row()])
    told = segment.block([Row(Subject("m:1"), METER, NOW, True, (5.0,), 0, 1)])
    sent = pack_message([(segment.eid, [segment.epoch, segment.context[-1], lost, told])])
    assert desk.post(hub, sent).need == (segment.eid,)
    answer = desk.post(hub, sent)
    assert answer.need == ()
    (ack,) = answer.acks
    assert (ack.through, ack.ranges, ack.rejected) == (0, ((2, 2),), ((1, 1),))
    assert desk.alarms() == ["nameless"]
    without = pack_message([(segment.eid, [lost])])
    assert desk.post(hub, without).need == (segment.eid,), "it may have been spared"
    assert 1 in desk.post(hub, segment.message([lost])).taken(segment), "and is taken when the table comes after all"


@pytest.mark.of_files
def test_a_table_that_was_asked_for_in_vain_is_asked_for_again(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full: the hub was told so, and never that a TABLE is missing."""
    segment = hub.segment()
    needs_it = segment.block([Row(Subject("m:1"), METER, NOW, True, (5.0,), 0, 1)])
    sent = pack_message([(segment.eid, [segment.epoch, segment.context[-1], segment.block([row()]), needs_it])])

    def refuse() -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage.streams, "save", refuse)
        assert isinstance(plain.answer(hub, sent), StorageError)
    answer = plain.post(hub, sent)
    assert answer.need == (segment.eid,)
    assert all(not ack.rejected for ack in answer.acks)


def test_context_is_remembered_over_a_restart(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row()])]))
    desk.restart()
    answer = desk.post(hub, segment.message([segment.block([row(NOW + 1)])], context=False))
    assert list(answer.taken(segment)) == [(1, 2)]
    desk.settle()
    assert len(desk.rows()) == 2


def keep_damaged(desk: Desk, what: str, hurt: str) -> None:
    """The disk has changed what is kept: a bit, the end, all of it, or into a record that is whole and another."""
    ((raw,),) = desk.sql(f"select raw from {what}")
    changed = {
        "bit": bytes([*raw[:-40], raw[-40] ^ 4, *raw[-39:]]), "end": raw[:-9], "nothing": b"", "other": altered(raw),
    }  # fmt: skip
    desk.sql(f"update {what} set raw = ?", changed[hurt])


@pytest.mark.parametrize("hurt", ["bit", "end", "nothing", "other"])
@pytest.mark.parametrize("what", ["epochs", "tables"])
def test_context_that_the_disk_has_damaged_is_told_asked_for_again_and_put_right(
    desk: Desk, hub: Sender, what: str, hurt: str
) -> None:
    segment, beside = hub.segment(), hub.segment()
    first = segment.block([row()])
    desk.post(hub, segment.message([first]))
    desk.settle()
    keep_damaged(desk, what, hurt)
    desk.restart()
    second, other = segment.block([row(NOW + 1)]), beside.block([row(NOW + 2)])
    answer = desk.post(hub, pack_message([(segment.eid, [first, second]), (beside.eid, [*beside.context, other])]))
    assert answer.need == (segment.eid,)
    assert [list(ack.ranges) or ack.through for ack in answer.acks if ack.run == beside.run] == [1]
    assert all(2 not in [*range(ack.through + 1)] for ack in answer.acks if ack.run == segment.run)
    assert desk.alarms() == ["context"]
    answer = desk.post(hub, segment.message([first, second]))
    assert (answer.need, list(answer.taken(segment))) == ((), [(1, 2)])
    assert desk.alarms() == []
    desk.restart()
    third = segment.block([row(NOW + 3)])
    assert list(desk.post(hub, segment.message([third], context=False)).taken(segment)) == [(1, 3)]
    desk.settle()
    assert [time_ms for time_ms, _ in desk.rows()] == [NOW, NOW + 1, NOW + 2, NOW + 3]
    assert (desk.alarms(), desk.sql("select count(*) from quarantine")) == ([], [(0,)])


def test_damaged_context_lets_no_other_hub_speak_for_its_own(desk: Desk, hub: Sender) -> None:
    segment, other = hub.segment(), desk.enrol()
    record = segment.block([row()])
    desk.post(hub, segment.message([record]))
    keep_damaged(desk, "epochs", "bit")
    desk.restart()
    answer = desk.post(other, segment.message([record], context=False))
    assert (answer.need, answer.acks, desk.alarms()) == ((), [], ["forged"])
    assert desk.post(other, segment.message([record])).acks == []


def test_an_epoch_whose_key_is_away_is_not_taken_for_damaged(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    record = segment.block([row()])
    desk.post(hub, segment.message([record]))
    desk.restart()
    desk.ingest.verifier.adopt({})
    answer = desk.post(hub, segment.message([record]))
    assert (answer.need, answer.acks) == ((), [])
    assert desk.alarms() == ["forged"]


# -- forged, spliced, another's ----------------------------------------------------------------------------------


def test_nothing_of_an_unknown_or_revoked_hub_is_taken(desk: Desk, hub: Sender) -> None:
    stranger = Sender(desk.owner)
    segment = stranger.segment()
    assert isinstance(desk.answer(stranger, segment.message([segment.block([row()])])), NotAdmitted)
    mine = hub.segment()
    desk.ingest.registry.revoke(hub.hub, 1.0)
    body = mine.message([mine.block([row()])])
    for _ in range(2):
        assert isinstance(desk.answer(hub, body), NotAdmitted)
    desk.settle()
    assert desk.rows() == []
    assert desk.sql("select hub, reason, body from quarantine") == [(hub.hub, "revoked", body)]
    assert desk.alarms() == ["revoked"]


def test_another_hubs_epoch_is_refused_though_that_hub_is_enrolled(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    segment = other.segment()
    message = segment.message([segment.block([row()])])
    assert desk.post(hub, message).acks == []
    assert 1 in desk.post(other, message).taken(segment)
    assert desk.post(hub, message).acks == []  # also when its context is known by now
    desk.settle()
    assert len(desk.rows()) == 1
    assert set(desk.alarms()) == {"forged"}


def test_an_epoch_in_my_name_that_another_signed_is_refused(desk: Desk, hub: Sender) -> None:
    segment = hub.segment(identity=Ed25519PrivateKey.generate())
    assert desk.post(hub, segment.message([segment.block([row()])])).acks == []
    assert desk.alarms() == ["forged"]


def test_an_epoch_of_mine_that_names_another_hub_is_refused(desk: Desk, hub: Sender) -> None:
    segment = hub.segment(hub=desk.enrol().hub)
    assert desk.post(hub, segment.message([segment.block([row()])])).acks == []
    assert desk.alarms() == ["forged"]


def test_a_group_that_holds_another_epoch_than_it_names_is_refused(desk: Desk, hub: Sender) -> None:
    one, two = hub.segment(), hub.segment()
    body = pack_message([(one.eid, [two.epoch, two.block([row()])])])
    assert desk.post(hub, body).acks == []
    assert desk.alarms() == ["unreadable"]


@pytest.mark.parametrize("into", ["run", "segment", "stream", "hub"])
def test_a_block_spliced_into_another_epoch_is_refused(desk: Desk, hub: Sender, into: str) -> None:
    one = hub.segment()
    records = [one.block([row(value=1)]), one.block([row(value=2)])]
    changes: dict[str, dict[str, Any]] = {
        "segment": {"run": one.run, "number": 2, "first_seq": 2},
        "stream": {"run": one.run, "stream": "alerts"},
    }
    sender, change = hub, changes.get(into, {})
    if into == "hub":
        sender = desk.enrol()
    two = sender.segment(**change)
    two.block([row(value=3)])
    answer = desk.post(sender, two.message([records[1]]))
    stream = "alerts" if into == "stream" else "readings"
    assert 2 not in answer.taken(two, stream)
    desk.settle()
    assert desk.rows() == []
    assert desk.alarms() == ["forged"]


def test_a_forged_record_costs_its_neighbours_nothing(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    records = [segment.block([row(NOW + n)]) for n in range(3)]
    answer = desk.post(hub, segment.message([records[0], altered(records[1]), records[2]]))
    assert list(answer.taken(segment)) == [(1, 1), (3, 3)]
    assert answer.acks[0].rejected == ()
    assert desk.alarms() == ["forged"]
    assert 2 in desk.post(hub, segment.message([records[1]])).taken(segment)


def test_an_epoch_sealed_to_nobody_here_is_not_acknowledged(desk: Desk, hub: Sender) -> None:
    keys = [recipient_keys.generate(role)[0] for role in ("ingest", "recovery")]
    stray = Trust(version=1, owner="x", recipients=tuple(Recipient(k.kid, k.role, k.public) for k in keys), ack_keys=())
    segment = hub.segment(trust=stray)
    assert desk.post(hub, segment.message([segment.block([row()])])).acks == []
    assert desk.alarms() == ["forged"]


def test_a_capsule_that_holds_another_key_than_committed_is_refused(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Swapped:
        def encrypt(self, key: bytes, *arguments: Any, **more: Any) -> bytes:
            return SUITE.encrypt(bytes(32), *arguments, **more)

    monkeypatch.setattr("hub.protocol.records.seal.SUITE", Swapped())
    segment = hub.segment()
    monkeypatch.undo()
    assert desk.post(hub, segment.message([segment.block([row()])])).acks == []
    assert "commits to" in desk.sql("select detail from alarms")[0][0]


def test_the_recovery_key_opens_and_cannot_forge(desk: Desk, hub: Sender) -> None:
    """Who holds it reads everything; an epoch key that it gives is no signing key, so nothing new can be sealed."""
    segment = hub.segment()
    record = segment.block([row(value=21.5)])
    recovery = recipient_keys.load(desk.owner.directory / "recovery.key")
    epoch = verify_epoch(segment.epoch, hub.public)
    opener = open_epoch(epoch, {recovery.kid: recovery.private})
    assert opener.open(record).readings == 2
    cap = epoch.caps[epoch.kids.index(recovery.kid)]
    key = SUITE.decrypt(cap, recovery.private, info=epoch.info + recovery.kid)
    parts = framing.parse(record)
    body = opener._cipher.decrypt(frame_nonce(parts.head), parts.payload, epoch.eid + parts.header)
    thief = Thief(segment, key, epoch.aead)
    forged = thief.seal(framing.BLOCK, 1, body, readings=2, total=2, commit_s=0).raw
    assert not desk.post(hub, segment.message([forged])).taken(segment)
    assert desk.alarms() == ["forged"]
    assert 1 in desk.post(hub, segment.message([record])).taken(segment)


def frame_nonce(head: framing.Head) -> bytes:
    return bytes([head.kind, 0, 0, 0]) + head.seq.to_bytes(8, "big")


class Thief(Sealer):
    """A sealer with a stolen epoch key and a signing key of its own."""

    def __init__(self, segment: Any, key: bytes, aead: str) -> None:
        from hub.protocol.records.seal import AEADS

        self.eid, self._cipher, self._local = segment.eid, AEADS[aead](key), None
        self._signer, self._last = Ed25519PrivateKey.generate(), dict.fromkeys(framing.KINDS, 0)


# -- unreadable --------------------------------------------------------------------------------------------------


def test_what_a_hub_truly_sealed_and_nobody_can_read_is_kept_and_rejected(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    bad = segment.raw(framing.BLOCK, b"\0\1\xff\xff", 4)
    good = segment.block([row()])
    answer = desk.post(hub, segment.message([bad, good]))
    assert list(answer.taken(segment)) == [(2, 2)]
    assert answer.acks[0].rejected == ((1, 1),)
    assert desk.sql("select reason, body from quarantine") == [("unreadable", bad)]


@pytest.mark.of_files
def test_a_database_of_a_release_that_did_not_note_the_epoch_of_what_it_kept_goes_on(desk: Desk, hub: Sender) -> None:
    desk.close()
    desk.sql("alter table quarantine drop column epoch")
    desk.restart()
    segment = hub.segment()
    desk.post(hub, segment.message([segment.raw(framing.BLOCK, b"\0\1\xff\xff", 4)]))
    assert desk.sql("select q.reason, e.eid from quarantine q join epochs e on e.id = q.epoch") == [
        ("unreadable", segment.eid)
    ]


@pytest.mark.parametrize("number", [0, 1 << 63])
def test_a_record_whose_number_is_none_is_kept_aside_and_those_beside_it_are_taken(
    desk: Desk, hub: Sender, number: int
) -> None:
    odd, good = hub.segment(first_seq=number), hub.segment()
    blocks = [segment.block([row()]) for segment in (odd, good)]
    groups = [(s.eid, [*s.context, block]) for s, block in zip((odd, good), blocks, strict=True)]
    answer = desk.post(hub, pack_message(groups))
    assert 1 in answer.taken(good)
    assert not answer.taken(odd)
    assert desk.alarms() == ["unreadable"]


def test_a_block_that_miscounts_its_readings_is_rejected(desk: Desk, hub: Sender) -> None:
    from hub.protocol.records.columns import encode
    from hub.protocol.records.dictionary import Numbering

    segment = hub.segment()
    segment.block([row()])
    answer = desk.post(hub, segment.message([segment.raw(framing.BLOCK, encode([row()], Numbering()), 3)]))
    assert answer.acks[0].rejected == ((2, 2),)


def test_an_epoch_of_a_later_form_is_not_taken_says_why_and_holds_up_nothing_beside_it(desk: Desk, hub: Sender) -> None:
    later, known = hub.segment(), hub.segment()
    block, fine = later.block([row()]), known.block([row()])
    parts = framing.parse(later.epoch)
    payload = parts.payload.replace(EPOCH_LABEL, EPOCH_LABEL.replace(b"1", b"2"))
    epoch = framing.pack_record(parts.header, payload, parts.signature)
    body = pack_message([(H(payload), [epoch, block]), (known.eid, [*known.context, fine])])
    answer = desk.post(hub, body)
    assert [(ack.run, ack.through) for ack in answer.acks] == [(known.run, 1)]
    assert not answer.need
    ((kind, detail, coded),) = desk.sql("select kind, detail, coded from alarms")
    assert kind == "unreadable"
    assert detail.startswith("bad-epoch: ")
    told = msgspec.json.decode(coded)
    assert (told["code"], told["params"]["cause"]["code"]) == ("message-not-readable", "hub-maybe-newer")


@pytest.mark.parametrize("time_ms", [-1, 2**53, 2**62])
def test_a_report_from_no_time_at_all_is_rejected(desk: Desk, hub: Sender, time_ms: int) -> None:
    segment = hub.segment()
    answer = desk.post(hub, segment.message([segment.block([row(time_ms)])]))
    assert answer.acks[0].rejected == ((1, 1),)


@given(data=st.binary(max_size=400))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_bytes_that_are_no_message_are_a_clear_error(plain: Desk, data: bytes) -> None:
    hub = plain.enrol()
    for body in (data, b"ILM1" + data):
        answer = plain.answer(hub, body)
        assert isinstance(answer, DecodeError | bytes)
    assert isinstance(plain.answer(hub, data, STATE), DecodeError | AuthFailed)


@given(cut=st.integers(0, 4000), at=st.integers(0, 4000), change=st.integers(1, 255))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_damaged_message_stores_anything_or_stops_the_ingest(plain: Desk, cut: int, at: int, change: int) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    whole = bytearray(segment.message([segment.block([row(value=7.25)])]))
    whole[at % len(whole)] ^= change
    for body in (bytes(whole), bytes(whole[: cut % len(whole)])):
        answer = plain.answer(hub, body)
        assert isinstance(answer, bytes | DecodeError), answer
    assert [one for one in plain.stored() if one.hub == hub.hub] == []
    fresh = hub.segment()
    assert 1 in plain.post(hub, fresh.message([fresh.block([row()])])).taken(fresh)


def test_one_message_that_fails_costs_the_others_of_its_batch_nothing(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.enrol()
    mine, theirs = hub.segment(), other.segment()
    real = desk.ingest.verifier.open_epoch

    def enter(name: str, *arguments: Any) -> Any:
        if name == other.hub:
            raise RuntimeError("a bug")
        return real(name, *arguments)

    monkeypatch.setattr(desk.ingest.verifier, "open_epoch", enter)
    answers = desk.ingest.take(
        [Message(s.hub, "records", g.message([g.block([row()])])) for s, g in ((hub, mine), (other, theirs))]
    )
    assert isinstance(answers[0], bytes)
    assert isinstance(answers[1], HubError)
    desk.settle()
    assert len(desk.rows()) == 1


# -- state -------------------------------------------------------------------------------------------------------


def test_a_state_is_answered_with_what_is_stored_and_its_nonce(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row()])]))
    answer = desk.state(hub, hub.state(segment))
    assert list(answer.taken(segment)) == [(1, 1)]
    assert answer.acks[0].nonce == b"n" * 16
    desk.restart()
    assert desk.state(hub, hub.state(segment, nonce=b"m" * 16)).acks[0].nonce == b"m" * 16


def test_the_stated_nonce_is_remembered_over_a_restart(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    desk.state(hub, hub.state(segment))
    desk.restart()
    assert desk.post(hub, segment.message([segment.block([row()])])).acks[0].nonce == b"n" * 16


def test_a_state_of_another_hub_or_identity_is_refused(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    assert isinstance(desk.answer(hub, other.state(), STATE), AuthFailed)
    assert isinstance(desk.answer(hub, hub.state(hub=other.hub), STATE), AuthFailed)


# -- acknowledgements --------------------------------------------------------------------------------------------


def test_the_number_of_an_acknowledgement_never_repeats_over_restarts(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    seen = []
    for n in range(4):
        seen.append(desk.post(hub, segment.message([segment.block([row(NOW + n)])])).acks[0].n)
        desk.restart()
    assert seen == sorted(set(seen))


def test_nothing_is_acknowledged_when_the_commit_fails(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])

    def refuse(*arguments: Any) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(desk.ingest.storage.streams, "save", refuse)
    assert isinstance(desk.answer(hub, message), StorageError)
    monkeypatch.undo()
    assert desk.rows() == []
    assert 1 in desk.post(hub, message).taken(segment)
    desk.settle()
    assert len(desk.rows()) == 1


def test_what_a_failed_commit_held_is_not_counted_with_the_next_one_of_another_hub(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, other = plain.enrol(), plain.enrol()
    segment, elsewhere = hub.segment(), other.segment()
    first = segment.message([segment.block([row()])])
    plain.post(hub, first)
    second = segment.message([segment.block([row(NOW + 1)])])

    def refuse() -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage.streams, "save", refuse)
        assert isinstance(plain.answer(hub, second), StorageError)
    plain.post(other, elsewhere.message([elsewhere.block([row()])]))
    plain.close()
    plain.ingest = type(plain)(plain.owner.directory).ingest
    assert 2 not in plain.post(hub, first).taken(segment)
    assert 2 in plain.post(hub, second).taken(segment)
    assert len(plain.rows()) == 3


def test_a_backend_put_back_with_all_beside_it_signs_above_what_it_had_signed(
    plain: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    hub = plain.enrol()
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    plain.post(hub, message)
    plain.close()
    shutil.copytree(plain.owner.directory, tmp_path / "older")
    plain.ingest = type(plain)(plain.owner.directory).ingest
    signed = plain.post(hub, message).acks[0]
    plain.close()
    shutil.rmtree(plain.owner.directory)
    shutil.copytree(tmp_path / "older", plain.owner.directory)
    monkeypatch.setattr("backend.storage.sqlite.notes.time.time", lambda: now + 3600)
    plain.ingest = type(plain)(plain.owner.directory).ingest
    later = plain.post(hub, message).acks[0]
    assert later.db == signed.db, "nothing beside it told that it was put back"
    assert later.n > signed.n


def test_what_the_database_was_told_is_in_force_as_sqlite_itself_says(plain: Desk) -> None:
    database = plain.database
    told = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL: a commit waits for the disk
        "foreign_keys": 0,
        "temp_store": 2,  # MEMORY
        "cache_size": -65_536,
        "page_size": 1024,
        "wal_autocheckpoint": 32_768,  # 32 MiB
        "journal_size_limit": 64 << 20,
    }
    assert {name: database.pragma(name) for name in told} == told


def test_a_database_of_a_former_release_keeps_its_pages_and_its_log_its_bytes(tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "former.db"))) as former:
        former.pragma("page_size", 4096)
        former.pragma("journal_mode", "wal")
        former.execute("create table t (x)")
    with closing(open_database(tmp_path / "former.db")) as database:
        assert (database.pragma("page_size"), database.pragma("wal_autocheckpoint")) == (4096, 8192)


def test_ten_messages_write_no_more_to_the_log_than_fifteen_bytes_a_reading(plain: Desk) -> None:
    """Of 160 readings each: mostly pages of which one line changes."""
    hubs = [plain.enrol() for _ in range(10)]
    segments = [hub.segment() for hub in hubs]
    shape = Shape(tuple(Column(f"value-{n}", "1", "0.01") for n in range(4)))
    subjects = [Subject(f"ble:{n}", f"room-{n}") for n in range(40)]

    def turn(n: int) -> list[Message]:
        rows = [
            Row(one, shape, NOW + n * 60_000 + at, True, (20 + at / 7 + n % 9,) * 4) for at, one in enumerate(subjects)
        ]
        return [
            Message(hub.hub, RECORDS, segment.message([segment.block(rows)], context=n == 0))
            for hub, segment in zip(hubs, segments, strict=True)
        ]

    def taken(messages: list[Message]) -> int:
        assert all(isinstance(one, bytes) for one in plain.ingest.take(messages))
        return plain.owner.database.with_name(f"{plain.owner.database.name}-wal").stat().st_size

    for n in range(30):
        taken(turn(n))
    sizes = []
    for n in range(30, 40):
        assert plain.ingest.storage.remove_traces(), "the log is empty"
        sizes.append(taken(turn(n)))
    assert 1_000 < sum(sizes) / 10 / 1600 * 1000 < 15_000, sizes


def test_a_database_that_was_rolled_back_takes_a_new_id(plain: Desk) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    before = plain.post(hub, segment.message([segment.block([row()])])).acks[0].db
    plain.close()
    saved = plain.owner.database.read_bytes()
    plain.ingest = type(plain)(plain.owner.directory).ingest
    assert plain.post(hub, segment.message([segment.block([row(NOW + 1)])])).acks[0].db == before
    plain.close()
    plain.owner.database.write_bytes(saved)
    plain.ingest = type(plain)(plain.owner.directory).ingest
    after = plain.post(hub, segment.message([segment.block([row(NOW + 2)])])).acks[0]
    assert after.db != before
    assert plain.alarms() == ["restored"]


def test_what_lies_beside_a_database_and_is_anothers_says_nothing_of_it(plain: Desk) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    before = plain.post(hub, segment.message([segment.block([row()])])).acks[0].db
    plain.close()
    plain.owner.database.with_name("incarnation").write_text(f"{'ab' * 16} {1 << 60}\n", encoding="ascii")
    plain.ingest = type(plain)(plain.owner.directory).ingest
    assert plain.post(hub, segment.message([segment.block([row(NOW + 1)])])).acks[0].db == before
    assert plain.alarms() == []


def test_what_signs_is_remembered_beside_the_database_before_it_is_used_also_after_the_disk_refused(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    message = segment.message([segment.block([row()])])

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("backend.storage.sqlite.notes.write_atomically", refuse)
        assert isinstance(plain.answer(hub, message), StorageError)
        assert isinstance(plain.answer(hub, message), StorageError)
    signed = plain.post(hub, message).acks[0].n
    assert signed <= int(plain.owner.database.with_name("incarnation").read_text().split()[1])


def test_a_record_whose_line_a_damaged_database_lost_is_no_fork_of_itself(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    desk.post(hub, message)
    desk.settle()
    desk.sql("delete from records")
    desk.post(hub, message)
    desk.settle()
    assert (desk.sql("select count(*) from records"), desk.alarms()) == ([(1,)], [])


def test_a_hub_cannot_fill_the_list_of_alarms_with_its_own_words(plain: Desk) -> None:
    hub, other, storage = plain.enrol(), plain.enrol(), plain.ingest.storage
    with storage.transaction():
        for n in range(MAX_OPEN_ALARMS + 50):
            raise_alarm(storage, "forged", hub.hub, f"an epoch of {n}")
        raise_alarm(storage, "hole", hub.hub, "readings has holes")
        raise_alarm(storage, "forged", other.hub, "an epoch of 1")
    assert len(plain.alarms()) == MAX_OPEN_ALARMS + 2
    with storage.transaction():
        clear_alarm(storage, "forged", hub.hub, "an epoch of 0", 1.0)
        raise_alarm(storage, "forged", hub.hub, "another one")
    assert len(plain.alarms()) == MAX_OPEN_ALARMS + 2
