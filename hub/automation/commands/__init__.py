"""Commands: the pipe backwards. Somebody wants a metric written -> may it be? -> durable and audited -> the integration
-> the device -> what came of it.

    accepted ─▶ queued ─▶ sent ─▶ done | failed | expired

`judging` says what may be written (pure), `memory` is their table in the store, `desk` takes and hands out,
`factory` bars devices that still have a credential that their maker prints in a manual.
"""

from hub.commands.credentials import Credential, credentials_of
from hub.commands.desk import Desk, OwnCommands
from hub.commands.factory import FactoryCredentials
from hub.commands.judging import Order, WriteRefused
from hub.commands.memory import Record

__all__ = [
    "Credential",
    "Desk",
    "FactoryCredentials",
    "Order",
    "OwnCommands",
    "Record",
    "WriteRefused",
    "credentials_of",
]
