"""The manifest as bytes: how `_metadata.json` is written, and read for ever."""

from __future__ import annotations

from typing import Final

import msgspec

from bronze_engine.errors import DamagedManifest, StateError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import FORMAT_VERSION, Manifest, run_date_of

__all__ = ["decode_manifest", "encode_manifest"]


_LATER: Final = frozenset(
    {"cdc", "pages", "replay_of", "duplicate_rows", "override", "sources"}
    | {"silver", "superseded"}
)
"""Keys that the format did not have at first: they stand only where they say something."""


class _Head(msgspec.Struct, frozen=True):
    """What every version of the format has: enough to say who wrote it."""

    format_version: int
    engine_version: str = "of an unknown version"


def encode_manifest(manifest: Manifest) -> bytes:
    """JSON for people and programs: two spaces of indent, the same bytes for the same value."""
    fields = msgspec.to_builtins(manifest, order="deterministic")
    written = {key: value for key, value in fields.items() if value or key not in _LATER}
    return msgspec.json.format(msgspec.json.encode(written)) + b"\n"


def decode_manifest(body: bytes, key: str) -> Manifest:
    """Read a manifest of this format version or an older one; unknown keys are ignored.

    Raises StateError (STATE001) for a newer version, DamagedManifest for what is no manifest.
    """
    try:
        head = msgspec.json.decode(body, type=_Head)
        if head.format_version > FORMAT_VERSION:
            raise StateError(
                f"{key} was written by bronze-engine {head.engine_version} (format "
                f"{head.format_version}, this one reads {FORMAT_VERSION}); upgrade",
                key=key,
            )
        return msgspec.json.decode(body, type=Manifest)
    except DAMAGED as exc:
        raise DamagedManifest(f"{key} is no manifest ({exc}); {_next_step(key)}", key=key) from exc


def _next_step(key: str) -> str:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    if not folder or run_date_of(folder) is not None:
        return "restore it, or move the partition away and run again"
    return (
        "restore it, or make the table anew of what Bronze still has"
        " (`bronze silver NAME --rebuild`)"
    )
