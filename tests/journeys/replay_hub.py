"""`ilot`; with REPLAY_TWIN=forgetful it is broken on purpose: a new life knows no counter of a former one. With
REPLAY_TWIN=hasty it holds a report of a quarantined sensor each second instead of each minute."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from hub.cli.main import main
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.holding_queue import service

remembering = ReplayWindows.__init__


def forgetful(self: ReplayWindows, remembered: Mapping[str, Any], remember: Callable[[str, Any], None]) -> None:
    remembering(self, {}, remember)


if __name__ == "__main__":
    if os.environ.get("REPLAY_TWIN") == "forgetful":
        ReplayWindows.__init__ = forgetful  # type: ignore[method-assign]
    if os.environ.get("REPLAY_TWIN") == "hasty":
        service.SPACING_S, service.WRITE_S = 1.0, 1.0
    main(sys.argv[1:])
