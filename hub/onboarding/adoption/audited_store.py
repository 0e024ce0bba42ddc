"""The store as adoption writes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hub.core.clock import Clock
from hub.core.store import Store


class AuditedStore(NamedTuple):
    """The hub's store with what a change of it needs: the clock that dates its entry in the audit log, and `changed`,
    which is called after it: the next backup is due."""

    store: Store
    clock: Clock
    changed: Callable[[], None]
