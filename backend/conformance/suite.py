"""Runner of the suite, and checks of records: accepted whole or not, counted once, acknowledged after the commit.

One enrolment token is used up; with one for a trial (`backend.ingest.trials`), nothing else stays behind. Each check is
a coroutine that returns nothing, or raises `CheckFailed` with what was seen instead; its docstring is its name. A fresh
run for every check keeps them independent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.conformance import hubs
from backend.conformance.checks import Check, CheckFailed, Result, is_taken, must, not_taken
from backend.conformance.probe import Probe, altered, rows
from hub.core.errors import AuthFailed, ConfigError, DecodeError, NotReady
from hub.core.text import Phrase, phrase, reason_of
from hub.identity import enrolment
from hub.protocol.enrolment import read_token
from hub.protocol.link_messages import pack_message
from hub.protocol.records.rows import ALERTS, Shape, Subject

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_CHECKS: list[Check] = []


def check(one: Check) -> Check:
    _CHECKS.append(one)
    return one


async def run_suite(url: str, token: str, stays: Callable[[Phrase], None] = lambda why: None) -> list[Result]:
    """Run every check; then the hub says that its trial is over, and `stays` is called where the backend does not
    delete it. Raises ConfigError, AuthFailed or NotReady when the throw-away hub cannot be enrolled."""
    url = url.rstrip("/")
    if read_token(token).url.rstrip("/") != url:
        raise ConfigError(
            phrase(
                "token-of-another-backend",
                "this token is for {found}, not for {url}",
                found=read_token(token).url,
                url=url,
            )
        )
    with tempfile.TemporaryDirectory(prefix="ilot-check-") as scratch:
        state = Path(scratch)
        await enrolment.enrol(token, state, name="conformance check")
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
            probe = Probe(url, token, state, session)
            try:
                return [await _run(one, probe) for one in (*_CHECKS, *hubs.CHECKS)]
            finally:
                if not await _left(probe):
                    stays(
                        phrase(
                            "check-hub-stays",
                            "{hub} and what it sent stay at {url}: they are deleted where the token is one of "
                            "`ilot backend token --trial`",
                            hub=probe.hub,
                            url=url,
                        )
                    )


async def _left(probe: Probe) -> bool:
    """Say that the trial is over; return whether the backend deleted the hub, or is about to."""
    try:
        async with probe.session.delete(f"{probe.url}/v1/hubs/{probe.hub}", ssl=probe.tls()) as reply:
            return reply.status in (200, 202)
    except (aiohttp.ClientError, OSError):
        return False


async def _run(one: Check, probe: Probe) -> Result:
    name = (one.__doc__ or "").strip()
    try:
        await one(probe)
    except CheckFailed as broken:
        return Result(name, False, reason_of(broken))
    except (AuthFailed, DecodeError) as error:
        said = phrase("check-reply-wrong", "the reply does not hold: {reason}", reason=reason_of(error))
        return Result(name, False, said)
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise NotReady(
            phrase("checked-backend-gone", "{url} went away: {reason}", url=probe.url, reason=reason_of(error))
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        kind = type(error).__name__
        said = phrase("check-no-answer", "no answer ({kind}): {reason}", kind=kind, reason=reason_of(error))
        return Result(name, False, said)
    return Result(name, True, "")


# -- what is right ---------------------------------------------------------------------------------------------


@check
async def _good(probe: Probe) -> None:
    """a good message is acknowledged, signed by a key of TRUST"""
    segment = probe.segment()
    records = [segment.block(rows()), segment.block(rows(2))]
    is_taken(await probe.post(segment.message(records)), segment, 1, 2)


@check
async def _tight(probe: Probe) -> None:
    """a block whose columns are cut to their bits is taken"""
    segment = probe.segment()
    is_taken(await probe.post(segment.message([segment.block(rows(9), tight=True)])), segment, 1)


@check
async def _alerts(probe: Probe) -> None:
    """both streams are taken, each with its own numbers"""
    segment = probe.segment(ALERTS)
    record = segment.block(rows())
    is_taken(await probe.post(segment.message([record])), segment, 1, stream=ALERTS)


@check
async def _duplicate(probe: Probe) -> None:
    """a duplicate is acknowledged again, with a higher number n"""
    segment = probe.segment()
    message = segment.message([segment.block(rows())])
    first, second = await probe.post(message), await probe.post(message)
    is_taken(second, segment, 1)
    must(second.acks[-1].n > first.acks[-1].n, phrase("check-n-not-risen", "n did not rise"))


@check
async def _order(probe: Probe) -> None:
    """numbers may come in any order; what is missing is not acknowledged"""
    segment = probe.segment()
    records = [segment.block(rows()) for _ in range(3)]
    answer = await probe.post(segment.message([records[2], records[0]]))
    is_taken(answer, segment, 1, 3)
    not_taken(answer, segment, 2)
    is_taken(await probe.post(segment.message([records[1]])), segment, 1, 2, 3)


@check
async def _context(probe: Probe) -> None:
    """context that was sent once need not be sent again"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    is_taken(await probe.post(segment.message([segment.block(rows())], context=False)), segment, 2)


# -- what is wrong ---------------------------------------------------------------------------------------------


@check
async def _unknown(probe: Probe) -> None:
    """an epoch that never came is asked for, its records are not acknowledged"""
    segment = probe.segment()
    answer = await probe.post(segment.message([segment.block(rows())], context=False))
    not_taken(answer, segment, 1)
    must(segment.eid in answer.need, phrase("check-epoch-not-needed", "need does not name the epoch"))


@check
async def _table(probe: Probe) -> None:
    """a block whose TABLE never came is asked for, not acknowledged"""
    segment = probe.segment()
    record = segment.block(rows())
    answer = await probe.post(pack_message([(segment.eid, [segment.epoch, record])]))
    not_taken(answer, segment, 1)
    must(segment.eid in answer.need, phrase("check-epoch-not-needed", "need does not name the epoch"))
    is_taken(await probe.post(segment.message([record])), segment, 1)


@check
async def _lost_table(probe: Probe) -> None:
    """a block whose TABLE its hub has lost is listed as rejected, and holds up none behind it"""
    segment = probe.segment()
    lost = segment.block(rows())
    told = segment.block([row._replace(subject=Subject("check:2"), shape=Shape(row.shape.columns)) for row in rows()])
    sent = pack_message([(segment.eid, [segment.epoch, segment.context[-1], lost, told])])
    must(segment.eid in (await probe.post(sent)).need, phrase("check-epoch-not-needed", "need does not name the epoch"))
    answer = await probe.post(sent)  # the reply requested the context, and the hub has no more of it
    not_taken(answer, segment, 1)
    is_taken(answer, segment, 2)
    rejected = [pair for ack in answer.acks if ack.run == segment.run for pair in ack.rejected]
    must((1, 1) in rejected, phrase("check-rejected", "rejected is {rejected}", rejected=rejected))


@check
async def _fork(probe: Probe) -> None:
    """a number that comes with other content is a fork: never acknowledged, listed as rejected"""
    run = bytes([7]) * 16
    one, two = probe.segment(run=run), probe.segment(run=run)
    await probe.post(one.message([one.block(rows(value=1.0))]))
    answer = await probe.post(two.message([two.block(rows(value=2.0))]))
    not_taken(answer, two, 1)
    rejected = [pair for ack in answer.acks if ack.run == run for pair in ack.rejected]
    must((1, 1) in rejected, phrase("check-rejected", "rejected is {rejected}", rejected=rejected))


@check
async def _forged(probe: Probe) -> None:
    """a record whose signature does not hold is not acknowledged"""
    segment = probe.segment()
    not_taken(await probe.post(segment.message([altered(segment.block(rows()))])), segment, 1)


@check
async def _impostor(probe: Probe) -> None:
    """an epoch that another identity signed is not taken"""
    segment = probe.segment(identity=Ed25519PrivateKey.generate())
    not_taken(await probe.post(segment.message([segment.block(rows())])), segment, 1)


@check
async def _stranger(probe: Probe) -> None:
    """an epoch that names another hub is not taken"""
    segment = probe.segment(hub="hub-aaaaaaaaaaaaaaaa")
    not_taken(await probe.post(segment.message([segment.block(rows())])), segment, 1)


@check
async def _spliced_run(probe: Probe) -> None:
    """a block put into another run's epoch is not acknowledged"""
    one, two = probe.segment(), probe.segment()
    record = one.block(rows())
    two.block(rows())
    not_taken(await probe.post(two.message([record])), two, 1)


@check
async def _spliced_segment(probe: Probe) -> None:
    """a block put into the epoch of the next segment is not acknowledged"""
    one = probe.segment()
    records = [one.block(rows()), one.block(rows())]
    two = probe.segment(run=one.run, first_seq=2, number=2)
    two.block(rows())
    not_taken(await probe.post(two.message([records[1]])), two, 2)


@check
async def _good_among_bad(probe: Probe) -> None:
    """a forged record does not keep the good ones of its message from being acknowledged"""
    segment = probe.segment()
    records = [segment.block(rows()), altered(segment.block(rows())), segment.block(rows())]
    answer = await probe.post(segment.message(records))
    is_taken(answer, segment, 1, 3)
    not_taken(answer, segment, 2)


@check
async def _truncated(probe: Probe) -> None:
    """a message that was cut is answered 400"""
    segment = probe.segment()
    message = segment.message([segment.block(rows())])
    for cut in (0, 3, 20, len(message) - 1):
        answer = await probe.post(message[:cut])
        must(
            answer.status == 400,
            phrase(
                "check-status-for-cut",
                "status {status} for {cut} of {count} bytes",
                status=answer.status,
                cut=cut,
                count=len(message),
            ),
        )


@check
async def _other_path(probe: Probe) -> None:
    """a hub's certificate does not open another hub's path"""
    segment = probe.segment(hub="hub-aaaaaaaaaaaaaaaa")
    answer = await probe.post(segment.message([segment.block(rows())]), hub="hub-aaaaaaaaaaaaaaaa")
    must(answer.status == 403, phrase("check-status", "status {status}", status=answer.status))


@check
async def _no_certificate(probe: Probe) -> None:
    """records without a client certificate are answered 403"""
    segment = probe.segment()
    answer = await probe.post(segment.message([segment.block(rows())]), certificate=False)
    must(answer.status == 403, phrase("check-status", "status {status}", status=answer.status))
