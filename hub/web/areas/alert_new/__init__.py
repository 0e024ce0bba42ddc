"""« Alert if… »: a rule made by choosing and typing, tried on the past week, and saved into the configuration.

pages     the page, and the operations of the API
choices   places, zones and values by their names; who would be told
form      the fields, and the rule that they mean (pure)
"""

from hub.web.areas.alert_new.pages import AREA

__all__ = ["AREA"]
