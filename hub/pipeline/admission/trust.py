"""Trust class of a report. It depends on the path by which the report came, not on its sender."""

from __future__ import annotations

from hub.core.model import Proof, TrustClass

WEAK = frozenset({"lorawan-1.0-abp", "enocean-sec-weak"})
"""Schemes whose freshness rests on this hub's counter alone because their keys never change, or whose proof is short
enough to be guessed on the air."""


def trust_class(proof: Proof | None, *, protected: bool) -> TrustClass:
    """A: authenticated and fresh (an authenticated counter that the hub itself saw rise).
    B: authenticated without a counter, sealed under the device's own key and not authenticated (OMS mode 5), or any bus
    inside a perimeter that the owner declared.
    C: clear identity only."""
    if proof is not None and proof.authenticated:
        fresh = proof.counter is not None and proof.scheme not in WEAK
        return TrustClass.A if fresh else TrustClass.B
    sealed = proof is not None and proof.sealed
    return TrustClass.B if protected or sealed else TrustClass.C
