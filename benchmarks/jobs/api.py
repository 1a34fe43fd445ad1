"""What every candidate that reads an API is told.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["ApiJob"]


class ApiJob(NamedTuple):
    """Land every record of `url`/orders as Parquet."""

    url: str
    token: str
    records: int
    page_size: int
    out: Path
    """Where it lands, unless there is a store; a folder of the run's own in any case."""
    store: dict[str, str] | None = None
    """Where else than `out`: the keys of a [stores.NAME]."""
    in_flight: int | None = None
    """Requests at once, for candidates that would find the number."""
