"""`ilot capture` and `ilot replay`: what a protocol says, kept as lines of JSON, and said again.

redaction   what a line must not hold
sources     who hears a protocol, and who reads its lines
capture     the command that writes
lines       a capture file, read line by line
report      what would have been read
replay      the command that reads, and says again
"""
