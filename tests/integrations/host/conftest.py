"""The test kit's session, which also notes the intervals it was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from hub import Device
from hub.sdk.testing import FakeSession


class Session(FakeSession):
    def __init__(self) -> None:
        super().__init__("host", devices=[Device(id="host:local", integration="host", place="hub")])
        self.intervals: list[timedelta] = []

    def every(self, interval: timedelta) -> AsyncIterator[float]:
        self.intervals.append(interval)
        return super().every(interval)


@pytest.fixture
def session() -> Session:
    return Session()
