"""Names and units of metrics, for plugins: their codes, several metrics of one name, a name in the reader's language,
and the type of an option that is a unit."""

from typing import Annotated

from pydantic import AfterValidator

from hub.core.metric_catalogue import numbered, of_plugin
from hub.core.metric_rules import ucum_unit
from hub.i18n.metric_names import metric_name

__all__ = ["UcumUnit", "metric_name", "numbered", "of_plugin"]

UcumUnit = Annotated[str, AfterValidator(ucum_unit)]
"""A unit of a metric; another text is refused with the unit that was probably meant."""
