"""Ends the program that imports it, as a script does that finds something missing."""

import sys

sys.exit("no dongle found")
