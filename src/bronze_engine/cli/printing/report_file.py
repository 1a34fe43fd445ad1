"""`--report FILE`: a batch's report in a file of its own."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import final

import msgspec

from bronze_engine.batch.markdown import to_markdown
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport

__all__ = ["ReportFile"]

log = logging.getLogger(__name__)


@final
class ReportFile:
    """Where a report is written to, Markdown or JSON by its suffix.

    Raises ConfigError for another suffix, and where nothing can be written: before the batch
    has begun, and not after hours of it.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in (".md", ".json"):
            raise ConfigError(f"--report {path}: name a file that ends in .md or .json")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise ConfigError(f"--report {path}: there is no directory {folder}")
        if path.is_dir() or not os.access(folder, os.W_OK):
            raise ConfigError(f"--report {path}: can't be written; name another file")
        self._path = path.absolute()

    def write(self, report: BatchReport, *, is_kept: bool = True) -> None:
        """Write it, whole or not at all. A disk that is full is a warning: the runs are done."""
        if self._path.suffix == ".md":
            body = to_markdown(report, is_kept=is_kept).encode("utf-8", "replace")
        else:
            body = msgspec.json.format(msgspec.json.encode(report)) + b"\n"
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(body)
            temporary.replace(self._path)
        except OSError as exc:
            log.warning("--report %s was not written: %s", self._path, exc.strerror)
            with suppress(OSError):
                temporary.unlink()
