"""Section `security:`: number of weak signals of a kind, within a time, that make an incident."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from hub.config.field_types import Empty, Section
from hub.config.values import Duration

MOST = 100_000


def _counted(default: int, description: str) -> Any:
    return Field(default=default, ge=0, le=MOST, description=description)


def _never_an_accident(default: int, description: str) -> Any:
    return Field(default=default, ge=1, le=MOST, description=description)


class Thresholds(Section):
    """How many of a kind are an incident. 0: that kind raises none, it is counted and named in an incident that others
    raise. What is never an accident cannot be put to 0."""

    forged: int = _counted(3, "Frames that do not fit their device's key.")
    replay: int = _counted(3, "Counters that went back.")
    in_clear: int = _never_an_accident(1, "Frames in clear of a device that has a key.")
    unknown_id: int = _counted(50, "Frames of senders that nobody admitted.")
    blocked: int = _counted(20, "Frames of blocked senders.")
    clone: int = _never_an_accident(1, "Signs of two senders under one id.")
    not_its_own: int = _never_an_accident(1, "Reports of a plugin for a device that another plugin reads.")
    rate: int = _counted(3, "Devices that speak far more often than they should.")
    unlike_neighbours: int = _counted(3, "Values unlike those of all neighbours.")
    sign_in: int = _counted(5, "Refused sign-ins: passwords, codes, badges, tokens.")
    host: int = _counted(3, "Requests under a name that is not the hub's.")
    elsewhere: int = _counted(3, "Requests that another site made a browser send.")
    break_glass: int = _never_an_accident(1, "Local accounts used where the district has badges.")
    egress: int = _never_an_accident(1, "Calls to hosts that nobody declared.")
    redirect: int = _never_an_accident(1, "Answers that would send the hub to another host: never followed.")
    forged_ack: int = _never_an_accident(1, "Acknowledgements that the backend did not sign.")
    clock_step: int = _counted(1, "Steps of the clock.")
    configuration: int = _counted(10, "Changes of the configuration, by whatever way.")
    plugin: int = _counted(3, "Plugins that died of an error.")
    stall: int = _counted(1, "Plugins that held the whole hub for two seconds or more.")
    gap: int = _counted(1, "Losses of readings on this disk.")


class Security(Section):
    """What makes weak signals an incident: see how-to/weak-signals.md."""

    window: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(minutes=1),
        le=timedelta(hours=24),
        description="Within this time they are counted together.",
        title="Window",
    )
    quiet: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(days=7),
        description="An incident is over after so long without a further sign.",
        title="Quiet",
    )
    thresholds: Annotated[Thresholds, Empty] = Field(
        default=Thresholds.defaults(), description="How many of a kind are an incident."
    )
