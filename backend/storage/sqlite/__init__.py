"""SQLite: the engine that needs nothing to install."""
