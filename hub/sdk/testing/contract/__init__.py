"""The contract tests: what holds for every integration, made of a description of one.

texts-complete    options, reasons, metrics and sentences are there in English and French
ids-stable        the devices of a second run have the ids of the first
nothing-left      cancelled at any moment, it leaves no task, socket, thread or process
outage-told-once  an unreachable peer is told once, and its return once
loop-free         it holds the event loop for 50 ms at most
units-valid       what it reports is in the catalogue, in its unit, and plausible
secrets-redacted  no secret among the options stands in a log, an error, or what it hands to the hub
flood-held-back   ten times the load waits, and nothing is lost that was acknowledged

world      World: an integration and its peer
notifier_world  NotifierWorld: a notifier and its receiver
suite      CONTRACT, check, examine
report     Verdict, ContractReport: what came of it, as data
checks, texts, secrets, stalls    the tests
running    an integration that runs as in the hub
"""

from hub.sdk.testing.contract.cases import ContractTests
from hub.sdk.testing.contract.notifier_world import NotifierWorld
from hub.sdk.testing.contract.report import ContractReport, Verdict
from hub.sdk.testing.contract.suite import CONTRACT, check, examine
from hub.sdk.testing.contract.world import World

__all__ = ["CONTRACT", "ContractReport", "ContractTests", "NotifierWorld", "Verdict", "World", "check", "examine"]
