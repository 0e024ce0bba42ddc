"""Contract test: what is secret among the options stands in no log, no error, no answer and no page."""

from __future__ import annotations

import asyncio
import base64
import re
import traceback
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from hub.sdk.options import Config
from hub.sdk.testing.contract.running import Missing, begun, living, logged, speaking, stopped
from hub.sdk.testing.contract.world import World
from hub.sdk.testing.session import FakeSession

_SECRET = re.compile(r"password|passwd|secret|token|api_?key|private_key", re.IGNORECASE)


async def redacted(world: World) -> list[str]:
    """Where a secret of `world.secrets` is told, in good days and while the peer is away."""
    config = world.config()
    problems = [f"the option {name} looks like a secret, and the world names none: secrets = (…)"
                for name in _looking(config) if not world.secrets]  # fmt: skip
    if problems or not world.secrets:
        return problems
    problems += _found("repr of the options", repr(config), world)
    async with begun(world):
        session = world.session()
        with logged(session.name) as log:
            async with living(world, session) as life:
                await speaking(world, life)
                await world.away(session)
                asks = asyncio.create_task(world.say(session, 1))
                try:
                    await life.until(lambda: life.errors or session.polling.outcomes or log.told, "an outage")
                except Missing:
                    pass  # another test says so
                finally:
                    await stopped(asks)
            errors = "\n".join("".join(traceback.format_exception(error)) for error in life.errors)
    problems += _found("an error", errors, world)
    problems += _found("the log", "\n".join(log.lines), world)
    return problems + _found("what it hands to the hub", _handed(session), world)


def _looking(model: Config) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Config):
            yield from (f"{name}.{inner}" for inner in _looking(value))
        elif _SECRET.search(name) and value and "Secret" in str(field.annotation):
            yield name


def _handed(session: FakeSession) -> str:
    reports = [msgspec.structs.replace(one, proof=None) for one in session.reports]
    told = session.radio.facts, session.radio.errors, session.commands.answers
    return repr((session.candidates, session.declared, reports, told))


def _found(where: str, text: str, world: World) -> list[str]:
    """The secret itself is not repeated in the problem."""
    return [
        f"{where} tells the secret number {n + 1}"
        for n, secret in enumerate(world.secrets)
        if any(form in text for form in _forms(secret))
    ]


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    return {secret, quote(secret, safe=""), base64.b64encode(raw).decode().rstrip("="), raw.hex(), _basic(raw)}


def _basic(raw: bytes) -> str:
    """The part of a Basic credential that does not depend on the name before it: as whole groups of three."""
    return base64.b64encode(raw[: len(raw) // 3 * 3]).decode()
