"""How often the devices of an integration may speak: what a registration says of it, for raised sampling. Pure."""

from __future__ import annotations

import msgspec

from hub.core.text import phrase

Words = str | tuple[str, str]
"""A phrase of the plugin's catalogue; or French and English, as in former versions."""

PUSHES: Words = phrase("sampling-pushes", "it sends by itself, when it likes")
BROADCASTS: Words = phrase("sampling-broadcasts", "it broadcasts by itself and nobody can tell it to speak more often")


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """What may be raised. A device that is polled in a loop (`Polling.poll_cycles`) needs nothing here.

    `reason` and `why` say why the period of a device that is not polled stays as it is: a slug that never changes, and
    its words, a phrase. `downlinks`: a downlink of the device's pack sets its period instead, within the airtime that
    the integration publishes. `meters`: its devices are meters, whose batteries bear a bounded number of readings a
    day.
    """

    reason: str = "pushes"
    why: Words = PUSHES
    downlinks: bool = False
    meters: bool = False


DEFAULT = Sampling()
"""Of an integration that says nothing."""
