"""Which format reads the files of a pipeline. Each is a module of this package."""

from __future__ import annotations

from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Request, Resources
from bronze_engine.errors import ConfigError
from bronze_engine.sources.files.format import Format
from bronze_engine.sources.files.formats.csv import CsvFormat
from bronze_engine.sources.files.formats.excel import ExcelFormat
from bronze_engine.sources.files.formats.fixed import FixedFormat
from bronze_engine.sources.files.formats.ndjson import NdjsonFormat

__all__ = ["make_format"]


def make_format(config: FilesSourceConfig, request: Request, resources: Resources) -> Format:
    """The format that a source names; one for a run. Raises ConfigError for an extra that is
    not installed."""
    match config.format:
        case "csv" | "tsv":
            return CsvFormat(config, request, resources)
        case "ndjson":
            return NdjsonFormat(config, request, resources)
        case "excel":
            return ExcelFormat(config.excel, request, resources)
        case "fixed":
            form = config.fixed or FixedFiles()  # the rules require one
            return FixedFormat(form, request, resources)
        case _:
            raise ConfigError(f"nothing reads files of format = {config.format!r}")
