"""[….source.fixed]: where the fields of fixed-width lines stand."""

from __future__ import annotations

import msgspec

__all__ = ["FixedFiles"]


class FixedFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines whose fields stand at fixed places."""

    encoding: str = "utf-8"
    """What the bytes are."""
