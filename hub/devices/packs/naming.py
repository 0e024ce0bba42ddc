"""Names of packs and of their files: all that a hub without packs needs of them. Pure."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
"""vendor-model, the name of the pack's directory."""
PACK = "pack.yaml"
MAX_LABEL = 512
