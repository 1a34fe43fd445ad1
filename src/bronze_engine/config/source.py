"""[pipelines.….source]: what is read."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from bronze_engine.config.api import Api, RateLimit, Retry
from bronze_engine.config.custom_source import CustomSource
from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.config.http.export import Export, ParamValue
from bronze_engine.config.http.paginator import NoPaginator, Paginator
from bronze_engine.config.http.selector import parse_selector
from bronze_engine.config.units import ByteSize

__all__ = [
    "BUILT_IN",
    "AdbcSourceConfig",
    "CustomSource",
    "DatabaseSourceConfig",
    "FilesSourceConfig",
    "HttpSourceConfig",
    "Parent",
    "PostgresSourceConfig",
    "SourceConfig",
    "captures_pages",
]


class HttpSourceConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="http"
):
    """A resource of an HTTP API that answers in JSON, NDJSON or CSV.

    Templates ({run_date}, {run_date:%Y%m%d}, {low}, {high}, and of fields of a parent's record
    {parent.id}) work in path, params, headers and json.
    """

    api: Api
    """In TOML the name of an entry of [apis]; replaced by that entry on loading."""
    path: str = ""
    """Joined to the API's base_url. Parameters behind a `?` are sent as they are written, for
    APIs whose syntax `params` would encode (LinkedIn's `List(urn%3Ali%3A…)`)."""
    method: Literal["GET", "POST"] = "GET"
    """Of each request; only a POST has a body, `json`."""
    params: dict[str, ParamValue] = {}
    """Query parameters; a list is sent as one for each of its elements."""
    headers: dict[str, str] = {}
    """In place of the API's of these names; to its own origin alone."""
    json: Any = None
    """Body of a POST."""
    records: str | list[str] | None = None
    """Path to the list of records, dotted ("data.items") or JSONPath ("$.data[*].items[*]"); a
    list of paths for several sets of records, read in that order; where unset the body itself
    is the list."""
    null_records: Literal["fail", "empty"] = "fail"
    """What a null in the place of the list means, and what it means where nothing that a
    wildcard of a JSONPath leads to has the rest of the path: a fault, or no records."""
    absent_records: Literal["fail", "empty"] = "fail"
    """What it means that nothing is at `records`: a fault, or no records, as APIs that leave out
    an empty list have it (Google's, X's, FHIR). In an answer with `error` or `errors` it is
    always a fault."""
    partial_records: Literal["fail", "warn"] = "fail"
    """What a message in `error` or `errors` means beside the records: a fault, or nothing but a
    warning. Not looked for where the body itself is the list, or the configuration reads it."""
    single_record: bool = False
    """At `records` stands one object, and it is the record: a resource by its number."""
    record_set: str | None = None
    """A column that says which path of `records` a record came from."""
    envelope: dict[str, str] = {}
    """Columns that each record gets from around it: column = path from the body's root
    ("meta.exported_at"), or "^.id" from the object that holds the record list; with a "?"
    behind it the path may be absent."""
    record_kind: Literal["object", "value", "array"] = "object"
    """What records are. "value": whatever each is lands in the column `value`; "array": lists
    whose elements `record_keys` names. With "object" records of other kinds are rejected."""
    record_keys: list[str] = []
    """Columns of the elements of records that are arrays; a shorter one leaves the last of
    them empty, a longer one is rejected."""
    format: Literal["json", "ndjson", "csv"] = "json"
    """What bodies are: one JSON document, one record a line, or CSV."""
    csv: CsvFormat | None = None
    """How lines of CSV are written, where not as RFC 4180 says."""
    paginator: Paginator = NoPaginator()
    """How one page leads to the next; where unset one response holds everything."""
    parent: Parent | None = None
    """A pipeline of the same API, whose every record is asked for what belongs to it: its name
    within the team, or "team.name". Its source is read whole, and lands nothing here."""
    carry: dict[str, str] = {}
    """Columns that each record gets from its parent: column = dotted path in the parent."""
    parallel: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    """Chains (steps, children, files) read side by side; where unset as many as the API's
    concurrency, 64 for "auto"."""
    on_not_found: Literal["fail", "empty"] = "fail"
    """What 404 means where a first page is asked for: a fault, or no records."""
    export: Export | None = None
    """Ask for a report, wait for it, read its files."""
    on_shift: Literal["fail", "warn", "retry"] = "fail"
    """What to do when the records received differ from the stated total, or it changed."""
    rate_limit: RateLimit | None = None
    """Beside the API's own: both must grant."""
    retry: Retry | None = None
    """In place of the API's."""
    max_page_bytes: ByteSize = ByteSize(64 * 1024**2)
    """Largest body of one page, decompressed."""
    capture: Literal["pages"] | None = None
    """Keep the responses too, beside the data: `bronze replay` decodes them again without the
    API."""

    @property
    def list_path(self) -> str | None:
        """The dotted path of the one list of records; None where it is the body itself, where
        there are several, or where no dotted path says the same as a JSONPath."""
        if isinstance(self.records, list):
            return None
        if self.records is None or not self.records.startswith("$"):
            return self.records
        try:
            names = parse_selector(self.records).names
        except ValueError:  # told by record_rules
            return None
        return ".".join(names) if names and not any("." in name for name in names) else None


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline that a source's parents come from. In TOML its name."""

    name: str
    source: HttpSourceConfig


DatabaseSourceConfig = PostgresSourceConfig | AdbcSourceConfig
BUILT_IN: Final = frozenset({"http", "postgres", "adbc", "files"})
"""The tags of our own sources."""

SourceConfig = HttpSourceConfig | DatabaseSourceConfig | FilesSourceConfig | CustomSource


def captures_pages(source: SourceConfig) -> bool:
    """Whether a source keeps the responses that its rows came in."""
    return isinstance(source, HttpSourceConfig) and source.capture is not None
