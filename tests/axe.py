"""The expression by which axe-core judges a page in a browser: `page.evaluate(axe.run(), rules)`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

SCRIPT = Path(__file__).parent / "peers/node/node_modules/axe-core/axe.min.js"


@cache
def run() -> str:
    """Return the expression that brings axe-core and runs it with its options.

    In two, a page that loads itself anew in between would not know axe-core. An expression, since a page's policy
    refuses a script element.
    """
    return f"rules => {{ {SCRIPT.read_text()}; return axe.run(document, rules ?? {{}}); }}"
