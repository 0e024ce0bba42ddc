"""Section `config:`: how this file itself may be changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from hub.config.field_types import Section
from hub.config.values import Duration


class Engine(Section):
    """How this file may be changed on the hub."""

    mode: Literal["local", "managed"] = Field(
        default="local",
        description="Who changes this file: people at this hub, or (managed) another system that writes it. Managed, "
        "the pages and `ilot config` show it and change nothing.",
        title="Mode",
    )
    managed_by: str = Field(
        default="", max_length=200, description="Who manages it, for people: told whenever a change is refused."
    )
    gate: Duration = Field(
        default=timedelta(seconds=15),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=5),
        description="How long what was changed has to get through; what does not is taken back.",
    )
    confirm: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(seconds=5),
        le=timedelta(minutes=15),
        description="How long somebody has to confirm a change of `web` or `link`; without a word it is taken back.",
    )
