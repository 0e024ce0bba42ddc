"""A small world of plugins, and a directory to write configurations in."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr, field_validator

from hub.config.load import Loaded, Models, load
from hub.core.errors import ConfigError, Problem
from hub.sdk.options import Config

BASE = """\
sites:
  school: {name: School}
zones:
  rooms: {site: school}
places:
  room-1: {zone: rooms, position: {latitude: 48.85, longitude: 2.35}}
integrations:
  meter: {host: 192.0.2.1}
devices:
  meter:main:
    integration: meter
    place: room-1
    settings: {unit: 3}
"""


class Meter(Config):
    host: str = Field(description="Name or address of the meter")
    interval: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    mode: Literal["active", "passive"] = "active"
    retries: int = Field(default=2, ge=0, le=5)
    password: SecretStr | None = Field(default=None, min_length=4)
    also: tuple[str, ...] = ()

    @field_validator("password")
    @classmethod
    def _spoken(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and " " in value.get_secret_value():
            raise ValueError(f"{value.get_secret_value()!r} has a space in it")
        if value is not None and value.get_secret_value().startswith("bug"):
            raise RuntimeError(value.get_secret_value())
        return value


class MeterDevice(Config):
    unit: int = Field(ge=1, le=247)
    every: timedelta = timedelta(minutes=1)


class Radio(Config):
    adapters: tuple[str, ...] = ()


class Uplink(Config):
    url: str
    token: SecretStr | None = None


@pytest.fixture
def models() -> Models:
    return Models(integrations={"meter": (Meter, MeterDevice), "radio": (Radio, None)}, uplinks={"carrier": Uplink})


@pytest.fixture
def base() -> str:
    """A configuration in which nothing is wrong."""
    return BASE


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(text, name="config.yaml", mode=0o600)` → its path."""

    def write(text: str | bytes, name: str = "config.yaml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    return write


@pytest.fixture
def read(write: Callable[..., Path], models: Models) -> Callable[..., Loaded]:
    """Load a text as config.yaml, with no secrets but those of the files and of `environ`."""

    def read(text: str, **environ: str) -> Loaded:
        return load(write(text), models, environ=environ)

    return read


@pytest.fixture
def wrong(read: Callable[..., Loaded]) -> Callable[..., list[Problem]]:
    """The problems of a text that must have some."""

    def wrong(text: str, **environ: str) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            read(text, **environ)
        assert caught.value.problems
        return caught.value.problems

    return wrong
