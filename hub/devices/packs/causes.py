"""Why a vector fails: the leaf of the codec's answer, the line of `pack.yaml` that reads it, and what became of it.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.config.positions import quoted
from hub.config.pydantic_findings import nearest
from hub.core.model import Value
from hub.core.text import phrase
from hub.devices.codecs.mapping import Field, apply, leaves, raw_text
from hub.devices.packs.consistency import value_problem
from hub.devices.packs.loader import Pack


def because(wrong: str, cause: str) -> str:
    """Return what is wrong with a vector, and why where that is known."""
    return phrase("vector-wrong-because", "{wrong}: {cause}", wrong=wrong, cause=cause) if cause else wrong


def leaves_of(pack: Pack, answer: Mapping[str, Any]) -> list[dict[str, Value]]:
    """Return the leaves of an answer that may have fields: of its present values, then of each former one. Raises
    DecodeError."""
    data = answer.get("data")
    if not isinstance(data, dict):
        return [{}]
    keys = pack.keys.codec
    former = data.get(keys.history) if keys.history else None
    now = {key: value for key, value in data.items() if key not in (keys.message, keys.time, keys.history)}
    entries = [entry for entry in former if isinstance(entry, dict)] if isinstance(former, list) else []
    dates = ("time", "ago")
    return [leaves(part) for part in (now, *({k: v for k, v in one.items() if k not in dates} for one in entries))]


def cause_of_missing(pack: Pack, found: Mapping[str, Value], metric: str) -> str:
    """Return why the codec's answer, its leaves in `found`, gives no reading of a metric; "" when nothing is known."""
    for field in (pack.fields or {}).values():
        if field.metric == metric:
            return _lost(pack, field, found)
    return ""


def causes_of_skipped(pack: Pack, found: Mapping[str, Value]) -> Iterator[str]:
    """Yield why leaves that have a field give no reading."""
    for field in (pack.fields or {}).values():
        if field.path in found and field.metric not in apply({field.path: field}, found, pack.metrics).values:
            if found[field.path] not in field.invalid:
                yield _lost(pack, field, found)
        elif field.path in found and (wrong := _implausible(pack, field, found)):
            yield wrong


def cause_of_unnamed(pack: Pack, found: Mapping[str, Value], unnamed: Sequence[str]) -> str:
    """Return the field that probably means one of these leaves, which no field names; "" without one."""
    for field in (pack.fields or {}).values():
        if field.path not in found and nearest(field.path, unnamed):
            return _lost(pack, field, {path: found[path] for path in unnamed if path in found})
    return ""


def reader_of(pack: Pack, metric: str) -> str:
    """Return where `pack.yaml` says what is read as a metric, "" where it does not."""
    for path, field in (pack.fields or {}).items():
        if field.metric == metric:
            return phrase(
                "vector-read-by-field", "read from {path} by {place}", path=path, place=pack.place_of("field", path)
            )
    if ("metric", metric) in pack.lines:
        return phrase("vector-read-at", "read by {place}", place=pack.place_of("metric", metric))
    return ""


def _lost(pack: Pack, field: Field, found: Mapping[str, Value]) -> str:
    place = pack.place_of("field", field.path)
    if field.path not in found:
        near = nearest(field.path, found)
        if near:
            return phrase(
                "vector-leaf-misnamed",
                "{place} reads {path}, which the codec does not give here; did you mean {near}?",
                place=place,
                path=field.path,
                near=near,
            )
        return phrase(
            "vector-leaf-absent",
            "{place} reads {path}, which the codec does not give here; it gives {given}",
            place=place,
            path=field.path,
            given=list(found)[:20] or phrase("given-nothing", "nothing"),
        )
    raw = found[field.path]
    if raw in field.invalid:
        return phrase(
            "vector-leaf-invalid",
            "{path} is {raw}, which `invalid` of {place} takes for no reading",
            path=field.path,
            raw=quoted(raw),
            place=place,
        )
    if field.values is not None and raw_text(raw) not in field.values:
        return phrase(
            "vector-leaf-not-in-values",
            "{path} is {raw}, and `values` of {place} has only {known}",
            path=field.path,
            raw=quoted(raw_text(raw)),
            place=place,
            known=[f"'{one}'" for one in list(field.values)[:20]],
        )
    wrong = _implausible(pack, field, found)
    if wrong:
        return wrong
    return phrase(
        "vector-leaf-of-other-kind",
        "{path} is {raw}, which is no reading of {metric}; {place} reads it",
        path=field.path,
        raw=quoted(raw),
        metric=field.metric,
        place=place,
    )


def _implausible(pack: Pack, field: Field, found: Mapping[str, Value]) -> str:
    """Return that what is read from a leaf is out of the metric's bounds, "" when it is not."""
    for metric, value in apply({field.path: field}, found, pack.metrics).values.items():
        if wrong := value_problem(pack.metrics[metric], value):
            return phrase(
                "vector-reading-implausible",
                "{path} is {raw}; {wrong}; look at `scale` and `offset` of {place}",
                path=field.path,
                raw=quoted(found[field.path]),
                wrong=wrong,
                place=pack.place_of("field", field.path),
            )
    return ""


class Shown:
    """The leaves and their raw values that vectors of a pack have shown."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._raws: set[tuple[str, str]] = set()

    def see(self, found: Mapping[str, Value]) -> None:
        self._paths.update(found)
        self._raws.update((path, raw_text(raw)) for path, raw in found.items())

    def missing(self, pack: Pack) -> Iterator[str]:
        """Yield fields, and raw values of `values`, that no vector has shown, each with its line."""
        for path, field in (pack.fields or {}).items():
            if path not in self._paths:
                place = pack.place_of("field", path)
                yield phrase(
                    "unshown-field", "{place}: {path}, read as {metric}", place=place, path=path, metric=field.metric
                )
                continue
            for raw, reading in (field.values or {}).items():
                if (path, raw) not in self._raws:
                    yield phrase(
                        "unshown-value",
                        "{place}: {path} {raw}, read as {metric} {reading}",
                        place=pack.place_of("value", path, raw),
                        path=path,
                        raw=quoted(raw),
                        metric=field.metric,
                        reading=quoted(reading),
                    )
