"""Changes of the configuration of a running hub: one at a time, whole or not at all.

    validate ─▶ write ─▶ reload what differs ─▶ health gate ─▶ commit
                  │            │                    │    └─ web, link: wait for a word ─▶ commit
                  └────────────┴────────────────────┴────── or everything back, with the reason

While a change is not committed, `hub.config.history` holds what the files said before: a hub that ends meanwhile, for
whatever reason, starts with that. What only a new start takes up is said beforehand; it is written and waits.

`reload` is the only thing here that touches running parts; it is called with two configurations and what differs, and
called again the other way round to take a change back.
"""

from hub.operations.config_changes.engine import Changing
from hub.operations.config_changes.results import LINGER_S

__all__ = ["LINGER_S", "Changing"]
