"""How long a journey waits for what must happen.

So long that only what never happens is late: a machine with other work takes many times as long as ours, and waiting
costs nothing where it ends at once. No journey judges speed by these.
"""

from __future__ import annotations

PATIENCE_S = 90.0
"""Of a wait in seconds."""
PATIENCE_MS = 90_000
"""The same for playwright, which counts in milliseconds."""
