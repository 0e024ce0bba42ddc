"""Commands: the pipe backwards. Somebody wants a metric written -> may it be? -> durable and audited -> the integration
-> the device -> what came of it.

    accepted ─▶ queued ─▶ sent ─▶ done | failed | expired

`judging` says what may be written (pure), `memory` is their table in the store, `desk` takes and hands out.
"""

from hub.commands.desk import Desk, OwnCommands
from hub.commands.judging import Order, WriteRefused
from hub.commands.memory import Record

__all__ = ["Desk", "Order", "OwnCommands", "Record", "WriteRefused"]
