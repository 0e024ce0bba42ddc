"""The conformance suite: what any backend of Îlot must do, asked over the network with a throw-away hub.

One enrolment token is used up. Each check is a coroutine that returns nothing, or raises `Broken` with what was seen
instead; its docstring is its name. A fresh run for every check keeps them strangers.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.probe import Answer, Probe, altered, rows
from backend.sender import Segment
from hub import enrolment
from hub.buffer.rows import ALERTS, READINGS
from hub.errors import AuthFailed, ConfigError, DecodeError, HubError, NotReady
from hub.trust import read_trust
from hub.wire import State, pack_message, sign_state

_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Broken(Exception):
    """A backend did something else than the contract says."""


class Result(msgspec.Struct, frozen=True):
    """One check; `why` is empty when it passed."""

    name: str
    passed: bool
    why: str


Check = Callable[[Probe], Awaitable[None]]
_CHECKS: list[Check] = []


def _check(check: Check) -> Check:
    _CHECKS.append(check)
    return check


async def run_suite(url: str, token: str) -> list[Result]:
    """Run every check. Raises ConfigError, AuthFailed or NotReady when the throw-away hub cannot be enrolled."""
    url = url.rstrip("/")
    if enrolment.read_token(token).url.rstrip("/") != url:
        raise ConfigError(f"this token is for {enrolment.read_token(token).url}, not for {url}")
    with tempfile.TemporaryDirectory(prefix="ilot-check-") as scratch:
        state = Path(scratch)
        await enrolment.enrol(token, state, name="conformance check")
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
            probe = Probe(url, token, state, session)
            return [await _run(check, probe) for check in _CHECKS]


async def _run(check: Check, probe: Probe) -> Result:
    name = (check.__doc__ or "").strip()
    try:
        await check(probe)
    except Broken as broken:
        return Result(name, False, str(broken))
    except (AuthFailed, DecodeError) as error:
        return Result(name, False, f"the reply does not hold: {error}")
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise NotReady(f"{probe.url} went away: {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        return Result(name, False, f"no answer: {type(error).__name__} {error}")
    return Result(name, True, "")


def _must(holds: bool, seen: str) -> None:
    if not holds:
        raise Broken(seen)


def _is_taken(answer: Answer, segment: Segment, *numbers: int, stream: str = READINGS) -> None:
    _must(answer.status == 200, f"status {answer.status}")
    taken = answer.taken(segment, stream)
    _must(all(number in taken for number in numbers), f"acknowledged {list(taken)}, sent {list(numbers)}")


def _not_taken(answer: Answer, segment: Segment, number: int) -> None:
    _must(number not in answer.taken(segment), f"record {number} was acknowledged")


# -- what is right ---------------------------------------------------------------------------------------------


@_check
async def _trust(probe: Probe) -> None:
    """TRUST is served to anybody, signed by the owner root of the token"""
    async with probe.session.get(f"{probe.url}/v1/trust", ssl=probe.tls(certificate=False)) as reply:
        read_trust(await reply.read(), bytes.fromhex(enrolment.read_token(probe.token).root), probe.trust.version)


@_check
async def _good(probe: Probe) -> None:
    """a good message is acknowledged, signed by a key of TRUST"""
    segment = probe.segment()
    records = [segment.block(rows()), segment.block(rows(2))]
    _is_taken(await probe.post(segment.message(records)), segment, 1, 2)


@_check
async def _alerts(probe: Probe) -> None:
    """both streams are taken, each with its own numbers"""
    segment = probe.segment(ALERTS)
    record = segment.block(rows())
    _is_taken(await probe.post(segment.message([record])), segment, 1, stream=ALERTS)


@_check
async def _duplicate(probe: Probe) -> None:
    """a duplicate is acknowledged again, with a higher number n"""
    segment = probe.segment()
    message = segment.message([segment.block(rows())])
    first, second = await probe.post(message), await probe.post(message)
    _is_taken(second, segment, 1)
    _must(second.acks[-1].n > first.acks[-1].n, "n did not rise")


@_check
async def _order(probe: Probe) -> None:
    """numbers may come in any order; what is missing is not acknowledged"""
    segment = probe.segment()
    records = [segment.block(rows()) for _ in range(3)]
    answer = await probe.post(segment.message([records[2], records[0]]))
    _is_taken(answer, segment, 1, 3)
    _not_taken(answer, segment, 2)
    _is_taken(await probe.post(segment.message([records[1]])), segment, 1, 2, 3)


@_check
async def _context(probe: Probe) -> None:
    """context that was sent once need not be sent again"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    _is_taken(await probe.post(segment.message([segment.block(rows())], context=False)), segment, 2)


@_check
async def _state(probe: Probe) -> None:
    """a signed state is answered with what is stored of its streams"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    answer = await probe.post(_stated(probe, segment, probe.keys.identity), "state")
    _is_taken(answer, segment, 1)
    _must(answer.acks[-1].nonce == bytes(range(16)), "the ack does not carry the nonce that was stated")


# -- what is wrong ---------------------------------------------------------------------------------------------


@_check
async def _unknown(probe: Probe) -> None:
    """an epoch that never came is asked for, its records are not acknowledged"""
    segment = probe.segment()
    answer = await probe.post(segment.message([segment.block(rows())], context=False))
    _not_taken(answer, segment, 1)
    _must(segment.eid in answer.need, "need does not name the epoch")


@_check
async def _table(probe: Probe) -> None:
    """a block whose TABLE never came is asked for, not acknowledged"""
    segment = probe.segment()
    record = segment.block(rows())
    answer = await probe.post(pack_message([(segment.eid, [segment.epoch, record])]))
    _not_taken(answer, segment, 1)
    _must(segment.eid in answer.need, "need does not name the epoch")
    _is_taken(await probe.post(segment.message([record])), segment, 1)


@_check
async def _fork(probe: Probe) -> None:
    """a number that comes with other content is a fork: never acknowledged, listed as rejected"""
    run = bytes([7]) * 16
    one, two = probe.segment(run=run), probe.segment(run=run)
    await probe.post(one.message([one.block(rows(value=1.0))]))
    answer = await probe.post(two.message([two.block(rows(value=2.0))]))
    _not_taken(answer, two, 1)
    rejected = [pair for ack in answer.acks if ack.run == run for pair in ack.rejected]
    _must((1, 1) in rejected, f"rejected is {rejected}")


@_check
async def _forged(probe: Probe) -> None:
    """a record whose signature does not hold is not acknowledged"""
    segment = probe.segment()
    _not_taken(await probe.post(segment.message([altered(segment.block(rows()))])), segment, 1)


@_check
async def _impostor(probe: Probe) -> None:
    """an epoch that another identity signed is not taken"""
    segment = probe.segment(identity=Ed25519PrivateKey.generate())
    _not_taken(await probe.post(segment.message([segment.block(rows())])), segment, 1)


@_check
async def _stranger(probe: Probe) -> None:
    """an epoch that names another hub is not taken"""
    segment = probe.segment(hub="hub-aaaaaaaaaaaaaaaa")
    _not_taken(await probe.post(segment.message([segment.block(rows())])), segment, 1)


@_check
async def _spliced_run(probe: Probe) -> None:
    """a block put into another run's epoch is not acknowledged"""
    one, two = probe.segment(), probe.segment()
    record = one.block(rows())
    two.block(rows())
    _not_taken(await probe.post(two.message([record])), two, 1)


@_check
async def _spliced_segment(probe: Probe) -> None:
    """a block put into the epoch of the next segment is not acknowledged"""
    one = probe.segment()
    records = [one.block(rows()), one.block(rows())]
    two = probe.segment(run=one.run, first_seq=2, number=2)
    two.block(rows())
    _not_taken(await probe.post(two.message([records[1]])), two, 2)


@_check
async def _good_among_bad(probe: Probe) -> None:
    """a forged record does not keep the good ones of its message from being acknowledged"""
    segment = probe.segment()
    records = [segment.block(rows()), altered(segment.block(rows())), segment.block(rows())]
    answer = await probe.post(segment.message(records))
    _is_taken(answer, segment, 1, 3)
    _not_taken(answer, segment, 2)


@_check
async def _truncated(probe: Probe) -> None:
    """a message that was cut is answered 400"""
    segment = probe.segment()
    message = segment.message([segment.block(rows())])
    for cut in (0, 3, 20, len(message) - 1):
        answer = await probe.post(message[:cut])
        _must(answer.status == 400, f"status {answer.status} for {cut} of {len(message)} bytes")


@_check
async def _other_path(probe: Probe) -> None:
    """a hub's certificate does not open another hub's path"""
    segment = probe.segment(hub="hub-aaaaaaaaaaaaaaaa")
    answer = await probe.post(segment.message([segment.block(rows())]), hub="hub-aaaaaaaaaaaaaaaa")
    _must(answer.status == 403, f"status {answer.status}")


@_check
async def _no_certificate(probe: Probe) -> None:
    """records without a client certificate are answered 403"""
    segment = probe.segment()
    answer = await probe.post(segment.message([segment.block(rows())]), certificate=False)
    _must(answer.status == 403, f"status {answer.status}")


@_check
async def _forged_state(probe: Probe) -> None:
    """a state that another identity signed is answered 403"""
    answer = await probe.post(_stated(probe, probe.segment(), Ed25519PrivateKey.generate()), "state")
    _must(answer.status == 403, f"status {answer.status}")


@_check
async def _token_twice(probe: Probe) -> None:
    """a token that was used does not enrol a second hub"""
    with tempfile.TemporaryDirectory(prefix="ilot-check-") as scratch:
        try:
            await enrolment.enrol(probe.token, Path(scratch))
        except AuthFailed:
            return
        except HubError as error:
            raise Broken(str(error)) from error
    raise Broken("it did")


@_check
async def _old_tls(probe: Probe) -> None:
    """TLS 1.2 is refused"""
    host, port = enrolment.address(probe.url)
    context = probe.tls()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ConnectionRefusedError:
        raise
    except OSError:  # an alert, or a reset: either way it was refused
        return
    writer.close()
    raise Broken("it was accepted")


def _stated(probe: Probe, segment: Segment, identity: Ed25519PrivateKey) -> bytes:
    streams = {READINGS: (segment.run, segment.next_seq - 1, segment.last_digest)}
    state = State(hub=probe.hub, boot=bytes(16), nonce=bytes(range(16)), streams=streams)
    return sign_state(state, identity)
