"""Columns as a Parquet file, by pyarrow, as archives are written. Blocking; any thread."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hub.core.errors import DecodeError
from hub.core.text import phrase

Kind = Literal["text", "time", "number", "count"]


def parquet(columns: Mapping[str, tuple[Kind, Sequence[Any]]]) -> bytes:
    """Return a Parquet file of these columns; a time is in Unix ms. Raises DecodeError (406) where pyarrow is not
    installed."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet as files
    except ModuleNotFoundError as error:
        raise DecodeError(
            "not-acceptable",
            phrase("parquet-extra-missing", "Parquet needs the extra, pip install 'ilot[parquet]'; CSV does not"),
        ) from error
    types = {
        "text": arrow.string(), "time": arrow.timestamp("ms", "UTC"), "number": arrow.float64(),
        "count": arrow.int32(),
    }  # fmt: skip
    table = arrow.table({name: arrow.array(cells, types[kind]) for name, (kind, cells) in columns.items()})
    file = io.BytesIO()
    files.write_table(table, file, compression="zstd")
    return file.getvalue()
