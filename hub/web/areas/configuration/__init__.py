"""Pages of the configuration: read, edited as text or by forms, previewed, confirmed or undone.

pages     pages and forms, and the operations of the API
forms     a form for each mapping of the file, made of the schema of the installed plugins

Their sentences come from `hub.web.config_wording`.
"""

from hub.web.areas.configuration.pages import AREA

__all__ = ["AREA"]
