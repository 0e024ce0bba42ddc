"""Dead letters: payloads of admitted devices that no codec could read, kept until one can.

LoRaWAN and Sigfox never send again what was acknowledged. So a payload whose codec loops, throws or says nonsense, or
whose device has no pack yet, is kept in the encrypted store, and read again when its pack changes or somebody asks
(`ilot redecode`). `table` is the table, `service` puts in and takes out.

    not decoded ─▶ kept ─▶ read again ─▶ its readings and its mark in one commit of the buffer ─▶ its row is removed
                     └─▶ dropped, and counted: too old, too many of the device, too much in all; the oldest first

A kill before that commit leaves the row, and it is read again; one after it leaves row and mark, and the row is removed
at the next start without being read: its readings come once.
"""

from hub.pipeline.dead_letters.service import DeadLetters
from hub.pipeline.dead_letters.table import Outcome, UndecodedFrame

__all__ = ["DeadLetters", "Outcome", "UndecodedFrame"]
