"""The URL of `--database`: where PostgreSQL is, and that nobody between can read or pretend to be it.

    postgresql://ilot@db.ville.example/ilot?sslrootcert=/etc/ilot/database-ca.pem&passfile=/etc/ilot/database.pass
    postgresql://ilot@pg1.ville.example,pg2.ville.example/ilot?sslrootcert=…     the one of them that may write
    postgresql:///ilot?host=/run/postgresql                                      this machine, by a Unix socket

Over TCP the server shows a certificate of its name (`sslmode=verify-full`), also on 127.0.0.1: a balancer that listens
there passes the bytes on to other machines. A password in the URL is refused: every user of the machine sees it among
the processes.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from backend.storage.postgresql.errors import reason_text
from hub.core.errors import ConfigError
from hub.core.text import phrase

SCHEMES = ("postgresql://", "postgres://")
_TAKEN = frozenset(
    {
        *(
            "host",
            "hostaddr",
            "port",
            "user",
            "dbname",
            "passfile",
            "require_auth",
            "channel_binding",
            "connect_timeout",
        ),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslnegotiation"),
    }
)
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "gssencmode": "disable",
    "client_encoding": "UTF8",
}
"""A machine that vanishes without a word is noticed after 25 seconds at rest, and after 15 while bytes wait."""
TLS = "verify-full"


class Address(NamedTuple):
    """What libpq is given, and how sentences name the place."""

    parameters: dict[str, str]
    place: str


def parse(url: str) -> Address:
    """Return the address that a URL names. Raises ConfigError."""
    if not url.startswith(SCHEMES):
        raise _wrong(phrase("postgresql-url-scheme", "it does not begin with postgresql://"))
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value not in (None, "")}
    except psycopg.Error as error:
        if "password" in url or "@" in url:  # libpq repeats what it cannot read, a password too
            raise _wrong(phrase("postgresql-url-unreadable", "libpq cannot read it")) from None
        raise _wrong(reason_text(error)) from error
    if "password" in given:
        raise _wrong(
            phrase(
                "postgresql-url-password",
                "it holds a password, which every user of this machine can see: write it to a file of mode 0600 and"
                " name that by passfile=",
            )
        )
    strange = sorted(given.keys() - _TAKEN)
    if strange:
        raise _wrong(
            phrase(
                "postgresql-url-parameter",
                "it has {names}; there are {known}",
                names=", ".join(strange),
                known=", ".join(sorted(_TAKEN)),
            )
        )
    if not given.get("host") or not given.get("dbname"):
        raise _wrong(phrase("postgresql-url-lacks", "it names no host, or no database"))
    over_tcp = not all(host.startswith(("/", "@")) for host in given["host"].split(","))
    if over_tcp and given.setdefault("sslmode", TLS) != TLS:
        raise _wrong(
            phrase(
                "postgresql-url-tls",
                "sslmode={mode} does not verify who answers: leave it out, and name the authority that signed the"
                " server's certificate by sslrootcert=",
                mode=given["sslmode"],
            )
        )
    return Address({**_DEFAULTS, **given}, _place(given))


def _place(given: dict[str, str]) -> str:
    port = f":{given['port']}" if "port" in given else ""
    return f"PostgreSQL {given['dbname']} at {given['host']}{port}"


def _wrong(reason: str) -> ConfigError:
    return ConfigError(
        phrase("postgresql-url-wrong", "the URL of the database cannot be used: {reason}", reason=reason)
    )
