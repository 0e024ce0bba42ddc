"""The pages' sentences: English here, other languages in the catalogues of `hub/locale`. `word("key", "fr")`.

One file for each area, with a table PHRASES, key -> English: see `hub.page_kit.phrasebook`. A key is in one file only;
those that the kit's templates use are in `hub.page_kit.words`. Tests check that no template uses an unknown key and that
no key is unused.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hub.core.catalogue_domain import HUB
from hub.page_kit.phrasebook import Phrasebook


def _files() -> list[str]:
    """Return the modules of this folder; the texts of options are in their models."""
    return [one.name for one in iter_modules(__path__) if not one.ispkg]


BOOK = Phrasebook(HUB, (import_module(f"{__name__}.{name}").PHRASES for name in _files()))
WORDS = BOOK.phrases
"""Key -> English."""
template, word = BOOK.template, BOOK.word
