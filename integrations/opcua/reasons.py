"""Descriptions of the counted events of OPC UA: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

PREFIX = "opcua.reason-"
REASONS: dict[str, str] = {
    "opcua-bad": "The server calls the value bad: look at the server",
    "opcua-clock": "The server's clock is off, its dates are not used: have it set",
    "opcua-communication": "The server does not reach the device behind it: look at that one",
    "opcua-configuration": "The server's configuration is wrong: tell who looks after it",
    "opcua-dead-band": "The server knows no such dead band: leave `dead_band` out",
    "opcua-denied": "This user may not read or write it: ask for the right at the server",
    "opcua-device": "The device behind the server failed: look at it",
    "opcua-index": "The array has no such element: check `element`",
    "opcua-no-data": "The server has no value",
    "opcua-node": "The server has no such node: check address, namespace, spelling",
    "opcua-nonsense": "What answers does not speak OPC UA: check `url`",
    "opcua-not-connected": "The server has nothing behind this node: look at the device",
    "opcua-out-of-service": "Somebody took it out of service at the server",
    "opcua-overflow": "Values were lost in the server: raise `queue`, lower `publishing`",
    "opcua-range": "A value outside the server's own range",
    "opcua-sensor": "The sensor behind the server failed: look at it",
    "opcua-time-out": "The server took too long: raise `timeout` if it stays so",
    "opcua-too-many-items": "The server watches no more nodes: it is polled instead",
    "opcua-type": "A type of value that does not fit: check `values`, `element`, `scale`",
    "opcua-uncertain": "The server calls the value uncertain: look at the server",
    "opcua-unit": "The server gives another unit: check the metric, or `scale`",
    "opcua-untrusted": "The server's certificate is to be trusted first: the log has its fingerprint",
    "opcua-waiting": "The server has no value yet",
    "opcua-worker": "The OPC UA worker died, it is started again",
}
SAMPLING = Sampling(
    reason="reports-changes",
    why=(
        "il signale lui-même ses changements : rien n'est à demander plus souvent",
        "it reports changes by itself: there is nothing to ask more often",
    ),
)
