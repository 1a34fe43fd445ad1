"""A slice: an independently readable piece of a run, which owns its files."""

from __future__ import annotations

import msgspec

__all__ = ["Slice"]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What a source is asked to read in one go, in order.

    `spec` is JSON that only the source understands; a checkpoint stores it as it is.
    """

    index: int
    """Place in the plan, from 0; part of the file names."""
    label: str
    """What a person reads: "all pages", "updated_at 2025-01-01 to 2025-01-02"."""
    spec: msgspec.Raw = msgspec.Raw(b"null")
