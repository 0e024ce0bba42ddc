"""EU863-870 and the time on the air, against what others publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.lorawan import region
from integrations.lorawan.airtime import airtime
from integrations.lorawan.region import RATES

SF12, SF11, SF10, SF9, SF8, SF7, SF7_250, FSK = RATES


@pytest.mark.parametrize(
    ("rate", "size", "milliseconds"),
    [
        (SF7, 10, 41.216),
        (SF8, 10, 72.192),
        (SF9, 10, 144.384),
        (SF10, 10, 288.768),
        (SF11, 10, 577.536),
        (SF12, 10, 991.232),
        (SF7_250, 10, 20.608),
        (SF7, 13, 46.336),
        (SF7, 15, 46.336),
        (SF7, 16, 51.456),
        (SF7, 19, 51.456),
        (SF9, 13, 164.864),
        (FSK, 200, 33.760),
    ],
)
def test_the_time_on_the_air_is_the_published_one(rate: region.DataRate, size: int, milliseconds: float) -> None:
    """The Things Stack, pkg/toa/toa_test.go; SF9 with 13 bytes: the public spreadsheet of AN1200.13's formula."""
    assert airtime(rate, size, uplink=True) * 1000 == pytest.approx(milliseconds, abs=1e-6)


def test_a_downlink_without_crc_is_never_longer_than_an_uplink() -> None:
    shorter = 0
    for rate in RATES[:-1]:
        for size in range(1, 256):
            down, up = airtime(rate, size, uplink=False), airtime(rate, size, uplink=True)
            assert down <= up
            shorter += down < up
    assert shorter > 500  # two bytes less: often one block of symbols less


def test_the_longest_downlink_of_each_rate_and_no_longer_is_within_the_table() -> None:
    """RP002, EU863-870, maximum payload size without repeater."""
    assert [rate.size for rate in RATES] == [59, 59, 59, 123, 250, 250, 250, 250]
    assert [rate.name for rate in RATES[:7]] == [
        "SF12BW125", "SF11BW125", "SF10BW125", "SF9BW125", "SF8BW125", "SF7BW125", "SF7BW250",
    ]  # fmt: skip


def test_rx1_follows_the_table_of_the_regional_parameters() -> None:
    """RP002, EU863-870, "downlink RX1 data rate mapping", rows DR0 to DR7."""
    table = [
        "000000", "100000", "210000", "321000", "432100", "543210", "654321", "765432",
    ]  # fmt: skip
    for uplink, row in enumerate(table):
        assert [region.rx1_rate(uplink, offset) for offset in range(6)] == [int(cell) for cell in row]


@pytest.mark.parametrize(
    ("hertz", "name"),
    [
        (868_100_000, "M"), (868_300_000, "M"), (868_500_000, "M"), (867_100_000, "L"), (867_900_000, "L"),
        (868_800_000, "N"), (869_525_000, "P"), (864_000_000, "K"), (869_850_000, "Q"), (868_650_000, None),
        (869_300_000, None), (868_590_000, None), (862_000_000, None), (870_100_000, None),
    ],
)  # fmt: skip
def test_a_channel_lies_in_one_sub_band_or_in_none(hertz: int, name: str | None) -> None:
    band = region.band(hertz)
    assert (band.name if band else None) == name


def test_the_sub_bands_have_the_shares_of_the_law() -> None:
    """ERC Recommendation 70-03, annex 1: h1.3 to h1.7."""
    assert {band.name: band.duty for band in region.BANDS} == {
        "K": 0.001, "L": 0.01, "M": 0.01, "N": 0.001, "P": 0.1, "Q": 0.01,
    }  # fmt: skip
    assert [band.name for band in region.BANDS if band.eirp > 16] == ["P"]


CHANNELS = st.lists(st.integers(8_631_000, 8_679_000).map(lambda n: n * 100), unique=True, max_size=5)


@given(CHANNELS.filter(lambda cs: all(region.band(c) for c in cs)))
def test_a_cflist_holds_its_channels(channels: list[int]) -> None:
    """LoRaWAN 1.0.4, table of CFListType 0: five frequencies of three bytes, / 100 Hz, 0 for none; then the type."""
    made = region.cflist(tuple(channels))
    found = [int.from_bytes(made[at : at + 3], "little") * 100 for at in range(0, 15, 3) if made]
    assert [frequency for frequency in found if frequency] == channels
    assert made[15:] == (b"\0" if channels else b"")


def test_the_cflist_of_the_usual_eight_channels() -> None:
    """867.1 to 867.9 MHz, as frequency / 100 Hz in three bytes, least first: 0x844F18 is 8,671,000."""
    made = region.cflist((867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000))
    assert made.hex() == "184f84e85684b85e84886684586e8400"


def test_a_cflist_of_nonsense_is_refused() -> None:
    for wrong, why in (((868_100_000,) * 6, "holds 5"), ((868_100_050,), "no channel"), ((915_000_000,), "no channel")):
        with pytest.raises(ValueError, match=why):
            region.cflist(wrong)


def test_a_data_rate_is_found_by_its_name() -> None:
    for index, rate in enumerate(RATES[:7]):
        assert region.rate_named(rate.name) == index
    for wrong in ("", "SF6BW125", "SF7BW500", "SF7", "50000", "SF07BW125 "):
        assert region.rate_named(wrong) is None
    assert region.rate_of(0, 50_000) == 7
