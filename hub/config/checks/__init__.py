"""What no single value of the file can show, a module for each subject: `references` (ids that must exist, secrets that
must not be written there), `rules`, `privacy`, `energy`."""
