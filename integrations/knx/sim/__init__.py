"""A KNX/IP interface and a small building behind it: `python -m integrations.knx.sim`."""
