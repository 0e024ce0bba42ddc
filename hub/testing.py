"""Former name of `hub.sdk.testing`. It works for one release more, with a warning."""

from __future__ import annotations

import sys
import warnings

from hub.sdk import testing

warnings.warn("hub.testing is now hub.sdk.testing; the old name ends with the next release", DeprecationWarning, 2)
sys.modules[__name__] = testing
