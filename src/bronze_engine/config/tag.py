"""The tag of a table of the configuration: what stands in it as `type`."""

from __future__ import annotations

import msgspec

__all__ = ["tag_of"]


def tag_of(table: msgspec.Struct) -> str:
    """The `type` that its file has, or may leave out as the default."""
    return str(table.__struct_config__.tag)
