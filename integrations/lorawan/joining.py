"""Join procedure: judges join requests and makes sessions (TS001-1.0.4 §6.2). Pure, except that the address is given.

A join request is judged in this order: its MIC under the device's AppKey, then its DevNonce.

- 1.0.0 to 1.0.3: the device draws DevNonce at random. Every one ever used is remembered; a used one is refused.
- 1.0.4: the device counts DevNonce. One that does not rise is refused, and so is one used before.
- `authorise`: a person allows this device to join for 24 hours with any DevNonce, each once, for a sensor that lost its
  counter with its battery. The keys stay safe, since they depend on JoinNonce too, and JoinNonce never repeats; a
  captured join request can waste a join accept, no more, because only the device can send in the new session. It ends
  with the first valid uplink of the session it made.

A session lives until the first valid uplink of a later one. Several may be offered at once: a device that joins again
may have heard any of the accepts, or none.
"""

from __future__ import annotations

from hub.sdk.phrases import phrase
from integrations.lorawan.crypto import join_mic_ok, seal_join_accept, session_keys
from integrations.lorawan.device import (
    LEASE,
    MOST_PENDING,
    Device,
    Memory,
    Radio,
    Rejoin,
    Session,
    Version,
    known_nonce,
    remember_nonce,
)
from integrations.lorawan.phy import JoinAccept, JoinRequest
from integrations.lorawan.region import DEFAULT_CHANNELS, cflist

MOST_JOIN_NONCE = 0xFFFFFF
NONCE_EPOCH = 1_767_225_600.0
"""2026 in Unix seconds.

The first JoinNonce of a device is the number of minutes since then: a hub that lost its state continues above the
values it used, since a device joins less than once a minute."""


def judge(device: Device, memory: Memory, request: JoinRequest, wall: float | None) -> str:
    """Return the slug of why a join request is refused, or "". `wall` in Unix seconds, None while the clock is not
    trusted: then authorisations are ignored. Changes nothing."""
    if device.app_key is None:
        return "join-of-abp-device"
    if not join_mic_ok(device.app_key, request.signed, request.mic):
        return "bad-mic"
    if memory.join_nonce > MOST_JOIN_NONCE:
        return "join-nonce-exhausted"
    if _authorised(memory, wall):
        return "used-devnonce" if memory.rejoin and request.dev_nonce in memory.rejoin.tried else ""
    if known_nonce(memory, request.dev_nonce):
        return "used-devnonce"
    if device.version == Version.V1_0_4 and request.dev_nonce <= memory.floor:
        return "devnonce-not-rising"
    return ""


def _authorised(memory: Memory, wall: float | None) -> bool:
    return memory.rejoin is not None and wall is not None and wall < memory.rejoin.until


def accept(
    device: Device, memory: Memory, request: JoinRequest, *, net_id: int, dev_addr: int, goal: Radio, wall: float | None
) -> bytes:
    """Make the session and the join accept. Use both only once the record of `memory` is durable."""
    if device.app_key is None:
        raise ValueError(phrase("lorawan.abp-device-joins", "an ABP device does not join"))
    if _authorised(memory, wall) and memory.rejoin is not None:
        memory.rejoin.tried.append(request.dev_nonce)
    else:
        memory.rejoin = None
        memory.floor = max(memory.floor, request.dev_nonce)
    remember_nonce(memory, request.dev_nonce)
    if memory.join_nonce == 1 and wall is not None:
        memory.join_nonce = max(1, min(int((wall - NONCE_EPOCH) / 60), MOST_JOIN_NONCE // 2))
    if memory.current is not None:  # the session from when the device was personalised
        memory.join_nonce = max(memory.join_nonce, memory.current.number + 1)
    number = memory.join_nonce
    memory.join_nonce += 1
    if number >= memory.join_lease:
        memory.join_lease = min(number + LEASE, MOST_JOIN_NONCE + 1)
    nwk_s_key, app_s_key = session_keys(device.app_key, number, net_id, request.dev_nonce)
    more = tuple(frequency for index, frequency in sorted(goal.channels.items()) if index >= len(DEFAULT_CHANNELS))[:5]
    told = dict(enumerate((*DEFAULT_CHANNELS, *more)))
    session = Session(
        number=number,
        dev_addr=dev_addr,
        nwk_s_key=nwk_s_key,
        app_s_key=app_s_key,
        dev_nonce=request.dev_nonce,
        lease=LEASE,
        radio=Radio(rx1_offset=goal.rx1_offset, rx2_rate=goal.rx2_rate, rx_delay=goal.rx_delay, channels=told),
    )
    memory.pending = [*memory.pending, session][-MOST_PENDING:]
    answer = JoinAccept(number, net_id, dev_addr, goal.rx1_offset, goal.rx2_rate, goal.rx_delay, cflist(more))
    return seal_join_accept(device.app_key, answer)


def prove(memory: Memory, session: Session) -> str:
    """Make the pending session current on its first uplink, and end every earlier one. Returns the id of the
    authorisation that it used up, or ""."""
    memory.current = session
    memory.pending = [later for later in memory.pending if later.number > session.number]
    word, memory.rejoin = memory.rejoin, None
    if word is None:
        return ""
    memory.floor = session.dev_nonce
    return word.by or "?"


def authorise(memory: Memory, who: str, until: float) -> bool:
    """Allow a device to join once with any DevNonce until `until` (Unix seconds), for 24 hours at most. Repeating the
    same authorisation, as after a restart, changes nothing. Returns False when it was already used."""
    if memory.word != who:
        memory.word, memory.rejoin = who, Rejoin(until=until, by=who)
    return memory.rejoin is not None


def revoke(memory: Memory, who: str) -> None:
    """Revoke the authorisation, if it is this one."""
    if memory.rejoin is not None and memory.rejoin.by == who:
        memory.rejoin = None
