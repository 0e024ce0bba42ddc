"""How long the delivery waits for what, in seconds."""

from __future__ import annotations

STATE_S = 30.0
"""A state leaves at connect, and then this often."""
RESTATE_S = 10.0
"""Sooner than that, and yet no sooner than this after the last, when a database must show that it answers now."""
CLOCK_S = 3.0
"""Sooner still, while the clock waits for an exchange quick enough to be exact."""
LIVE_S = 10.0
"""A record that waited longer than this is no news any more: it joins the backlog, oldest first."""
ANSWER_S = 120.0
"""A message without any answer for this long is lost."""
SETTLE_S = 10.0
"""An answered message whose records no ack covers waits this long for a later ack; doubled while none comes."""
SETTLE_MOST_S = 300.0
REJECTED_S = 3600.0
"""What the backend rejected is offered again this often: a person may have changed its mind."""
WANT_S = 60.0
"""A run's records are sent again at most this often, whoever asks."""
