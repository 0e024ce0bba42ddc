"""What of the plugin API ends, and with which version of Îlot. Pure data; `tools/check_api.py` holds it.

Something of the surface may go, or ask for more, in the version that stands here, and only where a release before said
so: name it here first, and keep it working until then.
"""

from __future__ import annotations

from collections.abc import Mapping

FORMER_NAMES = "0.2"
"""The version with which former names of `hub` end."""
FORMER_MEMBERS = "0.2"
"""The version with which former members of a session end."""
ENDS: Mapping[str, str] = {"hooks.register_uplinks": "1.0"}
"""Member of the surface, as docs/reference/plugin-api.txt has it → the version with which it ends."""
