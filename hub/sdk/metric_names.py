"""Names of metrics, for plugins: their codes, several metrics of one name, and a name in the reader's language."""

from hub.core.metric_catalogue import numbered, of_plugin
from hub.i18n.metric_names import metric_name

__all__ = ["metric_name", "numbered", "of_plugin"]
