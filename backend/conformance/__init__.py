"""The conformance suite: what any backend of Îlot must do, asked over the network with a throw-away hub.

suite     runs the checks, and those of records: committed, counted once, acknowledged
hubs      checks of what a hub says of itself, and what it is given: trust, certificates, admission
checks    what a check is made of
probe     a hub that is enrolled and says what it is told to
sender    messages made to order, right and wrong ones
"""

from backend.conformance.checks import Result
from backend.conformance.suite import run_suite

__all__ = ["Result", "run_suite"]
