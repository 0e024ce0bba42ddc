"""Declarative rules, evaluated in memory on raw values without network.

    schedules      weekly programmes, in a site's time
    conditions     tests of one value, with hysteresis and duration: state machines
    compiler       configuration → `Rule`
    engine         rules × places: evaluation by reading and by clock
    absence        silence of devices and integrations
    replay         one rule over past readings, by that engine
    events         the result: a rule began or ceased to hold (`Fired`)
    write_intents  which rule holds which metric, and what remains to be written

The configuration model is `hub.config.parts.rules`. Alerts and commands follow in `hub.automation.alert_engine`.
"""

from hub.automation.rules.compiler import compile_rules
from hub.automation.rules.engine import RuleBinding, Rules, Surroundings
from hub.automation.rules.events import Fired, RuleSubject

__all__ = ["Fired", "RuleBinding", "RuleSubject", "Rules", "Surroundings", "compile_rules"]
