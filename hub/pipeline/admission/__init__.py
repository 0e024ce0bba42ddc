"""Admission: identity, freshness and trust of a sender, and the quarantine (docs/explanation/security.md).

Configuration is admission: a device that the file or the store names is known. Everything else goes to
quarantine with evidence: never forwarded, never silently dropped.
"""
