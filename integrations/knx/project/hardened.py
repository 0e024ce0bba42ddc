"""Parser for untrusted XML, read as a stream: no document type, no entities, bounded depth and size. Pure.

Extensible Markup Language (XML) 1.0 (Fifth Edition). ETS writes nothing that is refused here. A document type
declaration is required for entity expansion ("billion laughs") and external entities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.parsers import expat

import hub
from hub.sdk.phrases import phrase

DEEPEST = 64
LONGEST_ATTRIBUTE = 1 << 20
"""Maximum characters; descriptions in ETS are rich text and can be long."""

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


def parse(chunks: Iterable[bytes], start: Start, end: End) -> None:
    """Call `start` and `end` for each element, by its local name. Namespaces are dropped: ETS has one, with the
    schema's version in it, given to `start` as the attribute `xmlns` of the root.

    Raises DecodeError with `xml-doctype`, `xml-depth`, `xml-attribute` or `xml-broken`.
    """
    parser = expat.ParserCreate()
    depth = 0

    def on_start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise hub.DecodeError(
                "xml-depth",
                phrase("knx.xml-too-deep", "elements are nested more than {deepest} deep", deepest=DEEPEST),
            )
        if any(len(value) > LONGEST_ATTRIBUTE for value in attributes.values()):
            raise hub.DecodeError("xml-attribute", phrase("knx.xml-attribute-too-long", "an attribute is too long"))
        start(name.rpartition(":")[2], attributes)

    def on_end(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name.rpartition(":")[2])

    def refuse(*_: object) -> None:
        raise hub.DecodeError(
            "xml-doctype", phrase("knx.xml-document-type", "it declares a document type, which ETS never does")
        )

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]  # it raises, so that its answer is not needed
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise hub.DecodeError(
            "xml-broken",
            phrase(
                "knx.xml-broken",
                "line {line}: {reason}",
                line=error.lineno,
                reason=expat.ErrorString(error.code),
            ),
        ) from error
    finally:
        # the handlers refer to the parser's caller: break the cycle
        parser.StartElementHandler = parser.EndElementHandler = None
