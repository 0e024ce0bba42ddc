"""Names of metrics in the reader's language."""

from __future__ import annotations

from hub.core.metric_catalogue import metric_phrase
from hub.core.model import Metric
from hub.i18n.catalogues import FRENCH, translate


def metric_name(metric: Metric, lang: str) -> str:
    """Return the name of a metric: the French that its pack, its configuration or a former plugin gives, else that of
    the catalogues."""
    return metric.fr if lang == FRENCH and metric.fr else translate(metric_phrase(metric), lang)
