"""`behind:` of a meter, as an installer writes it, and what he is told when it makes no sense."""

from __future__ import annotations

import pytest

from hub.core.errors import ConfigError

PLACES = """
hub: {site: ecole}
sites: {ecole: {}}
zones: {plant: {site: ecole}}
places:
  main: {zone: plant, meter: {carrier: electricity%s}}
  floor: {zone: plant, meter: {carrier: electricity, behind: %s}}
  boiler: {zone: plant, meter: {carrier: gas, metric: gas}}
  hall: {zone: plant}
"""


def test_a_submeter_names_the_place_of_its_main_meter(read):
    meters = {place.id: place.meter for place in read(PLACES % ("", "main")).places}
    assert (meters["floor"].behind, meters["main"].behind) == ("main", "")


@pytest.mark.parametrize(
    ("before", "behind", "said"),
    [
        ("", "mian", "there is no place 'mian'"),
        ("", "hall", "the place 'hall' has no `meter`"),
        ("", "boiler", "the meter at 'boiler' counts something else"),
        ("", "floor", "a meter is not behind itself"),
        (", behind: floor", "main", "nor behind one behind it"),
    ],
)
def test_what_is_no_main_meter_is_said_at_its_line(read, before: str, behind: str, said: str) -> None:
    with pytest.raises(ConfigError) as found:
        read(PLACES % (before, behind))
    assert any(said in one.message for one in found.value.problems), found.value.problems
