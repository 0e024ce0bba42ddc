"""One line says which option is wrong and why, and never what was given."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import Phrase, phrase


class Register(hub.Config):
    address: int = Field(default=0, ge=0)
    key: str = ""

    @field_validator("key")
    @classmethod
    def _long(cls, key: str) -> str:
        if len(key) == 3:
            raise ValueError("a key has 32 digits")
        return key

    @model_validator(mode="after")
    def _whole(self) -> Register:
        if self.key and not self.address:
            raise ValueError("a key needs an address")
        return self


class Settings(hub.Config):
    registers: list[Register]


@pytest.mark.parametrize(
    ("register", "told"),
    [
        ({"address": -4217}, "registers.0.address: Input should be greater than or equal to 0"),
        ({"address": 1, "key": "s3c"}, "registers.0.key: a key has 32 digits"),
        ({"key": "s3cret"}, "registers.0: a key needs an address"),
    ],
)
def test_the_first_wrong_option_is_named_and_its_value_is_not(register: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings.model_validate({"registers": [register]})
    assert wrong_option(wrong.value) == told


def test_what_is_wrong_as_a_whole_has_no_name_before_it() -> None:
    with pytest.raises(ValidationError) as wrong:
        Register.model_validate({"key": "s3cret"})
    assert wrong_option(wrong.value) == "a key needs an address"


def test_a_sentence_with_a_code_keeps_it() -> None:
    class Valve(hub.Config):
        size: int = 0

        @field_validator("size")
        @classmethod
        def _known(cls, size: int) -> int:
            raise ValueError(phrase("acme.no-such-size", "no valve has size {size}", size=size))

    with pytest.raises(ValidationError) as wrong:
        Valve.model_validate({"size": 7})
    said = wrong_option(wrong.value)
    assert isinstance(said, Phrase)
    assert (said.code, said.params["option"]) == ("option-is-wrong", "size")
    assert said.params["reason"].code == "acme.no-such-size"
