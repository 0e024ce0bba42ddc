"""Base class of a plugin's options, and the first error of options in one line. Pure."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hub.core.option_text import french, put_codes
from hub.core.text import phrase, reason_of

__all__ = ["Config", "french", "wrong_option"]


class Config(BaseModel):
    """Base of a plugin's options and of its devices' settings: a pydantic model. Unknown keys are errors, values are
    frozen once read. The docstring of a subclass is its help, and the `description` of a field that of an option, in
    English; other languages are in the plugin's catalogue, under `acme.option-Config-help` and
    `acme.option-Config-port-help`. A field has a `title` of its own where options of its name usually have another.
    `text_code` is the name in these codes of a class whose own name another class of the plugin has too. `help_fr` is
    the French of former versions, which this one still reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    help_fr: ClassVar[str] = ""
    text_code: ClassVar[str] = ""

    def holds_keys(self) -> bool:
        """Whether an integration with these options has keys or certificates under which devices prove what they say,
        though the hub has no key of theirs: the keyring of a bus, or keys that devices taught it. Such a proof gives
        trust class B. Of a plugin of another distribution it is not believed."""
        return False

    def libraries(self) -> tuple[str, ...]:
        """Optional libraries that a plugin with these options imports, by their importable names. The hub looks for
        them before it starts one, and `ilot check` and `ilot doctor` name one that is missing."""
        return ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(core_schema)
        schema = handler.resolve_ref_schema(made)
        if said := cls.__dict__.get("help_fr"):  # that of a base class is for the docstring of that class
            schema.update(french(said))
        put_codes(cls, schema)
        return made


def wrong_option(error: ValidationError) -> str:
    """The first thing that a model refused, as `registers.0.address: why`, for a line in the log. It does not repeat
    the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    raised = first.get("ctx", {}).get("error")
    why = reason_of(raised) if isinstance(raised, ValueError) else first["msg"]
    where = ".".join(map(str, first["loc"]))
    return phrase("option-is-wrong", "{option}: {reason}", option=where, reason=why) if where else why
