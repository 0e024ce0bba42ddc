from tests.hub.devices.packs.conftest import made

__all__ = ["made"]
