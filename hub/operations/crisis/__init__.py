"""Crisis: what a person can make of this hub when things go wrong around it, with no network and across a reboot.

    isolated    nothing of it speaks to the outside any more: no link, no notifier, no exporter, no integration that has
                an address on a network which nobody declared as its own. What hangs on its own lines goes on, and the
                buffer keeps everything
    read-only   nothing is written to a device and nothing of the hub is changed; alerts are still answered
    raised      devices speak more often for a while, within budgets that are shown before
                (`hub.operations.crisis.sampling`)
    export      a signed folder with everything that others need, made while cut off

The states may hold at once. They take effect at once and are remembered in the store before the answer, with the
digest of the configuration; leaving them says whether it is still the same. Where the disk refuses, the answer says
that a restart would undo them, and the disk is asked again until it remembers.
"""

from hub.operations.crisis.isolation import Verdict, outside
from hub.operations.crisis.readonly import READS, ReadOnly, guarded, refused
from hub.operations.crisis.service import Crisis
from hub.operations.crisis.state import State

__all__ = ["READS", "Crisis", "ReadOnly", "State", "Verdict", "guarded", "outside", "refused"]
