"""Events of rules: one began to hold somewhere, or ceased to."""

from __future__ import annotations

from typing import NamedTuple

from hub.automation.rules.compiler import Rule
from hub.core.model import TrustClass


class RuleSubject(NamedTuple):
    """The place or instance a rule fired for; `key` identifies it within the rule. An integration instance has no
    place."""

    key: str
    device: str = ""
    place: str = ""
    site: str = ""
    zone: str = ""
    integration: str = ""
    name: str = ""


class Fired(NamedTuple):
    """A rule began to hold somewhere (`on`) or ceased to. `value` is the value as text, "" where it may not leave
    memory; `limit` is what it was compared with; `trust` the trust class of the deciding reading."""

    rule: Rule
    where: RuleSubject
    on: bool
    value: str
    limit: str
    trust: TrustClass
