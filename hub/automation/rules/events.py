"""What a rule says: that something began somewhere, or is over."""

from __future__ import annotations

from typing import NamedTuple

from hub.automation.rules.compiler import Rule
from hub.core.model import TrustClass


class Where(NamedTuple):
    """What something fired for: `key` tells it apart within its rule. An integration instance has no place."""

    key: str
    device: str = ""
    place: str = ""
    site: str = ""
    zone: str = ""
    integration: str = ""
    name: str = ""


class Fired(NamedTuple):
    """A rule began to hold somewhere, or is over. `value` is what people read, "" where it may not leave RAM; `limit`
    what it was held against; `trust` the class of the reading that decided."""

    rule: Rule
    where: Where
    on: bool
    value: str
    limit: str
    trust: TrustClass
