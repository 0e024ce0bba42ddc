"""Disk access that survives power cuts, full and failing media.

atomic_files there whole or not at all, whatever happens to the power
safe_paths held from a directory on, so that nobody leads root elsewhere meanwhile
sqlite     an encrypted SQLite file that stays writable on a full disk
retry      what is opened at the start is opened again while the disk refuses
hanging_calls work in a thread that may hang, as a stick or a share does

The sealed log of readings is `hub.store_and_forward.buffer`, the hub's own small memory `hub.core.store`.
"""
