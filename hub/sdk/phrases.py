"""Sentences for people that a plugin makes: a code, an English sentence, and its parameters; see `hub.core.text`.

    raise NotReady(phrase("acme.valve-silent", "{valve} does not answer", valve=name))

Codes begin with the name of the plugin's package and a point. Translations are GNU gettext catalogues in that package:
`locale/fr/LC_MESSAGES/acme.po`, compiled to `acme.mo`; the context of an entry (msgctxt) is the code.
"""

from hub.core.errors import DecodeError
from hub.core.text import Phrase, phrase, reason_of, system_error

__all__ = ["Phrase", "detail_of", "phrase", "reason_of", "system_error"]


def detail_of(error: BaseException) -> str:
    """Return what an error says, for the outcome of a command or for a sentence about a device: as `reason_of`, and of
    a DecodeError its detail without the slug by which it is counted."""
    return error.detail or error.reason if isinstance(error, DecodeError) else reason_of(error)
