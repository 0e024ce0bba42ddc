"""What an operator writes: a gateway, and the units behind it. Pure data."""

from __future__ import annotations

from datetime import timedelta

import hub
from pydantic import Field

from boreal_mixer.lines import MOST


class Gateway(hub.Config):
    """A gateway and the units behind it."""

    url: str = Field(
        pattern=r"^tcp://[^/\s]+:[0-9]{1,5}$",
        description="Address of the gateway: tcp://host:port.",
    )
    interval: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="Time between two polls.",
    )


class Unit(hub.Config):
    """One mixing unit."""

    unit: int = Field(ge=1, le=MOST, description="Its number behind the gateway.")
