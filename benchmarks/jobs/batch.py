"""What every candidate that moves many small things is told.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["ApisJob", "TablesJob"]


class ApisJob(NamedTuple):
    """Land the records of `pipelines` streams as Parquet, each apart and named `stream_000`.

    Stream i is `urls[i % len(urls)]`/orders, `pages` pages of it.
    """

    urls: list[str]
    token: str
    pipelines: int
    pages: int
    page_size: int
    out: Path
    is_apart: bool = False
    """A run each, where a candidate could take all in one."""

    def streams(self) -> list[tuple[str, str]]:
        """(name, URL of its API) of each."""
        return [
            (f"stream_{number:03}", self.urls[number % len(self.urls)])
            for number in range(self.pipelines)
        ]


class TablesJob(NamedTuple):
    """Land each of the tables as Parquet, compressed by zstd at level 1, each apart."""

    dsn: str
    tables: list[str]
    out: Path
