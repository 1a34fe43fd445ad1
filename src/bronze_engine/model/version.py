"""The format versions of what lies in a store."""

from __future__ import annotations

from bronze_engine.errors import StateError

__all__ = ["check_version"]


def check_version(key: str, found: int, known: int) -> None:
    """Raise StateError (STATE001) for a version of which this engine knows nothing."""
    if found > known:
        raise StateError(
            f"{key} was written by a newer bronze-engine (format {found}); upgrade", key=key
        )
