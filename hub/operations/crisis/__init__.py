"""Crisis mode: restrictions that a person puts on this hub, with no network and across a reboot.

    isolated    the hub speaks to nothing outside: no link, no notifier, no exporter, no integration with an address on
                a network that nobody declared as its own. Integrations on its own lines go on, and the buffer stores
                everything
    read-only   nothing is written to a device and nothing of the hub is changed; alerts are still answered
    raised      devices report more often for a while, within budgets that are shown before
                (`hub.operations.crisis.sampling`)
    export      a signed folder with everything that others need, made while cut off

The states may hold at once. They take effect at once and are stored before the answer, with the digest of the
configuration; leaving them reports whether it is still the same. If the disk refuses, the answer says that a restart
would undo them, and the write is repeated until it succeeds.
"""

from hub.operations.crisis.isolation import Verdict, isolation_verdict
from hub.operations.crisis.readonly import READS, ReadOnly, guard, is_refused
from hub.operations.crisis.service import Crisis
from hub.operations.crisis.state import State

__all__ = ["READS", "Crisis", "ReadOnly", "State", "Verdict", "guard", "is_refused", "isolation_verdict"]
