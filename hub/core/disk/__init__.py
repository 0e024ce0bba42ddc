"""What may go wrong between a write and a disk, dealt with in one place.

files      there whole or not at all, whatever happens to the power
way        held from a directory on, so that nobody leads root elsewhere meanwhile
database   an encrypted SQLite file that stays writable on a full disk
patience   what is opened at the start is opened again while the disk refuses
aside      work in a thread that may hang, as a stick or a share does

The sealed log of readings is `hub.buffer`, the hub's own small memory `hub.store`.
"""
