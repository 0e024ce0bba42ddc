"""Trust class of a report. It depends on the path by which the report came, not on its sender."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from hub.core.model import Proof, TrustClass

WEAK = frozenset({"lorawan-1.0-abp", "enocean-sec-weak"})
"""Schemes whose freshness rests on this hub's counter alone because their keys never change, or whose proof is short
enough to be guessed on the air."""


class KnownKey(IntEnum):
    """The key under which a device can prove anything, as far as the core knows of one."""

    NONE = 0
    OF_INSTANCE = 1
    """Keys or certificates in the options of its integration, one of this distribution: a keyring of a whole bus."""
    OF_DEVICE = 2
    """A key of the device, from the configuration or the store."""


def claims_unfounded(proof: Proof | None, key: KnownKey) -> bool:
    """Return whether a proof claims a key where the core knows none. It is the plugin's word then, and no more."""
    return not key and proof is not None and (proof.authenticated or proof.sealed)


def without_claims(proof: Proof) -> Proof:
    """Return a proof that claims no key."""
    return msgspec.structs.replace(proof, authenticated=False, sealed=False)


def trust_class(proof: Proof | None, *, protected: bool, key: KnownKey = KnownKey.OF_DEVICE) -> TrustClass:
    """A: authenticated under the device's own key and fresh (an authenticated counter that the hub itself saw rise).
    B: authenticated without a counter, or under a key of the integration; sealed and not authenticated (OMS mode 5); or
    any bus inside a perimeter that the owner declared.
    C: clear identity only, also where the core knows no key, whatever the proof claims."""
    if proof is None or not key:
        return TrustClass.B if protected else TrustClass.C
    if proof.authenticated:
        fresh = proof.counter is not None and proof.scheme not in WEAK and key == KnownKey.OF_DEVICE
        return TrustClass.A if fresh else TrustClass.B
    return TrustClass.B if protected or proof.sealed else TrustClass.C
