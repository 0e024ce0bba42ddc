"""The link: reads the buffer, runs each configured uplink, and applies acks.

    link = Link(Sender(hub, identity), Line([UplinkConfig("https", config, run)]), trust=…, buffer=…, egress=…, clock=…)
    group.create_task(link.run())       each uplink, kept running, until `drain` or cancellation
    link.durable(event)                 for every commit of the buffer
    await link.drain(10.0)              flush, wait for acks at most so long, end

An uplink that raises `NotReady` is away: it is run again after a back-off, said once when it goes and once when it
returns. `AuthFailed` (and a host that is not declared) means that somebody must act, yet it is tried again, slowly:
a hub that was revoked by mistake comes back by itself. Anything else is a bug of the uplink: a traceback once, and
back-off all the same, because readings have no other way out. What it carried goes back to its lane each time.
"""

from __future__ import annotations

from hub.store_and_forward.delivery import Sender
from hub.store_and_forward.link.core import Link
from hub.store_and_forward.link.model import (
    AWAY,
    FAILED,
    REFUSED,
    STARTING,
    UP,
    AnswerHandlers,
    Buffer,
    Line,
    LinkStatus,
    RetryPauses,
    UplinkConfig,
    UplinkStatus,
)

__all__ = [
    "AWAY",
    "FAILED",
    "REFUSED",
    "STARTING",
    "UP",
    "AnswerHandlers",
    "Buffer",
    "Line",
    "Link",
    "LinkStatus",
    "RetryPauses",
    "Sender",
    "UplinkConfig",
    "UplinkStatus",
]
