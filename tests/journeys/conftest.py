"""What holds for every journey in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from .patience import PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)  # 5 s by itself, whatever a page's own patience is
