"""Checks across values of the file, a module for each subject: `references` (ids that must exist, secrets that must not
be written there), `rules`, `privacy`, `energy`."""
