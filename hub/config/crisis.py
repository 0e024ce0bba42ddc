"""The parts `crisis:` and `sovereignty:` of the file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from hub.config.kinds import Empty, InstanceName, Section


def _short(text: str) -> str:
    if not 0 < len(text) <= 200:
        raise ValueError("expected 1 to 200 characters")
    return text


Words = Annotated[str, AfterValidator(_short)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:\[\]-]+$")]


class Crisis(Section):
    """What holds when this hub is isolated or read-only (`ilot crisis`)."""

    keep: tuple[InstanceName, ...] = Field(
        default=(),
        description="Integrations that go on while the hub is isolated although they speak over a network. Those with "
        "a declared `perimeter`, or with no address of another machine, go on in any case.",
    )
    contacts: Annotated[dict[Words, Words], Empty] = Field(
        default={}, description="Role → name and number, for the sheet that `ilot crisis runbook` prints."
    )


class Sovereignty(Section):
    """What this machine may depend on beside the owner's hosts, as `ilot sovereignty` checks it."""

    time: tuple[Host, ...] = Field(default=(), description="Time servers.")
    mirrors: tuple[Host, ...] = Field(default=(), description="Hosts that packages and updates come from.")
    resolvers: tuple[Host, ...] = Field(default=(), description="Name servers (DNS).")
