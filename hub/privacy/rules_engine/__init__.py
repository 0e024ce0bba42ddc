"""Data protection before anything touches the disk (docs/explanation/privacy.md). Maybe personal is personal. Pure.

data_categories what kinds of data there are, each with its purpose and retention, and which metric is of which
rules        what the configuration says of a series, compiled
policy       what happens to each series of each zone: the one question that plans ask
report_filter does it to a report: coarser values, windows, pseudonyms, coarser times
windows      aggregates and counts over a window, of which only the result leaves
open_windows that a window was begun, for the life after a kill to declare it missing
pseudonyms   keyed names that stand for ids, and the keys that can be destroyed
texts        what rules do, in plain words
register     the register of processing and the draft of the impact assessment
positions    the grid that positions are snapped to

Rules of the tap see raw values, in RAM only. The live view follows the same line as the disk: what may not be stored
is not shown.
"""

from hub.privacy.rules_engine.data_categories import PERSONAL, POSITION
from hub.privacy.rules_engine.open_windows import Unfinished
from hub.privacy.rules_engine.policy import Privacy, Treatment
from hub.privacy.rules_engine.pseudonyms import Consents
from hub.privacy.rules_engine.report_filter import ReportFilter
from hub.privacy.rules_engine.rules import Gather, PrivacyRule, compile_privacy
from hub.privacy.rules_engine.windows import Derived, Windows

__all__ = [
    "PERSONAL",
    "POSITION",
    "Consents",
    "Derived",
    "Gather",
    "Privacy",
    "PrivacyRule",
    "ReportFilter",
    "Treatment",
    "Unfinished",
    "Windows",
    "compile_privacy",
]  # fmt: skip
