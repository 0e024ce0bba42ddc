"""Declarative rules: what a hub watches by itself, in RAM, on raw values, with no network.

    schedules           weekly programmes, in a site's time
    conditions          one test of one value, with hysteresis and time: state machines
    compiler            configuration → `Rule`
    engine              rules × places → what is looked at, by reading and by ticking clock; what fired

The configuration says them in `hub.config.parts.rules`. A rule says only that something began or is over (`Fired`).
What follows from it, an alert or a command, is for `hub.automation.alert_engine`.
"""

from hub.automation.rules.compiler import compile_rules
from hub.automation.rules.engine import RuleBinding, Rules
from hub.automation.rules.events import Fired, Where

__all__ = ["Fired", "RuleBinding", "Rules", "Where", "compile_rules"]
