"""Intervals and time-outs of the delivery, in seconds."""

from __future__ import annotations

STATE_S = 30.0
"""A state leaves at connect, and then this often."""
RESTATE_S = 10.0
"""Shortest interval after the last state when a database must show that it answers now."""
CLOCK_S = 3.0
"""Shortest interval while the clock waits for an exchange quick enough to be exact."""
LIVE_S = 10.0
"""A record that waited longer than this joins the backlog, oldest first."""
ANSWER_S = 120.0
"""A message without any answer for this long is lost."""
SETTLE_S = 10.0
"""An answered message whose records no ack covers waits this long for a later ack; doubled while none comes."""
SETTLE_MOST_S = 300.0
REJECTED_S = 3600.0
"""Rejected records are offered again this often: the operator may have changed a limit."""
WANT_S = 60.0
"""Shortest interval between two requests to send a run's records again."""
