"""Changes of the configuration of a running hub: one at a time, whole or not at all.

    validate ─▶ write ─▶ reload what differs ─▶ health gate ─▶ commit
                  │            │                    │    └─ web, link: wait for a confirmation ─▶ commit
                  └────────────┴────────────────────┴────── or everything back, with the reason

While a change is not committed, `hub.config.history` holds the former text of the files: a hub that ends meanwhile, for
whatever reason, starts with that. Options that only a restart applies are reported beforehand; they are written and
wait.

`reload` is the only function here that touches running parts; it is called with two configurations and their
differences, and called again the other way round to undo a change.
"""

from hub.operations.config_changes.apply import RunningHub
from hub.operations.config_changes.engine import ConfigChanger
from hub.operations.config_changes.results import LINGER_S

__all__ = ["LINGER_S", "ConfigChanger", "RunningHub"]
