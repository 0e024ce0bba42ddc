"""The delivery: what is durable here and not yet there, sent until a signed ack says otherwise. Sans-I/O.

Bytes and times go in, sends and waits come out; no clock, no socket, no disk. Its law:

- Nothing is sent before it is durable. Nothing is reported as acked that no accepted ack covers
  (`acceptance`), so nothing else can make the buffer delete.
- Every durable record that is neither acked nor rejected either waits in a lane or is in flight; a flight that
  fails, is never answered, or is answered without an ack goes back to its lane. So each arrives at least once,
  and the backend, which knows every record by number and digest, counts it once.
- Three lanes, served in this order, each with a window counted in bytes: *alerts*; *live*, what became durable
  in the last ten seconds; *backlog*, everything else, oldest first. A backlog message is at most half a second
  of the measured rate, and 65,536 readings: a hub back from a week's cut is current at once, a thin link stays
  shared, and so does a backend that makes rows of what it gets.
- Context (EPOCH, TABLE) travels with the first messages of an epoch until an ack proves that it arrived, and
  again when the backend says that it lacks it.
- A signed state leaves at connect and every 30 s, each with a new nonce.
- A transport that fails is left alone for its back-off; an answer without progress makes the next try later:
  whatever the peer says, the hub does not spin.

    delivery.poll(via, now) -> Fetch    read records, then  delivery.fetched(fetch, stored, via, now) -> Message
                            -> Survey   list the streams,   delivery.surveyed(states, via, now) -> Message
                            -> None     wait delivery.wait(via, now) seconds, or for an answer, or for a commit
    delivery.apply_reply(id, reply, now) -> Answer    delivery.give_up(id, now)      delivery.disconnected(via, now)
"""

from __future__ import annotations

from hub.store_and_forward.delivery.acceptance import Acceptance, RefusedAck
from hub.store_and_forward.delivery.core import Delivery
from hub.store_and_forward.delivery.lanes import ALERTS, BACKLOG, LANES, LIVE
from hub.store_and_forward.delivery.ledgers import Ledgers
from hub.store_and_forward.delivery.model import Answer, Fetch, Stored, StreamState, Survey
from hub.store_and_forward.delivery.statements import Sender, StateMaker
from hub.store_and_forward.delivery.timeouts import LIVE_S, SETTLE_S, STATE_S

__all__ = [
    "ALERTS",
    "BACKLOG",
    "LANES",
    "LIVE",
    "LIVE_S",
    "SETTLE_S",
    "STATE_S",
    "Acceptance",
    "Answer",
    "Delivery",
    "Fetch",
    "Ledgers",
    "RefusedAck",
    "Sender",
    "StateMaker",
    "Stored",
    "StreamState",
    "Survey",
]
