"""Converts the buffer's options of the configuration file to `BufferConfig`: durations to seconds."""

from __future__ import annotations

from hub.config.model import Buffer
from hub.store_and_forward.buffer.batch import BufferConfig


def buffer_config(options: Buffer) -> BufferConfig:
    """Return the buffer's configuration for these options."""
    return BufferConfig(
        window_s=options.window.total_seconds(),
        window_bytes=options.window_size,
        urgent_s=options.urgent.total_seconds(),
        segment_bytes=options.segment_size,
        segment_s=options.segment_age.total_seconds(),
        max_bytes=options.max_size,
        keep_s=options.keep_after_ack.total_seconds(),
        pending_rows=options.pending,
    )
