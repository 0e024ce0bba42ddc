"""Names of metrics, for plugins: in the reader's language, and of several metrics of one name."""

from hub.core.metric_catalogue import numbered
from hub.i18n.metric_names import metric_name

__all__ = ["metric_name", "numbered"]
