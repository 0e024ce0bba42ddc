"""Section `notifiers:`: recipients of alerts and their times. Options common to all notifiers; their own are beside
them. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hub.config.field_types import Id, InstanceName, Section

State = Literal["raised", "acknowledged", "muted", "escalated", "cleared"]
STATES: tuple[State, ...] = ("raised", "acknowledged", "muted", "escalated", "cleared")
Severity = Literal["info", "warning", "critical"]


class NotifierKeys(Section):
    """The hub's keys of one notifier; its own options stand beside them."""

    type: InstanceName | None = Field(
        default=None,
        description="Which notifier; without it, the one of its name. A second one of a type has a name of its own.",
    )
    enabled: bool = Field(default=True, description="Whether it runs.")
    least: Severity = Field(default="warning", description="Alerts of a lower severity are not told.", title="Least")
    when: Literal["raised", "escalated"] = Field(
        default="raised",
        description="`escalated`: only what nobody acknowledged in its rule's `escalate` time, and what becomes of it.",
        title="When",
    )
    states: list[State] = Field(
        default=list(STATES),
        min_length=1,
        description="Which changes are told. An alert that was never told here is not told cleared either.",
    )
    zones: list[Id] = Field(
        default=[], max_length=500, description="Only alerts of these zones: ids of `zones`. Without it, of all."
    )
    quiet: Id | None = Field(
        default=None,
        description="Hours when it keeps quiet: an id of `schedules`. What still holds afterwards is told then.",
    )
    quiet_least: Severity = Field(
        default="critical", description="What matters this much or more is told in quiet hours too."
    )
    per_hour: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Messages an hour at the most; then they wait, the most severe first. Without it, what its type "
        "says: 20 for sms, 60 for email, as many as there are for the others.",
    )
