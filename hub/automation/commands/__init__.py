"""Commands: the pipe backwards. Somebody wants a metric written -> may it be? -> durable and audited -> the integration
-> the device -> what came of it.

    accepted ─▶ queued ─▶ sent ─▶ done | failed | expired

`policy` says what may be written (pure), `table` is their table in the store, `service` takes and hands out,
`factory` bars devices that still have a credential that their maker prints in a manual.
"""

from hub.automation.commands.credentials import Credential, credentials_of
from hub.automation.commands.factory import FactoryCredentials
from hub.automation.commands.policy import Order, WriteRefused
from hub.automation.commands.service import CommandService, OwnCommands
from hub.automation.commands.table import Record

__all__ = [
    "CommandService",
    "Credential",
    "FactoryCredentials",
    "Order",
    "OwnCommands",
    "Record",
    "WriteRefused",
    "credentials_of",
]
