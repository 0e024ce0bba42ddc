"""Sentences for people that a plugin makes: a code, an English sentence, and its parameters; see `hub.core.text`.

    raise NotReady(phrase("acme.valve-silent", "{valve} does not answer", valve=name))

Codes begin with the name of the plugin's package and a point. Translations are GNU gettext catalogues in that package:
`locale/fr/LC_MESSAGES/acme.po`, compiled to `acme.mo`; the context of an entry (msgctxt) is the code.
"""

from hub.core.text import Phrase, phrase, reason_of, system_error

__all__ = ["Phrase", "phrase", "reason_of", "system_error"]
