"""The configuration, on pages: read, edited as a text or by forms, previewed, kept or taken back.

pages     what is shown and sent, and the operations of the API
forms     a form for each mapping of the file, made of the schema of what is installed
wording   forms, differences and what is wrong, in the reader's words
"""

from hub.web.areas.configuration.pages import AREA

__all__ = ["AREA"]
