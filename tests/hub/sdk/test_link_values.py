"""What a network measures stays beside what a payload says under the same name, and the clash is told once."""

from __future__ import annotations

import logging

import pytest

from hub.sdk.link_values import MOST_TOLD, LinkValues


@pytest.fixture
def links(caplog: pytest.LogCaptureFixture) -> LinkValues:
    caplog.set_level(logging.INFO)
    return LinkValues(logging.LoggerAdapter(logging.getLogger("test")))


def test_the_networks_value_counts_and_the_clash_is_told_once_for_each_device_and_metric(
    links: LinkValues, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        said = links.beside("lorawan:AA", {"link_margin": 99.0, "temperature": 20.0}, {"link_margin": 4.5})
        assert said == {"link_margin": 4.5, "temperature": 20.0}
    assert links.beside("lorawan:BB", {"link_margin": 99.0}, {}) == {"link_margin": 99.0}, "nobody measured it"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("lorawan:AA: its payload has link_margin too, which the network measures")


def test_however_many_devices_clash_the_lines_are_bounded(links: LinkValues, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MOST_TOLD + 100):
        links.beside(f"lorawan:{number}", {"link_margin": 1.0}, {"link_margin": 2.0})
    assert len(caplog.records) == MOST_TOLD
