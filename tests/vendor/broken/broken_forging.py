"""Says of itself what it is not, over whatever it finds open, and leaves a process behind."""

import os
import time

FORGED = b'{"name":"modbus","distribution":"ilot","version":"9.9","shipped":true}'
if os.fork() == 0:
    time.sleep(120)
    os._exit(0)
for descriptor in range(1, 64):
    try:
        os.write(descriptor, FORGED)
    except OSError:
        continue
os._exit(0)
