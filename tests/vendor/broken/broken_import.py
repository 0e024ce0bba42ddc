"""Raises as soon as it is imported."""

print("a stranger may print anything")
raise RuntimeError("no licence found")
