"""Commands: requests to write a metric, from the request to the device's answer.

accepted ─▶ queued ─▶ sent ─▶ done | failed | expired

policy       what may be written (pure)
table        commands in the store
service      takes requests, hands commands to integrations, records results
credentials  default credentials of makers (pure)
factory      bars writes to devices that still have a default credential
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
