"""Which format reads the files of a pipeline. Each is a module of this package."""

from __future__ import annotations

from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Request, Resources
from bronze_engine.sources.files.format import Format
from bronze_engine.sources.files.formats.arrow import ArrowFormat
from bronze_engine.sources.files.formats.csv import CsvFormat
from bronze_engine.sources.files.formats.excel import ExcelFormat
from bronze_engine.sources.files.formats.fixed import FixedFormat
from bronze_engine.sources.files.formats.json import JsonFormat
from bronze_engine.sources.files.formats.ndjson import NdjsonFormat
from bronze_engine.sources.files.formats.parquet import ParquetFormat

__all__ = ["make_format"]


def make_format(config: FilesSourceConfig, request: Request, resources: Resources) -> Format:
    """The format that a source names; one for a run. Raises ConfigError for an extra that is
    not installed."""
    match config.format:
        case "csv" | "tsv":
            return CsvFormat(config, request, resources)
        case "json":
            return JsonFormat(config, request, resources)
        case "parquet":
            return ParquetFormat(request, resources)
        case "arrow":
            return ArrowFormat(request, resources)
        case "ndjson":
            return NdjsonFormat(config, request, resources)
        case "excel":
            return ExcelFormat(config.excel, request, resources)
        case "fixed":
            form = config.fixed or FixedFiles()  # the rules require one
            return FixedFormat(form, request, resources)
