"""`ilot network`: addresses, Wi-Fi, access point, modem and time servers of this machine."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase, reason_of

WAIT_S = 60.0
MOST_BYTES = 256

dry = click.option("--dry-run", is_flag=True, help="Check it and change nothing.")
_secret = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group(cls=output.Group)
def network() -> None:
    """The network of this machine, over NetworkManager: addresses, Wi-Fi, access point, modem, time servers.

    A change of an interface comes back after 120 s unless `ilot network confirm` keeps it.
    """


@network.command()
@output.with_hub
def show(config: Path, state_dir: Path | None, json: bool) -> None:
    """Interfaces and their addresses, what waits for a confirmation, access point, modem, time servers. Exit code 6
    where packets pass from one network to another, or a change waits."""
    answer = ask(config, state_dir, "network.show", timeout=WAIT_S)
    if json:
        output.data(answer)
    else:
        _show(answer)
    if answer["pending"] or answer["forwarding"]:
        raise click.exceptions.Exit(6)


@network.command("set")
@click.argument("interface")
@click.option(
    "--ipv4", default="dhcp", show_default=True, metavar="dhcp|off|ADDRESS/PREFIX", help="How it gets its IPv4 address."
)
@click.option("--gateway", default="", help="The way out, for a static IPv4 address.")
@click.option(
    "--ipv6",
    default="auto",
    show_default=True,
    metavar="auto|link-local|off|ADDRESS/PREFIX",
    help="How it gets its IPv6 address.",
)
@click.option("--gateway6", default="", help="The way out, for a static IPv6 address.")
@click.option("--dns", multiple=True, help="A DNS server, in place of what DHCP says; may be given several times.")
@click.option(
    "--no-default-route", is_flag=True, help="Never the way to the internet: a network of the building's plant."
)
@click.option("--ssid", default="", help="The Wi-Fi to join, WPA2 or WPA3 with a key.")
@click.option("--key-file", type=_secret, help="File with its key; - is standard input, or asks.")
@click.option("--hidden", is_flag=True, help="The Wi-Fi does not tell its name.")
@click.option(
    "--security", type=click.Choice(["auto", "wpa2", "wpa3"]), default="auto", help="By default what is heard of it."
)
@dry
@output.with_hub
def set_interface(
    interface: str,
    ipv4: str,
    ipv6: str,
    dns: tuple[str, ...],
    no_default_route: bool,
    key_file: Path | None,
    config: Path,
    state_dir: Path | None,
    json: bool,
    **others: Any,
) -> None:
    """Change INTERFACE. Confirm within 120 s, from wherever the hub is reached then, or it comes back."""
    key = _read(key_file, phrase("network-ask-key", "Wi-Fi key")) if key_file is not None else ""
    answer = ask(
        config,
        state_dir,
        "network.set",
        timeout=WAIT_S,
        interface=interface,
        dns=" ".join(dns),
        default_route=not no_default_route,
        key=key,
        **_addressing("ipv4", "address", "auto" if ipv4 == "dhcp" else ipv4),
        **_addressing("ipv6", "address6", ipv6),
        **others,
    )
    _changed(answer, json)


@network.command()
@click.argument("interface", default="")
@output.with_hub
def scan(interface: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Wi-Fi networks that are heard, the strongest first."""
    answer = ask(config, state_dir, "network.scan", timeout=WAIT_S, interface=interface)
    if json:
        output.data(answer)
        return
    output.table(
        (
            "name", phrase("network-head-signal", "signal %"), phrase("network-head-security", "security"),
            phrase("network-head-mhz", "MHz"),
        ),
        [
            (one["ssid"], one["signal"], output.word("wifi", one["security"]), one["mhz"])
            for one in answer["points"]
        ],
    )  # fmt: skip


@network.command()
@output.with_hub
def confirm(config: Path, state_dir: Path | None, json: bool) -> None:
    """Keep the change that waits."""
    _decided(ask(config, state_dir, "network.confirm", timeout=WAIT_S), json)


@network.command()
@output.with_hub
def revert(config: Path, state_dir: Path | None, json: bool) -> None:
    """Take the change that waits back, now."""
    _decided(ask(config, state_dir, "network.revert", timeout=WAIT_S), json)


@network.command("access-point")
@click.argument("what", type=click.Choice(["on", "off", "show"]))
@click.option("--new-key", is_flag=True, help="With another key from now on; labels that were printed are wrong then.")
@output.with_hub
def access_point(what: str, new_key: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """The hub's own Wi-Fi for commissioning: on for 15 minutes, off, or show its name, key and QR code."""
    if new_key and what != "on":
        raise click.UsageError(phrase("network-new-key-with-on", "--new-key goes with `on`"))
    if what != "show":
        ask(config, state_dir, "network.access-point", on=what == "on", new_key=new_key)
        if what == "off":
            if json:
                output.data({"on": False})
            else:
                output.say(phrase("access-point-off", "the access point is off"))
            return
    answer = ask(config, state_dir, "network.key")
    if json:
        output.data(answer)
        return
    import segno

    output.echo(phrase("access-point-name-is", "name: {name}", name=answer["name"]))
    output.echo(phrase("access-point-key-is", "key: {key}", key=answer["key"]))
    output.echo(phrase("access-point-url-is", "pages, for who has joined: {url}", url=answer["url"]))
    drawn = io.StringIO()
    segno.make(answer["code"], error="m", micro=False).terminal(out=drawn, compact=True, border=2)
    click.echo(drawn.getvalue())
    if what == "on":
        output.say(
            phrase("access-point-minutes", "it is on for 15 minutes; `ilot network show` says whether it is heard")
        )


@network.command()
@click.argument("apn")
@click.option("--interface", default="", help="The modem, where there are several: see `ilot network show`.")
@click.option("--user", default="", help="User name, where the operator has one.")
@click.option("--password-file", type=_secret, help="File with its password; - is standard input, or asks.")
@click.option("--pin-file", type=_secret, help="File with the PIN of the SIM; - is standard input, or asks.")
@dry
@output.with_hub
def modem(
    apn: str,
    password_file: Path | None,
    pin_file: Path | None,
    config: Path,
    state_dir: Path | None,
    json: bool,
    **others: Any,
) -> None:
    """Set a 4G modem: APN of the operator, PIN of the SIM. A PIN that the SIM refused is never tried again."""
    password = _read(password_file, phrase("network-ask-password", "Password")) if password_file is not None else ""
    pin = _read(pin_file, phrase("network-ask-pin", "PIN of the SIM")) if pin_file is not None else ""
    answer = ask(config, state_dir, "network.modem", timeout=WAIT_S, apn=apn, password=password, pin=pin, **others)
    _changed(answer, json)


@network.command("time")
@click.argument("servers", nargs=-1)
@click.option("--system", is_flag=True, help="Leave it to the system and to DHCP again.")
@dry
@output.with_hub
def time_servers(
    servers: tuple[str, ...], system: bool, dry_run: bool, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Use these time SERVERS (NTP), names or addresses."""
    if bool(servers) == system:
        raise click.UsageError(phrase("network-time-usage", "name time servers, or --system"))
    answer = ask(config, state_dir, "network.time", timeout=WAIT_S, servers=" ".join(servers), dry_run=dry_run)
    if json:
        output.data(answer)
    elif system:
        output.say(phrase("network-time-system", "the time servers are those of the system"))
    else:
        output.say(phrase("network-time-are", "the time servers are {servers}", servers=answer["servers"]))


def _addressing(method: str, address: str, given: str) -> dict[str, str]:
    return {method: "manual", address: given} if "/" in given or ":" in given or "." in given else {method: given}


def _read(path: Path, question: str) -> str:
    """Return the first line of a file with a secret; of a terminal it is asked for, unseen."""
    if str(path) == "-" and sys.stdin.isatty():
        return str(click.prompt(output.translated(question), hide_input=True, err=True))
    try:
        text = sys.stdin.read(MOST_BYTES) if str(path) == "-" else path.open(encoding="utf-8").read(MOST_BYTES)
    except (OSError, ValueError) as error:
        raise click.UsageError(
            phrase("key-file-not-read", "the key file cannot be read: {reason}", reason=reason_of(error))
        ) from error
    return text.split("\n", 1)[0].rstrip("\r")


def _changed(answer: dict[str, Any], json: bool) -> None:
    if json:
        output.data(answer)
        return
    if not answer["id"]:
        output.say(phrase("network-would-change", "{interface} would be changed", interface=answer["interface"]))
        return
    output.say(
        phrase(
            "network-changes",
            "{interface} changes: `ilot network confirm` within {seconds} s keeps it, else it comes back",
            interface=answer["interface"],
            seconds=answer["confirm_s"],
        )
    )
    if answer["url"]:
        output.say(phrase("network-pages-then", "pages then: {url}", url=answer["url"]))


def _decided(answer: dict[str, Any], json: bool) -> None:
    if json:
        output.data(answer)
    elif answer["how"] == "confirmed":
        output.say(phrase("network-kept", "the change of {interface} is kept", interface=answer["interface"]))
    else:
        output.say(
            phrase("network-taken-back", "the change of {interface} is taken back", interface=answer["interface"])
        )


def _show(answer: dict[str, Any]) -> None:
    if answer["error"]:
        output.say(answer["error"])
    else:
        output.table(
            (
                phrase("network-head-interface", "interface"), "kind", "state",
                phrase("network-head-addresses", "addresses"), phrase("network-head-gateway", "way out"),
                phrase("network-head-dns", "DNS"), phrase("network-head-wifi", "Wi-Fi"),
            ),
            [
                (one["interface"], output.word("network-kind", one["kind"]), output.word("network", one["state"]),
                 " ".join(one["addresses"]), " ".join(one["gateways"]), " ".join(one["dns"]), one["ssid"])
                for one in answer["interfaces"]
            ],
        )  # fmt: skip
    for one in answer["modems"]:
        output.echo(
            phrase(
                "network-modem-line",
                "modem {interface}: {model}, {state}, {operator}",
                interface=one["interface"],
                model=one["model"],
                state=output.word("modem", one["state"]),
                operator=one["operator"],
            )
        )
        if one["lock"]:
            output.echo(output.word("sim-lock", one["lock"]))
    if answer["time"]:
        output.echo(
            phrase(
                "network-time-line",
                "time: {server}, {state}",
                server=answer["time"]["server"] or "–",
                state=output.word("time", "set" if answer["time"]["synchronised"] else "not-set"),
            )
        )
    point = answer["access_point"]
    if point["possible"]:
        output.echo(
            phrase(
                "network-access-point-line",
                "access point {name}: {state}",
                name=point["name"],
                state=output.word("access-point", "on" if point["on"] else "off"),
            )
        )
        if point["error"]:
            output.say(point["error"])
    if waiting := answer["pending"]:
        output.say(
            phrase(
                "network-waits",
                "a change of {interfaces} comes back in {seconds:.0f} s: `ilot network confirm` keeps it",
                interfaces=waiting["interfaces"],
                seconds=waiting["left_s"],
            )
        )
    if answer["forwarding"]:
        output.say(
            phrase(
                "packets-forwarded",
                "this machine passes packets on between its networks ({switches})",
                switches=[f"{one} = 1" for one in answer["forwarding"]],
            )
        )
