"""`ilot backend city …`: the city's view beside the operator's API."""

from __future__ import annotations

import click

from backend.cli.city_crisis import crisis, energy
from backend.cli.city_dispatch import routes
from backend.cli.city_ground import ground
from backend.cli.city_people import account, journal, sign_in
from backend.cli.city_register import import_, sites, things
from backend.cli.city_spaces import space
from backend.cli.console import Group


@click.group(cls=Group)
def city() -> None:
    """The city's view: its people, its journal, its register."""


city.add_command(account)
city.add_command(journal)
city.add_command(sign_in)
city.add_command(import_)
city.add_command(sites)
city.add_command(things)
city.add_command(routes)
city.add_command(crisis)
city.add_command(energy)
city.add_command(space)
city.add_command(ground)
