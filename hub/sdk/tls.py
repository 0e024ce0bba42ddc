"""TLS contexts and reasons why a certificate is refused: `hub.core.tls`, for plugins, which import no other room."""

from hub.core.tls import Tls

__all__ = ["Tls"]
