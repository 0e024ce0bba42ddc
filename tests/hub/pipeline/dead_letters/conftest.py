from ..packs.conftest import made

__all__ = ["made"]
