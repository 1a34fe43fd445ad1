"""[….source] of type "files": files of a directory, an object store, or a server."""

from __future__ import annotations

from typing import Literal

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.config.files.place import FilePlace
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.units import ByteSize

__all__ = ["MODIFIED", "Compression", "FileFormat", "FilesSourceConfig"]

FileFormat = Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow", "excel", "fixed"]
Compression = Literal["auto", "none", "gzip", "zstd", "bz2", "xz", "zip"]

MODIFIED = "_modified"
"""As `incremental.cursor`: the instant at which a file was last modified."""


class FilesSourceConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="files"
):
    """Files of one format, read in the order of their paths.

    {run_date} and {run_date:%Y%m%d} work in url.
    """

    url: str | list[str]
    """A path (relative to pipelines.toml), file://, s3://bucket/…, az://container/…,
    abfss://…, https://…, or several of them. In all but https `*` and `?` match within one part
    of the path, `**` matches any number of parts, `[ab]` one of these characters."""
    store: StoreConfig | None = None
    """In TOML a name of [stores]; then url is a path or a pattern within it."""
    api: Api | None = None
    """In TOML a name of [apis], whose credentials and limits count for https://; then url may
    be a path below its base_url."""
    format: FileFormat
    """What a file holds; `arrow` is Arrow IPC, as a stream or a file."""
    compression: Compression = "auto"
    """"auto" goes by how a file begins; Parquet, Arrow and Excel have their own."""
    member: str = "*"
    """Which files of a ZIP archive, by the same wildcards; a pattern without a slash goes by
    their names alone."""
    name_pattern: str | None = None
    """A regular expression that is found in the name of each file that is taken; its groups
    (?P<day>\\d{8}) may be the cursor."""
    on_missing: Literal["fail", "empty"] = "fail"
    """What it means that no file is there: a fault, or no records."""
    on_changed: Literal["warn", "read", "fail"] = "warn"
    """What to do with a file that has landed and is another now: leave it and warn, read it
    whole once more, or fail."""
    file_column: str | None = None
    """A column that says which file a row came from, by its path."""
    records: str | None = None
    """Of `format = "json"`: dotted path to the list of records; where unset the document is
    the list, or one record."""
    max_document_bytes: ByteSize = ByteSize(64 * 1024**2)
    """Largest JSON document, or line of NDJSON, decompressed: it is held in memory."""
    csv: CsvFiles = CsvFiles()
    """How the lines of CSV and TSV are written, where not as RFC 4180 says."""
    fixed: FixedFiles | None = None
    excel: ExcelFiles = ExcelFiles()
    places: tuple[FilePlace, ...] = ()
    """What `url` means, set on loading."""

    @property
    def urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) else self.url
