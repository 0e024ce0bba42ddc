"""Writes the files of a pack from a draft. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from hub.config.source import parse
from hub.core.errors import ConfigError
from hub.core.model import Metric
from hub.devices.packs.importing.drafts import Draft, Proposal, Vector
from hub.devices.packs.loader import MAX_FILE
from hub.devices.packs.vectors import VectorKeys

_UNQUOTABLE = re.compile("[^\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
VECTORS = "vectors/examples.yaml"
WIDEST = 1e12
"""Bound of a metric of the pack whose original in the catalogue has none."""


def files_of(draft: Draft) -> dict[str, str]:
    """Return the text of each file by its name."""
    vectors = _vectors_text(draft)
    files = {**draft.files, "pack.yaml": _pack_text(draft)}
    return {**files, VECTORS: vectors} if vectors else files


def _pack_text(draft: Draft) -> str:
    names = message_names(draft.ports)
    lines = [
        "# Made from somebody else's codec. Its licence is for you to respect.",
        "format: 1", f"version: {draft.version}",
        f"vendor: {text(draft.vendor)}", f"models: [{text(draft.model)}]",
        f"fr: {text(draft.model)}", f"en: {text(draft.model)}", f"licence: {text(draft.licence)}",
        "protocol: lorawan", f"lorawan: {{mac: {text(draft.mac)}, class: {draft.listens}}}",
    ]  # fmt: skip
    if draft.untested:
        lines.append("untested: true  # nobody's examples show that it reads its payloads right")
    lines += ["messages:", *(f"  {name}: {{ports: {json.dumps(ports)}}}" for name, ports in names.items())]
    used = {one.metric for one in draft.proposals if one.decision != "leave"}
    if metrics := {key: metric for key, metric in draft.metrics.items() if key in used}:
        lines += ["metrics:", *(f"  {key}: {text(_metric(metric))}" for key, metric in metrics.items())]
    lines.append("fields: []")
    if draft.proposals:
        lines += [
            "# What the examples show. A person decides on each: `decision: take` makes it a reading of that metric,",
            "# `decision: leave` leaves it out. With `decision: ask` the pack is not installed.",
            "proposed:",
            *(f"  - {{{', '.join(_proposed(one))}}}" for one in draft.proposals),
        ]
    lines += [
        "sources:", "  examples:", "    kind: codec", f"    title: {text(f'{draft.model}: codec and examples')}",
        f"    version: {text('as imported')}", f"    by: {text(f'{draft.vendor}, {draft.layout}'[:100])}",
        f"    licence: {text(draft.licence)}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def message_names(ports: list[int]) -> dict[str, list[int]]:
    """Return the messages of a draft: one for each port, or one for all."""
    return {f"port_{port}": [port] for port in ports} if ports else {"uplink": []}


def _proposed(one: Proposal) -> list[str]:
    made: dict[str, Any] = {"path": one.path, "sample": one.sample}
    if one.metric:
        made["metric"] = one.metric
    if one.scale != 1.0 or one.offset != 0.0:
        made |= {"scale": one.scale, "offset": one.offset}
    if one.values is not None:
        made["values"] = one.values
    made |= {"confidence": one.confidence, "why": str(one.why)[:300]}
    return [*(f"{key}: {text(value)}" for key, value in made.items()), f"decision: {one.decision}"]


def _metric(metric: Metric) -> dict[str, Any]:
    from hub.i18n.metric_names import metric_name

    made: dict[str, Any] = {"unit": metric.unit, "resolution": metric.resolution, "kind": metric.kind}
    if metric.kind == "number":
        low = -WIDEST if metric.low is None else metric.low
        made |= {"low": low, "high": WIDEST if metric.high is None else metric.high}
    made |= {"device_class": metric.device_class, "state_class": metric.state_class, "privacy": metric.privacy}
    return {**made, "fr": str(metric_name(metric, "fr")), "en": str(metric_name(metric, "en"))}


def _vectors_text(draft: Draft) -> str:
    """Return the vectors, as many as a file of a pack holds; one that YAML cannot hold is left out."""
    whole, size = [], 0
    for vector in draft.vectors:
        entry = _vector_text(vector, draft.ports)
        size += len(entry.encode())
        if size > MAX_FILE:
            break
        if _readable(entry):
            whole.append(entry)
    return "".join(whole)


def _vector_text(vector: Vector, ports: list[int]) -> str:
    head = f"- source: examples\n  port: {vector.port}\n  bytes: {text(vector.payload.hex())}\n"
    if vector.data is None:
        return f"{head}  refused: true\n"
    message = f"port_{vector.port}" if ports else "uplink"
    return f"{head}  message: {message}\n  data: {text(vector.data)}\n"


def _readable(entry: str) -> bool:
    try:
        VectorKeys.model_validate(parse(entry)[0])
    except (ConfigError, ValidationError):
        return False
    return True


def text(value: Any) -> str:
    """Quote a value as JSON, which is YAML too."""
    quoted = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=False)
    return _UNQUOTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
