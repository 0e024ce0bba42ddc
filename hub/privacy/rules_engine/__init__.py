"""Privacy rules, applied before anything touches the disk (docs/explanation/privacy.md). Possibly personal is personal.
Pure.

    data_categories  kinds of data, each with its purpose and retention, and the metrics of each
    rules            the configured rules, compiled
    policy           decides the treatment of each series of each zone; asked when a plan is compiled
    report_filter    applies it to a report: coarser values, windows, pseudonyms, coarser times
    windows          aggregates and counts over a window, of which only the result leaves
    open_windows     started windows, remembered so that a restart can declare them missing
    pseudonyms       keyed pseudonyms of ids, with keys that can be destroyed
    texts            descriptions of rules in plain words
    register         the register of processing and the draft of the impact assessment
    positions        the grid that positions are snapped to

Automation rules see raw values, in memory only. The live view follows the same limits as the disk: what may not be
stored is not shown.
"""

from hub.privacy.rules_engine.data_categories import PERSONAL, POSITION
from hub.privacy.rules_engine.open_windows import OpenWindows
from hub.privacy.rules_engine.policy import Privacy, Treatment
from hub.privacy.rules_engine.pseudonyms import Consents
from hub.privacy.rules_engine.report_filter import ReportFilter
from hub.privacy.rules_engine.rules import PrivacyRule, WindowSpec, compile_privacy
from hub.privacy.rules_engine.windows import WindowFigure, Windows

__all__ = [
    "PERSONAL",
    "POSITION",
    "Consents",
    "OpenWindows",
    "Privacy",
    "PrivacyRule",
    "ReportFilter",
    "Treatment",
    "WindowFigure",
    "WindowSpec",
    "Windows",
    "compile_privacy",
]  # fmt: skip
