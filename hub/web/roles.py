"""Roles of people on the hub's pages, and the sets of them that routes name. Pure."""

from __future__ import annotations

LECTEUR, AUDITEUR, TECHNICIEN, ADMINISTRATEUR = "lecteur", "auditeur", "technicien", "administrateur"
READS = frozenset({LECTEUR, AUDITEUR, TECHNICIEN, ADMINISTRATEUR})
WORKS = frozenset({TECHNICIEN, ADMINISTRATEUR})
AMENDS = WORKS
"""Roles that may add a small thing to the configuration, by a call that can do nothing else
(`hub.operations.config_changes.zones`)."""
RULES = frozenset({ADMINISTRATEUR})
"""Roles that may change the configuration as a whole, among other things."""
AUDITS = frozenset({AUDITEUR, ADMINISTRATEUR})
HELPS = WORKS | AUDITS
"""Roles that may read logs and diagnostics."""
